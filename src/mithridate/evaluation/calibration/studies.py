"""The studies that thresholds are calibrated on: other data, seeds and attacks than the detection benchmark reports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from mithridate.errors import InputError
from mithridate.evaluation.detection.cells import NO_ATTACK, OURS, RARE, Cell, malicious
from mithridate.evaluation.detection.labels import Label, Scene
from mithridate.evaluation.detection.scenes import SETTINGS, partition_table
from mithridate.study import Study
from mithridate.verification.settings import DefenceSettings

SHARE = 0.4
"""Of malicious hospitals, in every attacked study."""
PARTITIONS = ("iid", "dirichlet-1", "dirichlet-0.5", "dirichlet-0.1", "unequal", RARE)
RECORDS = {"mnist": 1000}
"""Dataset -> how many of its records are used; all where not given."""
MISTAKEN = {"mnist": (3, 8), "pima_diabetes": (1, 0)}
"""Dataset -> the class that a targeted flip hides, and as what."""


def _one(name: str, **parameters: Any) -> Label:
    return lambda scene: [scene.entry(name, **parameters)]


def _targeted(scene: Scene) -> list[dict[str, object]]:
    source, target = MISTAKEN[scene.dataset]
    return [scene.entry("label_flip", variant="targeted", source=source, target=target, share=0.8)]


ATTACKS: Mapping[str, Label] = {
    "label flip 0.8": _one("label_flip", share=0.8),
    "label flip targeted 0.8": _targeted,
    "label flip x2": lambda scene: [scene.entry("label_flip"), scene.entry("scaling", gamma=2.0)],
    "sign flip 2": _one("sign_flip", scale=2.0),
    "gaussian x4": _one("gaussian", norm_multiple=4.0),
    "alie z=1": _one("alie", variant="fixed", z=1.0),
    "ipm 1": _one("ipm", eps=1.0),
    "sleeper": lambda scene: [scene.entry("sign_flip", scale=2.0, from_round=1 + scene.rounds // 3)],
    "alternating": _one("label_flip", share=0.8, every=2),
}
"""Label -> its entries of the study file: no entry of the benchmark's has the same attack and parameters."""
FEW = ("label flip 0.8", "label flip targeted 0.8", "sign flip 2", "alie z=1")


@dataclass(frozen=True)
class Plan:
    """Which studies of a dataset are run: of each combination all attacks, and one without.

    Args:
        dataset: a key of `scenes.SETTINGS`, not one of `profiles.DATASETS`.
        seeds: of the studies that thresholds are chosen by, each below `profiles.FIRST_SEED`.
        fresh: of those that they are checked on; the same holds.
        hospitals: numbers of hospitals.
        partitions: of `PARTITIONS`.
        attacks: of `ATTACKS`.
    """

    dataset: str
    seeds: tuple[int, ...]
    fresh: tuple[int, ...]
    hospitals: tuple[int, ...] = (10, 20)
    partitions: tuple[str, ...] = PARTITIONS
    attacks: tuple[str, ...] = tuple(ATTACKS)

    def groups(self, seeds: tuple[int, ...]) -> list[tuple[Cell, ...]]:
        """The studies of one seed, partition and number of hospitals together, the first of them without an attack."""
        return [tuple(self._group(*each)) for each in product(seeds, self.partitions, self.hospitals)]

    def _group(self, seed: int, partition: str, hospitals: int) -> Iterator[Cell]:
        yield Cell(self.dataset, partition, hospitals, 0.0, NO_ATTACK, OURS, seed)
        for attack in self.attacks:
            yield Cell(self.dataset, partition, hospitals, SHARE, attack, OURS, seed)


_TWO = ("iid", "dirichlet-0.1")
PROFILES: Mapping[str, tuple[Plan, ...]] = {
    "smoke": (
        Plan("mnist", (1,), (501,), (10,), ("iid",), FEW[:2]),
        Plan("pima_diabetes", (1, 2), (501,), (10,), _TWO, FEW),
    ),
    "everyday": (
        Plan("mnist", (1, 2), (501,), (10,), PARTITIONS, FEW),
        Plan("mnist", (3,), (), (20,), ("iid", "dirichlet-0.1", "unequal"), FEW),
        Plan("pima_diabetes", tuple(range(1, 9)), tuple(range(501, 504))),
    ),
}
"""Name -> its plans. `smoke` shows that the procedure works; its thresholds rest on too few hospitals."""


def profile(name: str) -> tuple[Plan, ...]:
    """The plans of a profile.

    Raises:
        InputError: there is none of this name.
    """
    if name not in PROFILES:
        raise InputError(f"unknown profile {name!r}: one of {', '.join(PROFILES)}")
    return PROFILES[name]


def study_of(cell: Cell, defence: DefenceSettings) -> Study:
    """The study of a cell under some settings of the defence."""
    table = SETTINGS[cell.dataset]
    records = {"max_records": RECORDS[cell.dataset]} if cell.dataset in RECORDS else {}
    scene = Scene(cell.dataset, cell.hospitals, int(table["training"]["rounds"]), malicious(cell))
    return Study.model_validate(
        {
            "name": f"calibration {cell.dataset}",
            "seed": cell.seed,
            "model": {"name": "mlp"},
            **table,
            "data": {**table["data"], **partition_table(cell.partition), **records},
            "hospitals": {"count": cell.hospitals},
            "attacks": [] if cell.attack == NO_ATTACK else ATTACKS[cell.attack](scene),
            "defence": defence.model_dump(),
        }
    )
