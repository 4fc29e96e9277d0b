"""What the command of a participant's own node refuses, before it runs and while it does."""

import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from mithridate.cli import main
from mithridate.errors import EnrolmentError, InputError, LedgerError, SealRefused
from mithridate.ledger.node.software import FollowingNode, node_program
from mithridate.ledger.node.terms import NodeTerms, Software
from mithridate.ledger.settings import LedgerSettings
from mithridate.operation.node import _check_new, _node, own_port

ENODE = f"enode://{'ab' * 64}@node.a.example.org:30303"
TERMS = NodeTerms(software=Software.GETH, chain_id=7, peers=(ENODE,))


@pytest.mark.parametrize(
    ("endpoints", "port"),
    [
        (("http://127.0.0.1:8545", "https://node.a.example.org"), 8545),
        (("http://localhost:1",), 1),
        (("https://node.a.example.org", "http://127.0.0.1:8545"), None),
        (("http://127.0.0.1",), None),
        (("https://127.0.0.1:8545",), None),
        (("http://127.0.0.1.example.org:8545",), None),
        ((), None),
    ],
)
def test_a_node_listens_where_its_participant_looks_first(endpoints: tuple[str, ...], port: int | None) -> None:
    settings = LedgerSettings(endpoints=endpoints)
    if port:
        assert own_port(settings) == port
    else:
        with pytest.raises(EnrolmentError, match=r"put http://127\.0\.0\.1:8545 first in `endpoints`"):
            own_port(settings)


def test_a_kit_without_a_genesis_file_says_how_to_get_one(
    own: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["hospital", "node", str(own("hospital-2"))])
    assert ended.value.code == 2
    assert "ask for a kit written with `provision --genesis`" in capfd.readouterr().err


def test_a_program_is_looked_for_in_the_folder_that_is_named_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("named", "variable", "path"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "geth").write_text("#!/bin/sh\n", encoding="utf-8")
    monkeypatch.setenv("MITHRIDATE_NETWORKS", str(tmp_path / "variable"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(InputError, match=r"no program geth.*--programs or the variable MITHRIDATE_NETWORKS"):
        node_program(Software.GETH, tmp_path / "named")
    for name in ("path", "variable", "named"):
        (tmp_path / name / "geth").chmod(0o755)
        assert node_program(Software.GETH, tmp_path / "named") == tmp_path / name / "geth"


def test_every_port_is_told_to_be_loopbacks_and_nothing_to_be_sealed(tmp_path: Path) -> None:
    for software in Software:
        terms = TERMS.model_copy(update={"software": software})
        node = FollowingNode(Path("program"), tmp_path, tmp_path / "genesis.json", terms, 8545)
        joined = " ".join(node.command)
        assert not {"--mine", "--unlock", "--allow-insecure-unlock"} & set(node.command)
        assert "0.0.0.0" not in joined  # noqa: S104 - it is looked for
        assert ("--seal=false" in node.command) == (software is Software.POLYGON_EDGE)


def chronicle(failure: Exception | None) -> Any:
    def blocks() -> Iterator[Any]:
        yield SimpleNamespace(number=1)
        if failure:
            raise failure

    return SimpleNamespace(blocks=blocks, sealed=None)


def test_a_block_that_is_not_sealed_by_the_rules_ends_the_node_and_a_silence_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    with pytest.raises(SealRefused, match="by a stranger"):
        _check_new(chronicle(SealRefused("block 2: sealed by a stranger")), told.append, Event())
    with caplog.at_level(logging.WARNING):
        assert not _check_new(chronicle(LedgerError("no node answers")), told.append, Event())
    assert "cannot be checked now: no node answers" in caplog.text
    assert _check_new(chronicle(None), told.append, Event())
    stopped = Event()
    stopped.set()
    assert not _check_new(chronicle(None), told.append, stopped)


def test_a_port_that_something_listens_at_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = SimpleNamespace(ledger=LedgerSettings(endpoints=(f"http://127.0.0.1:{port}",)), state="state")
        kit: Any = SimpleNamespace(network=TERMS, settings=settings, folder=tmp_path)
        with pytest.raises(LedgerError, match=rf"something listens at 127\.0\.0\.1:{port} already"):
            _node(kit, None)
