"""Time and traffic of encrypted inference with all three validators on this machine, beside PyTorch in the clear."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mithridate.crypto.fixed_point import decode, encode
from mithridate.errors import BenchmarkError
from mithridate.models.build import build_model
from mithridate.models.parameters import to_vector
from mithridate.mpc.aten import Lowered, lower
from mithridate.mpc.inference import encrypted_logits
from mithridate.mpc.links import memory_links
from mithridate.mpc.session import Session
from mithridate.mpc.shares import ReplicatedShare, reconstruct, share_locally
from mithridate.mpc.spu_log import bytes_sent

REPEATS = 3
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Case:
    """What is evaluated: `models` models of one preset on `samples` samples each."""

    preset: str
    input_shape: tuple[int, ...]
    classes: int
    models: int
    samples: int

    @property
    def name(self) -> str:
        """As the figures are headed."""
        return f"{self.preset}, {self.models} x {self.samples} of {'x'.join(map(str, self.input_shape))}"


CASES = (
    Case("logistic", (30,), 2, models=1, samples=256),
    Case("mlp", (30,), 2, models=1, samples=256),
    Case("mlp", (30,), 2, models=10, samples=40),
    Case("cnn", (1, 28, 28), 10, models=1, samples=64),
    Case("cnn", (1, 28, 28), 10, models=1, samples=256),
)


def run(progress: Callable[[str], None] | None = None, cases: tuple[Case, ...] = CASES) -> dict[str, Any]:
    """Measure every case; times are medians of three calls after a first one, which compiles.

    Args:
        progress: told the name of each case as it begins.
        cases: what to measure.

    Returns:
        {"bench": "inference", "figures": [{"name", "value", "unit", "baseline", "ratio"}, ...]}; baseline is PyTorch
        in the clear, of the same models on the same samples, with the threads it takes by default.

    Raises:
        BenchmarkError: a logit is further than 1e-3 from PyTorch's.
    """
    figures: list[dict[str, Any]] = []
    sessions = [Session(link) for link in memory_links()]
    with ThreadPoolExecutor(len(sessions)) as threads:
        for case in cases:
            if progress is not None:
                progress(case.name)
            figures += _figures(case, sessions, threads)
    for session in sessions:
        session.close()
    return {"bench": "inference", "figures": figures}


def _figures(case: Case, sessions: list[Session], threads: ThreadPoolExecutor) -> Iterator[dict[str, Any]]:
    modules = [
        build_model(case.preset, case.input_shape, case.classes, seed=seed).eval() for seed in range(case.models)
    ]
    inputs = torch.rand((case.samples, *case.input_shape), generator=torch.Generator().manual_seed(0))
    lowered = lower(modules[0], case.input_shape)
    params = share_locally(encode(np.stack([to_vector(module) for module in modules])))
    shared = share_locally(encode(inputs.numpy()))

    def encrypted() -> list[ReplicatedShare]:
        return list(threads.map(lambda s: _logits(s, lowered, params, shared), sessions))

    first = _seconds(encrypted)
    _check(decode(reconstruct(encrypted())), _plain(modules, inputs))
    sent = bytes_sent()
    seconds = statistics.median(_seconds(encrypted) for _ in range(REPEATS))
    sent = (bytes_sent() - sent) // REPEATS
    plain = statistics.median(_seconds(lambda: _plain(modules, inputs)) for _ in range(REPEATS))

    evaluations = case.models * case.samples
    yield _figure(f"{case.name}: a sample", 1e3 * seconds / evaluations, "ms", 1e3 * plain / evaluations)
    yield _figure(f"{case.name}: a call", seconds, "s", plain)
    yield _figure(f"{case.name}: first call less a later one (compilation)", first - seconds, "s", None)
    yield _figure(f"{case.name}: sent by all validators a sample", sent / evaluations / 1e3, "kB", None)


def _logits(
    session: Session, lowered: Lowered, params: tuple[ReplicatedShare, ...], inputs: tuple[ReplicatedShare, ...]
) -> ReplicatedShare:
    return encrypted_logits(session, lowered, params[session.rank], inputs[session.rank])


def _plain(modules: list[torch.nn.Module], inputs: torch.Tensor) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        return np.stack([module(inputs).numpy() for module in modules])


def _check(result: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    error = float(np.abs(result - expected).max())
    if not error <= TOLERANCE:
        raise BenchmarkError(f"encrypted logits differ from PyTorch's by {error:.2g}, more than {TOLERANCE}")


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _figure(name: str, value: float, unit: str, baseline: float | None) -> dict[str, Any]:
    ratio = None if baseline is None else value / baseline
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}
