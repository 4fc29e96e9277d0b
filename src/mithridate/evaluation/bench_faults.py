"""`mithridate bench faults`: kills in a consortium of processes, and what became of the study."""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mithridate.errors import InputError
from mithridate.evaluation.faults.kills import ROLES, Kill, Killer, require
from mithridate.evaluation.records import SilentObserver
from mithridate.ledger.interface import Phase
from mithridate.ledger.verify import attempts
from mithridate.poc.run import Poc
from mithridate.poc.study import poc_study

PROFILES = {"smoke": 3, "full": 20}
"""Kills of each role."""
HOSPITALS = 5
MOST_ROUNDS = 1000
LIMIT_S = 6 * 3600.0
Figure = dict[str, Any]


def run(profile: str = "smoke", network: str = "embedded", seed: int = 1) -> dict[str, Any]:
    """Kills each role with SIGKILL at random points of a study of processes, one at a time.

    Args:
        profile: smoke (3 kills a role, some ten minutes) or full (20, an hour).
        network: the ledger's; see `mithridate poc`.
        seed: of victims and moments.

    Raises:
        InputError: no such profile.
        BenchmarkError: the study did not go on after a kill, or a model counts that no majority attested.
        RunError: somebody could not be kept running.
    """
    if profile not in PROFILES:
        raise InputError(f"--profile {profile!r} is unknown: one of {', '.join(PROFILES)}")
    study = poc_study(None, HOSPITALS, [f"training.rounds={MOST_ROUNDS}", "runtime.deadline_seconds=60"])
    with tempfile.TemporaryDirectory() as name, Poc(Path(name) / "poc", study, network, SilentObserver()) as poc:
        poc.start()
        killer = Killer(poc, PROFILES[profile], seed, _tell)
        poc.follow(killer.look, LIMIT_S, until=lambda: killer.finished)
        figures = [figure for role in ROLES for figure in _of_role(role.value, killer.of(role))]
        figures += _attempts(poc)
        require(poc, killer.done)
    return {"bench": "faults", "figures": figures}


def _tell(kill: Kill) -> None:
    back = "not at all" if kill.back is None else f"after {kill.back:.0f} s"
    sys.stderr.write(f"{kill.name} killed in round {kill.round}, {kill.phase}: the ledger moved on {back}\n")


def _of_role(role: str, kills: list[Kill]) -> Iterator[Figure]:
    back = [kill.back for kill in kills if kill.back is not None]
    yield _figure(f"{role}: killed", len(kills), "times")
    yield _figure(f"{role}: the ledger moved on after, median", statistics.median(back) if back else None, "s")
    yield _figure(f"{role}: the ledger moved on after, longest", max(back, default=None), "s")


def _attempts(poc: Poc) -> Iterator[Figure]:
    states = list(attempts(poc.chain.reader))
    for phase in (Phase.RELEASED, Phase.ROLLED_BACK, Phase.VOID):
        yield _figure(
            f"attempts {phase.name.lower().replace('_', ' ')}", sum(s.phase is phase for s in states), "attempts"
        )
    for reason in sorted({state.void_reason for state in states if state.void_reason}):
        yield _figure(f"void: {reason}", sum(s.void_reason == reason for s in states), "attempts")


def _figure(name: str, value: float | None, unit: str) -> Figure:
    return {"name": name, "value": value, "unit": unit, "baseline": None, "ratio": None}
