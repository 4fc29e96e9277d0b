"""What the service says of blocks, transactions and receipts is what an auditor reads it back as, of every type."""

from typing import Any

import pytest

from mithridate.ledger.block_json import header_of, receipt_of, transactions_of
from mithridate.ledger.service.forms import block_form, receipt_form

Notes = Any
TYPES = {
    "legacy": {},
    "access list": {"type": 1, "accessList": [{"address": "0x" + "11" * 20, "storageKeys": ["0x" + "22" * 32]}]},
    "fees": {"type": 2, "gasPrice": None},
}


@pytest.fixture(params=TYPES.values(), ids=TYPES.keys())
def block(notes: Notes, request: pytest.FixtureRequest) -> Any:
    notes.sent(*(notes.note(notes.writer, text, **request.param) for text in "ab"))
    return notes.chain.head


def test_an_auditor_reads_back_what_was_sealed(block: Any) -> None:
    form = block_form(block, full=True)
    assert header_of(form) == block.header
    assert transactions_of(form) == list(block.transactions)
    assert [receipt_of(receipt_form(block, place)) for place in range(2)] == [each.encoded for each in block.receipts]


def test_what_is_derived_is_right(notes: Notes, block: Any) -> None:
    first, second = (receipt_form(block, place) for place in range(2))
    assert int(first["gasUsed"], 16) == int(first["cumulativeGasUsed"], 16)
    both = int(first["gasUsed"], 16) + int(second["gasUsed"], 16)
    assert both == int(second["cumulativeGasUsed"], 16) == int(block_form(block, full=False)["gasUsed"], 16)
    assert [log["logIndex"] for each in (first, second) for log in each["logs"]] == ["0x0", "0x1"]
    assert first["from"] == notes.writer.address.lower()
    assert first["to"] == notes.address.lower()
    creation = receipt_form(notes.chain.block(1), 0)
    assert creation["contractAddress"] == notes.address.lower()
    assert creation["to"] is None
    assert block_form(block, full=False)["transactions"] == ["0x" + each.hash.hex() for each in block.transactions]
