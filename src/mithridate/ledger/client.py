"""A study's contracts as a `Ledger`: the protocol's words in, calls of contracts out, whichever network holds them."""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from typing import Any

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.codec import ContractCodec, printable, revert_reason
from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import Deployment, as_hash
from mithridate.ledger.interface import MAX_REASON_BYTES, AttemptState, HospitalRecord, ValidatorRecord
from mithridate.ledger.network import Network, Reverted
from mithridate.ledger.records import attempt_state, hospital_record, validator_record
from mithridate.ledger.rules import rule_violation

PAGE = 64
MASK_BITS = 256


class ContractLedger:
    """One account's view of a study's contracts; safe to use from several threads.

    Args:
        network: holds the contracts.
        deployment: where they lie.
        account: whose name this view writes in.
    """

    def __init__(self, network: Network, deployment: Deployment, account: Account) -> None:
        self._network = network
        self._contract = deployment.addresses["Study"]
        self._codec = ContractCodec(contract("Study").abi)
        self._account = account

    @property
    def address(self) -> str:
        """The account this view acts for."""
        return self._account.address

    def enrol(self, address: str, signing_key: bytes, records: int) -> int:
        """Enrols a hospital; returns its index."""
        self._write("enrol", address, signing_key, records)
        return int(self._read("hospital_index", address)) - 1

    def register_validator_key(self, envelope_key: bytes) -> None:
        """Registers this validator's envelope key."""
        self._write("register_validator_key", envelope_key)

    def begin(self, initial_model: bytes, reference_hash: bytes) -> None:
        """Freezes the roster and sets the initial model."""
        self._write("begin", as_hash(initial_model), as_hash(reference_hash))

    def open_round(self, round: int, base_hash: bytes, deadline: int) -> int:
        """Opens a round or its next attempt; returns the attempt."""
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
        newest = int(self._read("latest_round"))
        return self.attempt(newest, self.attempts(newest) - 1) if newest else None

    def attempts(self, round: int) -> int:
        """How many attempts of a round were opened."""
        return int(self._read("attempt_count", round))

    def attempt(self, round: int, attempt: int) -> AttemptState:
        """One attempt's state."""
        state = self._read("attempt_state", round, attempt)
        count = int(self._read("hospital_count"))
        pages = [self._read("digest_page", round, attempt, start) for start in range(0, count, PAGE)]
        return attempt_state(round, attempt, state, [digest for page in pages for digest in page])

    def now(self) -> int:
        """The date, in seconds, of a change made now."""
        return self._network.now()

    def height(self) -> int:
        """Groups of state changes so far."""
        return self._network.height()

    def _after_begin(self, name: str) -> bytes:
        value = bytes(self._read(name))
        if not any(value):
            raise rule_violation("not begun")
        return value

    def _read(self, name: str, *arguments: object) -> Any:
        try:
            answer = self._network.call(self._contract, self._codec.call(name, arguments))
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error
        return self._codec.result(name, answer)

    def _write(self, name: str, *arguments: object) -> None:
        try:
            self._network.transact(self._account, self._contract, self._codec.call(name, arguments))
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error
