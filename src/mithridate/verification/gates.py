"""The cheap gates of the cascade, as one program on projections, Gram matrix, direction of use and evidence.

The same program runs on shares inside the encrypted runtime and on plain numpy arrays, against which it is tested.
"""

from dataclasses import dataclass, field

import jax
import numpy as np
import numpy.typing as npt

from mithridate.verification.bounded import beyond_bound, beyond_range, length_factors
from mithridate.verification.evidence import gathered
from mithridate.verification.registry import Array, Bounds, Statistics, update_detectors
from mithridate.verification.settings import GRADIENT, INFERENCE, DefenceSettings
from mithridate.verification.verdict import Rule

FIXED = 2.0**18
"""Inner products have 36 fractional bits; read as fixed point with 18 they are this many times what they stand for."""

# Squared norms are held times 256, so that short updates lose no digits.
_SQUARED, _ROOT = 256.0, 16.0
# Longer ones than the first are shrunk by the second: SPU's reciprocal root fails from 2^18 on, and would lose digits.
# SPU reorders the factors of a product; 2^-14 times 15/16 is still exact in 18 bits.
_LONG, _SHRUNK = 2.0**14, 2.0**-4
# Keeps the reciprocal of an update of zeros finite: as if it had the norm 2^-8.
_LEAST = 2.0**-8


@dataclass(frozen=True)
class UpdateGates:
    """Maps what is known of n updates to a code each, and to the evidence after the round.

    The code is the first `Rule` to reject the update, SUSPENDED for a hospital whose evidence is complete, or 0.

    Args:
        settings: the study's defence.
        bounds: of honest updates.
        records: of the n hospitals, public; not part of the program, which other hospitals need not compile anew.
        bounded: reject updates beyond range and bound whatever detectors run.
    """

    settings: DefenceSettings
    bounds: Bounds
    records: tuple[int, ...] = field(default=(), compare=False)
    bounded: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The detectors that run, in the order in which a rejection is attributed."""
        return tuple(name for name in self.settings.active if name != INFERENCE)

    def factors(self, n: int) -> npt.NDArray[np.float64]:
        """The program's public input (2, n, n) for n hospitals, those of `records` or of one size."""
        return length_factors(self.records or (1,) * n, self.settings.norm_multiple)

    def __call__(
        self, projected: Array, gram: Array, products: Array, directed: Array, evidence: Array, factors: Array
    ) -> tuple[Array, Array]:
        """Codes int64 (n,) and evidence (n,).

        Args:
            projected: int64 (n, k), random projections.
            gram: int64 (n, n), inner products of the updates in ring units.
            products: the same as real numbers, times 2^18.
            directed: real (n,), inner products with the direction of use, times 2^18.
            evidence: real (n,), before the round.
            factors: real (2, n, n), public, from `factors`.
        """
        statistics = self.statistics(projected, gram, products, directed, evidence, factors)
        flags = {name: update_detectors.get(name).flags(statistics, self.settings) for name in self.names}
        codes = self._unbounded(projected, gram)
        for name in reversed(self.names):
            codes = flags[name] * int(update_detectors.get(name).rule) + ~flags[name] * codes
        if GRADIENT in self.names:
            complete = statistics.evidence >= self.settings.suspension
            codes = complete * int(Rule.SUSPENDED) + ~complete * codes
        return codes, statistics.evidence

    def _unbounded(self, projected: Array, gram: Array) -> Array:
        codes = gram.diagonal() * 0
        if self.bounded:
            for rule, flags in (
                (Rule.NORM, beyond_bound(gram, self.bounds)),
                (Rule.RANGE, beyond_range(projected, self.bounds)),
            ):
                codes = flags * int(rule) + ~flags * codes
        return codes

    def statistics(
        self, projected: Array, gram: Array, products: Array, directed: Array, evidence: Array, factors: Array
    ) -> Statistics:
        """What the detectors see, with the evidence after the round; arguments as `__call__`."""
        n = gram.shape[0]
        sound = ~(beyond_range(projected, self.bounds) | beyond_bound(gram, self.bounds))
        scaled = products * (_SQUARED / FIXED)
        squared = scaled.diagonal()
        long = squared > _LONG
        shrunk = _shrunk(_shrunk(scaled, long[:, None]), long[None, :])
        inverse = _reciprocal_root(shrunk.diagonal() * sound + _LEAST)
        cosines = shrunk * inverse[:, None] * inverse[None, :]
        cosines = cosines * (1 - np.eye(n)) - np.eye(n)
        scores = _shrunk(directed * (_ROOT / FIXED), long) * inverse
        before = Statistics(projected, gram, squared, cosines, scores, evidence, sound, factors, self.bounds)
        proofs = ~sound
        for name in self.names:
            detector = update_detectors.get(name)
            if detector.proves:
                proofs = proofs | detector.flags(before, self.settings)
        after = gathered(evidence, scores, proofs, self.settings) if GRADIENT in self.names else evidence
        return Statistics(projected, gram, squared, cosines, scores, after, sound, factors, self.bounds)


def rules_in_plaintext(
    gates: UpdateGates,
    updates: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    direction: npt.NDArray[np.float64] | None = None,
    evidence: npt.NDArray[np.float64] | None = None,
) -> tuple[tuple[Rule, ...], npt.NDArray[np.float64]]:
    """What the gates say of updates in the clear, and the evidence after: the reference for the encrypted verdicts.

    Args:
        gates: the program.
        updates: int64 (n, d) in fixed point.
        rows: int64 (k, d), the projection.
        direction: float64 (d,), the direction of use; none takes zeros.
        evidence: float64 (n,), before; none takes zeros.
    """
    codes, after = gates(*inputs_in_plaintext(gates, updates, rows, direction, evidence))
    return tuple(Rule(int(code)) for code in codes), np.asarray(after)


def inputs_in_plaintext(
    gates: UpdateGates,
    updates: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    direction: npt.NDArray[np.float64] | None = None,
    evidence: npt.NDArray[np.float64] | None = None,
) -> tuple[Array, ...]:
    """What `UpdateGates` takes, of updates in the clear; arguments as `rules_in_plaintext`."""
    n, d = updates.shape
    gram = updates @ updates.T
    towards = np.zeros(d) if direction is None else direction
    before = np.zeros(n) if evidence is None else evidence
    directed = updates.astype(np.float64) @ towards
    return updates @ rows.T, gram, gram / FIXED, directed, before, gates.factors(n)


def _shrunk(values: Array, long: Array) -> Array:
    return values - values * (1.0 - _SHRUNK) * long


def _reciprocal_root(values: Array) -> Array:
    return values**-0.5 if isinstance(values, np.ndarray) else jax.lax.rsqrt(values)
