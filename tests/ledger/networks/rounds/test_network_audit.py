"""A study on real networks, audited, exported and followed through a hospital's node, and through one that lies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from mithridate.errors import InputError
from mithridate.ledger.audit.procedure import ChainAudit, audit_chain
from mithridate.ledger.block_json import header_of
from mithridate.ledger.chronicle_network import NetworkChronicle
from mithridate.ledger.export import ExportChronicle, export
from mithridate.ledger.interface import Phase
from mithridate.ledger.seals.clique import seal_digest
from mithridate.ledger.seals.header import read_fields
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


def released(study: Study) -> int:
    """A round that came to a model; played only if the last one did not."""
    latest = study.coordinator.latest()
    return latest.round if latest is not None and latest.phase is Phase.RELEASED else played(study)


def chronicle(study: Study, local: Local) -> NetworkChronicle:
    return NetworkChronicle([local.followers[0].url], local.finality)


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
    assert source.unbound == 0


def test_every_block_is_sealed_by_the_networks_sealers(study: Study, local: Local) -> None:
    audit = audited(study, chronicle(study, local))
    assert audit.sealed is not None
    assert audit.sealed.consensus == local.kind
    assert audit.sealed.sealed.total() == audit.height == audit.findings.compared["seals"]
    assert set(audit.sealed.sealed) <= set(audit.sealed.sealers)
    assert len(audit.sealed.sealers) == len(local.sealers)


def test_signatures_after_the_majority_are_counted(study: Study, local: Local) -> None:
    number = played(study)
    study.validators[2].attest_verdicts(number, 0, bytes(3))
    study.validators[2].attest_model(number, 0, study.model(number))
    study.validators[2].vote_release(number, 0, False)
    study.same_everywhere()
    audit = audited(study, chronicle(study, local))
    assert [str(finding) for finding in audit.findings] == []
    assert audit.attempts[number, 0].supporters == {"Bound": 3, "Finalised": 3, "release": 2}


def test_an_export_needs_no_node(study: Study, local: Local, tmp_path: Path) -> None:
    number = released(study)
    source = chronicle(study, local)
    export(source, tmp_path / "study.mlx")
    source.close()
    audit = audited(study, ExportChronicle(tmp_path / "study.mlx"))
    assert [str(finding) for finding in audit.findings] == []
    assert audit.ledger is not None
    assert audit.ledger.attempt(number, 0).phase == Phase.RELEASED
    assert audit.sealed is not None
    assert audit.sealed.sealed.total() == audit.height


def test_events_are_followed(study: Study, local: Local) -> None:
    number = released(study)
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
    audit = audited(study, NetworkChronicle([liar.url], local.finality))
    assert "chain" in {finding.topic for finding in audit.findings}
    # One honest node beside it is enough for what a header binds; that a header is false, they settle by two of three.
    honest = [local.sealers[0].url, local.sealers[1].url]
    source = NetworkChronicle([liar.url, *honest], local.finality, agreement=2)
    audit = audited(study, source)
    assert [str(finding) for finding in audit.findings] == []
    assert set(source.suspects) <= {liar.url}


def resealed(block: Any) -> Any:
    """The same block of Clique sealed by a key that is no sealer's, its hash right."""
    fields = read_fields(header_of(block))
    seal = PrivateKey(b"\1" * 32).sign_msg_hash(seal_digest(fields)).to_bytes()
    fields[12] = fields[12][:-65] + seal
    return block | {"extraData": "0x" + fields[12].hex(), "hash": "0x" + keccak(rlp.encode(fields)).hex()}


def with_committed(block: Any, change: Callable[[list[bytes]], list[bytes]]) -> Any:
    """The same block of IBFT with other committed seals, which its hash does not cover."""
    extra = bytes.fromhex(block["extraData"][2:])
    validators, proposer, committed, parent, number = rlp.decode(extra[32:])
    changed = extra[:32] + rlp.encode([validators, proposer, change(committed), parent, number])
    return block | {"extraData": "0x" + changed.hex()}


def flipped(seal: bytes) -> bytes:
    return bytes([*seal[:25], seal[25] ^ 4, *seal[26:]])


def with_too_few_seals(block: Any) -> Any:
    return with_committed(block, lambda seals: seals[:2])


