"""Kills at random points of a study that runs as separate processes, one at a time, each role in turn."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from mithridate.errors import BenchmarkError
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.ledger.verify import attempts
from mithridate.poc.run import Poc
from mithridate.provisioning.consortium import Role

ROLES = (Role.HOSPITAL, Role.VALIDATOR, Role.CURATOR, Role.COORDINATOR)
LONGEST_WAIT_S = 6.0
BACK_S = 90.0


@dataclass(frozen=True)
class Kill:
    """One kill.

    Args:
        role: of the victim.
        name: of the victim.
        round: of the attempt under way.
        phase: of that attempt.
        back: seconds until the ledger moved on after it, None if it never did.
    """

    role: Role
    name: str
    round: int
    phase: str
    back: float | None


@dataclass
class Killer:
    """Called at every look at the study; kills the next victim when its random moment has come.

    Args:
        poc: whose processes.
        kills: how many of each role.
        seed: of the moments and victims.
        told: called with each kill once the ledger moved on.
    """

    poc: Poc
    kills: int
    seed: int
    told: Callable[[Kill], None] = lambda kill: None
    done: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - which process dies when is no secret
        self._victims = self._plan()
        self._next = time.monotonic() + self._random.uniform(0, LONGEST_WAIT_S)
        self._open: tuple[Role, str, AttemptState, float] | None = None

    @property
    def finished(self) -> bool:
        """Whether all kills are done and the ledger moved on after each."""
        return len(self.done) == self.kills * len(ROLES)

    def of(self, role: Role) -> list[Kill]:
        """The kills of one role."""
        return [kill for kill in self.done if kill.role is role]

    def look(self) -> None:
        """Kills, or notes that the ledger moved on since the last kill."""
        state = self.poc.chain.reader.latest()
        if state is None or self.finished:
            return
        if self._open is not None:
            self._settle(state)
        elif time.monotonic() >= self._next:
            self._kill(state)

    def _kill(self, state: AttemptState) -> None:
        role, name = next(self._victims)
        process = self.poc.processes[name]
        if not process.running:
            return
        process.kill()
        self._open = (role, name, state, time.monotonic())

    def _settle(self, state: AttemptState) -> None:
        if self._open is None:
            return
        role, name, before, at = self._open
        moved = (state.round, state.attempt, state.phase) != (before.round, before.attempt, before.phase)
        waited = time.monotonic() - at
        if not moved and waited < BACK_S + self.poc.prepared.study.runtime.deadline_seconds:
            return
        kill = Kill(role, name, before.round, before.phase.name.lower(), waited if moved else None)
        self.done.append(kill)
        self.told(kill)
        self._open = None
        self._next = time.monotonic() + self._random.uniform(0, LONGEST_WAIT_S)

    def _plan(self) -> Iterator[tuple[Role, str]]:
        by_role = {role: [place.name for place in self.poc.consortium.of(role)] for role in ROLES}
        for role in cycle(ROLES):
            yield role, self._random.choice(by_role[role])


def problems(poc: Poc, kills: Sequence[Kill]) -> list[str]:
    """What should not be after a study with kills; nothing if all held.

    Args:
        poc: whose study ran.
        kills: what was done to it.
    """
    found = [
        f"the ledger did not move on after {kill.name} was killed in {kill.phase}"
        for kill in kills
        if kill.back is None
    ]
    for state in attempts(poc.chain.reader):
        equal = sum(each == state.model_hash for each in state.attestations.values())
        if state.phase is Phase.RELEASED and equal < 2:
            found.append(f"round {state.round} released a model that {equal} validators attested")
        if state.phase is Phase.VOID and not state.void_reason:
            found.append(f"round {state.round} attempt {state.attempt} is void without a reason")
    return found


def require(poc: Poc, kills: Sequence[Kill]) -> None:
    """Returns if nothing is wrong.

    Raises:
        BenchmarkError: something is.
    """
    if found := problems(poc, kills):
        raise BenchmarkError("; ".join(found))
