"""The export: equal to what the journal says, deterministic, and every byte of it guarded."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp

from mithridate.errors import InputError, LedgerError
from mithridate.ledger.audit.procedure import ChainAudit, audit_chain
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.export import DEPTH, MAGIC, NETWORK, ExportChronicle, export, is_export

Scene = Any
KIND, CHAIN, START, STUDY, BLOCKS, PROOFS = range(6)


def written(journal: Path, out: Path, study: bytes = b"{}") -> Path:
    chronicle = JournalChronicle(journal)
    export(chronicle, out, study)
    chronicle.close()
    return out


@pytest.fixture(scope="module")
def exported(finished: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(finished.path, tmp_path_factory.mktemp("export") / "study.mlx")


@pytest.fixture(scope="module")
def begun(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a study up to its first attempt."""
    return written(small, tmp_path_factory.mktemp("export") / "small.mlx")


def content_of(path: Path) -> Any:
    return decode(zlib.decompress(path.read_bytes()[len(MAGIC) : -32]), DEPTH)


def forged(path: Path, content: Any) -> Path:
    """An export with this content and the right digest at its end: what only a forger writes."""
    body = MAGIC + zlib.compress(rlp.encode(content), 1)
    path.write_bytes(body + hashlib.sha256(body).digest())
    return path


def audit_of(path: Path) -> ChainAudit:
    return audit_chain(ExportChronicle(path))


def test_an_export_is_audited_like_its_journal(exported: Path, finished: Scene) -> None:
    chronicle = JournalChronicle(finished.path)
    direct, offline = audit_chain(chronicle), audit_of(exported)
    chronicle.close()
    assert not offline.findings
    assert offline.state_compared
    assert (offline.head, offline.height) == (direct.head, direct.height)
    assert offline.findings.compared == direct.findings.compared


def test_equal_chains_give_equal_bytes(exported: Path, finished: Scene, tmp_path: Path) -> None:
    assert written(finished.path, tmp_path / "again.mlx").read_bytes() == exported.read_bytes()


