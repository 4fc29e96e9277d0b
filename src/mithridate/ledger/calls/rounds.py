"""See `Rounds`: the study's contract, and the reputation's."""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from mithridate.aggregation.registry import TrackRecord
from mithridate.ledger.calls.base import ContractCalls, as_reason
from mithridate.ledger.calls.records import attempt_state, hospital_record, track_records_of, validator_record
from mithridate.ledger.deployment import as_hash
from mithridate.ledger.interface import AttemptState, HospitalRecord, ValidatorRecord
from mithridate.ledger.rules import rule_violation

PAGE = 64
WORD_PAGE = 256
MASK_BITS = 256


class RoundCalls(ContractCalls):
    """A study's roster and its rounds."""

    _study_id = b""

    def admit(self, address: str, records: int) -> None:
        """See `Rounds.admit`."""
        self._decide("Study", "admit", address, records)

    def begin(self, initial_model: bytes, reference_hash: bytes) -> None:
        """See `Rounds.begin`."""
        self._decide("Study", "begin", as_hash(initial_model), as_hash(reference_hash))

    def open_round(self, round: int, base_hash: bytes, deadline: int) -> int:
        """See `Rounds.open_round`."""
        self._write("Study", "open_round", round, as_hash(base_hash), deadline)
        return self.attempts(round) - 1

    def commit_randomness(self, round: int, attempt: int, commitment: bytes) -> None:
        """See `Rounds.commit_randomness`."""
        self._write("Study", "commit_randomness", round, attempt, as_hash(commitment))

    def submit(self, round: int, attempt: int, digest: bytes) -> None:
        """See `Rounds.submit`."""
        self._write("Study", "submit", round, attempt, as_hash(digest))

    def close_submissions(self, round: int, attempt: int) -> None:
        """See `Rounds.close_submissions`."""
        self._write("Study", "close_submissions", round, attempt)

    def reveal_randomness(self, round: int, attempt: int, value: bytes) -> None:
        """See `Rounds.reveal_randomness`."""
        self._write("Study", "reveal_randomness", round, attempt, as_hash(value))

    def attest_verdicts(self, round: int, attempt: int, verdicts: bytes) -> None:
        """See `Rounds.attest_verdicts`."""
        self._write("Study", "attest_verdicts", round, attempt, verdicts)

    def attest_model(self, round: int, attempt: int, model_hash: bytes) -> None:
        """See `Rounds.attest_model`."""
        self._write("Study", "attest_model", round, attempt, as_hash(model_hash))

    def vote_release(self, round: int, attempt: int, passed: bool) -> None:
        """See `Rounds.vote_release`."""
        self._write("Study", "vote_release", round, attempt, passed)

    def vote_void(self, round: int, attempt: int, reason: str) -> None:
        """See `Rounds.vote_void`."""
        self._write("Study", "vote_void", round, attempt, as_reason(reason))

    def hospitals(self) -> list[HospitalRecord]:
        """See `Rounds.hospitals`."""
        count = self._hospital_count()
        entries = [entry for start in range(0, count, PAGE) for entry in self._read("Study", "hospital_page", start)]
        return [hospital_record(index, entry) for index, entry in enumerate(entries)]

    def suspended(self) -> frozenset[int]:
        """See `Rounds.suspended`."""
        count = self._hospital_count()
        masks = [int(self._read("Study", "suspended_word", word)) for word in range(-(-count // MASK_BITS))]
        return frozenset(index for index in range(count) if masks[index // MASK_BITS] >> index % MASK_BITS & 1)

    def validators(self) -> list[ValidatorRecord]:
        """See `Rounds.validators`."""
        return [validator_record(rank, entry) for rank, entry in enumerate(self._read("Study", "validators"))]

    def track_records(self) -> list[TrackRecord]:
        """See `Rounds.track_records`."""
        count = self._hospital_count()
        starts = range(0, -(-count // 4), WORD_PAGE)
        words = [word for start in starts for word in self._read("Reputation", "word_page", start)]
        return track_records_of(words, count)

    def begun(self) -> bool:
        """See `Rounds.begun`."""
        return bool(self._read("Study", "begun"))

    def grace(self) -> int:
        """See `Rounds.grace`."""
        return int(self._read("Study", "grace"))

    def configuration(self) -> bytes:
        """See `Rounds.configuration`."""
        return bytes(self._read("Study", "configuration"))

    def reference_hash(self) -> bytes:
        """See `Rounds.reference_hash`."""
        value = bytes(self._read("Study", "reference"))
        if not any(value):
            raise rule_violation("not begun")
        return value

    def study_id(self) -> bytes:
        """See `Rounds.study_id`."""
        if not self._study_id:
            # Kept: it is fixed in the contract's code, and part of whatever a party signs or draws.
            self._study_id = bytes(self._read("Study", "study_id"))
        return self._study_id

    def latest(self) -> AttemptState | None:
        """See `Rounds.latest`."""
        newest = int(self._read("Study", "latest_round"))
        return self.attempt(newest, self.attempts(newest) - 1) if newest else None

    def attempts(self, round: int) -> int:
        """See `Rounds.attempts`."""
        return int(self._read("Study", "attempt_count", round))

    def attempt(self, round: int, attempt: int) -> AttemptState:
        """See `Rounds.attempt`."""
        state = self._read("Study", "attempt_state", round, attempt)
        starts = range(0, self._hospital_count(), PAGE)
        pages = [self._read("Study", "digest_page", round, attempt, start) for start in starts]
        return attempt_state(round, attempt, state, [digest for page in pages for digest in page])

    def _hospital_count(self) -> int:
        return int(self._read("Study", "hospital_count"))
