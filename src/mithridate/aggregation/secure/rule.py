"""What the rules on shares share: the round as a validator holds it, the condition, and the interface.

Each computes what the rule of the same name does in the clear, on replicated shares. No part of it opens anything: not
distances, weights nor who was selected. Which memory is read and which values are compared depends on n, d, f and the
public weights alone. What the caller opens is the step.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.rule import Rule
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import WEIGHT
from mithridate.errors import InputError
from mithridate.mpc.shares import ReplicatedShare
from mithridate.registry import Registry
from mithridate.verification.registry import Bounds

# Squared norms are held to 2^62, so that they do not wrap around, and sums of them to this after the shift.
_SQUARED_BITS, _SUM_BITS = 62, 60

R = TypeVar("R", bound=Rule)


@dataclass(frozen=True)
class SharedRound:
    """One round's updates in shares, as a rule on shares sees them.

    Args:
        updates: share of (n, d), fixed point. Each is within the bound: the norm gate comes before, as one that is not
            may wrap around in the ring and make the step arbitrary.
        weights: n public positive integers: the hospitals' records.
        bounds: of the updates and the root update.
        root: share of (d,), the update trained on the reference set, for rules that trust one.
    """

    updates: ReplicatedShare
    weights: Sequence[int]
    bounds: Bounds
    root: ReplicatedShare | None = None

    @property
    def proportions(self) -> npt.NDArray[np.float32]:
        """Each weight over their sum, times `WEIGHT`, float32 (n,)."""
        weights = np.asarray(self.weights, dtype=np.float64)
        return np.asarray(weights / weights.sum() * WEIGHT, dtype=np.float32)

    def shift(self, norms: int = 1) -> int:
        """Bits to drop from inner products of vectors up to `norms` times the bound, for n^2 of them to be added up.

        Raises:
            InputError: the bound is too large for squared norms that do not wrap around.
        """
        squared = self.bounds.squared * norms**2
        if squared.bit_length() > _SQUARED_BITS:
            raise InputError(
                f"{norms} times the round's L2 bound, squared, takes {squared.bit_length()} bits of a ring of 64: "
                "lower the bound on updates"
            )
        # Four times a squared norm bounds a squared distance. Even, so that lengths are shifted by whole bits.
        bits = (4 * squared * len(self.updates) ** 2).bit_length() - _SUM_BITS
        return max(bits + bits % 2, 0)


@dataclass(frozen=True)
class Memory:
    """What a rule keeps of earlier rounds, in shares; which of the two, `Rule.remembers` says.

    Args:
        values: share of the last step (d,), or of the updates summed over rounds (n, d), row by hospital.
        rounds: how many rounds went into it.
    """

    values: ReplicatedShare
    rounds: int


@dataclass(frozen=True)
class SecureRule(ABC, Generic[R]):
    """A robust rule on shares.

    Secure against one curious validator; one that deviates from the protocol can alter the step.

    Args:
        clear: the same rule in the clear, with the parameters.
    """

    clear: R

    @property
    def name(self) -> str:
        """The rule's name, in the clear and on shares."""
        return self.clear.name

    def step(self, context: SecureContext, gathered: SharedRound, memory: Any = None) -> tuple[ReplicatedShare, Any]:
        """A share of the step (d,) in fixed point, and the memory for the next round.

        Args:
            context: this validator's; the three call `step` at the same time.
            gathered: the round.
            memory: what the round before returned.

        Raises:
            InputError: the condition on n and f does not hold, or the round is not as `SharedRound` says.
            RoundVoid: another validator did not answer.
        """
        _check(self.clear, gathered)
        return self.combine(context, gathered, memory)

    @abstractmethod
    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, Any]:
        """`step` on a round that meets the condition."""


secure_rules: Registry[type[SecureRule[Any]]] = Registry("aggregation rule on shares")
"""By the name of the rule in the clear, which each is made of."""


def _check(rule: Rule, gathered: SharedRound) -> None:
    updates, root = gathered.updates, gathered.root
    if len(updates.shape) != 2 or not updates.size:
        raise InputError(f"{rule.name}: the updates have the shape {updates.shape}; it should be (n, d)")
    count = len(updates)
    rule.check(count)
    if len(gathered.weights) != count or any(weight <= 0 for weight in gathered.weights):
        raise InputError(f"{rule.name}: the weights should be {count} positive integers, one for each update")
    if root is not None and root.shape != updates.shape[1:]:
        raise InputError(f"{rule.name}: the root update should have the shape {updates.shape[1:]}, not {root.shape}")
