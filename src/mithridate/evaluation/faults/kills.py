"""Kills at random points of studies that run as separate processes, one at a time, each role in turn."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mithridate.ledger.interface import AttemptState, Phase
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
    """Called at every look at a study; kills the next victim when its random moment has come.

    Args:
        kills: how many of each role, in one study after another.
        seed: of the moments and victims.
        told: called with each kill once the ledger moved on.
    """

    kills: int
    seed: int
    told: Callable[[Kill], None] = lambda kill: None
    done: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - which process dies when is no secret
        self._next = time.monotonic() + self._random.uniform(0, LONGEST_WAIT_S)
        self._open: tuple[Role, str, AttemptState, float] | None = None

    @property
    def finished(self) -> bool:
        """Whether all kills are done and the ledger moved on after each."""
        return len(self.done) == self.kills * len(ROLES)

    def of(self, role: Role) -> list[Kill]:
        """The kills of one role."""
        return [kill for kill in self.done if kill.role is role]

    def look(self, poc: Poc) -> None:
        """Kills, or notes that the ledger moved on since the last kill.

        Args:
            poc: whose study runs.
        """
        state = poc.chain.reader.latest()
        if state is None or self.finished:
            return
        if self._open is not None:
            self._settle(poc, state)
        elif time.monotonic() >= self._next:
            self._kill(poc, state)

    def over(self) -> None:
        """Takes note that the study is over: a kill after its last change does not count."""
        self._open = None

    def _kill(self, poc: Poc, state: AttemptState) -> None:
        role = min(ROLES, key=lambda each: len(self.of(each)))
        name = self._random.choice([place.name for place in poc.consortium.of(role)])
        process = poc.processes[name]
        if not process.running:
            return
        process.kill()
        self._open = (role, name, state, time.monotonic())

    def _settle(self, poc: Poc, state: AttemptState) -> None:
        if self._open is None:
            return
        role, name, before, at = self._open
        moved = (state.round, state.attempt, state.phase) != (before.round, before.attempt, before.phase)
        waited = time.monotonic() - at
        if not moved and waited < BACK_S + poc.prepared.study.runtime.deadline_seconds:
            return
        kill = Kill(role, name, before.round, before.phase.name.lower(), waited if moved else None)
        self.done.append(kill)
        self.told(kill)
        self._open = None
        self._next = time.monotonic() + self._random.uniform(0, LONGEST_WAIT_S)


def problems(states: Sequence[AttemptState], kills: Sequence[Kill]) -> list[str]:
    """What should not be after a study with kills; nothing if all held.

    Args:
        states: every attempt of the study.
        kills: what was done to it.
    """
    found = [
        f"the ledger did not move on after {kill.name} was killed in {kill.phase}"
        for kill in kills
        if kill.back is None
    ]
    for state in states:
        equal = sum(each == state.model_hash for each in state.attestations.values())
        if state.phase is Phase.RELEASED and equal < 2:
            found.append(f"round {state.round} released a model that {equal} validators attested")
        if state.phase is Phase.VOID and not state.void_reason:
            found.append(f"round {state.round} attempt {state.attempt} is void without a reason")
    return found
