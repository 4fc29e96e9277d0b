"""Is the update as short as the study demands, in the ring and not only modulo 2^64?

Sources: range by modular Johnson-Lindenstrauss (Gentry, Halevi, Lyubashevsky, EUROCRYPT 2022, section 3.3); the use for
updates in PINE (Rothblum, Omri, Chen, Talwar, USENIX Security 2024). Norms are the exact diagonal of the Gram matrix.
"""

from typing import TYPE_CHECKING

from mithridate.verification.registry import Array, Statistics, UpdateDetector, update_detectors
from mithridate.verification.verdict import Rule

if TYPE_CHECKING:
    from mithridate.verification.settings import DefenceSettings

# The factor of the comparison of norms is rounded to a sixteenth, so that it stays within whole numbers.
_PARTS = 16


def out_of_range(statistics: Statistics, settings: "DefenceSettings") -> Array:
    """Updates with a projected entry beyond the bound: too long, or so long that their squared norm wraps around.

    An update of norm 2^32 ring units or more passes each of the k rows with probability at most 1/2, provided the
    projection was drawn after the commitments and the study's L2 bound is at most 256 (docs/protocol.md).
    """
    bound = statistics.bounds.range
    return ((statistics.projected > bound) | (statistics.projected < -bound)).any(axis=1)


def too_long(statistics: Statistics, settings: "DefenceSettings") -> Array:
    """Updates above the round's L2 bound, or `norm_multiple` times as long as most of the others."""
    squared = statistics.gram.diagonal()
    bound = statistics.bounds.squared
    beyond = (squared > bound) | (squared < 0)
    multiple = round(_PARTS * settings.norm_multiple**2)
    # Products of lengths within the bound then stay below 2^62; whatever is longer is rejected by the bound itself.
    coarse = squared >> max(0, bound.bit_length() + multiple.bit_length() - 62)
    longer_than = coarse[:, None] * _PARTS > coarse[None, :] * multiple
    return beyond | most_of_the_others(longer_than)


def most_of_the_others(relation: Array) -> Array:
    """bool (n,): rows of a relation (n, n), False on its diagonal, that hold for more than half of the n - 1 others."""
    n = relation.shape[0]
    return relation.sum(axis=1) * 2 > n - 1


update_detectors.register("range")(UpdateDetector(Rule.RANGE, out_of_range))
update_detectors.register("norm")(UpdateDetector(Rule.NORM, too_long))
