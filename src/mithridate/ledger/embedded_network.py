"""The network of one process: a chain on py-evm, each sealed block written to its journal before a change returns."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import rlp  # type: ignore[import-untyped]
from eth_account import Account as Signer
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.chain import CHAIN_ID, NO_ADDRESS, EmbeddedChain
from mithridate.ledger.journal import Journal
from mithridate.ledger.read_only import READ_ONLY
from mithridate.ledger.replay import Replay, Replayed
from mithridate.ledger.replay import replay as replayed
from mithridate.ledger.replay import salvage as salvaged
from mithridate.ledger.rows import SALT_BYTES
from mithridate.ledger.snapshots import SnapshotWriter
from mithridate.ledger.write_ahead_log import check_log

CALL_GAS = 50_000_000
"""A limit, not a price: the dearest call, which goes back over 1,024 releases, needs a quarter of it."""

UNWRITTEN = "an earlier change was not written to the journal, for lack of space or interrupted: open it again"


class EmbeddedNetwork:
    """See `Network`. Many parties and threads may use it at once.

    Args:
        replayed: the chain, new or from its journal.
        journal: where its blocks go.
        refusal: why nothing can be written, None if it can.
    """

    def __init__(self, replayed: Replayed, journal: Journal, refusal: str | None = None) -> None:
        self._chain = replayed.chain
        self._journal = journal
        self._snapshots = SnapshotWriter(replayed, journal)
        self._lock = threading.RLock()
        self._refusal = refusal

    @classmethod
    def create(cls, path: Path, first: Callable[["EmbeddedNetwork"], None]) -> "EmbeddedNetwork":
        """A new chain in the file `path`, which must not exist; it is there with its first block, or not at all.

        Args:
            path: the journal's file.
            first: makes the changes of the first block.

        Raises:
            LedgerError: there is a file already, or it cannot be written.
        """
        now, salt = int(time.time()), secrets.token_bytes(SALT_BYTES)
        new = Replayed(EmbeddedChain.genesis(now, salt), snapshot=0, nodes=set(), since=0)
        with Journal.draft(path, now, salt) as journal:
            network = cls(new, journal)
            with network.block():
                first(network)
        return network

    @classmethod
    def open(cls, path: Path, replay: Replay = "snapshot") -> "EmbeddedNetwork":
        """The chain in the file `path`, every row checked.

        Args:
            path: the journal's file.
            replay: whether only the transactions after the last snapshot run again, or all.

        Raises:
            JournalAltered: a row is not as it was written; the message names it, and `salvage` reads what came before.
            LedgerError: there is no such file, or an earlier version wrote it.
        """
        check_log(path)
        journal = Journal.open(path)
        try:
            with journal.reader.one_moment():
                return cls(replayed(journal.reader, replay), journal)
        except LedgerError:
            journal.close()
            raise

    @classmethod
    def salvage(cls, path: Path) -> tuple["EmbeddedNetwork", JournalAltered | None]:
        """What can be read of a damaged journal: the chain up to its last whole block; the file is left as it is.

        Args:
            path: the journal's file.

        Returns:
            A network that reads and does not write, and what is altered, None if nothing is.

        Raises:
            JournalAltered: not even the first block can be read.
            LedgerError: there is no such file, or an earlier version wrote it.
        """
        journal = Journal.open_damaged(path)
        try:
            with journal.reader.one_moment():
                chain, altered = salvaged(journal.reader)
            altered = altered or _altered_log(path)
        except LedgerError:
            journal.close()
            raise
        readable = Replayed(chain, snapshot=0, nodes=set(), since=0)
        return cls(readable, journal, READ_ONLY), altered

    def call(self, to: str, data: bytes) -> bytes:
        """See `Network.call`."""
        with self._lock:
            # Without a sender: what a contract tells does not depend on who asks.
            return self._chain.call(NO_ADDRESS, to_canonical_address(to), data, self._clock())

    def transact(self, account: Account, to: str, data: bytes) -> None:
        """See `Network.transact`."""
        with self._lock:
            self._send(account, to, data, self._chain.nonce(to_canonical_address(account.address)))

    def deploy(self, account: Account, data: bytes) -> str:
        """See `Network.deploy`."""
        with self._lock:
            nonce = self._chain.nonce(to_canonical_address(account.address))
            self._send(account, "", data, nonce)
        return contract_address(account.address, nonce)

    def code(self, address: str) -> bytes:
        """See `Network.code`."""
        with self._lock:
            return self._chain.code(to_canonical_address(address))

    def now(self) -> int:
        """See `Network.now`."""
        with self._lock:
            return self._clock()

    def height(self) -> int:
        """See `Network.height`."""
        with self._lock:
            return self._chain.height

    def unconfirmed(self) -> AbstractContextManager[None]:
        """See `Network.unconfirmed`; here nothing is taken back."""
        return nullcontext()

    @contextmanager
    def block(self) -> Iterator[None]:
        """All changes made inside, by any party, share one block and are on the disk when the context ends.

        A call that breaks a rule raises at once and leaves the others in place. A call interrupted half-way (from the
        keyboard, say) drops the whole block, and the ledger must be opened again. The ledger's clock stands still
        inside: every change, and every deadline checked, is dated when the block was opened.
        """
        with self._lock:
            self._require_written()
            if self._chain.is_open:
                raise LedgerError("a block is open already: blocks do not nest")
            self._chain.open_block(self._clock())
        try:
            yield
        except BaseException:
            with self._lock:
                self._seal_what_is_whole()
            raise
        with self._lock:
            self._seal()

    def first_sender(self) -> str | None:
        """Who sent the chain's first transaction, None before there is one."""
        first = self._journal.reader.first_transaction()
        return None if first is None else str(Signer.recover_transaction(first))

    def close(self) -> None:
        """Closes the journal, after a snapshot where it saves the next opening much."""
        with self._lock:
            if self._refusal is None:
                self._snapshots.closing()
            self._journal.close()

    def _send(self, account: Account, to: str, data: bytes, nonce: int) -> None:
        fields = {"nonce": nonce, "gasPrice": 0, "gas": CALL_GAS, "value": 0, "data": data, "chainId": CHAIN_ID}
        raw = bytes(Signer.sign_transaction(fields | ({"to": to} if to else {}), account.key).raw_transaction)
        self._require_written()
        if self._chain.is_open:
            self._chain.apply(raw)
            return
        self._chain.open_block(self._clock())
        try:
            self._chain.apply(raw)
        except BaseException:
            self._chain.drop_block()
            raise
        self._seal()

    def _seal(self) -> None:
        try:
            sealed = self._chain.seal()
            if sealed is not None:
                self._journal.append(sealed)
        except BaseException:
            # Not errors only: an interrupt in here may also leave the chain a block ahead of its journal.
            self._refusal = UNWRITTEN
            raise
        if sealed is not None:
            self._snapshots.sealed(len(sealed.transactions))

    def _seal_what_is_whole(self) -> None:
        # The exception that ended the block goes on; a second one from here would hide it.
        if self._chain.is_half_applied:
            self._chain.drop_block()
            self._refusal = UNWRITTEN
        else:
            self._seal()

    def _require_written(self) -> None:
        # Writing on after a lost block would leave a journal that cannot be replayed.
        if self._refusal:
            raise LedgerError(self._refusal)

    def _clock(self) -> int:
        # Never backwards, whatever the machine's clock does.
        return self._chain.timestamp if self._chain.is_open else max(self._chain.timestamp, int(time.time()))


def _altered_log(path: Path) -> JournalAltered | None:
    try:
        check_log(path)
    except JournalAltered as error:
        return error
    return None


def contract_address(deployer: str, nonce: int) -> str:
    """The address of the contract made by an account's transaction of this number (yellow paper, section 7)."""
    return to_checksum_address(keccak(rlp.encode([to_canonical_address(deployer), nonce]))[12:])
