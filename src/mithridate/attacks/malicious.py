"""A simulated malicious hospital: every attack on it, in the study's order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mithridate.attacks.base import Attack, Update
from mithridate.data.dataset import Dataset
from mithridate.seeds import derive_seed


@dataclass(frozen=True)
class Malice:
    """What the study's attacks make of one hospital; an honest hospital passes through unchanged.

    Args:
        attacks: all of the study's.
        hospital: its number.
        seed: the study's.
    """

    attacks: Sequence[Attack]
    hospital: int
    seed: int

    def data(self, dataset: Dataset, round_number: int) -> Dataset:
        """The records it trains on in this round; the same ones in every round of an attack."""
        for index, attack in self._active(round_number):
            dataset = attack.poison_data(dataset, self._rng(index, "data", 0))
        return dataset

    def update(self, update: Update, round_number: int) -> Update:
        """The update it sends in place of the trained one, float64 (d,); fresh noise each round."""
        for index, attack in self._active(round_number):
            update = attack.poison_update(update, self._rng(index, "update", round_number))
        return update

    def _active(self, round_number: int) -> list[tuple[int, Attack]]:
        numbered = enumerate(self.attacks)
        return [(i, a) for i, a in numbered if self.hospital in a.hospitals and round_number >= a.from_round]

    def _rng(self, index: int, hook: str, round_number: int) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.seed, "attack", index, self.hospital, hook, round_number))
