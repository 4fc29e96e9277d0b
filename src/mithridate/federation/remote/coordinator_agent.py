"""The coordinator's process: opens one attempt after another, and closes one that nobody else can."""

import logging

from mithridate.federation.coordinator import Coordinator
from mithridate.federation.remote.agent import OVER, Agent, Pace, Step
from mithridate.ledger.interface import AttemptState, Ledger, Phase

LOG = logging.getLogger(__name__)
MAX_VOIDS = 6
"""A round that is void this many times ends the study; the ledger holds the reasons."""
_LONGEST_PAUSE_S = 120.0
_NOBODY = "the deadline and the grace passed"


class CoordinatorAgent(Agent):
    """The coordinator.

    Args:
        coordinator: its role.
        ledger: the ledger, from its own account.
        deadline: seconds that hospitals have in an attempt.
        grace: seconds after a deadline when the contract lets the coordinator void an attempt alone.
        rounds: of the study.
        pace: how it follows the ledger.
    """

    def __init__(
        self, coordinator: Coordinator, ledger: Ledger, deadline: int, grace: int, rounds: int, pace: Pace
    ) -> None:
        super().__init__("coordinator", ledger, rounds, pace)
        self._coordinator = coordinator
        self._deadline = deadline
        self._grace = grace
        self._voids = 0
        self._over: tuple[int, int] | None = None

    @property
    def gave_up(self) -> bool:
        """Whether the study stopped because a round was void too often."""
        return self._voids >= MAX_VOIDS

    def look(self) -> Step:
        """See `Agent.look`; between attempts, opens the next one."""
        if not self._ledger.begun():
            self.status.now("waiting for the study to begin")
            return Step.IDLE
        state = self._ledger.latest()
        self.status.saw(state)
        if state is not None and state.phase not in OVER:
            return self.step(state)
        return self._between(state)

    def step(self, state: AttemptState) -> Step:
        """See `Agent.step`."""
        self.status.now("relaying")
        if state.phase < Phase.FINAL and self._ledger.now() > state.deadline + self._grace:
            LOG.warning("round %d attempt %d: %s; closing it as void", state.round, state.attempt, _NOBODY)
            self._ledger.vote_void(state.round, state.attempt, _NOBODY)
            return Step.ACTED
        return Step.IDLE

    def _between(self, state: AttemptState | None) -> Step:
        if state is not None and self._over != (state.round, state.attempt):
            self._over = (state.round, state.attempt)
            self._coordinator.discard()
            self._count(state)
        if state is not None and state.phase is Phase.VOID:
            return Step.FINISHED if self.gave_up else self._reopen(state)
        following = 1 if state is None else state.round + 1
        if following > self._rounds:
            return Step.FINISHED
        return self._open(following)

    def _count(self, state: AttemptState) -> None:
        LOG.info("round %d attempt %d: %s %s", state.round, state.attempt, state.phase.name, state.void_reason or "")
        self._voids = state.attempt + 1 if state.phase is Phase.VOID else 0

    def _reopen(self, state: AttemptState) -> Step:
        # Whoever is missing needs time to come back.
        pause = min(self._pace.poll * 4**self._voids, _LONGEST_PAUSE_S)
        self.status.now(f"waiting {pause:.0f} s to open round {state.round} again: {state.void_reason}")
        if self.status.waited() < pause:
            return Step.IDLE
        return self._open(state.round)

    def _open(self, round_number: int) -> Step:
        self._coordinator.open_round(round_number, self._deadline)
        self.status.now("relaying")
        return Step.ACTED
