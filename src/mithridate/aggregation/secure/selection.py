"""Secret selections: who is among the smallest, as zeros and ones that nobody sees; for use inside `Session.run`."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mithridate.aggregation.secure.numbers import WEIGHT

UNREACHABLE = 2**61
"""Above any sum of squared distances, and such that differences with it do not wrap around."""


def ranks(*keys: jax.Array) -> jax.Array:
    """The place of each entry along the last axis in ascending order, int64 from 0, all different.

    Every pair is compared, which takes few rounds of communication; equal entries keep their order.

    Args:
        keys: of one shape (..., n); later ones decide where all earlier ones are equal.
    """
    count = keys[0].shape[-1]
    # before[..., j, k]: entry k comes before entry j.
    before = jnp.asarray(np.tri(count, k=-1, dtype=np.bool_))
    for key in reversed(keys):
        less = key[..., None, :] < key[..., :, None]
        before = less | (~jnp.swapaxes(less, -1, -2) & before)
    return before.astype(jnp.int64).sum(axis=-1)


def among_smallest(count: int, *keys: jax.Array) -> jax.Array:
    """1 for each of the `count` smallest entries along the last axis and 0 for the others, int64."""
    return (ranks(*keys) < count).astype(jnp.int64)


def mean_weights(kept: jax.Array, counts: Sequence[int]) -> jax.Array:
    """Weights (n,) of the mean of the updates that are kept, times `WEIGHT`; 0 where none is.

    Args:
        kept: int64 (n,), zeros and ones.
        counts: all numbers, of 1 and more, of which how many are kept may be one; a single one needs no comparison.
    """
    if len(counts) == 1:
        return kept.astype(jnp.float32) * (WEIGHT / counts[0])
    # The count is as secret as the selection, so its reciprocal is looked up by comparing it with all of them.
    which = (kept.sum() == np.asarray(counts)).astype(jnp.float32)
    reciprocal = (which * jnp.asarray([WEIGHT / count for count in counts], dtype=jnp.float32)).sum()
    return kept.astype(jnp.float32) * reciprocal


def squared_distances(gram: jax.Array) -> jax.Array:
    """Squared distances, int64 (n, n), from inner products (n, n): exact."""
    squares = gram.diagonal()
    return squares[:, None] + squares[None, :] - 2 * gram
