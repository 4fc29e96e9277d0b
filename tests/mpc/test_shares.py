from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mithridate.errors import ShareMismatch
from mithridate.mpc.shares import ReplicatedShare, concatenate, reconstruct, share_locally, stack

RING = st.one_of(st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1))
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def arrays(shape: Any = SHAPES) -> Any:
    return hnp.arrays(np.uint64, shape, elements=RING)


@given(arrays())
def test_reconstruction_gives_the_secret(secret: np.ndarray) -> None:
    shares = share_locally(secret)
    opened = reconstruct(shares[::-1])
    assert opened.dtype == np.uint64
    assert opened.shape == secret.shape
    assert np.array_equal(opened, secret)


@given(SHAPES.flatmap(lambda shape: st.tuples(arrays(shape), arrays(shape))), RING)
def test_linear_operations_are_exact_in_the_ring(pair: tuple[np.ndarray, np.ndarray], factor: int) -> None:
    x, y = pair
    xs, ys = share_locally(x), share_locally(y)
    weight = np.full((), factor, np.uint64)
    with np.errstate(over="ignore"):
        assert np.array_equal(reconstruct([a + b for a, b in zip(xs, ys, strict=True)]), x + y)
        assert np.array_equal(reconstruct([a - b for a, b in zip(xs, ys, strict=True)]), x - y)
        assert np.array_equal(reconstruct([a.add_public(y) for a in xs]), x + y)
        assert np.array_equal(reconstruct([a.mul_public(factor) for a in xs]), x * weight)
        assert np.array_equal(reconstruct([a.mul_public(y) for a in xs]), x * y)
        assert np.array_equal(reconstruct([-a for a in xs]), np.zeros_like(x) - x)
        assert np.array_equal(reconstruct([a.sum() for a in xs]), np.add.reduce(x, None))


def test_moves_of_entries_follow_numpy() -> None:
    x = np.arange(12, dtype=np.uint64).reshape(3, 4)
    shares = share_locally(x)
    assert np.array_equal(reconstruct([s[1:, ::2] for s in shares]), x[1:, ::2])
    assert np.array_equal(reconstruct([s[0, 0] for s in shares]), x[0, 0])
    assert np.array_equal(reconstruct([s.reshape(2, 6) for s in shares]), x.reshape(2, 6))
    assert np.array_equal(reconstruct([s.sum(axis=0) for s in shares]), x.sum(axis=0))
    assert np.array_equal(reconstruct([stack([s, s]) for s in shares]), np.stack([x, x]))
    assert np.array_equal(reconstruct([concatenate([s, s]) for s in shares]), np.concatenate([x, x]))
    assert (len(shares[0]), shares[0].size, shares[0].shape) == (3, 12, (3, 4))


def test_negative_integer_weights_wrap() -> None:
    shares = share_locally(np.array([5], np.uint64))
    assert reconstruct([s.mul_public(-1) for s in shares]).tolist() == [2**64 - 5]


def test_each_component_is_held_by_two_and_none_is_the_secret() -> None:
    secret = np.zeros(64, np.uint64)
    shares = share_locally(secret)
    for rank, share in enumerate(shares):
        assert share.rank == rank
        assert np.array_equal(share.second, shares[(rank + 1) % 3].first)
        assert np.unique(share.first).size == 64
    again = share_locally(secret)
    assert not np.array_equal(shares[0].first, again[0].first)


@pytest.mark.parametrize("side", ["first", "second"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_an_altered_component_is_found(rank: int, side: str) -> None:
    shares = list(share_locally(np.arange(4, dtype=np.uint64)))
    parts = {"first": shares[rank].first.copy(), "second": shares[rank].second.copy()}
    parts[side][2] ^= np.uint64(1)
    shares[rank] = ReplicatedShare(rank, **parts)
    with pytest.raises(ShareMismatch, match="hold different components"):
        reconstruct(shares)


def test_misuse_is_refused() -> None:
    zero = np.zeros(2, np.uint64)
    with pytest.raises(ValueError, match="rank"):
        ReplicatedShare(3, zero, zero)
    with pytest.raises(ValueError, match="uint64"):
        ReplicatedShare(0, zero.astype(np.int64), zero)
    with pytest.raises(ValueError, match="shapes"):
        ReplicatedShare(0, zero, np.zeros(3, np.uint64))
    shares = share_locally(zero)
    with pytest.raises(ValueError, match="combined at one validator"):
        shares[0] + shares[1]
    with pytest.raises(ValueError, match="several validators"):
        stack(shares)
    with pytest.raises(ValueError, match="several validators"):
        concatenate([])
    with pytest.raises(ValueError, match="each of the ranks"):
        reconstruct(shares[:2])
