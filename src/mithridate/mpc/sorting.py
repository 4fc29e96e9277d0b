"""Sorting networks: secret rows in order, by comparisons whose places are public and the same for all data.

Source: K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint Computer Conference 1968, as merge
exchange for any number of rows: D. E. Knuth, "The Art of Computer Programming", volume 3, section 5.2.2, algorithm M.
"""

from collections.abc import Hashable, Iterator, Sequence

import jax
import jax.numpy as jnp

Comparator = tuple[int, int]
Layers = tuple[tuple[Comparator, ...], ...]
"""Layers of comparators (i, j), i < j, that share no row: the smaller value goes to i, the larger to j."""


def merge_exchange(count: int) -> Iterator[Comparator]:
    """Batcher's comparators, in order, that sort any `count` values ascending; about count log2(count)^2 / 4."""
    top = 1 << max(count - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, residue, distance = top, 0, p
        while True:
            yield from ((i, i + distance) for i in range(count - distance) if i & p == residue)
            if q == p:
                break
            distance, q, residue = q - p, q >> 1, p
        p >>= 1


def layered(comparators: Sequence[Comparator]) -> Layers:
    """The same comparators, each in the first layer where both of its rows are ready."""
    depth: dict[int, int] = {}
    layers: list[list[Comparator]] = []
    for low, high in comparators:
        at = max(depth.get(low, 0), depth.get(high, 0))
        layers.extend([] for _ in range(at + 1 - len(layers)))
        layers[at].append((low, high))
        depth[low] = depth[high] = at + 1
    return tuple(tuple(layer) for layer in layers)


def network(parts: Sequence[Hashable]) -> Layers:
    """The layers that bring n = len(parts) values into order, as far as it matters.

    Args:
        parts: one label a place, ascending. Places with the same label may come out in any order among themselves: the
            rows that are summed, those that are dropped. All different, the network sorts.
    """
    wanted: list[Hashable] = list(parts)
    needed: list[Comparator] = []
    for comparator in reversed(list(merge_exchange(len(parts)))):
        low, high = comparator
        if wanted[low] != wanted[high]:
            needed.append(comparator)
            wanted[low], wanted[high] = ("at", len(needed), 0), ("at", len(needed), 1)
    return layered(needed[::-1])


def ordered(rows: Sequence[jax.Array], layers: Layers) -> list[jax.Array]:
    """Rows of one shape, coordinate by coordinate in the order of the network; for use inside `Session.run`.

    One comparison and one choice a comparator and coordinate; the comparators of a layer go together. Exact: the
    outcome is a permutation of each coordinate's values. Differences of values must not wrap around in the ring.
    """
    result = list(rows)
    for layer in layers:
        low = jnp.stack([result[i] for i, _ in layer])
        high = jnp.stack([result[j] for _, j in layer])
        smaller = jnp.where(low > high, high, low)
        larger = low + high - smaller
        for place, (i, j) in enumerate(layer):
            result[i] = jax.lax.index_in_dim(smaller, place, keepdims=False)
            result[j] = jax.lax.index_in_dim(larger, place, keepdims=False)
    return result


def rows_of(values: jax.Array) -> list[jax.Array]:
    """The rows of (n, ...)."""
    return [jax.lax.index_in_dim(values, row, keepdims=False) for row in range(values.shape[0])]
