"""A robust rule in the clear, for plain studies: what the validators compute on shares in secure ones."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.robust import Gathered, Matrix
from mithridate.aggregation.rule import Remembers, Rule
from mithridate.crypto.fixed_point import clip_l2, decode
from mithridate.errors import InputError, RoundVoid
from mithridate.federation.prepared import Prepared
from mithridate.seeds import derive_seed
from mithridate.verification.curation import curator_moves
from mithridate.verification.registry import Bounds

Ring = npt.NDArray[np.uint64]


def beyond(updates: Mapping[int, Ring], bounds: Bounds) -> list[int]:
    """The hospitals whose updates, (d,), exceed the bound: a robust rule on shares does not take them either."""
    return [index for index, update in updates.items() if not _within(update.view(np.int64), bounds)]


def _within(update: npt.NDArray[np.int64], bounds: Bounds) -> bool:
    if np.linalg.norm(update.astype(np.float64)) > 2 * bounds.squared**0.5:
        return False
    # No longer than twice the bound, so that its squared norm does not wrap around.
    return int(update @ update) <= bounds.squared


@dataclass(frozen=True)
class PlainRule:
    """The study's rule and the folder where its memory lies, one file a round, for a run that goes on after a restart.

    Args:
        prepared: the study.
        folder: made at first use.
    """

    prepared: Prepared
    folder: Path

    def step(self, base: npt.NDArray[np.float32], number: int, updates: Mapping[int, Ring]) -> Matrix:
        """The step float64 (d,) that the rule makes of a round's updates, ring elements (d,) by hospital.

        Raises:
            RoundVoid: the rule's condition on n and f does not hold for so few.
        """
        settings, study = self.prepared.study.aggregation, self.prepared.study
        members = sorted(updates)
        vectors = decode(np.stack([updates[index] for index in members]))
        weights = np.array([len(self.prepared.sites[index].dataset) for index in members], dtype=np.float64)
        try:
            rule = settings.rule(len(members)).seeded(derive_seed(study.seed, "aggregation", number))
            root = self._root(base, number) if rule.rooted else None
            whole = self._load(rule, number - 1, len(base))
            before = whole[members] if whole is not None and rule.remembers is Remembers.HOSPITALS else whole
            aggregate, after = rule.aggregate(Gathered(vectors, weights, root), before)
        except InputError as error:
            raise RoundVoid(str(error)) from error
        self._keep(rule, number, members, whole, after)
        return aggregate.step

    def _root(self, base: npt.NDArray[np.float32], number: int) -> Matrix:
        study, module = self.prepared.study, copy.deepcopy(self.prepared.module)
        numbers, reference = (study.seed, number, 0), self.prepared.split.reference
        own = next(curator_moves(module, base, reference, study.training, study.defence.probes, numbers))
        return clip_l2(own, study.clipping.norm)

    def _load(self, rule: Rule, number: int, size: int) -> Matrix | None:
        """The memory after round `number`: (d,), or (n, d) of all hospitals; a void round changed nothing."""
        while rule.remembers is not Remembers.NOTHING and number > 0:
            if (file := self._file(number)).exists():
                return np.asarray(np.load(file, allow_pickle=False))
            number -= 1
        hospitals = len(self.prepared.sites)
        return np.zeros((hospitals, size)) if rule.remembers is Remembers.HOSPITALS else None

    def _keep(self, rule: Rule, number: int, members: list[int], whole: Matrix | None, after: Matrix) -> None:
        if rule.remembers is Remembers.NOTHING:
            return
        if whole is not None and rule.remembers is Remembers.HOSPITALS:
            placed = whole.copy()
            placed[members] = after
            after = placed
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self._file(number), after)
        # The round before is needed once more if the run is killed before this one is written down.
        for file in self.folder.glob("*.npy"):
            if int(file.stem) < number - 1 and self._file(number - 1).exists():
                file.unlink()

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.npy"
