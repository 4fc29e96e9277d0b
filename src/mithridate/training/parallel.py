"""Many hospitals' training on one machine, for the local runtime."""

import copy
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt
from torch import nn

from mithridate.data.dataset import Dataset
from mithridate.models.parameters import layout_of
from mithridate.training.local import TrainingResult, train
from mithridate.training.settings import TrainingSettings

# Below this size Python's lock, not arithmetic, takes the time, and threads slow each other down.
PARALLEL_PARAMETERS = 10_000


def worker_count(module: nn.Module) -> int:
    """How many hospitals to train at the same time: one a processor, or one after another for a small model."""
    return (os.cpu_count() or 1) if layout_of(module).size >= PARALLEL_PARAMETERS else 1


def train_all(
    module: nn.Module,
    base_vector: npt.NDArray[np.float32],
    datasets: Sequence[Dataset],
    settings: TrainingSettings,
    *,
    seeds: Sequence[int],
) -> list[TrainingResult]:
    """`train` for each of `datasets` with its seed, in their order; the results are those of one after another.

    Raises:
        ShapeError, ModelError: as `train`.
    """
    jobs = list(zip(datasets, seeds, strict=True))
    workers = min(worker_count(module), len(jobs))
    if workers <= 1:
        return [train(module, base_vector, dataset, settings, seed=seed) for dataset, seed in jobs]
    idle: SimpleQueue[nn.Module] = SimpleQueue()
    for _ in range(workers):
        idle.put(copy.deepcopy(module))

    def run(job: tuple[Dataset, int]) -> TrainingResult:
        own = idle.get()
        try:
            return train(own, base_vector, job[0], settings, seed=job[1])
        finally:
            idle.put(own)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, jobs))
