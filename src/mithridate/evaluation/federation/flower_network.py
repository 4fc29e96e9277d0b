"""Flower over loopback: a SuperLink, a SuperNode a hospital, each a process, and how long its rounds take."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.flower import flower_environment, flower_python
from mithridate.evaluation.federation.flower_settings import FlowerRun
from mithridate.evaluation.networks.process import LOOPBACK, free_ports

CONNECTION = "benchmark"
START_S = 60.0
STOP_S = 20.0
LINGER_S = 2.0
LOOK_S = 0.2
APP = {
    "bench_app/__init__.py": '"""The benchmark\'s app."""\n',
    "bench_app/client.py": "from mithridate.evaluation.federation.flower_client import app as made\n\napp = made\n",
    "bench_app/server.py": "from mithridate.evaluation.federation.flower_server import app as made\n\napp = made\n",
}
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "mithridate-benchmark"
version = "1.0.0"
dependencies = []

[tool.flwr.app]
publisher = "mithridate"

[tool.flwr.app.components]
serverapp = "bench_app.server:app"
clientapp = "bench_app.client:app"

[tool.flwr.app.config]
"""


def play(folder: Path, run: FlowerRun, limit: float) -> list[dict[str, float]]:
    """Plays a run and returns what the server wrote of each round, from 0, the start.

    Args:
        folder: new; for the app, its settings and everybody's log.
        run: its settings.
        limit: seconds for the whole.

    Raises:
        BenchmarkError: it did not end in time.
    """
    folder.mkdir(parents=True)
    _write_app(folder / "app", run)
    with _network(folder, run.clients):
        _flower(folder, "run", [*_script("flwr"), "run", str(folder / "app"), CONNECTION])
        return _await(folder, run, limit)


@contextmanager
def _network(folder: Path, clients: int) -> Iterator[None]:
    """A SuperLink and its SuperNodes, which run within the block."""
    link, *ports = free_ports(1 + clients)
    (folder / "home").mkdir()
    (folder / "home" / "config.toml").write_text(
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
        f'address = "{LOOPBACK}:{link}"\ninsecure = true\n',
        encoding="utf-8",
    )
    with ExitStack() as stack:
        address = ["--host", LOOPBACK, "--port", str(link)]
        stack.enter_context(
            _process(folder, "superlink", ["--insecure", *address, "--disable-runtime-dependency-installation"])
        )
        for index, port in enumerate(ports):
            node = ["--insecure", "--superlink", f"{LOOPBACK}:{link}", "--host", LOOPBACK, "--port", str(port)]
            settings = ["--node-config", f"partition-id={index}"]
            stack.enter_context(_process(folder, "supernode", [*node, *settings], str(index)))
        yield


@contextmanager
def _process(folder: Path, kind: str, arguments: list[str], suffix: str = "") -> Iterator[None]:
    with (folder / f"{kind}{suffix}.log").open("wb") as log:
        process = subprocess.Popen(
            [*_script(f"flower-{kind}"), *arguments],
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks a process to end and sees to it that nothing it started stays: Flower gives some sessions of their own."""
    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(started, timeout=LINGER_S)
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def _flower(folder: Path, name: str, command: list[str]) -> None:
    """Hands the app in; the SuperLink may still be starting."""
    deadline = time.monotonic() + START_S
    while True:
        done = subprocess.run(command, env=_environment(folder), capture_output=True, text=True, check=False)
        (folder / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Flower's SuperLink did not take the app in {START_S:g} s:\n{done.stderr[-2000:]}")
        time.sleep(1.0)


def _await(folder: Path, run: FlowerRun, limit: float) -> list[dict[str, float]]:
    deadline, out = time.monotonic() + limit, Path(run.out)
    while time.monotonic() < deadline:
        ended: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
        if len(ended) == run.rounds + 1:
            return ended
        time.sleep(LOOK_S)
    log = (folder / "superlink.log").read_text(encoding="utf-8", errors="replace")
    raise BenchmarkError(f"Flower's run did not end within {limit:g} s; its SuperLink's log ends:\n{log[-2000:]}")


def _write_app(folder: Path, run: FlowerRun) -> None:
    for name, text in APP.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in run.to_config().items())
    (folder / "pyproject.toml").write_text(PROJECT + settings, encoding="utf-8")


def _script(name: str) -> list[str]:
    return [str(flower_python().parent / name)]


def _environment(folder: Path) -> dict[str, str]:
    environment = flower_environment(folder / "home")
    # The SuperLink and the SuperNodes start further commands of Flower's by name.
    return {**environment, "PATH": f"{flower_python().parent}:{environment['PATH']}"}
