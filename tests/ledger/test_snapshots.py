"""Snapshots: what they hold, when they are written, and that a chain goes on from one as from its first block."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak
from trie import HexaryTrie

from mithridate.errors import LedgerError
from mithridate.evaluation.ledger.long_study import long_study, transactions_a_round
from mithridate.ledger.accounts import new_account
from mithridate.ledger.chain import ANCESTORS, EmbeddedChain
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import Role
from mithridate.ledger.journal import Journal
from mithridate.ledger.replay import _state, replay
from mithridate.ledger.rows import BlockRow
from mithridate.ledger.state_nodes import EMPTY_TRIE, missing_nodes

Scene = Any


def snapshot_blocks(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as database:
        return [block for (block,) in database.execute("SELECT block FROM snapshots ORDER BY block")]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithridate.ledger.snapshots.SNAPSHOT_TRANSACTIONS", 1)


def values(count: int, start: int = 0) -> dict[bytes, bytes]:
    return {keccak(b"%d" % number): b"value %d" % number * (1 + number % 9) for number in range(start, start + count)}


def made(entries: dict[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """The root and the nodes of a trie of accounts whose storage, made of `entries`, is a trie of its own."""
    nodes: dict[bytes, bytes] = {}
    storage = HexaryTrie(nodes)
    for key, value in entries.items():
        storage[key] = value
    nodes[keccak(b"code")] = b"code"
    accounts = HexaryTrie(nodes)
    for number in range(5):
        fields = [b"\1", b"", storage.root_hash if number == 3 else EMPTY_TRIE, keccak(b"code" if number == 4 else b"")]
        accounts[keccak(b"account %d" % number)] = rlp.encode(fields)
    return accounts.root_hash, nodes


@pytest.mark.parametrize("count", [0, 1, 2, 40, 300])
def test_the_nodes_of_a_state_are_just_those_that_reading_all_of_it_takes(count: int) -> None:
    entries = values(count)
    root, nodes = made(entries)
    found = missing_nodes(root, nodes.__getitem__, ())
    assert all(keccak(node) == digest for digest, node in found.items())
    read: set[bytes] = set()

    class Reading(dict[bytes, bytes]):
        def __getitem__(self, digest: bytes) -> bytes:
            read.add(digest)
            return super().__getitem__(digest)

    reading = Reading(found)
    accounts = HexaryTrie(reading, root)
    for number in range(5):
        fields = rlp.decode(accounts[keccak(b"account %d" % number)])
        storage = HexaryTrie(reading, fields[2])
        assert number != 3 or all(storage[key] == value for key, value in entries.items())
        if fields[3] != keccak(b""):
            assert reading[fields[3]] == b"code"
    assert read - {EMPTY_TRIE} == found.keys()


def test_a_state_after_another_lacks_only_what_changed() -> None:
    before, after = values(300), values(300) | values(5, 298)
    first, older = made(before)
    second, newer = made(after)
    known = missing_nodes(first, older.__getitem__, ())
    added = missing_nodes(second, newer.__getitem__, known)
    assert known | added | missing_nodes(second, newer.__getitem__, ()) == known | added
    assert 0 < len(added) < len(known) / 5
    assert missing_nodes(second, newer.__getitem__, known | added) == {}


def test_nodes_that_lie_within_their_parents_are_descended_into() -> None:
    nodes: dict[bytes, bytes] = {}
    trie = HexaryTrie(nodes)
    # Keys that differ in their last byte only: their leaves are too short for hashes of their own.
    for number in range(16):
        trie[bytes(31) + bytes([number])] = bytes([number + 1])
    account = [b"\1", b"", trie.root_hash, keccak(b"")]
    accounts = HexaryTrie(nodes)
    accounts[keccak(b"account")] = rlp.encode(account)
    found = missing_nodes(accounts.root_hash, nodes.__getitem__, ())
    storage = HexaryTrie(dict(found), trie.root_hash)
    assert all(storage[bytes(31) + bytes([number])] == bytes([number + 1]) for number in range(16))


def test_a_node_that_is_not_there_is_asked_for() -> None:
    root, nodes = made(values(40))
    del nodes[next(iter(missing_nodes(root, nodes.__getitem__, ()).keys() - {root}))]
    with pytest.raises(KeyError):
        missing_nodes(root, nodes.__getitem__, ())


@pytest.mark.usefixtures("often")
def test_a_ledger_goes_on_from_a_snapshot_as_from_its_first_block(scene: Scene, tmp_path: Path) -> None:
    for height, move in enumerate(
        (scene.enrol, scene.register, scene.begin, scene.open, scene.commit, scene.submit, scene.close), 2
    ):
        move()
        assert snapshot_blocks(scene.path)[-1] == scene.chain.height() >= height
        scene.reopen()
    scene.reveal()
    scene.bind()
    scene.reopen()
    scene.finalise()
    scene.release()
    before = (scene.chain.latest(), scene.chain.height(), scene.stranger.hospitals())
    scene.chain.close()
    for replay_mode in ("snapshot", "all"):
        ledger = EmbeddedLedger.open(scene.path, replay_mode)  # type: ignore[arg-type]
        assert (ledger.latest(), ledger.height(), ledger.reader.hospitals()) == before
        ledger.close()


def test_a_resumed_chain_knows_the_hashes_of_the_blocks_before(photographed: Path) -> None:
    journal = Journal.open(photographed)
    chains = [replay(journal.reader, mode).chain for mode in ("snapshot", "all")]  # type: ignore[arg-type]
    journal.close()
    known = []
    for chain in chains:
        chain.open_block(2**40)
        known.append([bytes(chain._opened().vm.state.get_ancestor_hash(number)) for number in range(chain.height)])
    # The genesis block lies further back than the journal's rows.
    assert known[0][1:] == known[1][1:]
    assert all(any(digest) for digest in known[0][1:])
    assert ANCESTORS == 256


def test_snapshots_come_every_so_many_transactions_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mithridate.ledger.snapshots.SNAPSHOT_TRANSACTIONS", 60)
    path = tmp_path / "ledger.sqlite"
    heights: list[int] = []
    long_study(path, 6, 3, watch=lambda _, chain: heights.append(chain.height()))
    blocks = snapshot_blocks(path)
    assert len(blocks) == 6 * transactions_a_round(3) // 60
    assert blocks[-1] < heights[-1]
    monkeypatch.setattr("mithridate.ledger.snapshots.CLOSING_TRANSACTIONS", 1)
    ledger = EmbeddedLedger.open(path)
    ledger.close()
    # Whoever has written nothing adds no snapshot either.
    assert snapshot_blocks(path) == blocks


def test_a_longer_ledger_ends_with_a_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    long_study(path, 4, 3)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT snapshot = block FROM head").fetchone() == (1,)
    ledger = EmbeddedLedger.open(path)
    assert ledger.latest().round == 4  # type: ignore[union-attr]
    ledger.close()


def test_a_short_ledger_needs_none(scene: Scene) -> None:
    scene.to("committed")
    scene.chain.close()
    assert snapshot_blocks(scene.path) == []


@pytest.mark.usefixtures("often")
def test_a_snapshot_that_cannot_be_written_harms_no_change(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.enrol()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add_snapshot", _full)
        scene.register()
        scene.begin()
    assert snapshot_blocks(scene.path) == [1, 2]
    scene.open()
    assert snapshot_blocks(scene.path) == [1, 2, 5]
    scene.reopen()
    assert scene.chain.latest().round == 1


def _full(*_: object) -> None:
    raise LedgerError("the disk is full")


def enrol_many(scene: Scene) -> None:
    for number in range(100):
        scene.administrator.enrol(new_account().address, Role.HOSPITAL, scene.signing_key(number))


@pytest.mark.usefixtures("often")
def test_a_full_disk_leaves_no_half_of_a_snapshot(scene: Scene) -> None:
    scene.enrol()
    database = scene.chain._network._journal._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(LedgerError, match="cannot be written"):
        enrol_many(scene)
    height = scene.chain.height()
    scene.chain.close()
    for mode in ("all", "snapshot"):
        ledger = EmbeddedLedger.open(scene.path, mode)  # type: ignore[arg-type]
        assert ledger.height() == height - 1
        ledger.close()


@pytest.mark.usefixtures("often")
def test_two_writers_do_not_mix_their_snapshots(scene: Scene) -> None:
    scene.enrol()
    other = EmbeddedLedger.open(scene.path)
    other.as_party(scene.accounts["validator-0"]).register_keys(envelope_key=scene.envelope_key(0))
    with pytest.raises(LedgerError, match="cannot be written"):
        scene.validators[1].register_keys(envelope_key=scene.envelope_key(1))
    other.close()
    scene.reopen()
    assert len(scene.stranger.hospitals()) == 4
    assert scene.stranger.validators()[0].envelope_key == scene.envelope_key(0)


@pytest.mark.usefixtures("often")
def test_a_snapshot_of_another_state_is_named(scene: Scene, photographed: Path, tmp_path: Path) -> None:
    journal = Journal.open(Path(shutil.copy(photographed, tmp_path / "other.sqlite")))
    count = len(journal.reader.nodes())
    journal.add_snapshot(6, {keccak(b"x"): b"x"})
    with pytest.raises(LedgerError, match=r"^the snapshot after block 7: it lacks nodes of that block's state"):
        replay(journal.reader, "snapshot")
    with pytest.raises(LedgerError, match=r"^the snapshot after block 7: it lacks nodes"):
        replay(journal.reader, "all")
    with pytest.raises(LedgerError, match="another process"):
        journal.add_snapshot(6, {})
    assert len(journal.reader.nodes()) == count + 1
    journal.close()


@pytest.mark.parametrize("kind", [b"", b"\x01", b"\xc0", b"\xc1\x80", b"\xc2\x80\x80", b"\xc2\x20\x01"])
def test_a_root_that_is_no_trie_is_refused(photographed: Path, kind: bytes) -> None:
    journal = Journal.open(photographed)
    row = next(iter(_rows(journal)))
    journal.close()
    forged = replace(row, header=replace(row.header, state_root=keccak(kind)))
    with pytest.raises(LedgerError, match="lacks nodes"):
        _state(forged, {keccak(kind): kind})


def _rows(journal: Journal) -> Iterator[BlockRow]:
    timestamp, salt, digest = journal.reader.genesis()
    return journal.reader.blocks(EmbeddedChain.genesis(timestamp, salt).head_hash, timestamp, digest)


def test_a_chain_resumed_from_nothing_is_none() -> None:
    with pytest.raises(IndexError):
        EmbeddedChain.resumed([], {})
