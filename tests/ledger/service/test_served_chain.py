"""A service's chain: what shares a block, what is refused and how, and what is there after it was opened again."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_keys import keys
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chronicle import read_block
from mithridate.ledger.embedded_network import CALL_GAS, EmbeddedNetwork
from mithridate.ledger.network import Reverted
from mithridate.ledger.run_ledger import JOURNAL_FILE
from mithridate.ledger.service.folder import ARCHIVE_FILE
from mithridate.ledger.service.served import GROUP, ServedChain

Notes = Any


def test_what_waits_together_shares_a_block_and_a_refusal_harms_nobody_else(notes: Notes) -> None:
    first = notes.note(notes.writer, "a")
    hash_of_first, refused, again, malformed, last = notes.send(
        first, notes.note(notes.other, "a"), first, b"\xc0", notes.note(notes.writer, "b")
    )
    assert notes.chain.head.number == 2
    assert [each.hash for each in notes.chain.head.transactions] == [hash_of_first, last]
    assert isinstance(refused, Reverted)
    assert b"written already" in refused.output
    assert str(again) == "already known"
    assert "not a signed transaction" in str(malformed)
    assert notes.read("count") == 2


def test_a_block_is_bounded_and_the_rest_stays_in_line(notes: Notes) -> None:
    waiting = iter([notes.note(notes.writer, f"{number}") for number in range(GROUP + 3)])
    assert len(notes.chain.write(waiting)) == GROUP
    assert len(notes.chain.write(waiting)) == 3
    assert [len(notes.chain.block(number).transactions) for number in (2, 3)] == [GROUP, 3]


def test_what_the_network_client_looks_for_is_in_the_refusals(notes: Notes) -> None:
    (known,) = notes.sent(raw := notes.note(notes.writer, "a"))
    assert str(notes.send(raw)[0]) == "already known"
    assert notes.chain.find(known)[1] == 0
    notes.numbers[notes.writer.address] = 0
    assert "nonce too low" in str(notes.send(notes.note(notes.writer, "b"))[0])
    notes.numbers[notes.writer.address] = 9
    assert "future transaction" in str(notes.send(notes.note(notes.writer, "c"))[0])
    assert notes.chain.head.number == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"gas": CALL_GAS + 1}, "exceeds block gas limit"),
        ({"gas": 21_000}, "Insufficient gas"),
        ({"chainId": 1}, "invalid chain id"),
        ({"chainId": 1, "type": 2, "gasPrice": None}, "invalid chain id"),
        ({"value": 1}, "does not accept"),
        ({"gasPrice": 1}, "does not accept"),
    ],
    ids=["gas", "too little gas", "chain", "chain, typed", "value", "price"],
)
def test_transactions_that_no_chain_of_this_number_would_take(notes: Notes, fields: Any, reason: str) -> None:
    (refusal,) = notes.send(notes.note(notes.writer, "a", **fields))
    with pytest.raises(LedgerError, match=reason):
        raise refusal
    assert notes.chain.head.number == 1


def test_a_signature_that_names_no_chain_is_refused(notes: Notes) -> None:
    unsigned = [1, 0, 100_000, to_canonical_address(notes.address), 0, notes.codec.call("write", (bytes(32),))]
    signature = keys.PrivateKey(notes.writer.key).sign_msg_hash(keccak(rlp.encode(unsigned)))
    (refusal,) = notes.send(rlp.encode([*unsigned, signature.v + 27, signature.r, signature.s]))
    assert "invalid chain id" in str(refusal)


def test_a_fault_of_the_evm_costs_its_transaction_only(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, after = notes.note(notes.writer, "a"), notes.note(notes.other, "b"), notes.note(notes.writer, "c")
    apply = type(notes.chain._chain).apply

    def faulty(chain: Any, raw: bytes) -> Any:
        applied = apply(chain, raw)
        if raw == bad:
            chain._open.half_applied = True
            raise RecursionError
        return applied

    monkeypatch.setattr(type(notes.chain._chain), "apply", faulty)
    waiting = iter([good, bad, after])
    first, broken = notes.chain.write(waiting)
    assert "RecursionError" in str(broken)
    assert [each.hash for each in notes.chain.head.transactions] == [first]
    (last,) = notes.chain.write(waiting)
    assert [each.hash for each in notes.chain.head.transactions] == [last]


def test_an_estimate_is_enough_and_leaves_nothing_behind(notes: Notes) -> None:
    asked = notes.asked("write", bytes(32))
    gas = notes.chain.estimate(asked)
    assert notes.chain.estimate(asked) == gas
    data = notes.codec.call("write", (bytes(32),))
    notes.sent(notes.signed(notes.writer, data, gas=gas))
    with pytest.raises(Reverted):
        notes.chain.estimate(asked)
    with pytest.raises(LedgerError, match="no transaction"):
        notes.chain.estimate(notes.asked("write", bytes(31) + b"\1", gas=1))


def test_reads_are_of_the_block_that_they_name(notes: Notes) -> None:
    before = notes.chain.head
    notes.sent(notes.note(notes.writer, "a"))
    after = notes.chain.head
    address = to_canonical_address(notes.writer.address)
    assert [notes.read("count", at=block.hash) for block in (before, after)] == [0, 1]
    assert [notes.chain.count(block.hash, address) for block in (before, after)] == [1, 2]
    assert [notes.read("date", at=block.hash) for block in (before, after)] == [before.timestamp, after.timestamp]
    with pytest.raises(LedgerError, match="missing trie node"):
        notes.chain.call(bytes(32), notes.asked("count"))


def test_an_unfinished_deadline_is_judged_by_the_clock(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: notes.chain.head.timestamp + 1000.5)
    told = notes.codec.result("date", notes.chain.call_next(notes.asked("date")))
    assert told == notes.chain.head.timestamp + 1000


def told(notes: Notes) -> list[Any]:
    return [notes.chain.block(number) for number in range(notes.chain.head.number + 1)]


def test_everything_is_there_after_opening_again(notes: Notes) -> None:
    notes.sent(*(notes.note(notes.writer, f"{number}") for number in range(5)))
    before = told(notes)
    notes.reopen()
    assert told(notes) == before
    assert notes.chain.block(0).number == 0
    assert notes.chain.block(len(before)) is None
    assert notes.read("count") == 5
    for block in before[1:]:
        read_block(block.header, block.transactions, [receipt.encoded for receipt in block.receipts])
    notes.chain.close()
    again = EmbeddedNetwork.open(notes.folder / JOURNAL_FILE, "all")
    assert again.height() == len(before) - 1
    again.close()
    notes.chain = ServedChain(notes.folder)


def test_an_archive_that_is_lost_behind_ahead_or_garbage_is_made_again(notes: Notes) -> None:
    archive = notes.folder / ARCHIVE_FILE
    for text in "abc":
        notes.sent(notes.note(notes.writer, text))
    before = told(notes)
    for damage in (lost, behind, ahead, garbage):
        notes.chain.close()
        damage(archive)
        notes.chain = ServedChain(notes.folder)
        assert told(notes) == before, damage.__name__
        assert notes.chain.find(before[2].transactions[0].hash) == (before[2], 0)


def lost(archive: Path) -> None:
    archive.unlink()


def behind(archive: Path) -> None:
    change(archive, "DELETE FROM blocks WHERE number = 4", "DELETE FROM transactions WHERE block = 4")


def ahead(archive: Path) -> None:
    change(archive, "INSERT INTO blocks SELECT number + 1, header, transactions, receipts FROM blocks WHERE number = 4")


def garbage(archive: Path) -> None:
    archive.write_bytes(b"not a database at all" * 1000)


def change(archive: Path, *statements: str) -> None:
    database = sqlite3.connect(archive)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_an_altered_archive_is_not_told(notes: Notes) -> None:
    for text in "abc":
        notes.sent(notes.note(notes.writer, text))
    hash_of_it = notes.chain.block(2).transactions[0].hash
    notes.chain.close()
    change(
        notes.folder / ARCHIVE_FILE,
        "UPDATE blocks SET receipts = (SELECT receipts FROM blocks WHERE number = 1) WHERE number = 2",
    )
    notes.chain = ServedChain(notes.folder)
    with pytest.raises(LedgerError, match=r"block 2 .* altered"):
        notes.chain.find(hash_of_it)


def test_an_altered_journal_is_not_served(notes: Notes) -> None:
    notes.sent(notes.note(notes.writer, "a"))
    notes.chain.close()
    change(notes.folder / JOURNAL_FILE, "UPDATE blocks SET transactions = x'c0' WHERE number = 2")
    with pytest.raises(JournalAltered, match="block 2"):
        ServedChain(notes.folder)
    change(notes.folder / JOURNAL_FILE, "DELETE FROM blocks WHERE number = 2")
    with pytest.raises(JournalAltered):
        ServedChain(notes.folder)
    notes.folder = notes.folder.with_name("other")
    notes.chain = ServedChain(notes.folder)


def test_nothing_is_taken_after_a_block_that_was_not_written(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    head = notes.chain.head

    def full(block: Any) -> None:
        raise LedgerError("the ledger's journal cannot be written, block 2: disk full")

    monkeypatch.setattr(notes.chain._journal, "append", full)
    (refusal,) = notes.send(notes.note(notes.writer, "a"))
    assert "disk full" in str(refusal)
    assert notes.chain.head == head
    monkeypatch.undo()
    (refusal,) = notes.send(notes.note(notes.writer, "b"))
    assert "open it again" in str(refusal)
    notes.reopen()
    notes.numbers[notes.writer.address] = 1
    notes.sent(notes.note(notes.writer, "a"))
    assert notes.read("count") == 1
