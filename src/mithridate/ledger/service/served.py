"""The chain that a service holds: groups of signed transactions in, sealed and journalled blocks out, and reads."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from eth.abc import StateAPI, VirtualMachineAPI
from eth_utils.address import to_canonical_address

from mithridate.errors import LedgerError
from mithridate.ledger.chronicle import Block, Transaction, read_receipt, read_timestamp
from mithridate.ledger.embedded_network import UNWRITTEN
from mithridate.ledger.network import Reverted
from mithridate.ledger.replay import replay
from mithridate.ledger.service.admission import admitted
from mithridate.ledger.service.asked import Asked, executed, transacted
from mithridate.ledger.service.folder import archive_of, genesis_of, held, journal_in
from mithridate.ledger.snapshots import SnapshotWriter

GROUP = 64
"""Most transactions of a block: about half a second's work, during which nobody else is answered."""
KEPT_MACHINES = 4

Outcome = bytes | LedgerError | Reverted
"""A transaction's hash once it is on the disk, or why it is in no block."""


class ServedChain:
    """A chain in a folder. For one thread at a time; `head` may be read from any.

    Args:
        folder: holds the journal and the archive, both made where they are missing.

    Raises:
        JournalAltered: a row of the journal is not as it was written.
        LedgerError: another process serves the folder, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with ExitStack() as files:
            files.enter_context(held(folder))
            self._journal = files.enter_context(closing(journal_in(folder)))
            with self._journal.reader.one_moment():
                replayed = replay(self._journal.reader, "snapshot")
            self._chain = replayed.chain
            self._snapshots = SnapshotWriter(replayed, self._journal)
            self._archive = files.enter_context(closing(archive_of(folder, self._chain)))
            self._genesis = genesis_of(self._journal)
            self.head: Block = self._archive.block(self._chain.height) or self._genesis
            """The last block that is on the disk."""
            self._files = files.pop_all()
        self._machines: OrderedDict[bytes, VirtualMachineAPI] = OrderedDict()
        self._refusal: str | None = None

    def write(self, waiting: Iterator[bytes]) -> list[Outcome]:
        """Puts transactions into one block, seals it and writes it down.

        Args:
            waiting: signed transactions; as many are taken as one block holds, and as are there when the last was run.

        Returns:
            What became of each that was taken, in order; one that a contract refuses, or that is none, is in no block.
        """
        taken: list[bytes] = []
        reasons: dict[bytes, LedgerError] = {}
        source: Iterator[bytes] = _recorded(islice(waiting, GROUP), taken)
        while True:
            try:
                return self._block_of(source, reasons)
            except _Broken as broken:
                # What breaks the EVM itself spoils its block: it goes, and the others are put into another.
                reasons[broken.raw] = broken.reason
                source = iter(taken)

    def call(self, block_hash: bytes, asked: Asked) -> bytes:
        """What a contract's read returns after a block; raises Reverted, or LedgerError for a state not kept."""
        machine = self._machine(block_hash)
        return executed(machine, asked) if asked.to else transacted(machine, asked)[0]

    def call_next(self, asked: Asked) -> bytes:
        """What a transaction would return in the block that would be sealed now; raises Reverted."""
        return transacted(self._chain.machine_next(self._clock()), asked)[0]

    def estimate(self, asked: Asked) -> int:
        """Gas that is enough for a transaction in the block that would be sealed now; raises Reverted."""
        _, used = transacted(self._chain.machine_next(self._clock()), asked)
        # Each call leaves a 64th of its gas to the caller (EIP-150): a quarter more is enough for 14 of them.
        return min(asked.gas, used + used // 4)

    def code(self, block_hash: bytes, address: bytes) -> bytes:
        """The code at an address after a block."""
        return bytes(self._state(block_hash).get_code(address))

    def count(self, block_hash: bytes, address: bytes) -> int:
        """How many transactions an account had sent after a block."""
        return int(self._state(block_hash).get_nonce(address))

    def block(self, number: int) -> Block | None:
        """A block by its number, from 0; None if there is none as yet."""
        if number == 0:
            return self._genesis
        return self._archive.block(number) if number <= self.head.number else None

    def find(self, transaction: bytes) -> tuple[Block, int] | None:
        """The block that holds the transaction of a hash, and its place in it."""
        return self._archive.find(transaction)

    def close(self) -> None:
        """Closes the files, after a snapshot where it saves the next opening much."""
        if self._refusal is None:
            self._snapshots.closing()
        self._files.close()

    def _block_of(self, waiting: Iterator[bytes], reasons: Mapping[bytes, LedgerError]) -> list[Outcome]:
        if self._refusal:
            return [LedgerError(self._refusal) for _ in waiting]
        self._chain.open_block(self._clock())
        outcomes: list[Outcome] = []
        applied: list[tuple[Transaction, bytes]] = []
        hashes: set[bytes] = set()
        try:
            for raw in waiting:
                outcomes.append(reasons.get(raw) or self._applied(raw, applied, hashes))
        except BaseException:
            self._chain.drop_block()
            raise
        return self._write_down(outcomes, applied)

    def _applied(self, raw: bytes, applied: list[tuple[Transaction, bytes]], hashes: set[bytes]) -> Outcome:
        try:
            transaction = admitted(raw)
            if transaction.hash in hashes or self._archive.find(transaction.hash):
                return LedgerError("already known")
            self._check_number(transaction)
            _, receipt = self._chain.apply(raw)
            applied.append((transaction, receipt.encode()))
            hashes.add(transaction.hash)
            return transaction.hash
        except (LedgerError, Reverted) as refusal:
            return refusal
        except Exception as error:
            raise _Broken(raw, f"the EVM cannot run this transaction ({type(error).__name__})") from error

    def _check_number(self, transaction: Transaction) -> None:
        expected = self._chain.nonce(to_canonical_address(transaction.sender))
        if transaction.number < expected:
            raise LedgerError(f"nonce too low: next nonce {expected}, tx nonce {transaction.number}")
        if transaction.number > expected:
            raise LedgerError(f"nonce too high: next nonce {expected}; a future transaction is not kept")

    def _write_down(self, outcomes: list[Outcome], applied: Sequence[tuple[Transaction, bytes]]) -> list[Outcome]:
        try:
            sealed = self._chain.seal()
            if sealed is None:
                return outcomes
            block = Block(
                *(sealed.header, sealed.number, read_timestamp(sealed.header), sealed.hash, self.head.hash),
                *(tuple(each for each, _ in applied), tuple(read_receipt(receipt) for _, receipt in applied)),
            )
            # First, so that no block of the journal is ever missing here; one too many is cut off at the next opening.
            self._archive.append(block)
            self._journal.append(sealed)
        except LedgerError as error:
            self._refusal = UNWRITTEN
            return [LedgerError(str(error)) if isinstance(outcome, bytes) else outcome for outcome in outcomes]
        except BaseException:
            self._refusal = UNWRITTEN
            raise
        self.head = block
        self._snapshots.sealed(len(sealed.transactions))
        return outcomes

    def _state(self, block_hash: bytes) -> StateAPI:
        if block_hash == self.head.hash and self._refusal is None:
            # The same state, and the estimates made of the next block have read much of it.
            return self._chain.machine_next(self._clock()).state
        return self._machine(block_hash).state

    def _machine(self, block_hash: bytes) -> VirtualMachineAPI:
        if block_hash not in self._machines:
            machine = self._chain.machine_after(block_hash)
            if machine is None:
                raise LedgerError(f"missing trie node: the state after block 0x{block_hash.hex()} is not kept")
            self._machines[block_hash] = machine
            while len(self._machines) > KEPT_MACHINES:
                self._machines.popitem(last=False)
        return self._machines[block_hash]

    def _clock(self) -> int:
        # Never backwards, whatever the machine's clock does.
        return max(self._chain.timestamp, int(time.time()))


class _Broken(Exception):
    """The EVM fails on a transaction instead of refusing it."""

    def __init__(self, raw: bytes, reason: str) -> None:
        super().__init__(reason)
        self.raw, self.reason = raw, LedgerError(reason)


def _recorded(waiting: Iterable[bytes], taken: list[bytes]) -> Iterator[bytes]:
    for raw in waiting:
        taken.append(raw)
        yield raw
