"""The ledger of a study that runs on one machine: the contract on py-evm, journalled in SQLite, replayed at opening."""

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import rlp  # type: ignore[import-untyped]
from eth_account import Account as Signer
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.chain import CHAIN_ID, EmbeddedChain, TransactionReverted
from mithridate.ledger.client import CALL_GAS, ContractLedger, as_hash
from mithridate.ledger.codec import ContractCodec, revert_reason
from mithridate.ledger.compile import study_contract
from mithridate.ledger.interface import AttemptState
from mithridate.ledger.journal import Journal
from mithridate.ledger.provider import EmbeddedProvider
from mithridate.ledger.rules import rule_violation

GRACE_S = 3600
"""Seconds after an attempt's deadline when a validator or the coordinator alone may void it."""


class EmbeddedLedger:
    """One study's chain in this process; many parties and threads may use it at once.

    Args:
        chain: replayed or new, with the contract deployed.
        journal: where its blocks go.
        contract: the contract's checksummed address.
    """

    def __init__(self, chain: EmbeddedChain, journal: Journal, contract: str) -> None:
        self._chain = chain
        self._journal = journal
        self._contract = contract
        self._lock = threading.RLock()
        self._unwritten = False
        self._codec = ContractCodec(study_contract().abi)
        # web3.py's middleware looks up names and fees that this chain has none of, a fifth of a read's time.
        self._web3 = Web3(EmbeddedProvider(chain, self._send, self._clock), middleware=[])
        self.reader = self.as_party(new_account())

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        administrator: Account,
        configuration: bytes,
        coordinator: str,
        validators: Sequence[str],
        quorum: int,
        min_accepted: int,
        grace: int = GRACE_S,
    ) -> "EmbeddedLedger":
        """A new ledger in the file `path`, the contract deployed by the administrator.

        Args:
            path: must not exist.
            administrator: deploys the contract and enrols the hospitals.
            configuration: hash of the study's configuration, 32 bytes.
            coordinator: its address.
            validators: the three addresses in rank order.
            quorum: fewest submissions of a round.
            min_accepted: fewest members of an aggregate, at least 2.
            grace: seconds after a deadline when one party alone may void an attempt.

        Raises:
            RuleViolation: the contract refuses these settings.
            LedgerError: the file exists or cannot be written, or a value has the wrong length.
        """
        now, salt = int(time.time()), secrets.token_bytes(32)
        chain, contract = EmbeddedChain(now, salt), study_contract()
        arguments = [as_hash(configuration), coordinator, list(validators), quorum, min_accepted, grace]
        data = contract.creation_code + ContractCodec(contract.abi).constructor_arguments(arguments)
        chain.open_block(now)
        try:
            chain.apply(_deployment(administrator, data))
        except TransactionReverted as error:
            raise rule_violation(revert_reason(error.output)) from error
        sealed = chain.seal()
        if sealed is None:
            raise LedgerError("the contract was not deployed: this is a fault in the ledger's own code")
        journal = Journal.create(path, now, salt, sealed)
        return cls(chain, journal, _address_of_first_contract(administrator.address))

    @classmethod
    def open(cls, path: Path) -> "EmbeddedLedger":
        """The ledger in the file `path`, replayed and checked from its first block.

        Raises:
            JournalAltered: a row differs from what its replay gives; the message names the first.
            LedgerError: there is no such file, or it was written with another version of the contract.
        """
        journal = Journal.open(path)
        try:
            chain = journal.replay()
            contract = _contract(chain, journal.first_transaction())
        except LedgerError:
            journal.close()
            raise
        return cls(chain, journal, contract)

    def as_party(self, account: Account) -> ContractLedger:
        """The ledger as the party with this account sees it."""
        return ContractLedger(self._web3, self._contract, self._codec, account, self._lock)

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

    def current_model(self) -> bytes:
        """See `Ledger.current_model`."""
        return self.reader.current_model()

    def stable_model(self) -> bytes:
        """See `Ledger.stable_model`."""
        return self.reader.stable_model()

    def latest(self) -> AttemptState | None:
        """See `Ledger.latest`."""
        return self.reader.latest()

    def height(self) -> int:
        """Number of the last block."""
        return self.reader.height()

    def close(self) -> None:
        """Closes the journal."""
        self._journal.close()

    def _send(self, raw: bytes) -> bytes:
        with self._lock:
            self._require_written()
            if self._chain.is_open:
                return self._chain.apply(raw)[0]
            self._chain.open_block(self._clock())
            try:
                digest = self._chain.apply(raw)[0]
            except BaseException:
                self._chain.drop_block()
                raise
            self._seal()
            return digest

    def _seal(self) -> None:
        try:
            sealed = self._chain.seal()
            if sealed is not None:
                self._journal.append(sealed)
        except BaseException:
            # Not errors only: an interrupt in here may also leave the chain a block ahead of its journal.
            self._unwritten = True
            raise

    def _seal_what_is_whole(self) -> None:
        # The exception that ended the block goes on; a second one from here would hide it.
        if self._chain.is_half_applied:
            self._chain.drop_block()
            self._unwritten = True
        else:
            self._seal()

    def _require_written(self) -> None:
        # Writing on after a lost block would leave a journal that cannot be replayed.
        if self._unwritten:
            raise LedgerError(
                "an earlier change was not written to the journal, for lack of space or interrupted: open it again"
            )

    def _clock(self) -> int:
        # Never backwards, whatever the machine's clock does.
        return self._chain.timestamp if self._chain.is_open else max(self._chain.timestamp, int(time.time()))


def _contract(chain: EmbeddedChain, deployment: bytes | None) -> str:
    if deployment is None:
        raise JournalAltered("block 1 is missing: the journal holds no contract")
    contract = _address_of_first_contract(Signer.recover_transaction(deployment))
    if study_contract().creation_code not in deployment or not chain.code(to_canonical_address(contract)):
        raise LedgerError("the journal was written with another version of the contract: use that one of Mithridate")
    return contract


def _deployment(administrator: Account, data: bytes) -> bytes:
    fields = {"nonce": 0, "gasPrice": 0, "gas": CALL_GAS, "value": 0, "data": data, "chainId": CHAIN_ID}
    return bytes(Signer.sign_transaction(fields, administrator.key).raw_transaction)


def _address_of_first_contract(deployer: str) -> str:
    """The address of the contract made by an account's first transaction (Ethereum yellow paper, section 7)."""
    return to_checksum_address(keccak(rlp.encode([to_canonical_address(deployer), 0]))[12:])