def test_what_was_written_is_told(finished: Scene, tmp_path: Path) -> None:
    chronicle = JournalChronicle(finished.path)
    told = export(chronicle, tmp_path / "told.mlx")
    chronicle.close()
    data = (tmp_path / "told.mlx").read_bytes()
    assert (told.sha256, told.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert told.blocks == audit_of(tmp_path / "told.mlx").height
    assert is_export(tmp_path / "told.mlx")
    assert not is_export(finished.path)


def test_a_file_is_never_overwritten(finished: Scene, exported: Path) -> None:
    before = exported.read_bytes()
    with pytest.raises(InputError, match="exists"):
        written(finished.path, exported)
    assert exported.read_bytes() == before


def test_each_altered_byte_is_found(begun: Path, tmp_path: Path) -> None:
    data, path = bytearray(begun.read_bytes()), tmp_path / "altered.mlx"
    for place in range(len(data)):
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        data[place] ^= 1 << place % 8
        with pytest.raises(LedgerError):
            ExportChronicle(path)


@pytest.mark.parametrize("cut", [0, 1, 32, 33, 1000])
def test_a_file_cut_short_or_long_is_found(begun: Path, tmp_path: Path, cut: int) -> None:
    data = begun.read_bytes()
    for other in (data[: len(data) - cut - 1], data + bytes(cut + 1), data[cut + 1 :]):
        (tmp_path / "cut.mlx").write_bytes(other)
        with pytest.raises(LedgerError):
            ExportChronicle(tmp_path / "cut.mlx")


def leaves(content: Any) -> Iterator[tuple[int, ...]]:
    yield from ((START, 0), (START, 1), (CHAIN,))
    for number, (_, raw, receipts) in enumerate(content[BLOCKS]):
        yield (BLOCKS, number, 0)
        yield from ((BLOCKS, number, 1, place) for place in range(len(raw)))
        yield from ((BLOCKS, number, 2, place) for place in range(len(receipts)))


def flipped(content: Any, where: tuple[int, ...], at: int) -> Any:
    *way, last = where
    inner = content
    for place in way:
        inner = inner[place]
    data = bytearray(inner[last])
    data[at % len(data)] ^= 1
    inner[last] = bytes(data)
    return content


@pytest.mark.parametrize("start", range(5))
def test_each_altered_part_under_a_right_digest_is_found(begun: Path, tmp_path: Path, start: int) -> None:
    """Genesis, chain number, each header, transaction and receipt; a byte of each, another one each time."""
    for count, where in enumerate(list(leaves(content_of(begun)))[start::5]):
        path = forged(tmp_path / "forged.mlx", flipped(content_of(begun), where, 7 * count + start))
        try:
            found = bool(audit_of(path).findings)
        except LedgerError:
            found = True
        assert found, where


@pytest.mark.parametrize("change", ["drop", "swap", "repeat"])
def test_blocks_that_are_dropped_swapped_or_repeated_are_found(begun: Path, tmp_path: Path, change: str) -> None:
    content = content_of(begun)
    blocks = content[BLOCKS]
    content[BLOCKS] = {
        "drop": [*blocks[:2], *blocks[3:]],
        "swap": [*blocks[:2], blocks[3], blocks[2], *blocks[4:]],
        "repeat": [*blocks[:3], *blocks[2:]],
    }[change]
    audit = audit_of(forged(tmp_path / "forged.mlx", content))
    assert {finding.topic for finding in audit.findings} == {"chain"}
    assert audit.height in (2, 3)


def network(content: Any, mint: Any) -> Any:
    content[KIND], content[START] = NETWORK, [b"", mint.genesis]
    content[BLOCKS] = mint.blocks(content[BLOCKS])
    return content


@pytest.fixture(params=["clique", "ibft"])
def sealers(request: pytest.FixtureRequest, mint: Callable[..., Any]) -> Any:
    return mint(request.param)


def test_a_networks_chain_is_bound_by_its_headers(exported: Path, tmp_path: Path, sealers: Any) -> None:
    """An embedded chain's blocks have Ethereum's form: sealed, they are read as a network's, without any EVM."""
    audit = audit_of(forged(tmp_path / "network.mlx", network(content_of(exported), sealers)))
    assert [str(finding) for finding in audit.findings] == []
    assert not audit.state_compared
    assert audit.reputation[-1][1] == [0.75, 0.75, 0.5, 0.75]
    assert audit.sealed is not None
    assert audit.sealed.consensus == sealers.kind
    assert audit.findings.compared["seals"] == audit.height


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_networks_altered_block_is_found(exported: Path, tmp_path: Path, part: int, sealers: Any) -> None:
    content = network(content_of(exported), sealers)
    for number in (0, 3, 20):
        where = (BLOCKS, number, part) if part == 0 else (BLOCKS, number, part, 0)
        audit = audit_of(forged(tmp_path / "network.mlx", flipped(content, where, 40)))
        assert {finding.topic for finding in audit.findings} & {"chain", "seals"}
        assert audit.height in (number, number + 1)
        flipped(content, where, 40)


def test_each_altered_part_of_a_networks_chain_is_found(begun: Path, tmp_path: Path, sealers: Any) -> None:
    """Genesis, each header, transaction and receipt under a right digest, the last block's seals included."""
    content = network(content_of(begun), sealers)
    last = (BLOCKS, len(content[BLOCKS]) - 1, 0)
    parts = [(where, 7 * count) for count, where in enumerate(leaves(content)) if where not in ((START, 0), (CHAIN,))]
    seals = [(last, -place) for place in range(1, 150, 3)]
    for where, place in parts + seals:
        path = forged(tmp_path / "forged.mlx", flipped(content, where, place))
        flipped(content, where, place)
        try:
            found = bool(audit_of(path).findings)
        except LedgerError:
            found = True
        assert found, (where, place)


def test_a_block_sealed_by_a_stranger_is_found(begun: Path, tmp_path: Path, sealers: Any) -> None:
    content = network(content_of(begun), sealers)
    block = content[BLOCKS][-1]
    block[0] = sealers.seal(block[0], by=[sealers.stranger])
    audit = audit_of(forged(tmp_path / "forged.mlx", content))
    assert [finding.topic for finding in audit.findings if finding.topic != "rules"] == ["seals"]
    assert audit.height == len(content[BLOCKS]) - 1


def test_a_networks_chain_without_sealers_is_no_export(begun: Path, tmp_path: Path, sealers: Any) -> None:
    content = network(content_of(begun), sealers)
    for genesis in (b"", sealers.header(0, bytes(32), b""), content[BLOCKS][0][0]):
        content[START] = [b"", genesis]
        with pytest.raises(LedgerError, match="genesis block"):
            ExportChronicle(forged(tmp_path / "forged.mlx", content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        [],
        [b"embedded"] * 6,
        [b"other", b"\1", [b"\1", bytes(32)], b"", [], []],
        [b"embedded", b"\1", [b"\1"], b"", [], []],
        [b"embedded", b"\1", [b"\1", bytes(32)], b"", [[b"header", [], []]], []],
        [b"embedded", b"\x4d\x49\x54\x48", [b"\xff" * 9, bytes(32)], b"", [], []],
        [b"embedded", b"\x4d\x49\x54\x48", [b"\1", bytes(32)], b"", [[[], [], []]], []],
        [b"embedded", b"\x4d\x49\x54\x48", [b"\1", bytes(32)], b"", [[b"", [[]], []]], []],
        [b"embedded", b"\x4d\x49\x54\x48", [b"\1", bytes(32)], b"", [], [b"proof"]],
    ],
    ids=str,
)
def test_content_of_another_form_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(LedgerError):
        ExportChronicle(forged(tmp_path / "other.mlx", content))


def test_a_header_that_is_none_is_a_finding(begun: Path, tmp_path: Path) -> None:
    for header in (b"", b"\xc0", b"\x80", b"\xc1" * 200, bytes(600)):
        content = content_of(begun)
        content[BLOCKS][0][0] = header
        assert audit_of(forged(tmp_path / "forged.mlx", content)).findings


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithridate.ledger.export.MAX_CONTENT_BYTES", 1 << 20)
    with pytest.raises(LedgerError, match="more than"):
        ExportChronicle(forged(tmp_path / "bomb.mlx", bytes(1 << 21)))


def test_a_file_that_is_too_large_is_not_read(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithridate.ledger.export.MAX_FILE_BYTES", 1000)
    with pytest.raises(LedgerError, match="more than 1000 bytes"):
        ExportChronicle(begun)


def test_an_altered_journal_is_not_exported(finished: Scene, tmp_path: Path, record: Callable[..., Path]) -> None:
    with pytest.raises(LedgerError):
        written(record(finished.path, "UPDATE blocks SET header = zeroblob(9) WHERE number = 5"), tmp_path / "x.mlx")
    assert not (tmp_path / "x.mlx").exists()


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    import sqlite3
    from contextlib import closing

    def altered(journal: Path, statement: str) -> Path:
        path = tmp_path / "ledger.sqlite"
        path.write_bytes(journal.read_bytes())
        with closing(sqlite3.connect(path)) as database:
            database.execute(statement)
            database.commit()
        return path

    return altered


def nested(depth: int) -> bytes:
    value: Any = b""
    for _ in range(depth):
        value = rlp.encode([]) if value == b"" else rlp.encode([rlp.decode(value)])
    return bytes(value)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_nesting_is_bounded(depth: int) -> None:
    decode(nested(depth), depth)
    with pytest.raises(LedgerError, match="nested"):
        decode(nested(depth + 1), depth)


def test_deep_nesting_does_not_end_the_process() -> None:
    with pytest.raises(LedgerError):
        decode(b"\xc1" * 500_000, 4)


@pytest.mark.parametrize("data", [b"", b"\x81\x01", b"\xc1", b"\xc0\x00", b"\xb8\x01\x00", b"\xff" * 9])
def test_what_is_no_rlp_is_refused(data: bytes) -> None:
    with pytest.raises(LedgerError):
        decode(data, 4)
