"""What all parties' processes have in common: follow the ledger, one step at a time, until the study is over.

A process holds nothing that the ledger, its own files or the coordinator's mailbox do not hold, so that it can be
killed at any point and started again.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum

from mithridate.errors import LedgerError, ProtocolError
from mithridate.federation.remote.wire import RelayRefused, Unreachable
from mithridate.ledger.interface import AttemptState, Ledger, Phase

LOG = logging.getLogger(__name__)
OVER = (Phase.RELEASED, Phase.ROLLED_BACK, Phase.VOID)
_LONGEST_PAUSE_S = 5.0
_MOST_DOUBLINGS = 16


@dataclass(frozen=True)
class Pace:
    """How a process follows the ledger.

    Args:
        poll: seconds between two looks at the ledger while nothing happens.
        patience: seconds that a party waits for the others before it gives an attempt up.
    """

    poll: float = 0.5
    patience: float = 300.0


Opening = tuple[int, int, bytes, int, tuple[int, ...]]


def opening(state: AttemptState) -> Opening:
    """What an attempt was opened with: all that an update and its message depend on."""
    return state.round, state.attempt, state.base_hash, state.generation, tuple(state.committee)


class Step(StrEnum):
    """What a look at the ledger came to."""

    IDLE = "idle"
    ACTED = "acted"
    FINISHED = "finished"


@dataclass
class Status:
    """What a process says of itself.

    Args:
        doing: in words.
        since: when that began, in seconds since 1970.
        round: the attempt it last saw.
        attempt: of that round.
        phase: of that attempt.
        problem: the last thing that went wrong, empty if nothing has since it went on.
        failures: how often something went wrong.
    """

    doing: str = "starting"
    since: float = field(default_factory=time.time)
    round: int = 0
    attempt: int = 0
    phase: str = ""
    problem: str = ""
    failures: int = 0

    def waited(self) -> float:
        """Seconds since the process began what it does now."""
        return time.time() - self.since

    def now(self, doing: str) -> None:
        """Notes what the process does from now on."""
        if doing != self.doing:
            self.doing, self.since = doing, time.time()

    def saw(self, state: AttemptState | None) -> None:
        """Notes where the ledger stands."""
        if state is not None:
            self.round, self.attempt, self.phase = state.round, state.attempt, state.phase.name.lower()

    def failed(self, error: Exception) -> None:
        """Notes what went wrong."""
        self.problem, self.failures = f"{type(error).__name__}: {error}", self.failures + 1


class Agent:
    """A party's process. Subclasses say what one look at the ledger leads to.

    Args:
        name: the participant's.
        ledger: the ledger, from its own account.
        rounds: of the study.
        pace: how it follows the ledger.
    """

    def __init__(self, name: str, ledger: Ledger, rounds: int, pace: Pace) -> None:
        self.name = name
        self.status = Status()
        self._ledger = ledger
        self._rounds = rounds
        self._pace = pace
        self._stop = threading.Event()
        self._begun = False

    def stop(self) -> None:
        """Ends `run` after the step under way."""
        self._stop.set()

    def run(self) -> None:
        """Follows the ledger until the study is over or `stop` is called. What can be mended outside is waited for."""
        failures = 0
        while not self._stop.is_set():
            try:
                step = self.look()
            except (LedgerError, Unreachable, RelayRefused, ProtocolError) as error:
                failures += 1
                self.status.failed(error)
                LOG.warning("%s: %s", self.name, error)
                self._stop.wait(min(self._pace.poll * 2 ** min(failures, _MOST_DOUBLINGS), _LONGEST_PAUSE_S))
                continue
            failures, self.status.problem = 0, ""
            if step is Step.FINISHED:
                self.status.now("finished")
                LOG.info("%s: the study is over", self.name)
                return
            if step is Step.IDLE:
                self._stop.wait(self._pace.poll)

    def look(self) -> Step:
        """One look at the ledger, and what follows from it.

        While an attempt takes submissions, nothing is revealed: until then a party goes by what the ledger may yet take
        back, so as not to wait at each step until it cannot.
        """
        self._begun = self._begun or self._ledger.begun()
        state = self._ledger.latest() if self._begun else None
        if state is not None and state.phase in OVER:
            self.over(state)
        with self._ledger.unconfirmed():
            coming = self._ledger.latest() if self._begun else None
            if coming is not None and coming.phase is Phase.SUBMITTING:
                self.status.saw(coming)
                return self.step(coming, settled=state is not None and opening(state) == opening(coming))
        self.status.saw(state)
        if state is None:
            self.status.now("waiting for the first round")
            return self.between() if self._begun else Step.IDLE
        if state.phase in OVER:
            if state.round == self._rounds and state.phase is not Phase.VOID:
                return Step.FINISHED
            self.status.now("waiting for the next attempt")
            return self.between()
        if state.phase is Phase.SUBMITTING:
            self.status.now("waiting until it is for good that submissions are closed")
            return Step.IDLE
        return self.step(state, settled=True)

    def step(self, state: AttemptState, *, settled: bool) -> Step:
        """What follows from an attempt that is not over.

        Args:
            state: of the attempt; while it takes submissions, as the ledger may yet take it back.
            settled: whether it was opened for good.
        """
        raise TypeError(f"{type(self).__name__} does not say what it does in an attempt")

    def over(self, state: AttemptState) -> None:
        """What follows from an attempt that is over; called at every look."""

    def between(self) -> Step:
        """What follows while no attempt is open."""
        return Step.IDLE
