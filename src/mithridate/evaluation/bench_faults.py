"""`mithridate bench faults`: kills in consortia of processes, and what became of their studies."""

import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mithridate.errors import BenchmarkError, InputError
from mithridate.evaluation.faults.kills import ROLES, Kill, Killer, problems
from mithridate.evaluation.records import SilentObserver
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.ledger.verify import attempts
from mithridate.poc.run import Poc
from mithridate.poc.study import poc_study
from mithridate.study import Study

PROFILES = {"smoke": 3, "full": 20}
"""Kills of each role."""
HOSPITALS = 5
ROUNDS = 6
"""Of a study; another consortium follows until all are killed as often as wanted."""
LIMIT_S = 3600.0
"""Of a study."""
Figure = dict[str, Any]


def run(profile: str = "smoke", network: str = "embedded", seed: int = 1) -> dict[str, Any]:
    """Kills each role with SIGKILL at random points of studies of processes, one at a time.

    Args:
        profile: smoke (3 kills a role, some ten minutes) or full (20, an hour).
        network: the ledger's; see `mithridate poc`.
        seed: of victims and moments.

    Raises:
        InputError: no such profile.
        BenchmarkError: a study did not go on after a kill, or a model counts that no majority attested.
        RunError: somebody could not be kept running.
    """
    if profile not in PROFILES:
        raise InputError(f"--profile {profile!r} is unknown: one of {', '.join(PROFILES)}")
    study = poc_study(None, HOSPITALS, [f"training.rounds={ROUNDS}", "runtime.deadline_seconds=60"])
    killer, studies = Killer(PROFILES[profile], seed, _tell), []
    while not killer.finished:
        before = len(killer.done)
        studies.append(_played(study, network, killer))
        kills = killer.done[before:]
        found = problems(studies[-1], kills) if kills else ["a study ended before anybody was killed"]
        if found:
            raise BenchmarkError("; ".join(found))
    figures = [figure for role in ROLES for figure in _of_role(role.value, killer.of(role))]
    return {"bench": "faults", "figures": [*figures, *_attempts(studies)]}


def _played(study: Study, network: str, killer: Killer) -> list[AttemptState]:
    with tempfile.TemporaryDirectory() as name, Poc(Path(name) / "poc", study, network, SilentObserver()) as poc:
        poc.start()
        poc.follow(lambda: killer.look(poc), LIMIT_S, until=lambda: killer.finished)
        killer.over()
        return list(attempts(poc.chain.reader))


def _tell(kill: Kill) -> None:
    back = "not at all" if kill.back is None else f"after {kill.back:.0f} s"
    sys.stderr.write(f"{kill.name} killed in round {kill.round}, {kill.phase}: the ledger moved on {back}\n")


def _of_role(role: str, kills: list[Kill]) -> Iterator[Figure]:
    back = [kill.back for kill in kills if kill.back is not None]
    yield _figure(f"{role}: killed", len(kills), "times")
    yield _figure(f"{role}: the ledger moved on after, median", statistics.median(back) if back else None, "s")
    yield _figure(f"{role}: the ledger moved on after, longest", max(back, default=None), "s")


def _attempts(studies: Sequence[Sequence[AttemptState]]) -> Iterator[Figure]:
    states = [state for study in studies for state in study]
    yield _figure("studies", len(studies), "studies")
    yield _figure(
        "studies whose last attempt was void", sum(study[-1].phase is Phase.VOID for study in studies), "studies"
    )
    for phase in (Phase.RELEASED, Phase.ROLLED_BACK, Phase.VOID):
        name = f"attempts {phase.name.lower().replace('_', ' ')}"
        yield _figure(name, sum(state.phase is phase for state in states), "attempts")
    for reason in sorted({state.void_reason for state in states if state.void_reason}):
        yield _figure(f"void: {reason}", sum(state.void_reason == reason for state in states), "attempts")


def _figure(name: str, value: float | None, unit: str) -> Figure:
    return {"name": name, "value": value, "unit": unit, "baseline": None, "ratio": None}