def with_an_altered_seal(block: Any) -> Any:
    """One bit of a seal is another; under Clique the hash is made to fit."""
    if block["mixHash"] != "0x" + "00" * 32:
        return with_committed(block, lambda seals: [*seals[:-1], flipped(seals[-1])])
    fields = read_fields(header_of(block))
    extra = fields[12][:-65] + flipped(fields[12][-65:])
    changed = block | {"extraData": "0x" + extra.hex()}
    return changed | {"hash": "0x" + keccak(header_of(changed)).hex()}


def with_last_block(local: Local, relay: Any, alter: Alter) -> Any:
    """A relay whose chain ends with a block that is altered: no later one binds it."""
    node = local.followers[0]
    head = node.request("eth_getBlockByNumber", "latest", False)
    last = hex(int(head["number"], 16) - local.finality)

    def lie(asked: str, parameters: Any, ask: Callable[[], Any]) -> Any:
        if asked == "eth_getBlockByNumber" and parameters[0] == "latest":
            return head
        answer = ask()
        return alter(answer) if asked == "eth_getBlockByNumber" and parameters[0] == last else answer

    liar = relay(node.url)
    liar.alter = lie
    return liar


@pytest.mark.parametrize("altered", [False, True])
def test_a_seal_that_is_false_is_found(study: Study, local: Local, relay: Any, altered: bool) -> None:
    missing: Alter = resealed if local.kind == "clique" else with_too_few_seals
    liar = with_last_block(local, relay, with_an_altered_seal if altered else missing)
    audit = audited(study, NetworkChronicle([liar.url], local.finality))
    assert {finding.topic for finding in audit.findings if finding.topic != "rules"} == {"seals"}
    # Under Clique two honest nodes of three outvote it; under IBFT another one has the seals that it withholds.
    honest, other = local.sealers[0].url, local.sealers[1].url
    order = [liar.url, honest, other] if local.kind == "clique" else [honest, liar.url]
    source = NetworkChronicle(order, local.finality, agreement=2)
    assert [str(finding) for finding in audited(study, source).findings] == []
    assert list(source.suspects) == [liar.url]


def test_nodes_of_two_organisations_must_tell_the_same_header(study: Study, local: Local, relay: Any) -> None:
    """A chain that the sealers never saw: under Clique one sealer's key is enough to make its last block."""
    liar = with_last_block(
        local, relay, resealed if local.kind == "clique" else lambda block: block | {"number": "0x1"}
    )
    audit = audited(study, NetworkChronicle([liar.url, local.sealers[0].url], local.finality, agreement=2))
    reasons = [finding.what for finding in audit.findings if finding.topic == "chain"]
    assert len(reasons) == 1
    assert "answer differently about the same block" in reasons[0] or "fewer than 2 nodes answer" in reasons[0]
    assert liar.url in reasons[0]


@pytest.mark.parametrize("field", ["mixHash", "extraData"])
def test_a_false_genesis_block_hides_no_seals(study: Study, local: Local, relay: Any, field: str) -> None:
    """With its right hash, and made to look like one of a consensus whose hash nobody here can compute."""
    liar = relay(local.followers[0].url)

    def lie(asked: str, parameters: Any, ask: Callable[[], Any]) -> Any:
        first = asked == "eth_getBlockByNumber" and parameters[0] == "0x0"
        false = {"extraData": "0x" + "07" * 33} if field == "extraData" else {"mixHash": "0x" + "07" * 32}
        return ask() | false if first else ask()

    liar.alter = lie
    if local.kind == "clique" or field == "extraData":
        audit = audited(study, NetworkChronicle([liar.url], local.finality))
        assert {finding.topic for finding in audit.findings} & {"chain", "seals"}
    for order in ([liar.url, local.sealers[0].url], [local.sealers[0].url, liar.url]):
        audit = audited(study, NetworkChronicle(order, local.finality, agreement=2))
        assert {finding.topic for finding in audit.findings} & {"chain", "seals"}


def test_more_nodes_must_agree_than_are_named(local: Local) -> None:
    with pytest.raises(InputError, match="3 nodes cannot agree where 2"):
        NetworkChronicle([node.url for node in local.sealers[:2]], local.finality, agreement=3)
