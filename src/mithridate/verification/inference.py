"""Encrypted inference: does base + update serve the task, measured on the reference set?

A sample's margin is its true class's logit less the mean of the others'. An update is harmful if it lowers the mean
margin by more than `standard_errors` standard errors, both against the base and against the mean of all updates that
passed the gates, sample by sample (paired, so that few samples decide). Changes are capped, so that no single sample
decides, and every class counts alike. Few samples are tried first: what they leave open is decided by all (sequential
testing: A. Wald, "Sequential tests of statistical hypotheses", 1945).
"""

from dataclasses import dataclass
from enum import IntEnum

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from mithridate.mpc.aten import Lowered
from mithridate.mpc.inference import logits, margins
from mithridate.verification.registry import Array

FIRST_STAGE = 0.25
"""Share of the reference samples that is tried first."""
_LEAST_DIVIDED, _LEAST_FIRST = 32, 16
# Standard errors by which an update must raise the margins to be let through by the first stage alone.
_CLEARLY = 2.0


class Finding(IntEnum):
    """What the samples seen so far say of an update."""

    OPEN = 0
    USEFUL = 1
    HARMFUL = 2


def stages(samples: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The reference samples tried first, and those tried then, by number; few samples are not divided.

    Which ones is public and the same in every round: it says nothing of the records.
    """
    first = samples if samples < _LEAST_DIVIDED else max(_LEAST_FIRST, int(FIRST_STAGE * samples))
    order = np.random.default_rng(0).permutation(samples)
    return order[:first], order[first:]


def findings(changes: Array, onehot: Array, standard_errors: float) -> Array:
    """The rule itself, on capped changes of margins.

    Args:
        changes: (n + 1, m) change of a sample's margin from the base to base + update; the last row is that of the
            mean of the updates.
        onehot: (m, C), the samples' classes.
        standard_errors: z.

    Returns:
        int (n,): `Finding`.
    """
    counts = onehot.sum(axis=0)
    present = counts > 0.5
    inverse = present / (counts + ~present * 1.0)
    shares = present / present.sum()
    harmful, raised = _lowered(changes[:-1], onehot, inverse, shares, standard_errors)
    worse, ahead = _lowered(changes[:-1] - changes[-1:], onehot, inverse, shares, standard_errors)
    bad = harmful & worse
    good = (raised | ahead) & ~bad
    return bad * int(Finding.HARMFUL) + good * int(Finding.USEFUL)


def _lowered(
    changes: Array, onehot: Array, inverse: Array, shares: Array, standard_errors: float
) -> tuple[Array, Array]:
    """Rows whose mean over the classes lies below zero by z standard errors; rows where it lies clearly above.

    The spread is that within each class: a push towards a class moves the classes apart and says nothing of chance.

    Args:
        changes: (n, m).
        onehot: (m, C).
        inverse: (C,), one over the samples of a class, 0 for a class without samples.
        shares: (C,), what each class counts.
    """
    of_class = (changes @ onehot) * inverse[None, :]
    means = (of_class * shares[None, :]).sum(axis=1)
    apart = changes - of_class @ onehot.T
    # Times m the variance of the mean stays at the scale of the changes.
    m = changes.shape[1]
    weights = inverse * shares
    variance = (((apart * apart) @ onehot) * weights[None, :] * (weights * m)[None, :]).sum(axis=1)
    squared = means * means * m
    return (means < 0) & (squared > standard_errors**2 * variance), (means > 0) & (squared > _CLEARLY**2 * variance)


@dataclass(frozen=True)
class MarginChanges:
    """Maps (candidates, base, x, one-hot labels) to capped changes of the margins, (n, m).

    Args:
        model: the lowered module.
        cap: a change counts up to this size, either way.
    """

    model: Lowered
    cap: float

    def __call__(self, candidates: jax.Array, base: jax.Array, x: jax.Array, onehot: jax.Array) -> jax.Array:
        """See the class; candidates (n, d) secret, base (d,) public, x (m, *shape) and onehot (m, C) secret."""
        changed = logits(self.model, candidates, x) - logits(self.model, base[None], x)
        return jnp.clip(mean_margins(changed, onehot), -self.cap, self.cap)


def mean_margins(scores: Array, onehot: Array) -> Array:
    """True class's logit less the mean of the others', (n, m).

    Args:
        scores: logits (n, m, C).
        onehot: (m, C).
    """
    classes = scores.shape[-1]
    true = (scores * onehot[None]).sum(axis=-1)
    return true - (scores.sum(axis=-1) - true) * (1.0 / (classes - 1))


@dataclass(frozen=True)
class Findings:
    """`findings` as a program with a fixed threshold.

    Args:
        standard_errors: z.
    """

    standard_errors: float

    def __call__(self, changes: jax.Array, onehot: jax.Array) -> jax.Array:
        """int (n,) of the changes (n + 1, m) and the samples' classes (m, C)."""
        return findings(changes, onehot, self.standard_errors)


@dataclass(frozen=True)
class Scaled:
    """A vector times a public number.

    Args:
        factor: what to multiply by.
    """

    factor: float

    def __call__(self, vector: jax.Array) -> jax.Array:
        """(d,) of (d,)."""
        return vector * self.factor


@dataclass(frozen=True)
class Correct:
    """How many samples each of k models predicts right.

    Args:
        model: the lowered module.
    """

    model: Lowered

    def __call__(self, models: jax.Array, x: jax.Array, onehot: jax.Array) -> jax.Array:
        """int (k,); models (k, d) public, x (m, *shape) and onehot (m, C) secret."""
        return (margins(logits(self.model, models, x), onehot) > 0).sum(axis=1)


@dataclass(frozen=True)
class FellBehind:
    """The release check: is a model's accuracy on the reference set below another's by more than a tolerance?

    Args:
        tolerance: share of the samples, 0 to 1.
        samples: m.
    """

    tolerance: float
    samples: int

    def __call__(self, new: jax.Array, stable: jax.Array) -> jax.Array:
        """bool (1,) of how many samples each predicts right, int (1,)."""
        # A share such as 0.29 of 100 is 28.999... in floating point.
        return stable - new > int(self.tolerance * self.samples + 1e-9)
