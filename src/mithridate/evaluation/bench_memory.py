"""Peak memory of a whole study, all parties in one process, at ten hospitals and a million parameters."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from torch import nn

from mithridate.errors import BenchmarkError

HOSPITALS = 10
WIDTH = 970
_MIB = 1024

_STUDY = {
    "name": "memory",
    "data": {"name": "digits"},
    "hospitals": {"count": HOSPITALS},
    "model": {"name": f"{__name__}:wide_mlp"},
    "training": {"rounds": 2, "local_epochs": 1},
}

_CHILD = """
import json, resource, sys
from pathlib import Path
from mithridate.evaluation.records import read_records
from mithridate.federation.local import run_study
from mithridate.study import Study
study, out = Study.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2])
run_study(study, out)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"peak": peak, "seconds": [r.seconds["total"] for r in read_records(out)[1:]]}))
"""


def wide_mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """An mlp with 970-970 hidden units: 1.01M parameters on digits."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(input_shape[-2] * input_shape[-1], WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, classes),
    )


def run() -> dict[str, Any]:
    """Runs the study twice, secure and plain, each in a process of its own.

    Returns:
        {"bench": "memory", "figures": [...]}: peak resident memory of the secure study in MiB and seconds of its last
        round, each beside the plain study's.

    Raises:
        BenchmarkError: a study failed.
    """
    secure, plain = _measure(secure=True), _measure(secure=False)
    parameters = sum(parameter.numel() for parameter in wide_mlp((1, 8, 8), 10).parameters())
    return {
        "bench": "memory",
        "figures": [
            {"name": "parameters", "value": parameters, "unit": "parameters", "baseline": None, "ratio": None},
            _figure("peak memory of the study", "MiB", secure["peak"] / _MIB, plain["peak"] / _MIB),
            _figure("last round", "s", secure["seconds"][-1], plain["seconds"][-1]),
        ],
    }


def _figure(name: str, unit: str, value: float, baseline: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": value / baseline}


def _measure(*, secure: bool) -> dict[str, Any]:
    study = {**_STUDY, "runtime": {"secure": secure}}
    with tempfile.TemporaryDirectory(prefix="mithridate-memory-") as folder:
        command = [sys.executable, "-c", _CHILD, json.dumps(study), str(Path(folder) / "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"the study to be measured failed: {done.stderr.strip().splitlines()[-1:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
