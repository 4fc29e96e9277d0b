"""A validator's process: votes, draws and computes with the two others as the ledger's phase says."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from mithridate.errors import ProtocolError, RoundVoid, RuleViolation
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.handover import ENOUGH
from mithridate.federation.remote.agent import Agent, Pace, Step
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.wire import RelayRefused, Unreachable
from mithridate.federation.seats import Seats, possible_seats, precedent
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import MAX_REASON_BYTES, AttemptState, Ledger, Phase
from mithridate.ledger.store import ModelStore
from mithridate.mpc.peers import HungUp
from mithridate.mpc.shares import VALIDATORS

LOG = logging.getLogger(__name__)
_TURN_S = 10.0


class Meetings(Protocol):
    """Where the three validators of a committee meet for a section of the protocol."""

    def sit(self, seats: Seats) -> None:
        """Makes ready to meet a committee, leaving the one before."""
        ...

    def leave(self) -> None:
        """Leaves the committee in which this validator sat last, if any."""
        ...

    def hold(self, section: str, patience: float, action: Callable[[CommitteeMember], None]) -> None:
        """Joins the others of the committee in a section and does this validator's part of it.

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


@dataclass(frozen=True)
class Mail:
    """What the coordinator holds for a validator in an attempt; all of it hostile.

    Args:
        attempt: round and attempt.
        parts: of the hospitals' messages, by number.
        curated: of the curator's message; None if there is none.
        handed_over: of the last committee's messages, by place.
        succeeds: whether the attempt's committee goes on from another one.
    """

    attempt: tuple[int, int]
    parts: Mapping[int, bytes]
    curated: bytes | None
    handed_over: Mapping[int, bytes]
    succeeds: bool

    @property
    def whole(self) -> bool:
        """Whether nothing is missing that the committee cannot do without."""
        return not self.succeeds or len(self.handed_over) >= ENOUGH


class NotMet(RoundVoid):
    """Another validator did not come to a section in time."""


