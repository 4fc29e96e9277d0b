import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mithridate.crypto import sharing
from mithridate.crypto.sharing import MAX_LENGTH, expand, expand_into, reconstruct, share
from mithridate.errors import ShapeError, ShareMismatch

VECTORS = json.loads((Path(__file__).parent / "vectors" / "sharing.json").read_text())
EXTREMES = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
elements = st.one_of(st.sampled_from(EXTREMES), st.integers(0, 2**64 - 1))
# Lengths on both sides of the block in which keystreams are made.
lengths = st.one_of(st.integers(0, 40), st.sampled_from([2**14 - 1, 2**14, 2**14 + 1, 2**15 + 3]))


@given(hnp.arrays(np.uint64, lengths, elements=elements, fill=elements))
def test_shares_reconstruct_exactly(secret: NDArray[Any]) -> None:
    shared = share(secret)
    x0, x1 = (expand(seed, secret.size) for seed in (shared.seed0, shared.seed1))
    assert np.array_equal(reconstruct(x0, x1, shared.x2), secret)


def test_the_third_component_is_that_of_the_reference() -> None:
    seed0, seed1 = bytes.fromhex(VECTORS["seed0"]), bytes.fromhex(VECTORS["seed1"])
    secret = np.array(VECTORS["secret"], dtype=np.uint64)
    assert expand(seed0, secret.size).tolist() == VECTORS["x0"]
    assert expand(seed1, secret.size).tolist() == VECTORS["x1"]
    assert sharing._remainder(secret, seed0, seed1).tolist() == VECTORS["x2"]


def test_every_sharing_takes_fresh_seeds_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    np.random.seed(7)  # noqa: NPY002 - a study's seed must not reach the shares
    first = share(np.zeros(4, np.uint64))
    np.random.seed(7)  # noqa: NPY002
    second = share(np.zeros(4, np.uint64))
    assert len({first.seed0, first.seed1, second.seed0, second.seed1}) == 4
    drawn = iter([b"\1" * 32, b"\2" * 32])
    monkeypatch.setattr(secrets, "token_bytes", lambda size: next(drawn)[:size])
    third = share(np.zeros(4, np.uint64))
    assert (third.seed0, third.seed1) == (b"\1" * 32, b"\2" * 32)


def test_any_two_components_of_a_constant_look_uniform() -> None:
    # Each bit of each component is a fair coin: 64 * 20000 flips, six standard deviations.
    shared = share(np.full(20_000, 12345, np.uint64))
    for component in (expand(shared.seed0, 20_000), expand(shared.seed1, 20_000), shared.x2):
        ones = int(np.unpackbits(component.view(np.uint8)).sum())
        assert abs(ones - 640_000) < 6 * np.sqrt(1_280_000) / 2


def test_secrets_do_not_show_in_a_repr() -> None:
    shared = share(np.arange(3, dtype=np.uint64))
    assert repr(shared) == "SharedVector()"


@settings(max_examples=40)
@given(lengths)
def test_a_component_is_written_where_it_is_wanted(length: int) -> None:
    seed = bytes(range(32))
    rows = np.zeros((3, length), np.uint64)
    expand_into(seed, rows[1])
    assert np.array_equal(rows[1], expand(seed, length))
    assert not rows[[0, 2]].any()


@pytest.mark.parametrize("secret", [np.zeros((2, 2), np.uint64), np.zeros(2, np.int64), np.zeros(2), np.uint64(3)])
def test_a_secret_is_a_vector_of_uint64(secret: NDArray[Any]) -> None:
    with pytest.raises(ShapeError, match="one vector of uint64"):
        share(secret)


def test_a_secret_need_not_be_contiguous() -> None:
    secret = np.arange(40, dtype=np.uint64)[::3]
    shared = share(secret)
    x0, x1 = expand(shared.seed0, secret.size), expand(shared.seed1, secret.size)
    assert np.array_equal(reconstruct(x0, x1, shared.x2), secret)


@pytest.mark.parametrize("length", [-1, MAX_LENGTH + 1, 2**62])
def test_lengths_are_bounded_before_anything_is_allocated(length: int) -> None:
    with pytest.raises(ShapeError, match=r"2\^27"):
        expand(bytes(32), length)


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_a_seed_is_32_bytes(size: int) -> None:
    with pytest.raises(ShareMismatch, match="32 bytes"):
        expand(bytes(size), 4)
    with pytest.raises(ShareMismatch, match="32 bytes"):
        expand_into(bytes(size), np.zeros(4, np.uint64))


def test_reconstruct_wants_one_shape() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        reconstruct(np.zeros(3, np.uint64), np.zeros(3, np.uint64), np.zeros(1, np.uint64))
