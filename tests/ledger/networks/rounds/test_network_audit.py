"""A study on real networks, audited, exported and followed through a hospital's node, and through one that lies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.audit.procedure import ChainAudit, audit_chain
from mithridate.ledger.chronicle_network import NetworkChronicle
from mithridate.ledger.export import ExportChronicle, export
from mithridate.ledger.interface import Phase
from mithridate.ledger.watch import watch

pytestmark = pytest.mark.slow
Study = Any
Local = Any


def played(study: Study) -> int:
    """One more round; returns its number."""
    latest = study.coordinator.latest()
    number = 1 if latest is None else latest.round + 1
    for step in (study.open, study.submit, study.draw, study.bind, study.attest, study.release):
        step(number)
    study.same_everywhere()
    return number


def chronicle(study: Study, local: Local) -> NetworkChronicle:
    return NetworkChronicle(local.followers[0].url, local.finality)


def audited(study: Study, source: Any) -> ChainAudit:
    try:
        return audit_chain(source, study=study.deployment.addresses["Study"])
    finally:
        source.close()


def test_nothing_is_found_in_a_clean_study(study: Study, local: Local) -> None:
    number = played(study)
    source = chronicle(study, local)
    audit = audited(study, source)
    assert [str(finding) for finding in audit.findings] == []
    assert audit.state_compared
    assert audit.ledger is not None
    assert audit.ledger.current_model() == study.model(number)
    assert audit.attempts[number, 0].supporters == {"Bound": 2, "Finalised": 2, "release": 2}
    assert bool(source.unbound) == (local.kind == "ibft")


def test_an_export_needs_no_node(study: Study, local: Local, tmp_path: Path) -> None:
    number = played(study)
    source = chronicle(study, local)
    if local.kind == "ibft":
        with pytest.raises(LedgerError, match="offline"):
            export(source, tmp_path / "study.mlx")
        source.close()
        return
    export(source, tmp_path / "study.mlx")
    source.close()
    audit = audited(study, ExportChronicle(tmp_path / "study.mlx"))
    assert [str(finding) for finding in audit.findings] == []
    assert audit.ledger is not None
    assert audit.ledger.attempt(number, 0).phase == Phase.RELEASED


def test_events_are_followed(study: Study, local: Local) -> None:
    number = played(study)
    events = watch(chronicle(study, local), study=study.deployment.addresses["Study"], pause=lambda: None)
    seen: list[str] = []
    for event in events:
        seen.append(event.said.name)
        if event.said.name == "Released" and event.said.values["round_number"] == number:
            break
    events.close()
    assert seen.index("Begun") < seen.index("RoundOpened") < seen.index("Bound") < seen.index("Released")


Alter = Callable[[Any], Any]


def with_a_topic_changed(receipt: Any) -> Any:
    for log in receipt["logs"]:
        log["topics"][-1] = "0x" + "ab" * 32
    return receipt


def with_status_changed(receipt: Any) -> Any:
    return receipt | {"status": "0x0" if receipt["status"] == "0x1" else "0x1"}


@pytest.mark.parametrize(
    ("method", "alter"),
    [
        ("eth_getTransactionReceipt", with_a_topic_changed),
        ("eth_getTransactionReceipt", with_status_changed),
        ("eth_getTransactionReceipt", lambda receipt: receipt | {"logs": []}),
        ("eth_getTransactionReceipt", lambda receipt: None),
        ("eth_getBlockByNumber", lambda block: block | {"transactions": block["transactions"][1:]}),
        ("eth_getBlockByNumber", lambda block: block | {"transactions": "all"}),
        ("eth_getBlockByNumber", lambda block: block | {"parentHash": "0x" + "cd" * 32}),
        (
            "eth_getBlockByNumber",
            lambda block: block | {"transactions": [t | {"input": "0x00"} for t in block["transactions"]]},
        ),
    ],
    ids=["topic", "status", "no logs", "no receipt", "left out", "no list", "parent", "input"],
)
def test_a_node_that_lies_is_found(study: Study, local: Local, relay: Any, method: str, alter: Alter) -> None:
    if study.coordinator.latest() is None:
        played(study)

    def lie(asked: str, parameters: Any, ask: Callable[[], Any]) -> Any:
        answer = ask()
        filled = asked == method and (method != "eth_getBlockByNumber" or (answer or {}).get("transactions"))
        return alter(answer) if filled and (answer.get("logs") or method != "eth_getTransactionReceipt") else answer

    liar = relay(local.followers[0].url)
    liar.alter = lie
    audit = audited(study, NetworkChronicle(liar.url, local.finality))
    assert "chain" in {finding.topic for finding in audit.findings}
