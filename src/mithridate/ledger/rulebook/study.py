"""The rules of `contracts/Study.vy`: rounds, commitments, verdicts, attested models."""

import hashlib

from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY, RANDOMNESS_DOMAIN, Phase, Role
from mithridate.ledger.rulebook.attempts import ACCEPTED, Attempt, agreed
from mithridate.ledger.rulebook.base import EMPTY, MAX_SECONDS, Caller, require, xor
from mithridate.ledger.rulebook.committees import Committees
from mithridate.ledger.rulebook.consortium import Consortium
from mithridate.ledger.rulebook.models import Models
from mithridate.ledger.rulebook.reputation import Reputation
from mithridate.ledger.rulebook.roster import PAGE, Roster
from mithridate.ledger.rulebook.terms import Terms

SUSPENDED = 12


class Study(Roster):
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
        super().__init__(terms, consortium, models)
        self._reputation, self._committees = reputation, committees
        self._attempts: dict[int, list[Attempt]] = {}
        self._latest = self._finished = 0
        self._judged: dict[int, int] = {}
        self._served: dict[int, int] = {}

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
        attempt = Attempt(self._judged.get(number, 0), base, deadline, self._next_committee())
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
            state.void("quorum")
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
        state.require_absent(verdicts)
        state.verdicts_of[rank] = verdicts
        if late or not agreed(state.verdicts_of, verdicts):
            return
        state.verdicts = verdicts
        self._judged[number] = self._judged.get(number, 0) + 1
        if verdicts.count(ACCEPTED) < self._terms.min_accepted:
            state.void("too few accepted")
            return
        state.phase = Phase.BOUND
        self._suspended |= {index for index, code in enumerate(verdicts) if code == SUSPENDED}

    def attest_model(self, caller: Caller, number: int, attempt: int, model: bytes) -> None:
        """A validator attests the new model's hash; a majority of equal ones makes it current."""
        state = self._open(number, attempt)
        rank = self._rank(caller, state)
        late = state.model != EMPTY
        require(late or state.phase == Phase.BOUND, "wrong phase")
        require(rank not in state.attestations, "already attested")
        require(model != EMPTY, "empty hash")
        accepted = not late and agreed(state.attestations | {rank: model}, model)
        if accepted:
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
        if state.phase != Phase.FINAL or not agreed(state.votes, passed):
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
        state.void(reason)

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

    def latest_round(self) -> int:
        """The round opened last, 0 before the first."""
        return self._latest

    def attempt_count(self, number: int) -> int:
        """How many attempts of a round were opened."""
        return len(self._attempts.get(number, []))

    def digest_page(self, number: int, attempt: int, start: int) -> list[bytes]:
        """Digests of hospitals from a place on, zeros where there is none."""
        digests = self._attempt(number, attempt).digests
        return [digests.get(index, EMPTY) for index in range(start, min(start + PAGE, len(self._roster)))]

    def attempt_state(self, number: int, attempt: int) -> tuple[object, ...]:
        """See `Attempt.row`."""
        return self._attempt(number, attempt).row()

    def _attempt(self, number: int, attempt: int) -> Attempt:
        require(attempt < self.attempt_count(number), "no such attempt")
        return self._attempts[number][attempt]

    def _open(self, number: int, attempt: int) -> Attempt:
        latest = number != 0 and number == self._latest and attempt + 1 == self.attempt_count(number)
        require(latest, "not the latest attempt")
        return self._attempts[number][attempt]

    def _rank(self, caller: Caller, state: Attempt) -> int:
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
