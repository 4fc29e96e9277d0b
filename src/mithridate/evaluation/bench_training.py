"""Time of a plain round beside a bare PyTorch loop over the same data: no slow baseline may flatter the secure one."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mithridate.data import Dataset, load_split
from mithridate.errors import BenchmarkError
from mithridate.models.build import build_model
from mithridate.models.parameters import load_vector, to_vector
from mithridate.study import Study
from mithridate.training.deterministic import one_thread
from mithridate.training.parallel import train_all

STUDIES = (("breast_cancer", "mlp"), ("digits", "cnn"))


@dataclass(frozen=True)
class _Round:
    """One round's inputs: the module with its base model, the hospitals' records and their seeds."""

    study: Study
    module: nn.Module
    base: npt.NDArray[np.float32]
    hospitals: tuple[Dataset, ...]

    @property
    def seeds(self) -> range:
        return range(len(self.hospitals))


def run(repeats: int = 7) -> dict[str, Any]:
    """Times a round of ten hospitals: training and the mean weighted by records, each time the median of `repeats`.

    The bare loop runs with one PyTorch thread and with the process's own number; the faster is the baseline.

    Args:
        repeats: at least 1, after one to warm up.

    Returns:
        {"bench": "training", "figures": [...]}, one figure a study, in ms a round.

    Raises:
        BenchmarkError: the round's model is not the bare loop's, to the bit.
    """
    return {"bench": "training", "figures": [_figure(*names, repeats) for names in STUDIES]}


def _figure(dataset: str, model: str, repeats: int) -> dict[str, Any]:
    prepared = _prepare(dataset, model)
    if not np.array_equal(_plain(prepared), _bare_in_one_thread(prepared)):
        raise BenchmarkError(f"{dataset}: the plain round and the bare loop differ")
    ours, single, many = _medians([_plain, _bare_in_one_thread, _bare], prepared, repeats)
    baseline = min(single, many)
    name = f"{dataset}, {model}: round of {len(prepared.hospitals)} hospitals"
    return {"name": name, "value": ours, "unit": "ms", "baseline": baseline, "ratio": ours / baseline}


def _prepare(dataset: str, model: str) -> _Round:
    study = Study.model_validate({"name": "bench", "data": {"name": dataset}, "model": {"name": model}})
    split = load_split(study)
    module = build_model(model, split.test.shape, len(split.test.classes), seed=0)
    return _Round(study, module, to_vector(module), split.hospitals)


def _medians(rounds: list[Callable[[_Round], object]], prepared: _Round, repeats: int) -> list[float]:
    """Milliseconds of each, taken in turn so that a busy moment touches all alike."""
    times: list[list[float]] = [[] for _ in rounds]
    for _ in range(repeats):
        for one, taken in zip(rounds, times, strict=True):
            start = time.perf_counter()
            one(prepared)
            taken.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in times]


def _mean(vectors: list[npt.NDArray[np.float32]], prepared: _Round) -> npt.NDArray[np.float64]:
    weights = np.array([len(part) for part in prepared.hospitals], dtype=np.float64)
    mean: npt.NDArray[np.float64] = weights @ np.stack(vectors).astype(np.float64) / weights.sum()
    return mean


def _plain(prepared: _Round) -> npt.NDArray[np.float64]:
    settings = prepared.study.training
    results = train_all(prepared.module, prepared.base, prepared.hospitals, settings, seeds=prepared.seeds)
    return _mean([result.vector for result in results], prepared)


def _bare_in_one_thread(prepared: _Round) -> npt.NDArray[np.float64]:
    with one_thread():
        return _bare(prepared)


def _bare(prepared: _Round) -> npt.NDArray[np.float64]:
    """What a user would write without Mithridate."""
    settings, module, vectors = prepared.study.training, prepared.module, []
    module.train()
    for seed, part in zip(prepared.seeds, prepared.hospitals, strict=True):
        load_vector(module, prepared.base)
        features, labels = torch.from_numpy(part.features), torch.from_numpy(part.labels)
        optimizer = torch.optim.Adam(module.parameters(), lr=settings.learning_rate, fused=True)
        order = torch.Generator().manual_seed(seed)
        for _ in range(settings.local_epochs):
            for batch in torch.split(torch.randperm(len(labels), generator=order), settings.batch_size):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(features[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        vectors.append(to_vector(module))
    return _mean(vectors, prepared)
