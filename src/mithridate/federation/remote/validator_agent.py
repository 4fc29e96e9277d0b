"""A validator's process: votes, draws and computes with the two others as the ledger's phase says."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from mithridate.errors import ProtocolError, RoundVoid, RuleViolation
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.remote.agent import Agent, Pace, Step
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import MAX_REASON_BYTES, AttemptState, Ledger, Phase
from mithridate.ledger.store import ModelStore
from mithridate.mpc.peers import HungUp
from mithridate.mpc.shares import VALIDATORS

LOG = logging.getLogger(__name__)
_TURN_S = 10.0


class Meetings(Protocol):
    """Where the three validators meet for a section of the protocol."""

    def hold(self, section: str, patience: float, action: Callable[[CommitteeMember], None]) -> None:
        """Joins the others in a section and does this validator's part of it.

        Args:
            section: the same at all three.
            patience: seconds that the others are waited for.
            action: this validator's part.

        Raises:
            NotMet: another validator did not come.
            HungUp: another validator left before the section was over.
            ProtocolError: what `action` raised, or the section was left too often.
        """
        ...

    def mend(self) -> None:
        """Makes what a section that failed has left behind usable again."""
        ...


class NotMet(RoundVoid):
    """Another validator did not come to a section in time."""


class ValidatorAgent(Agent):
    """One validator.

    Args:
        validator: its role.
        ledger: the ledger, from its own account.
        desk: the coordinator's.
        meetings: with the two others.
        store: its own copies of global models.
        curated: whether the curator sends something in every round.
        rounds: of the study.
        pace: how it follows the ledger.
    """

    def __init__(
        self,
        validator: Validator,
        ledger: Ledger,
        desk: CoordinatorDesk,
        meetings: Meetings,
        store: ModelStore,
        curated: bool,
        rounds: int,
        pace: Pace,
    ) -> None:
        super().__init__(validator.name, ledger, rounds, pace)
        self._validator = validator
        self._desk = desk
        self._meetings = meetings
        self._store = store
        self._curated = curated
        self._ready = False
        self._opened: tuple[int, int] | None = None
        self._judged: tuple[int, int] | None = None
        self._alone_since: float | None = None
        self._over: tuple[int, int] | None = None
        self._steps: Mapping[Phase, Callable[[AttemptState], Step]] = {
            Phase.SUBMITTING: self._submitting,
            Phase.CLOSED: self._closed,
            Phase.DRAWN: self._drawn,
            Phase.BOUND: self._bound,
            Phase.FINAL: self._final,
        }

    def step(self, state: AttemptState) -> Step:
        """See `Agent.step`."""
        if not self._ready:
            self.status.now("fetching its shares of the reference set")
            self._validator.receive_reference(self._desk.reference_part())
            self._ready = True
        try:
            return self._steps[state.phase](state)
        except NotMet as error:
            return self._alone(state, error)
        except HungUp as error:
            # Whoever left may be back at once: the section is tried again.
            self.status.failed(error)
            LOG.warning("%s: round %d attempt %d: %s", self.name, state.round, state.attempt, error)
            return Step.IDLE
        except RuleViolation as error:
            return self._overtaken(state, error)
        except ProtocolError as error:
            LOG.warning("%s gives round %d attempt %d up: %s", self.name, state.round, state.attempt, error)
            self.status.failed(error)
            return self._void(state, str(error))
        finally:
            self._meetings.mend()

    def over(self, state: AttemptState) -> None:
        """See `Agent.over`."""
        if self._over != (state.round, state.attempt):
            self._over, self._opened = (state.round, state.attempt), None
            self._validator.forget()

    def _alone(self, state: AttemptState, error: NotMet) -> Step:
        """The others are waited for in short turns, as the ledger may have gone on without this validator."""
        self._alone_since = self._alone_since or time.monotonic()
        if time.monotonic() - self._alone_since < self._pace.patience:
            return Step.ACTED
        self._alone_since = None
        return self._void(state, str(error))

    def _overtaken(self, state: AttemptState, error: RuleViolation) -> Step:
        """A vote that came after the two others', or before a restart, is refused and was not needed."""
        if not error.reason.startswith("already"):
            now = self._ledger.attempt(state.round, state.attempt)
            if now.phase is state.phase:
                raise error
        return Step.ACTED

    def _submitting(self, state: AttemptState) -> Step:
        late = self._ledger.now() >= state.deadline
        if self._validator.rank not in state.committed:
            if late:
                return self._void(state, f"{self.name} came after the deadline")
            self.status.now("committing its randomness")
            self._validator.commit_randomness(state)
            return Step.ACTED
        self.status.now("waiting for the hospitals")
        if late and len(state.committed) < VALIDATORS:
            missing = next(rank for rank in range(VALIDATORS) if rank not in state.committed)
            return self._void(state, f"validator-{missing} did not commit its randomness in time")
        if late or self._complete(state):
            self._validator.close_submissions(state)
            return Step.ACTED
        return Step.IDLE

    def _complete(self, state: AttemptState) -> bool:
        """Whether everybody who may submit has, so that nobody is shut out by closing before the deadline."""
        expected = {hospital.index for hospital in self._ledger.hospitals()} - self._ledger.suspended()
        expected -= {refusal.hospital for refusal in self._ledger.refusals()}
        if expected - state.submissions.keys():
            return False
        return not self._curated or self._desk.is_curated(state)

    def _closed(self, state: AttemptState) -> Step:
        if self._validator.rank not in state.revealed:
            self.status.now("revealing its randomness")
            self._validator.reveal_randomness(state)
            return Step.ACTED
        self.status.now("waiting for the others to reveal their randomness")
        if self._waited_long():
            missing = [rank for rank in range(VALIDATORS) if rank not in state.revealed]
            return self._void(state, f"validator-{missing[0]} withholds its randomness" if missing else "nothing drawn")
        return Step.IDLE

    def _drawn(self, state: AttemptState) -> Step:
        if self._judged == (state.round, state.attempt):
            return self._await(state, "waiting for the others' verdicts", "the validators attested different verdicts")
        self.status.now("verifying")
        self._meet(state, "verify", lambda: self._verify(state))
        return Step.ACTED

    def _verify(self, state: AttemptState) -> None:
        self._open(state)
        verdicts = self._validator.judge()
        self._judged = (state.round, state.attempt)
        self._validator.attest_verdicts(state, verdicts.rules)

    def _bound(self, state: AttemptState) -> Step:
        if self._validator.rank in state.attestations:
            return self._await(state, "waiting for the others' models", "the validators attested different models")
        self.status.now("aggregating")
        self._meet(state, "aggregate", lambda: self._aggregate(state))
        return Step.ACTED

    def _aggregate(self, state: AttemptState) -> None:
        self._desk.fetch_model(state.base_hash, self._store)
        if not self._validator.all_say(self._validator.judged(state)):
            raise RoundVoid("a validator lost what it kept of this attempt's verdicts")
        if not self._validator.all_say(self._opened == (state.round, state.attempt)):
            self._open(state)
        digest = self._validator.aggregate(state)
        self._desk.keep_model(digest, self._store)
        self._validator.attest_model(state, digest)

    def _final(self, state: AttemptState) -> Step:
        if self._validator.rank in state.votes:
            return self._await(state, "waiting for the others' votes", "the validators do not vote")
        self.status.now("checking the new model")
        self._meet(state, "release", lambda: self._release(state))
        return Step.ACTED

    def _release(self, state: AttemptState) -> None:
        for model in (self._ledger.current_model(), self._ledger.stable_model()):
            self._desk.fetch_model(model, self._store)
        self._validator.vote_release(state, self._validator.check_release())

    def _open(self, state: AttemptState) -> None:
        self._desk.fetch_model(state.base_hash, self._store)
        curated = self._desk.curated_part(state) if self._curated else None
        opened = self._validator.open(state, self._desk.parts(state), curated)
        for index, reason in opened.reasons.items():
            LOG.warning("%s: hospital-%d's message: %s", self.name, index, reason)
        self._opened = (state.round, state.attempt)

    def _meet(self, state: AttemptState, name: str, action: Callable[[], None]) -> None:
        def with_member(member: CommitteeMember) -> None:
            self._alone_since = None
            self._validator.join(member)
            action()

        section = f"{self._ledger.study_id().hex()[:16]}/{state.round}/{state.attempt}/{name}"
        self._meetings.hold(section, min(_TURN_S, self._pace.patience), with_member)

    def _await(self, state: AttemptState, doing: str, reason: str) -> Step:
        self.status.now(doing)
        return self._void(state, reason) if self._waited_long() else Step.IDLE

    def _waited_long(self) -> bool:
        return self.status.waited() > self._pace.patience

    def _void(self, state: AttemptState, reason: str) -> Step:
        text = reason.encode("ascii", "replace").decode()[:MAX_REASON_BYTES]
        try:
            self._validator.vote_void(state, text)
        except RuleViolation as error:
            LOG.info("%s: the vote to close the attempt as void was not needed: %s", self.name, error)
        self.status.now("waiting for another vote to close the attempt")
        return Step.IDLE
