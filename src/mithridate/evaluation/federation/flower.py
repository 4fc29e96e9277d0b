"""Flower, in an interpreter of its own: its pins on protobuf and typer exclude ours.

`make flower` makes that environment; MITHRIDATE_FLOWER names another one's interpreter.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

import mithridate
from mithridate.errors import BenchmarkError, InputError

VARIABLE = "MITHRIDATE_FLOWER"
DEFAULT = Path(".venv-flower/bin/python")
WORKER = "mithridate.evaluation.federation.flower_worker"
ANSWER = "mithridate: "


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


class FlowerWorker:
    """Flower's interpreter, which measures one job after another; it runs within a `with` block."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None

    def __enter__(self) -> "FlowerWorker":
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._errors = self._stack.enter_context((home / "log").open("w+", encoding="utf-8"))
        self._process = subprocess.Popen(
            [str(flower_python()), "-m", WORKER],
            env=flower_environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._stack.close()

    def measure(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Runs one job; the answer is a `Work` in JSON.

        Raises:
            BenchmarkError: it failed; the message holds the end of what it said.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or self._errors is None:
            raise BenchmarkError("Flower's interpreter is not running: use FlowerWorker in a with block")
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            if line.startswith(ANSWER):
                answer: dict[str, Any] = json.loads(line.removeprefix(ANSWER))
                return answer
        self._errors.seek(0)
        raise BenchmarkError(f"Flower's part of the benchmark failed:\n{self._errors.read()[-2000:]}")