class ValidatorAgent(Agent):
    """One validator.

    Args:
        validator: its role.
        ledger: the ledger, from its own account.
        desk: the coordinator's.
        meetings: with the two others of a committee.
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
        self._handed_over: tuple[int, int] | None = None
        self._mail: Mail | None = None
        self._opened: tuple[int, int] | None = None
        self._judged: tuple[int, int] | None = None
        self._stuck_since: float | None = None
        self._over: tuple[int, int] | None = None
        self._steps: Mapping[Phase, Callable[[AttemptState], Step]] = {
            Phase.SUBMITTING: self._submitting,
            Phase.CLOSED: self._closed,
            Phase.DRAWN: self._drawn,
            Phase.BOUND: self._bound,
            Phase.FINAL: self._final,
        }

    def step(self, state: AttemptState, *, settled: bool) -> Step:
        """See `Agent.step`."""
        if settled:
            self._hand_over(state)
        if self._validator.rank_in(state) is None:
            self.status.now("not of this attempt's committee")
            self._meetings.leave()
            return Step.IDLE
        self._take_seat(state)
        try:
            return self._steps[state.phase](state)
        except NotMet as error:
            return self._alone(state, error)
        except (Unreachable, RelayRefused) as error:
            if not self._stuck():
                raise
            return self._void(state, f"{self.name} gets nothing from the coordinator: {error}")
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
            self._over, self._opened, self._mail = (state.round, state.attempt), None, None
            self._validator.forget()

    def between(self) -> Step:
        """See `Agent.between`: takes part in the draw of a committee."""
        number = self._ledger.draws()
        if not number or self._ledger.draw(number).settled:
            return Step.IDLE
        self.status.now("drawing the next committee")
        return Step.ACTED if self._validator.draw(number) else Step.IDLE

    def _hand_over(self, state: AttemptState) -> None:
        """Hands what it keeps to the attempt's committee, once, if it sat in another before."""
        place = (state.round, state.attempt)
        if self._handed_over == place or state.phase >= Phase.FINAL:
            return
        try:
            message = self._validator.hand_over(state)
            if message is not None:
                self.status.now("handing over to another committee")
                self._desk.hand_over(state, message)
        except RoundVoid as error:
            LOG.warning("%s hands nothing over to round %d attempt %d: %s", self.name, *place, error)
        except RelayRefused as error:
            # It did so before a restart, or is too late.
            LOG.info("%s: what it hands over to round %d attempt %d is not taken: %s", self.name, *place, error)
        self._handed_over = place

    def _take_seat(self, state: AttemptState) -> None:
        self._meetings.sit(state.committee)
        if not self._validator.sits_in(state.committee):
            self.status.now("fetching its shares of the reference set")
            number = possible_seats(len(self._ledger.validators())).index(state.committee)
            self._validator.take_seat(state.committee, self._desk.reference_part(number))

    def _alone(self, state: AttemptState, error: NotMet) -> Step:
        """The others are waited for in short turns, as the ledger may have gone on without this validator."""
        return self._void(state, str(error)) if self._stuck() else Step.ACTED

    def _stuck(self) -> bool:
        """Whether this validator has met nobody for so long that it gives the attempt up."""
        self._stuck_since = self._stuck_since or time.monotonic()
        if time.monotonic() - self._stuck_since < self._pace.patience:
            return False
        self._stuck_since = None
        return True

    def _overtaken(self, state: AttemptState, error: RuleViolation) -> Step:
        """A vote that came after the two others', or before a restart, is refused and was not needed."""
        if not error.reason.startswith("already"):
            now = self._ledger.attempt(state.round, state.attempt)
            if now.phase is state.phase:
                raise error
        return Step.ACTED

    def _submitting(self, state: AttemptState) -> Step:
        late = self._ledger.now() >= state.deadline
        if self._rank(state) not in state.committed:
            if late:
                return self._void(state, f"{self.name} came after the deadline")
            self.status.now("committing its randomness")
            self._validator.commit_randomness(state)
            return Step.ACTED
        self.status.now("waiting for the hospitals")
        if late and len(state.committed) < VALIDATORS:
            missing = next(place for rank, place in enumerate(state.committee) if rank not in state.committed)
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
        if self._rank(state) not in state.revealed:
            self.status.now("revealing its randomness")
            self._validator.reveal_randomness(state)
            return Step.ACTED
        self.status.now("waiting for the others to reveal their randomness")
        if self._waited_long():
            missing = [place for rank, place in enumerate(state.committee) if rank not in state.revealed]
            return self._void(state, f"validator-{missing[0]} withholds its randomness" if missing else "nothing drawn")
        return Step.IDLE

    def _drawn(self, state: AttemptState) -> Step:
        if self._judged == (state.round, state.attempt):
            return self._await(state, "waiting for the others' verdicts", "the validators attested different verdicts")
        if not self._collect(state).whole:
            return self._await(state, "waiting for the last committee", "the last committee did not hand over")
        self.status.now("verifying")
        self._meet(state, "verify", lambda: self._verify(state))
        return Step.ACTED

    def _verify(self, state: AttemptState) -> None:
        self._open(state)
        verdicts = self._validator.judge()
        self._judged = (state.round, state.attempt)
        self._validator.attest_verdicts(state, verdicts.rules)

    def _bound(self, state: AttemptState) -> Step:
        if len(state.attestations) == VALIDATORS:
            return self._void(state, "the validators attested different models")
        self._desk.fetch_model(state.base_hash, self._store)
        # One that has attested comes, too: another that was killed before it did cannot do without.
        self.status.now("aggregating")
        self._meet(state, "aggregate", lambda: self._aggregate(state))
        return Step.ACTED

    def _aggregate(self, state: AttemptState) -> None:
        if not self._validator.all_say(self._validator.judged(state)):
            raise RoundVoid("a validator lost what it kept of this attempt's verdicts")
        if not self._validator.all_say(self._opened == (state.round, state.attempt)):
            self._open(state)
        digest = self._validator.aggregate(state)
        self._desk.keep_model(digest, self._store)
        self._validator.attest_model(state, digest)

    def _final(self, state: AttemptState) -> Step:
        for model in (self._ledger.current_model(), self._ledger.stable_model()):
            self._desk.fetch_model(model, self._store)
        self.status.now("checking the new model")
        self._meet(state, "release", lambda: self._release(state))
        return Step.ACTED

    def _release(self, state: AttemptState) -> None:
        self._validator.vote_release(state, self._validator.check_release())

    def _collect(self, state: AttemptState) -> Mail:
        """What the coordinator holds for this validator, fetched before the others are met: so that it may fail."""
        place, held = (state.round, state.attempt), self._mail
        # An attempt may have ended unseen between two looks.
        if held is None or held.attempt != place:
            self.status.now("fetching the hospitals' messages")
            self._desk.fetch_model(state.base_hash, self._store)
            curated = self._desk.curated_part(state) if self._curated else None
            before = precedent(self._ledger, state)
            succeeds = before is not None and before.committee != state.committee
            held = Mail(place, self._desk.parts(state), curated, {}, succeeds)
        if not held.whole and (before := precedent(self._ledger, state)) is not None:
            held = replace(held, handed_over=self._desk.handed_over(state, before.committee))
        self._mail = held
        return held

    def _open(self, state: AttemptState) -> None:
        mail, self._mail = self._collect(state), None
        opened = self._validator.open(state, mail.parts, mail.curated, mail.handed_over)
        for index, reason in opened.reasons.items():
            LOG.warning("%s: hospital-%d's message: %s", self.name, index, reason)
        self._opened = (state.round, state.attempt)

    def _meet(self, state: AttemptState, name: str, action: Callable[[], None]) -> None:
        def with_member(member: CommitteeMember) -> None:
            self._stuck_since = None
            self._validator.join(member)
            action()

        section = f"{self._ledger.study_id().hex()[:16]}/{state.round}/{state.attempt}/{name}"
        self._meetings.hold(section, min(_TURN_S, self._pace.patience), with_member)

    def _rank(self, state: AttemptState) -> int:
        return state.committee.index(self._validator.place)

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
