from contextlib import suppress
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from mithridate.errors import LedgerError
from mithridate.ledger.codec import ContractCodec, printable, revert_reason
from mithridate.ledger.compile import contract
from mithridate.ledger.rules import SENTENCES, rule_violation

HASH = bytes([7]) * 32


@pytest.fixture(scope="module")
def codec() -> ContractCodec:
    return ContractCodec(contract("Study").abi)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("submit", [3, 1, HASH]),
        ("vote_release", [3, 1, True]),
        ("attest_verdicts", [3, 1, bytes(40)]),
        ("vote_void", [3, 1, "no agreement"]),
        ("admit", ["0x" + "5a" * 20, 5]),
        ("validators", []),
    ],
)
def test_a_call_is_encoded_as_web3_encodes_it(codec: ContractCodec, name: str, arguments: list[Any]) -> None:
    theirs = Web3().eth.contract(abi=contract("Study").abi)
    values = [
        Web3.to_checksum_address(value) if name == "admit" and value == arguments[0] else value for value in arguments
    ]
    assert "0x" + codec.call(name, arguments).hex() == theirs.encode_abi(name, args=values)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("submit", [-1, 0, HASH]),
        ("submit", [2**256, 0, HASH]),
        ("submit", [1, 0, HASH + b"\0"]),
        ("submit", ["1", 0, HASH]),
        ("submit", [1, 0]),
        ("admit", ["hospital", 5]),
        ("vote_release", [1, 0, 1]),
    ],
)
def test_values_that_fit_no_type_are_refused(codec: ContractCodec, name: str, arguments: list[Any]) -> None:
    with pytest.raises(LedgerError, match=name):
        codec.call(name, arguments)


@pytest.mark.parametrize("name", ["attempt_state", "hospital_page", "digest_page", "validators", "begun", "study_id"])
@given(data=st.binary(max_size=700))
def test_an_answer_that_cannot_be_read_is_a_ledger_error(codec: ContractCodec, name: str, data: bytes) -> None:
    with suppress(LedgerError):
        codec.result(name, data)


@pytest.mark.parametrize("name", ["attempt_state", "hospital_page", "begun"])
def test_an_empty_answer_is_refused(codec: ContractCodec, name: str) -> None:
    with pytest.raises(LedgerError, match=name):
        codec.result(name, b"")


def test_a_single_value_comes_bare(codec: ContractCodec) -> None:
    assert codec.result("study_id", HASH) == HASH
    assert codec.result("hospital_count", (5).to_bytes(32, "big")) == 5


def test_the_reason_of_a_revert_is_read() -> None:
    assert revert_reason(bytes.fromhex("08c379a0") + encode(["string"], ["wrong phase"])) == "wrong phase"


@pytest.mark.parametrize("data", [b"", b"\x08", bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71") + bytes(32)])
def test_a_revert_without_a_reason_has_none(data: bytes) -> None:
    assert revert_reason(data) == ""


@given(st.binary(max_size=300))
def test_hostile_reverts_yield_printable_text(data: bytes) -> None:
    assert printable(revert_reason(bytes.fromhex("08c379a0") + data).encode()).isprintable()


@given(st.binary())
def test_text_of_others_is_made_printable(text: bytes) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert shown.isascii()
    assert shown.isprintable()


def test_an_unknown_reason_is_shown_as_it_is() -> None:
    assert rule_violation("new rule").reason == "new rule"
    assert "new rule" in str(rule_violation("new rule"))
    assert "none given" in str(rule_violation(""))
    assert all(str(rule_violation(reason)) == sentence for reason, sentence in SENTENCES.items())
