"""What a study needs before its first round, the same in plain and in secure runs: data, model, sites, metrics."""

import copy
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from mithridate.attacks import Conspiracy
from mithridate.data.split import Split, load_split
from mithridate.errors import StudyError
from mithridate.evaluation.records import RoundRecord
from mithridate.federation.material import Material
from mithridate.federation.reference import ReferenceShape
from mithridate.federation.site import Site
from mithridate.models.build import build_model
from mithridate.models.layout import Layout
from mithridate.models.parameters import layout_of, to_vector
from mithridate.seeds import derive_seed
from mithridate.study import Study
from mithridate.training.evaluate import evaluate
from mithridate.training.parallel import worker_count
from mithridate.verification.registry import Bounds

# Sums of weighted updates stay below 2^62, so that their sign and twice their value fit in the ring.
_LARGEST_SUM = 2**61


@dataclass(frozen=True)
class Prepared:
    """A study ready to run.

    Args:
        study: as resolved.
        split: its records.
        module: the model, with its initial parameters; used to measure.
        layout: of its parameters.
        initial: its initial parameters, float32 (d,).
        sites: one a hospital, each with a module of its own.
    """

    study: Study
    split: Split
    module: nn.Module
    layout: Layout
    initial: npt.NDArray[np.float32]
    sites: tuple[Site, ...]

    @classmethod
    def of(cls, study: Study) -> "Prepared":
        """Loads the data, builds the model and seats the hospitals.

        Raises:
            DataError: the dataset is missing or cannot be split as the study asks.
            ModelError: the model does not fit the data.
            StudyError: the weighted sum of updates could exceed the ring.
        """
        split = load_split(study)
        module = build_model(
            study.model.name, split.test.shape, len(split.test.classes), seed=derive_seed(study.seed, "model")
        )
        _check_sums(study, split)
        sites = tuple(
            Site(
                index=index,
                dataset=dataset,
                module=copy.deepcopy(module),
                settings=study.training,
                conspiracy=Conspiracy(study.attacks, study.seed),
                clip_norm=study.clipping.norm,
                seed=study.seed,
            )
            for index, dataset in enumerate(split.hospitals)
        )
        return cls(study, split, module, layout_of(module), to_vector(module), sites)

    @property
    def material(self) -> Material:
        """The study's public part."""
        reference = self.split.reference
        shape = ReferenceShape(len(reference), reference.shape, len(reference.classes))
        return Material(self.study, self.module, self.layout, self.initial, shape)

    @property
    def bounds(self) -> Bounds:
        """Of honest updates."""
        return Bounds.of(self.study.clipping.norm)

    def measure(self, vector: npt.NDArray[np.float32]) -> dict[str, Any]:
        """Accuracy, loss and worst-class recall of a model on the test set, as a record names them."""
        metrics = evaluate(self.module, vector, self.split.test)
        return {
            "accuracy": metrics.accuracy,
            "loss": metrics.loss,
            "worst_class_recall": metrics.worst_class_recall,
        }

    def initial_record(self, model_hash: str) -> RoundRecord:
        """The record of round 0."""
        return RoundRecord(round=0, status="initial", model_hash=model_hash, **self.measure(self.initial))

    def at_each_site(
        self, step: Callable[[int], None], indices: Iterable[int], beside: Callable[[], None] | None = None
    ) -> None:
        """Runs `step` for some hospitals, as many at a time as train well beside each other.

        Args:
            step: of one hospital, by number.
            indices: of the hospitals.
            beside: another party's work, done at the same time.
        """
        workers = worker_count(self.module)
        if workers == 1:
            for index in indices:
                step(index)
            if beside is not None:
                beside()
            return
        # Others work on machines of their own: on this one the processors are shared out by the system.
        with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as other:
            apart = None if beside is None else other.submit(beside)
            list(pool.map(step, indices))
            if apart is not None:
                apart.result()


def _check_sums(study: Study, split: Split) -> None:
    weight = sum(len(dataset) for dataset in split.hospitals) * (1 + study.defence.curator_weight)
    if weight * Bounds.of(study.clipping.norm).squared ** 0.5 >= _LARGEST_SUM:
        raise StudyError(
            f"clipping.norm = {study.clipping.norm} with {weight} records in all: the weighted sum of updates could "
            "exceed the ring; choose a smaller clipping.norm"
        )
