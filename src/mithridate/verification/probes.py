"""Probes against backdoors: reference records with random triggers on them, under their true labels.

A backdoor makes a model answer to a trigger that honest records do not carry (T. Gu et al., BadNets, 2017). Which one
is not known, so probes carry many kinds: patches, blends and noise on images, rare values in columns of tables. They
are the curator's secret, drawn anew each round.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mithridate.data.dataset import Dataset
from mithridate.data.preprocessing import CLIP

Record = npt.NDArray[np.float32]

_RARE = (0.6 * CLIP, CLIP)
"""Standard deviations from the mean of a rare value in a table."""


def probes(records: Dataset, rng: np.random.Generator) -> Dataset:
    """`records` with a random trigger on each, float32 as before, labels unchanged.

    Args:
        records: preprocessed; tables are standardised, images lie in [0, 1].
        rng: the curator's, unknown to the hospitals.
    """
    stamp = _rare_values if records.kind == "table" else _stamped_image
    return replace(records, features=np.stack([stamp(record, rng) for record in records.features]))


def _rare_values(record: Record, rng: np.random.Generator) -> Record:
    """Up to a fifth of the columns, but at least one, at one rare value."""
    stamped = record.copy()
    most = max(1, len(record) // 5)
    columns = rng.permutation(len(record))[: rng.integers(1, most + 1)]
    stamped[columns] = rng.uniform(*_RARE) * rng.choice((-1, 1))
    return stamped


def _stamped_image(image: Record, rng: np.random.Generator) -> Record:
    kind = rng.integers(4)
    if kind == 0:
        return np.asarray(np.clip(image + rng.normal(0.0, 0.3, image.shape), 0, 1), dtype=np.float32)
    if kind == 1:
        weight = rng.uniform(0.1, 0.4)
        return np.asarray((1 - weight) * image + weight * rng.random(image.shape), dtype=np.float32)
    return _patched(image, rng)


def _patched(image: Record, rng: np.random.Generator) -> Record:
    """A square of an eighth to a half of the side, white, black or random."""
    stamped = image.copy()
    height, width = image.shape[1:]
    side = int(rng.integers(max(1, height // 8), max(2, height // 2) + 1))
    top, left = (_place(extent - side, rng) for extent in (height, width))
    fill = rng.choice((1.0, 1.0, 0.0, rng.random()))
    stamped[:, top : top + side, left : left + side] = fill
    return stamped


def _place(last: int, rng: np.random.Generator) -> int:
    """From 0 to `last`, the ends as often as all between: a trigger hides where records carry little."""
    return int(rng.choice((0, last, *rng.integers(0, last + 1, 2))))
