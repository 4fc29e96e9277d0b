"""Is the update as short as the study demands, in the ring and not only modulo 2^64?

Sources: range by modular Johnson-Lindenstrauss (Gentry, Halevi, Lyubashevsky, EUROCRYPT 2022, section 3.3); the use for
updates in PINE (Rothblum, Omri, Chen, Talwar, USENIX Security 2024). Norms are the exact diagonal of the Gram matrix.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mithridate.verification.registry import Array, Bounds, Statistics, UpdateDetector, update_detectors
from mithridate.verification.verdict import Rule

if TYPE_CHECKING:
    from mithridate.verification.settings import DefenceSettings


def beyond_range(projected: Array, bounds: Bounds) -> Array:
    """Updates with a projected entry beyond the bound: too long, or so long that their squared norm wraps around.

    An update of norm 2^32 ring units or more passes each of the k rows with probability at most 1/2, provided the
    projection was drawn after the commitments and the study's L2 bound is at most 256 (docs/protocol.md).
    """
    return ((projected > bounds.range) | (projected < -bounds.range)).any(axis=1)


def beyond_bound(gram: Array, bounds: Bounds) -> Array:
    """Updates above the round's L2 bound, exactly."""
    squared = gram.diagonal()
    return (squared > bounds.squared) | (squared < 0)


def out_of_range(statistics: Statistics, settings: "DefenceSettings") -> Array:
    """`beyond_range`."""
    return beyond_range(statistics.projected, statistics.bounds)


def too_long(statistics: Statistics, settings: "DefenceSettings") -> Array:
    """Updates above the round's L2 bound, or `norm_multiple` times as long as most of the others.

    Squared norms are compared for each record: a hospital with more records takes more steps.
    """
    shortened, limits = statistics.factors[0], statistics.factors[1]
    longer_than = statistics.squared[:, None] * shortened > statistics.squared[None] * limits
    return beyond_bound(statistics.gram, statistics.bounds) | most_of_the_others(longer_than & statistics.sound[None])


def length_factors(records: Sequence[int], multiple: float) -> npt.NDArray[np.float64]:
    """What squared norms are multiplied by before they are compared, (2, n, n): row i's first, column j's second.

    Args:
        records: of the n hospitals.
        multiple: how much longer an update may be than another one, for each record.
    """
    known = np.array(records, dtype=np.float64)
    allowed = multiple**2 * known[:, None] / known[None]
    # Factors above one could take a squared norm out of the ring.
    return np.stack([np.minimum(1 / allowed, 1), np.minimum(allowed, 1)])


def most_of_the_others(relation: Array) -> Array:
    """bool (n,): rows of a relation (n, n), False on its diagonal, that hold for more than half of the n - 1 others."""
    n = relation.shape[0]
    return relation.sum(axis=1) * 2 > n - 1


update_detectors.register("range")(UpdateDetector(Rule.RANGE, out_of_range))
update_detectors.register("norm")(UpdateDetector(Rule.NORM, too_long))
