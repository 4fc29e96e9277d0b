"""The rules of `contracts/Study.vy`: roster, rounds, commitments, verdicts, attested models."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY, MAX_HOSPITALS, RANDOMNESS_DOMAIN, Phase, Role
from mithridate.ledger.rulebook.base import EMPTY, MAX_SECONDS, NOBODY, Caller, require, xor
from mithridate.ledger.rulebook.committees import Committees
from mithridate.ledger.rulebook.consortium import NAME as CONSORTIUM
from mithridate.ledger.rulebook.consortium import Consortium
from mithridate.ledger.rulebook.models import Models
from mithridate.ledger.rulebook.reputation import Reputation

ACCEPTED, ABSENT, SUSPENDED = 0, 1, 12
MAX_RECORDS = 2**40
PAGE = 64
WORD = 256


@dataclass(frozen=True)
class Terms:
    """What a study fixes: see `StudyTerms`; `study_id` is 32 bytes."""

    study_id: bytes
    configuration: bytes
    coordinator: str
    pool: tuple[str, ...]
    quorum: int
    min_accepted: int
    grace: int
    rotation: int


@dataclass
class _Attempt:
    generation: int
    base: bytes
    deadline: int
    committee: list[int]
    phase: int = Phase.SUBMITTING
    digests: dict[int, bytes] = field(default_factory=dict)
    commitments: dict[int, bytes] = field(default_factory=dict)
    revealed: set[int] = field(default_factory=set)
    seed: bytes = EMPTY
    closing: set[int] = field(default_factory=set)
    verdicts_of: dict[int, bytes] = field(default_factory=dict)
    verdicts: bytes = b""
    attestations: dict[int, bytes] = field(default_factory=dict)
    model: bytes = EMPTY
    votes: dict[int, bool] = field(default_factory=dict)
    voiding: set[int] = field(default_factory=set)
    void_reason: str = ""


class Study:
    """See the contract.

    Args:
        terms: what the study fixes.
        consortium: knows who acts in which role.
        models: obey this study.
        reputation: obeys this study.
        committees: draws them.
    """

    def __init__(
        self, terms: Terms, consortium: Consortium, models: Models, reputation: Reputation, committees: Committees
    ) -> None:
        _require_possible(terms)
        self._terms, self.coordinator = terms, terms.coordinator
        self._consortium, self._models = consortium, models
        self._reputation, self._committees = reputation, committees
        self._begun = False
        self._reference = EMPTY
        self._roster: dict[str, int] = {}
        self._suspended: set[int] = set()
        self._attempts: dict[int, list[_Attempt]] = {}
        self._latest = self._finished = 0
        self._bindings: dict[int, int] = {}
        self._served: dict[int, int] = {}

    def admit(self, caller: Caller, account: str, records: int) -> None:
        """By decision: a hospital joins the study."""
        require(caller.sender == CONSORTIUM, "only by decision")
        require(not self._begun, "roster is frozen")
        require(account not in self._roster, "already enrolled")
        require(self._consortium.is_active(account, Role.HOSPITAL), "not an active member")
        require(bool(self._consortium.current_keys(account)[0]), "signing key missing")
        require(0 < records <= MAX_RECORDS, "bad record count")
        require(len(self._roster) < MAX_HOSPITALS, "roster is full")
        self._roster[account] = records

    def begin(self, caller: Caller, initial_model: bytes, reference: bytes) -> None:
        """By decision: the roster is frozen."""
        require(caller.sender == CONSORTIUM, "only by decision")
        require(not self._begun, "already begun")
        require(EMPTY not in (initial_model, reference), "empty hash")
        require(len(self._roster) >= self._terms.quorum, "fewer hospitals than quorum")
        keys = [self._consortium.current_keys(account)[1] for account in self._terms.pool]
        require(all(keys), "validator key missing")
        self._begun, self._reference = True, reference
        self._models.start(initial_model)

    def open_round(self, caller: Caller, number: int, base: bytes, deadline: int) -> None:
        """The coordinator opens a round or its next attempt."""
        require(caller.sender == self.coordinator, "only the coordinator")
        require(self._consortium.is_active(caller.sender, Role.COORDINATOR), "not an active member")
        require(self._begun, "not begun")
        require(self.is_idle(), "attempt still open")
        require(number == self._finished + 1, "not the next round")
        require(base == self._models.current_model(), "not the current model")
        require(self._models.may_train(base), "model has a finding")
        require(deadline > caller.time, "deadline has passed")
        require(deadline <= caller.time + MAX_SECONDS, "deadline too far")
        attempt = _Attempt(self._bindings.get(number, 0), base, deadline, self._next_committee())
        self._attempts.setdefault(number, []).append(attempt)
        self._latest = number

    def commit_randomness(self, caller: Caller, number: int, attempt: int, commitment: bytes) -> None:
        """A validator commits to its random value."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        require(state.phase == Phase.SUBMITTING, "wrong phase")
        require(commitment != EMPTY, "empty hash")
        require(rank not in state.commitments, "already committed")
        require(commitment not in state.commitments.values(), "commitment copied")
        state.commitments[rank] = commitment

    def submit(self, caller: Caller, number: int, attempt: int, digest: bytes) -> None:
        """A hospital commits the digest of its message."""
        require(caller.sender in self._roster, "only an enrolled hospital")
        require(self._consortium.is_active(caller.sender, Role.HOSPITAL), "not an active member")
        state, index = self._open(number, attempt), list(self._roster).index(caller.sender)
        require(state.phase == Phase.SUBMITTING, "wrong phase")
        require(caller.time < state.deadline, "deadline has passed")
        require(digest != EMPTY, "empty hash")
        require(index not in self._suspended, "suspended")
        require(len(state.commitments) == COMMITTEE_SIZE, "randomness not committed")
        require(index not in state.digests, "already submitted")
        state.digests[index] = digest

    def close_submissions(self, caller: Caller, number: int, attempt: int) -> None:
        """A validator votes to close."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        require(state.phase == Phase.SUBMITTING, "wrong phase")
        expired = caller.time >= state.deadline
        require(expired or rank not in state.closing, "already voted")
        state.closing.add(rank)
        if not expired and len(state.closing) < MAJORITY:
            return
        if len(state.digests) < self._terms.quorum:
            _void(state, "quorum")
        else:
            state.phase = Phase.CLOSED

    def reveal_randomness(self, caller: Caller, number: int, attempt: int, value: bytes) -> None:
        """A validator reveals its random value."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        require(rank not in state.revealed, "already revealed")
        require(state.phase == Phase.CLOSED, "wrong phase")
        digest = hashlib.sha256(RANDOMNESS_DOMAIN + value).digest()
        require(state.commitments.get(rank) == digest, "not what was committed")
        state.revealed.add(rank)
        state.seed = xor(state.seed, value)
        if len(state.revealed) == COMMITTEE_SIZE:
            state.phase = Phase.DRAWN

    def attest_verdicts(self, caller: Caller, number: int, attempt: int, verdicts: bytes) -> None:
        """A validator attests verdicts; equal ones of a majority bind."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        late = bool(state.verdicts)
        require(late or state.phase == Phase.DRAWN, "wrong phase")
        require(rank not in state.verdicts_of, "already attested")
        require(len(verdicts) == len(self._roster), "one verdict a hospital")
        _require_absent(state, verdicts)
        state.verdicts_of[rank] = verdicts
        if late or not _agreed(state.verdicts_of, verdicts):
            return
        state.verdicts = verdicts
        if verdicts.count(ACCEPTED) < self._terms.min_accepted:
            _void(state, "too few accepted")
            return
        state.phase = Phase.BOUND
        self._suspended |= {index for index, code in enumerate(verdicts) if code == SUSPENDED}
        self._bindings[number] = self._bindings.get(number, 0) + 1

    def attest_model(self, caller: Caller, number: int, attempt: int, model: bytes) -> None:
        """A validator attests the new model's hash; a majority of equal ones makes it current."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        late = state.model != EMPTY
        require(late or state.phase == Phase.BOUND, "wrong phase")
        require(rank not in state.attestations, "already attested")
        require(model != EMPTY, "empty hash")
        agreed = not late and _agreed(state.attestations | {rank: model}, model)
        if agreed:
            self._models.attested(model)
            state.model, state.phase = model, Phase.FINAL
            state.voiding.clear()
        state.attestations[rank] = model

    def vote_release(self, caller: Caller, number: int, attempt: int, passed: bool) -> None:
        """A validator votes on the release of the new model."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        require(state.phase in (Phase.FINAL, Phase.RELEASED, Phase.ROLLED_BACK), "wrong phase")
        require(rank not in state.votes, "already voted")
        state.votes[rank] = passed
        if state.phase != Phase.FINAL or not _agreed(state.votes, passed):
            return
        if passed:
            state.phase = Phase.RELEASED
            self._models.released()
        else:
            state.phase = Phase.ROLLED_BACK
            self._models.withdrawn()
        self._finished = number
        self._reputation.count(state.verdicts)

    def vote_void(self, caller: Caller, number: int, attempt: int, reason: str) -> None:
        """A validator, or after the grace the coordinator, votes to void an attempt."""
        state = self._open(number, attempt)
        require(state.phase < Phase.RELEASED, "wrong phase")
        require(bool(reason), "no reason given")
        expired = caller.time >= state.deadline + self._terms.grace
        alone = expired and state.phase != Phase.FINAL
        if caller.sender == self.coordinator:
            require(self._consortium.is_active(caller.sender, Role.COORDINATOR), "not an active member")
            require(state.phase != Phase.FINAL, "wrong phase")
            require(expired, "grace has not passed")
        else:
            require(self.pool_rank(caller.sender) != 0, "only validators, coordinator")
            rank = self._rank(caller, state)
            require(alone or rank not in state.voiding, "already voted")
            state.voiding.add(rank)
        if not alone and len(state.voiding) < MAJORITY:
            return
        if state.phase == Phase.FINAL:
            self._models.withdrawn()
        _void(state, reason)

    def is_idle(self) -> bool:
        """Whether no attempt is open."""
        return not self._latest or self._attempts[self._latest][-1].phase >= Phase.RELEASED

    def may_draw(self) -> bool:
        """Whether the committee drawn last has served its attempts, came to nothing, or lost a member."""
        number = self._committees.latest_drawn()
        served = self._served.get(number, 0)
        if number == 0 or served >= self._terms.rotation:
            return True
        if served and self._attempts[self._latest][-1].phase == Phase.VOID:
            return True
        members = [self.pool(rank) for rank in self._committees.committee(number)]
        return not all(self._consortium.is_active(member, Role.VALIDATOR) for member in members)

    def pool_rank(self, account: str) -> int:
        """A validator's place in the study plus one, 0 for anyone else."""
        return self._terms.pool.index(account) + 1 if account in self._terms.pool else 0

    def pool_size(self) -> int:
        """How many validators the study has."""
        return len(self._terms.pool)

    def pool(self, rank: int) -> str:
        """The validator of a place."""
        return self._terms.pool[rank]

    def begun(self) -> bool:
        """Whether the roster is frozen."""
        return self._begun

    def grace(self) -> int:
        """Seconds after a deadline when one party alone may void an attempt."""
        return self._terms.grace

    def configuration(self) -> bytes:
        """Hash of the study's configuration."""
        return self._terms.configuration

    def study_id(self) -> bytes:
        """What tells this study from every other."""
        return self._terms.study_id

    def reference(self) -> bytes:
        """Salted hash of the reference set, zeros before the study begins."""
        return self._reference

    def hospital_count(self) -> int:
        """How many hospitals were admitted."""
        return len(self._roster)

    def latest_round(self) -> int:
        """The round opened last, 0 before the first."""
        return self._latest

    def attempt_count(self, number: int) -> int:
        """How many attempts of a round were opened."""
        return len(self._attempts.get(number, []))

    def hospital_page(self, start: int) -> list[tuple[str, bytes, int]]:
        """Account, signing key and records of hospitals from a place on."""
        page = list(self._roster.items())[start : start + PAGE]
        return [(account, self._consortium.current_keys(account)[0], records) for account, records in page]

    def validators(self) -> list[tuple[str, bytes]]:
        """Account and envelope key of each validator."""
        return [(account, self._consortium.current_keys(account)[1]) for account in self._terms.pool]

    def suspended_word(self, word: int) -> int:
        """One bit a hospital from 256 * word on that may not submit."""
        places = list(enumerate(self._roster))[WORD * word : WORD * (word + 1)]
        out = [i for i, each in places if i in self._suspended or not self._consortium.is_active(each, Role.HOSPITAL)]
        return sum(1 << index - WORD * word for index in out)

    def digest_page(self, number: int, attempt: int, start: int) -> list[bytes]:
        """Digests of hospitals from a place on, zeros where there is none."""
        digests = self._attempt(number, attempt).digests
        return [digests.get(index, EMPTY) for index in range(start, min(start + PAGE, len(self._roster)))]

    def attempt_state(self, number: int, attempt: int) -> tuple[object, ...]:
        """One attempt, in the order of the contract's struct; masks of submissions and closing votes are left out."""
        a = self._attempt(number, attempt)
        return (
            a.phase,
            a.generation,
            a.base,
            a.deadline,
            a.committee,
            len(a.digests),
            (),
            _by_rank(a.commitments),
            _mask(a.revealed),
            a.seed,
            _mask(a.closing),
            (),
            a.verdicts,
            _by_rank(a.attestations),
            a.model,
            _mask({rank for rank, passed in a.votes.items() if passed}),
            _mask({rank for rank, passed in a.votes.items() if not passed}),
            _mask(a.voiding),
            a.void_reason.encode(),
        )

    def _attempt(self, number: int, attempt: int) -> _Attempt:
        require(attempt < self.attempt_count(number), "no such attempt")
        return self._attempts[number][attempt]

    def _open(self, number: int, attempt: int) -> _Attempt:
        latest = number != 0 and number == self._latest and attempt + 1 == self.attempt_count(number)
        require(latest, "not the latest attempt")
        return self._attempts[number][attempt]

    def _rank(self, caller: Caller, state: _Attempt) -> int:
        rank = self.pool_rank(caller.sender)
        require(rank != 0, "only a validator")
        require(self._consortium.is_active(caller.sender, Role.VALIDATOR), "not an active member")
        require(rank - 1 in state.committee, "not on the committee")
        return state.committee.index(rank - 1)

    def _next_committee(self) -> list[int]:
        if self.pool_size() == COMMITTEE_SIZE:
            return [0, 1, 2]
        number = self._committees.latest_drawn()
        require(number != 0, "no committee drawn")
        require(self._served.get(number, 0) < self._terms.rotation, "committee due for rotation")
        self._served[number] = self._served.get(number, 0) + 1
        return self._committees.committee(number)


