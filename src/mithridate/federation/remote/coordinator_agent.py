"""The coordinator's process: opens one attempt after another, and closes one that nobody else can."""

import logging

from mithridate.federation.coordinator import Coordinator
from mithridate.federation.outcome import MAX_VOIDS
from mithridate.federation.remote.agent import OVER, Agent, Opening, Pace, Step, opening
from mithridate.ledger.interface import AttemptState, Draw, Ledger, Phase

LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 120.0
_NOBODY = "the deadline and the grace passed"


class CoordinatorAgent(Agent):
    """The coordinator.

    Args:
        coordinator: its role.
        ledger: the ledger, from its own account.
        deadline: seconds that hospitals have in an attempt.
        grace: seconds after a deadline when the contract lets the coordinator void an attempt alone.
        draw_seconds: that validators have in each half of a draw, where there are more than three.
        rounds: of the study.
        pace: how it follows the ledger.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        ledger: Ledger,
        deadline: int,
        grace: int,
        draw_seconds: int,
        rounds: int,
        pace: Pace,
    ) -> None:
        super().__init__("coordinator", ledger, rounds, pace)
        self._coordinator = coordinator
        self._deadline = deadline
        self._grace = grace
        self._draw_seconds = draw_seconds
        self._voids = 0
        self._failed_draws = 0
        self._paused: tuple[int, int] | None = None
        self._over: Opening | None = None
        self._uncleared: AttemptState | None = None

    @property
    def gave_up(self) -> bool:
        """Whether the study stopped because a round was void, or no committee could be drawn, too often."""
        return max(self._voids, self._failed_draws) >= MAX_VOIDS

    def look(self) -> Step:
        """See `Agent.look`; between attempts, opens the next one."""
        if not self._ledger.begun():
            self.status.now("waiting for the study to begin")
            return Step.IDLE
        state = self._ledger.latest()
        if state is not None:
            self._clear(state)
        with self._ledger.unconfirmed():
            coming = self._ledger.latest()
            self.status.saw(coming)
            if coming is not None and coming.phase not in OVER:
                return self.step(coming, settled=state is not None and opening(state) == opening(coming))
            if coming is not None and self._opens_early(coming):
                self._end(coming)
                return self._open(coming.round + 1)
        if state is not None and state.phase not in OVER:
            self.status.now("waiting until it is for good that the attempt is over")
            return Step.IDLE
        return self._between(state)

    def _opens_early(self, over: AttemptState) -> bool:
        """Whether the next round may open on a model that the ledger may yet take back: if it does, so it does that."""
        return over.phase is Phase.RELEASED and over.round < self._rounds and not self._ledger.draws()

    def step(self, state: AttemptState, *, settled: bool) -> Step:
        """See `Agent.step`."""
        self.status.now("relaying")
        if state.phase < Phase.FINAL and self._ledger.now() > state.deadline + self._grace:
            LOG.warning("round %d attempt %d: %s; closing it as void", state.round, state.attempt, _NOBODY)
            self._ledger.vote_void(state.round, state.attempt, _NOBODY)
            return Step.ACTED
        return Step.IDLE

    def _between(self, state: AttemptState | None) -> Step:
        if self.gave_up:
            return Step.FINISHED
        if state is not None and state.phase is Phase.VOID:
            return self._reopen(state)
        following = 1 if state is None else state.round + 1
        if following > self._rounds:
            return Step.FINISHED
        return self._open(following)

    def _clear(self, state: AttemptState) -> None:
        """Deletes the messages of the last attempt once it is over for good; the next one may be open by then.

        Args:
            state: of the latest attempt, for good.
        """
        if state.phase in OVER:
            self._end(state)
        ended = self._uncleared
        if ended is not None and (state.phase in OVER or opening(state)[:2] > opening(ended)[:2]):
            self._coordinator.discard(ended)
            self._uncleared = None

    def _end(self, state: AttemptState) -> None:
        """Takes note, once, that an attempt is over."""
        if self._over == opening(state):
            return
        self._over = opening(state)
        LOG.info("round %d attempt %d: %s %s", state.round, state.attempt, state.phase.name, state.void_reason or "")
        self._voids = state.attempt + 1 if state.phase is Phase.VOID else 0
        self._uncleared = state

    def _reopen(self, state: AttemptState) -> Step:
        # Whoever is missing needs time to come back.
        if self._paused != (state.round, state.attempt):
            pause = min(self._pace.poll * 4**self._voids, _LONGEST_PAUSE_S)
            self.status.now(f"waiting {pause:.0f} s to open round {state.round} again: {state.void_reason}")
            if self.status.waited() < pause:
                return Step.IDLE
            self._paused = (state.round, state.attempt)
        return self._open(state.round)

    def _open(self, round_number: int) -> Step:
        draw = self._coordinator.draw_under_way(self._draw_seconds)
        if draw is not None:
            return self._draw(draw)
        self._coordinator.open_round(round_number, self._deadline)
        self.status.now("relaying")
        return Step.ACTED

    def _draw(self, draw: Draw) -> Step:
        self.status.now("drawing the next committee")
        if not self._coordinator.settle(draw):
            return Step.IDLE
        drawn = self._ledger.draw(draw.number).committee
        LOG.info("draw %d: %s", draw.number, f"validators {drawn}" if drawn else "too few took part")
        self._failed_draws = 0 if drawn else self._failed_draws + 1
        return Step.ACTED
