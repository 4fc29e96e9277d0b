"""The study's contract as a `Ledger`: web3.py calls in, the protocol's words out.

The client knows accounts, calls and reads; which network answers is its web3 provider's business.
"""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from contextlib import AbstractContextManager
from typing import Any

from eth_account import Account as Signer
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.codec import ContractCodec, printable, revert_reason
from mithridate.ledger.interface import MAX_REASON_BYTES, AttemptState, HospitalRecord, ValidatorRecord
from mithridate.ledger.records import attempt_state, hospital_record, validator_record
from mithridate.ledger.rules import rule_violation

CALL_GAS = 50_000_000
"""A limit, not a price: attesting the verdicts of 1,024 hospitals, the dearest call, needs a tenth of it."""
HASH_BYTES = 32
PAGE = 64
MASK_BITS = 256
REVERTED = 3


class ContractLedger:
    """One account's view of the study's contract; safe to use from several threads.

    Args:
        web3: connected to the network that holds the contract.
        contract: the contract's checksummed address.
        codec: the contract's interface.
        account: whose name this view writes in.
        lock: held from reading an account's sequence number until its transaction is sent.
    """

    def __init__(
        self,
        web3: Web3,
        contract: str,
        codec: ContractCodec,
        account: Account,
        lock: AbstractContextManager[Any],
    ) -> None:
        self._web3 = web3
        self._contract = contract
        self._codec = codec
        self._account = account
        self._lock = lock
        self._chain_id = web3.eth.chain_id

    @property
    def address(self) -> str:
        """The account this view acts for."""
        return self._account.address

    def enrol(self, address: str, signing_key: bytes, records: int) -> int:
        """Enrols a hospital; returns its index."""
        with self._lock:
            self._write("enrol", address, signing_key, records)
            return int(self._read("hospital_count")) - 1

    def register_validator_key(self, envelope_key: bytes) -> None:
        """Registers this validator's envelope key."""
        self._write("register_validator_key", envelope_key)

    def begin(self, initial_model: bytes, reference_hash: bytes) -> None:
        """Freezes the roster and sets the initial model."""
        self._write("begin", as_hash(initial_model), as_hash(reference_hash))

    def open_round(self, round: int, base_hash: bytes, deadline: int) -> int:
        """Opens a round or its next attempt; returns the attempt."""
        with self._lock:
            self._write("open_round", round, as_hash(base_hash), deadline)
            return self.attempts(round) - 1

    def commit_randomness(self, round: int, attempt: int, commitment: bytes) -> None:
        """Commits this validator to its random value."""
        self._write("commit_randomness", round, attempt, as_hash(commitment))

    def submit(self, round: int, attempt: int, digest: bytes) -> None:
        """Commits the digest of this hospital's message."""
        self._write("submit", round, attempt, as_hash(digest))

    def close_submissions(self, round: int, attempt: int) -> None:
        """Votes to close the submissions, or closes them after the deadline."""
        self._write("close_submissions", round, attempt)

    def reveal_randomness(self, round: int, attempt: int, value: bytes) -> None:
        """Reveals this validator's random value."""
        self._write("reveal_randomness", round, attempt, as_hash(value))

    def attest_verdicts(self, round: int, attempt: int, verdicts: bytes) -> None:
        """Attests the verdicts of this attempt."""
        self._write("attest_verdicts", round, attempt, verdicts)

    def attest_model(self, round: int, attempt: int, model_hash: bytes) -> None:
        """Attests the hash of the new model."""
        self._write("attest_model", round, attempt, as_hash(model_hash))

    def vote_release(self, round: int, attempt: int, passed: bool) -> None:
        """Votes on the release of the new model."""
        self._write("vote_release", round, attempt, passed)

    def vote_void(self, round: int, attempt: int, reason: str) -> None:
        """Votes to void the attempt."""
        if len(reason) > MAX_REASON_BYTES or reason != printable(reason.encode()):
            raise LedgerError(f"a reason is at most {MAX_REASON_BYTES} printable ASCII characters, not {reason!r}")
        self._write("vote_void", round, attempt, reason)

    def hospitals(self) -> list[HospitalRecord]:
        """The enrolled hospitals in index order."""
        count = int(self._read("hospital_count"))
        entries = [entry for start in range(0, count, PAGE) for entry in self._read("hospital_page", start)]
        return [hospital_record(index, entry) for index, entry in enumerate(entries)]

    def suspended(self) -> frozenset[int]:
        """The hospitals that may not submit any more."""
        count = int(self._read("hospital_count"))
        masks = [int(self._read("suspended_mask", word)) for word in range(-(-count // MASK_BITS))]
        return frozenset(index for index in range(count) if masks[index // MASK_BITS] >> index % MASK_BITS & 1)

    def validators(self) -> list[ValidatorRecord]:
        """The validators in rank order."""
        return [validator_record(rank, entry) for rank, entry in enumerate(self._read("committee"))]

    def begun(self) -> bool:
        """Whether the study has begun."""
        return bool(self._read("begun"))

    def current_model(self) -> bytes:
        """Hash of the current model."""
        return self._after_begin("current_model")

    def stable_model(self) -> bytes:
        """Hash of the last released model."""
        return self._after_begin("stable_model")

    def initial_model(self) -> bytes:
        """Hash of the model the study began with."""
        return self._after_begin("initial_model")

    def configuration(self) -> bytes:
        """Hash of the study's configuration."""
        return bytes(self._read("configuration"))

    def reference_hash(self) -> bytes:
        """Salted hash of the reference set."""
        return self._after_begin("reference")

    def study_id(self) -> bytes:
        """32 bytes that name this deployment."""
        return bytes(self._read("study_id"))

    def latest(self) -> AttemptState | None:
        """The attempt opened last."""
        with self._lock:
            newest = int(self._read("latest_round"))
            return self.attempt(newest, self.attempts(newest) - 1) if newest else None

    def attempts(self, round: int) -> int:
        """How many attempts of a round were opened."""
        return int(self._read("attempt_count", round))

    def attempt(self, round: int, attempt: int) -> AttemptState:
        """One attempt's state."""
        with self._lock:
            state = self._read("attempt_state", round, attempt)
            count = int(self._read("hospital_count"))
            pages = [self._read("digest_page", round, attempt, start) for start in range(0, count, PAGE)]
        return attempt_state(round, attempt, state, [digest for page in pages for digest in page])

    def now(self) -> int:
        """The date, in seconds, of a change made now."""
        with self._lock:
            return int(self._web3.eth.get_block("pending")["timestamp"])

    def height(self) -> int:
        """Groups of state changes so far."""
        with self._lock:
            return int(self._web3.eth.block_number)

    def _after_begin(self, name: str) -> bytes:
        value = bytes(self._read(name))
        if not any(value):
            raise rule_violation("not begun")
        return value

    def _read(self, name: str, *arguments: object) -> Any:
        data = self._codec.call(name, arguments)
        with self._lock, _refusals():
            # Without a sender: what the contract tells does not depend on who asks.
            answer = self._web3.eth.call({"to": self._contract, "data": data})
        return self._codec.result(name, bytes(answer))

    def _write(self, name: str, *arguments: object) -> None:
        data = self._codec.call(name, arguments)
        with self._lock, _refusals():
            self._web3.eth.send_raw_transaction(self._signed(data))

    def _signed(self, data: bytes) -> bytes:
        fields = {
            "nonce": self._web3.eth.get_transaction_count(self.address, "pending"),  # type: ignore[arg-type]
            "gasPrice": 0,
            "gas": CALL_GAS,
            "to": self._contract,
            "value": 0,
            "data": data,
            "chainId": self._chain_id,
        }
        return bytes(Signer.sign_transaction(fields, self._account.key).raw_transaction)


class _refusals(AbstractContextManager[None]):  # noqa: N801 - reads as a verb where it is used
    """Turns web3.py's errors into the protocol's."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ContractLogicError):
            raise rule_violation(revert_reason(_data(error.data))) from error
        if isinstance(error, Web3RPCError):
            answer = (error.rpc_response or {}).get("error", {})
            if isinstance(answer, dict) and answer.get("code") == REVERTED:
                raise rule_violation(revert_reason(_data(answer.get("data")))) from error
            text = answer.get("message", error) if isinstance(answer, dict) else answer
            raise LedgerError(f"the ledger failed: {text}") from error


def _data(value: object) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else b""


def as_hash(value: bytes) -> bytes:
    """`value` if it has a hash's 32 bytes, LedgerError if not: the encoder would pad it with zeros without a word."""
    if len(value) != HASH_BYTES:
        raise LedgerError(f"hashes and random values have {HASH_BYTES} bytes, this one {len(value)}")
    return bytes(value)
