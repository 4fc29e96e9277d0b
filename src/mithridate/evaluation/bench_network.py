"""`mithridate bench network`: seconds a round over emulated networks beside what the local runtime predicts.

A network of the profile is first measured by itself, so that what is emulated is what was asked for.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mithridate.emulation.conditions import Conditions
from mithridate.emulation.network import require_emulation
from mithridate.evaluation.emulated.compared import FACTS, Compared, figures
from mithridate.evaluation.emulated.local_round import local_round
from mithridate.evaluation.emulated.measuring import measured_rounds, probed
from mithridate.evaluation.emulated.plot import draw
from mithridate.evaluation.emulated.prediction import LocalRound, predict
from mithridate.evaluation.emulated.profiles import Profile, profile_of
from mithridate.evaluation.federation.measuring import machine
from mithridate.evaluation.result_folder import result_folder
from mithridate.poc.consortium import Pace
from mithridate.poc.study import poc_study
from mithridate.study import Study

RESULT, PLOT = "network.json", "network.svg"
HOSPITALS = 5
SETTINGS = ("attacks=[]", 'defence.inference="all"', "training.rounds=20", "runtime.deadline_seconds=300")
"""Rounds are alike so, and there are enough of them."""


def run(profile: str = "smoke", out: Path | None = None, network: str = "embedded") -> dict[str, Any]:
    """Plays a study in the local runtime, and then as a consortium of processes over each network of a profile.

    Args:
        profile: smoke (two networks, some five minutes) or full (four, twenty).
        out: a new folder for the result, the plot and everybody's files; one below `runs/` if left out.
        network: the ledger's; see `mithridate poc`.

    Raises:
        InputError: no such profile, or the folder holds something.
        EmulationUnavailable: networks cannot be emulated here.
        BenchmarkError: a round was void.
        RunError: somebody could not be kept running.
    """
    chosen = profile_of(profile)
    require_emulation()
    folder = result_folder("network", out)
    study = poc_study(None, HOSPITALS, SETTINGS)
    local = local_round(study, folder / "local", rounds=chosen.rounds, poll=Pace().poll)
    compared = [
        _compared(study, folder / f"network-{number}", conditions, network, chosen, local)
        for number, conditions in enumerate(chosen.networks)
    ]
    draw(folder / PLOT, compared)
    result = {
        "bench": "network",
        "profile": profile,
        "machine": machine(),
        "facts": list(FACTS),
        "figures": figures(compared),
        "local": _plain(local),
        "networks": [each.to_dict() for each in compared],
        "report": str(folder / RESULT),
    }
    (folder / RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def _compared(
    study: Study, folder: Path, conditions: Conditions, network: str, profile: Profile, local: LocalRound
) -> Compared:
    sys.stderr.write(f"network: {conditions}\n")
    measured = probed(conditions)
    seconds = measured_rounds(study, folder, conditions, network, rounds=profile.rounds, limit=profile.limit)
    return Compared(conditions, measured, seconds, predict(local, conditions))


def _plain(local: LocalRound) -> dict[str, Any]:
    phases = {name: vars(phase) for name, phase in local.phases.items()}
    return {**vars(local), "phases": phases}