def _require_possible(terms: Terms) -> None:
    require(terms.configuration != EMPTY, "empty hash")
    require(terms.coordinator != NOBODY, "empty address")
    require(terms.min_accepted >= 2, "min_accepted below 2")
    require(terms.quorum >= terms.min_accepted, "quorum below min_accepted")
    require(terms.quorum <= MAX_HOSPITALS, "quorum too large")
    require(terms.grace <= MAX_SECONDS, "grace too long")
    require(len(terms.pool) >= COMMITTEE_SIZE, "fewer than three validators")
    require(terms.rotation > 0 or len(terms.pool) == COMMITTEE_SIZE, "no rotation")
    for rank, account in enumerate(terms.pool):
        require(account != NOBODY, "empty address")
        require(account != terms.coordinator, "address has another role")
        require(account not in terms.pool[:rank], "validators not distinct")


def _require_absent(state: _Attempt, verdicts: bytes) -> None:
    for index, code in enumerate(verdicts):
        if index not in state.digests:
            require(code != ACCEPTED, "accepted but not submitted")
            require(code == ABSENT, "not submitted but not absent")


def _void(state: _Attempt, reason: str) -> None:
    state.phase, state.void_reason = Phase.VOID, reason


def _agreed(votes: Mapping[int, object], voted: object) -> bool:
    return sum(vote == voted for vote in votes.values()) >= MAJORITY


def _mask(ranks: set[int]) -> int:
    return sum(1 << rank for rank in ranks)


def _by_rank(entries: dict[int, bytes]) -> list[bytes]:
    return [entries.get(rank, EMPTY) for rank in range(COMMITTEE_SIZE)]
