"""Calls and events by name: every event has its sentence, every call is read back as it was made."""

import contextlib
import itertools
from typing import Any

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.audit.announced import TABLE
from mithridate.ledger.chronicle import Log, read_receipt, read_transaction
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.codec import ContractCodec
from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import CONTRACTS, Deployment
from mithridate.ledger.reading import Interface, Reader, Said, creation_of
from mithridate.ledger.words import SENTENCES, in_words, plain_values

Scene = Any
SOMEBODY = "0x" + "Ab" * 20


def events() -> list[tuple[str, Any]]:
    return [(name, entry) for name in CONTRACTS for entry in contract(name).abi if entry["type"] == "event"]


def test_every_event_has_a_sentence_and_no_other_has() -> None:
    assert {f"{name}.{entry['name']}" for name, entry in events()} == set(SENTENCES)


@pytest.mark.parametrize(("name", "entry"), events(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_sentence_uses_values_that_the_event_has(name: str, entry: Any) -> None:
    values: dict[str, Any] = {"string": "because", "bool": True, "bytes": b"\0\1", "bytes32": bytes(32), "uint256": 1}
    given = {i["name"]: values.get(i["type"], SOMEBODY if i["type"] == "address" else [1]) for i in entry["inputs"]}
    sentence = in_words(Said(name, entry["name"], given))
    assert "{" not in sentence
    assert "None" not in sentence


def test_the_audit_compares_events_that_exist() -> None:
    assert set(TABLE) <= {(name, entry["name"]) for name, entry in events()}


def test_a_call_is_read_as_it_was_made() -> None:
    data = ContractCodec.of("Study").call("vote_void", [3, 1, "no agreement"])
    said = Interface.of("Study").call(data)
    assert said == Said("Study", "vote_void", {"round_number": 3, "attempt": 1, "reason": "no agreement"})


def test_a_read_changes_nothing() -> None:
    assert Interface.of("Study").call(ContractCodec.of("Study").call("begun", [])) is None


@pytest.mark.parametrize("data", [b"", b"\1\2\3", b"\1\2\3\4", bytes(100)])
def test_what_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(LedgerError):
        Interface.of("Study").call(data)


def test_a_call_with_values_cut_off_is_refused() -> None:
    data = ContractCodec.of("Study").call("submit", [1, 0, bytes(32)])
    with pytest.raises(LedgerError):
        Interface.of("Study").call(data[:-1])


def test_a_vote_is_read_only_in_its_one_encoding() -> None:
    reader = Reader(Deployment({name: f"0x{index:040x}" for index, name in enumerate(CONTRACTS)}))
    target = f"0x{0:040x}"
    data = ContractCodec.of("Consortium").call("set_threshold", [2])
    assert reader.decision(target, data) == Said("Consortium", "set_threshold", {"_threshold": 2})
    for other in (data + b"\0", data + bytes(32)):
        with pytest.raises(LedgerError, match="no client"):
            reader.decision(target, other)
    with pytest.raises(LedgerError, match="no contract of this study"):
        reader.decision(SOMEBODY, data)


def test_text_that_is_not_ascii_is_shown_as_question_marks() -> None:
    codec = ContractCodec.of("Study")
    data = codec.call("vote_void", [1, 0, "grün"])
    said = Interface.of("Study").call(data)
    assert said is not None
    assert said.values["reason"] == "gr??n"


def test_events_of_others_are_passed_over_and_strange_ones_refused(finished: Scene) -> None:
    reader = Reader(finished.chain.deployment)
    assert reader.event(Log(SOMEBODY, (bytes(32),), b"")) is None
    study = finished.chain.deployment.addresses["Study"]
    for topics in ((), (bytes(32),)):
        with pytest.raises(LedgerError, match="no such event"):
            reader.event(Log(study, topics, b""))


def test_the_first_contracts_are_recognised(finished: Scene) -> None:
    chronicle = JournalChronicle(finished.path)
    first = next(iter(chronicle.blocks()))
    made = [creation for each in first.transactions if (creation := creation_of(each)) is not None]
    chronicle.close()
    assert [creation.name for creation in made] == list(CONTRACTS)
    assert {creation.name: creation.address for creation in made} == dict(finished.chain.deployment.addresses)
    assert {creation.sender for creation in made} == {finished.accounts["administrator"].address}


@pytest.mark.parametrize("data", [b"", b"\0", b"\3" + bytes(50), b"\xc0", b"\xc9" + b"\1" * 9, b"\2\xc0", b"\xc1" * 99])
def test_what_is_no_transaction_or_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(LedgerError):
        read_transaction(data)
    with pytest.raises(LedgerError):
        read_receipt(data)


def test_a_transaction_with_a_bit_flipped_is_read_or_refused(finished: Scene) -> None:
    chronicle = JournalChronicle(finished.path)
    raw = next(iter(chronicle.blocks())).transactions[0].raw
    chronicle.close()
    # Type and length come first: a flipped one leads to another kind of transaction, with fields too many or too few.
    for place, bit in itertools.product(range(12), range(8)):
        altered = bytearray(raw)
        altered[place] ^= 1 << bit
        with contextlib.suppress(LedgerError):
            assert read_transaction(bytes(altered)).raw != raw


def test_values_are_told_in_hexadecimal() -> None:
    said = Said("Study", "Drawn", {"round_number": 1, "attempt": 0, "seed": b"\xab" * 32, "committee": [b"\1"]})
    assert plain_values(said) == {"round_number": 1, "attempt": 0, "seed": "ab" * 32, "committee": ["01"]}
