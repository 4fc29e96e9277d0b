"""A hospital's own side of a round, before any cryptography: the same in plain and in secure studies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from mithridate.attacks import Malice
from mithridate.crypto.fixed_point import clip_l2
from mithridate.data.dataset import Dataset
from mithridate.seeds import derive_seed
from mithridate.training.local import train
from mithridate.training.settings import TrainingSettings


@dataclass(frozen=True)
class Site:
    """One hospital's records, model code and settings.

    Args:
        index: in the roster, from 0.
        dataset: its records; they stay here.
        module: the study's model, for this hospital alone.
        settings: how it trains.
        malice: the attacks the study simulates on it, none for an honest hospital.
        clip_norm: the round's L2 bound.
        seed: the study's.
    """

    index: int
    dataset: Dataset
    module: nn.Module
    settings: TrainingSettings
    malice: Malice
    clip_norm: float
    seed: int

    @property
    def name(self) -> str:
        """What reports call the hospital."""
        return hospital_name(self.index)

    def update(self, base: npt.NDArray[np.float32], round_number: int, generation: int) -> npt.NDArray[np.float64]:
        """Trains from `base`, float32 (d,), and returns the update, float64 (d,), clipped to the round's L2 bound.

        Args:
            base: the round's model.
            round_number: from 1.
            generation: how many aggregates of this round may have been opened before. A reopened round gets other
                randomness, so that two aggregates of different members do not differ by one hospital's update.

        Raises:
            EncodingError: training diverged: the update is not finite.
            ModelError: the model fails in training.
        """
        seed = derive_seed(self.seed, "train", self.index, round_number, generation)
        records = self.malice.data(self.dataset, round_number)
        trained = train(self.module, base, records, self.settings, seed=seed)
        honest = clip_l2(trained.vector.astype(np.float64) - base, self.clip_norm)
        return self.malice.update(honest, round_number)


def hospital_name(index: int) -> str:
    """The name of hospital `index` in reports and errors."""
    return f"hospital-{index}"
