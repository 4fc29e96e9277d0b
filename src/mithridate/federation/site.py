"""A hospital's own side of a round, before any cryptography: the same in plain and in secure studies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from mithridate.attacks import Conspiracy
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
        conspiracy: the attacks that the study simulates, on this hospital or others.
        clip_norm: the round's L2 bound.
        seed: the study's.
    """

    index: int
    dataset: Dataset
    module: nn.Module
    settings: TrainingSettings
    conspiracy: Conspiracy
    clip_norm: float
    seed: int

    @property
    def name(self) -> str:
        """What reports call the hospital."""
        return hospital_name(self.index)

    def update(
        self,
        base: npt.NDArray[np.float32],
        round_number: int,
        generation: int,
        earlier: tuple[npt.NDArray[np.float32], ...] = (),
    ) -> npt.NDArray[np.float64]:
        """Trains from `base`, float32 (d,), and returns the update, float64 (d,), clipped to the round's L2 bound.

        A malicious hospital trains as its attacks say; what it sends instead is agreed among the colluders afterwards.

        Args:
            base: the round's model.
            round_number: from 1.
            generation: how many earlier attempts of this round came to verdicts. A round reopened after them gets
                other randomness: its aggregate may have been opened, and two of different members must not differ by
                one hospital's update; or too few were accepted, and the same updates would be rejected again.
            earlier: the models that were global before, oldest first, for attacks that use them.

        Raises:
            EncodingError: training diverged: the update is not finite.
            ModelError: the model fails in training.
            DataError: an attack does not fit the records.
        """
        seed = derive_seed(self.seed, "train", self.index, round_number, generation)
        records = self.conspiracy.data(self.index, self.dataset, round_number)
        start, *before = (model.astype(np.float64) for model in (base, *earlier))
        held = self.conspiracy.constraint(self.index, round_number, start, tuple(before), self.clip_norm)
        trained = train(self.module, base, records, self.settings, seed=seed, constraint=held)
        return clip_l2(trained.vector.astype(np.float64) - start, self.clip_norm)

    def colludes(self, round_number: int) -> bool:
        """Whether the study simulates an attack on this hospital in this round."""
        return self.conspiracy.colludes(self.index, round_number)


def hospital_name(index: int) -> str:
    """The name of hospital `index` in reports and errors."""
    return f"hospital-{index}"
