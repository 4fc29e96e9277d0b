"""Flower, in an interpreter of its own: its pins on protobuf and typer exclude ours.

`make flower` makes that environment; MITHRIDATE_FLOWER names another one's interpreter.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mithridate
from mithridate.errors import BenchmarkError, InputError

VARIABLE = "MITHRIDATE_FLOWER"
DEFAULT = Path(".venv-flower/bin/python")
WORKER = "mithridate.evaluation.federation.flower_worker"
LIMIT_S = 3600.0


def flower_python() -> Path:
    """The interpreter that has Flower.

    Raises:
        InputError: there is none; the message says how to make one.
    """
    path = Path(os.environ.get(VARIABLE, DEFAULT))
    if not path.is_file():
        raise InputError(
            f"no interpreter with Flower at {path}: run `make flower`, or name one in {VARIABLE}; Flower cannot share "
            "this program's environment, since the two need different versions of protobuf and typer"
        )
    return path.absolute()


def flower_environment(home: Path) -> dict[str, str]:
    """What Flower's processes find in their environment: this package, a home of their own, no telemetry."""
    source = str(Path(mithridate.__file__).parents[1])
    own = {"PYTHONPATH": source, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def measure_in_flower(job: Mapping[str, Any]) -> dict[str, Any]:
    """Runs one job of `flower_worker` to its end.

    Raises:
        BenchmarkError: it failed; the message holds the end of what it said.
    """
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [str(flower_python()), "-m", WORKER, json.dumps(job)],
            env=flower_environment(Path(home)),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"Flower's part of the benchmark failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
