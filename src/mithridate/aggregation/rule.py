"""What all robust rules share: the condition on n updates and f malicious ones, checked before anything is computed."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.robust import Aggregate, Gathered, robust_rules
from mithridate.errors import InputError


@dataclass(frozen=True)
class Condition:
    """n >= slope f + offset: what a rule's authors need of n updates of which f are malicious."""

    slope: int
    offset: int

    def least(self, malicious: int) -> int:
        """The smallest n that withstands f = `malicious`."""
        return self.slope * malicious + self.offset

    def most(self, updates: int) -> int:
        """The largest f that n = `updates` withstands; negative where not even 0."""
        return (updates - self.offset) // self.slope

    def __str__(self) -> str:
        factor = "" if self.slope == 1 else self.slope
        return f"n >= {factor}f + {self.offset}"


class Remembers(Enum):
    """What a rule's memory for the next round is of."""

    NOTHING = "nothing"
    STEP = "the last step, (d,)"
    HOSPITALS = "each hospital's updates, summed, (n, d)"


ANY = Condition(1, 1)
"""One honest update is enough for the rule to be defined; what it withstands is said in its own text."""
MAJORITY = Condition(2, 1)
"""The honest are the majority."""


LONGEST = 2.0**13
"""The squared norms of vectors as long as this, or longer, wrap around the ring: rules on shares refuse them."""


class Rule(ABC):
    """A rule for up to f = `malicious` of n updates, with its condition.

    `remembers` says what `aggregate` returns for the next round, apart from a count of rounds where it draws at random;
    `rooted`, whether it needs a root update.

    Sums overflow in updates whose norm is beyond 1e150.

    Raises:
        InputError: `malicious` is negative.
    """

    name: str
    source: str
    condition: Condition
    malicious: int
    remembers: ClassVar[Remembers] = Remembers.NOTHING
    rooted: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.malicious < 0:
            raise InputError(f"{self.name}: the number of malicious hospitals is {self.malicious}; it should be >= 0")

    def seeded(self, seed: int) -> Self:
        """The same rule with a seed for what it draws at random, if it does; then it need not count rounds."""
        return self

    def aggregate(self, gathered: Gathered, memory: Any = None) -> tuple[Aggregate, Any]:
        """The round's aggregate and the memory for the next round.

        Raises:
            InputError: the condition on n and f does not hold, or the round is not as `Gathered` says.
        """
        _check_shapes(self.name, gathered)
        self.check(len(gathered.updates))
        return self.combine(gathered, memory)

    def check(self, updates: int) -> None:
        """Whether the condition holds for n = `updates`.

        Raises:
            InputError: it does not.
        """
        least = self.condition.least(self.malicious)
        if updates < least:
            raise InputError(
                f"{self.name} for f = {self.malicious} malicious hospitals needs {self.condition}, {least} updates, "
                f"and there are n = {updates}: gather more, lower f, or choose another rule"
            )

    @abstractmethod
    def combine(self, gathered: Gathered, memory: Any) -> tuple[Aggregate, Any]:
        """`aggregate` on a round that meets the condition."""


def _check_shapes(name: str, gathered: Gathered) -> None:
    updates, weights, root = gathered.updates, gathered.weights, gathered.root
    if updates.ndim != 2 or not updates.size:
        raise InputError(f"{name}: the updates have the shape {updates.shape}; it should be (n, d)")
    if weights.shape != updates.shape[:1] or not (weights > 0).all():
        raise InputError(f"{name}: the weights should be {len(updates)} positive numbers, one for each update")
    if not np.isfinite(updates).all() or not np.isfinite(weights).all():
        raise InputError(f"{name}: an update or weight is not finite; reject the hospital before aggregating")
    if root is not None and (root.shape != updates.shape[1:] or not np.isfinite(root).all()):
        raise InputError(f"{name}: the root update should be finite and of the shape {updates.shape[1:]}")


def everyone(gathered: Gathered) -> npt.NDArray[np.bool_]:
    """`kept` of a rule that excludes nobody: True (n,)."""
    return np.ones(len(gathered.updates), dtype=np.bool_)


def mean_of(gathered: Gathered, kept: npt.NDArray[np.bool_]) -> Aggregate:
    """The plain mean of the kept updates, kept bool (n,); the step 0 where none is."""
    return Aggregate((kept / max(int(kept.sum()), 1)) @ gathered.updates, kept)


def chosen(count: int, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """bool (count,), True at `indices`."""
    kept = np.zeros(count, dtype=np.bool_)
    kept[indices] = True
    return kept


def most_malicious(name: str, n: int) -> int:
    """The largest f up to floor(0.4 n) for which the rule called `name` accepts n updates.

    Raises:
        InputError: no rule has that name, or it accepts n updates for no f at all.
    """
    rule = robust_rules.get(name)(malicious=0)
    most = 2 * n // 5
    if isinstance(rule, Rule):
        most = min(most, rule.condition.most(n))
        if most < 0:
            raise InputError(f"{name} needs {rule.condition}, and n = {n} is too few even for f = 0")
    return most
