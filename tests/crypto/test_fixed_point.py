import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mithridate.crypto.fixed_point import LIMIT, SCALE, clip_l2, decode, encode
from mithridate.errors import EncodingError, InputError

BELOW_LIMIT = math.nextafter(LIMIT, 0)
floats = st.floats(-BELOW_LIMIT, BELOW_LIMIT, allow_nan=False)
ring = st.integers(0, 2**64 - 1)


def _signed(values: NDArray[Any]) -> list[int]:
    """As Python integers, by the definition of two's complement."""
    return [v - 2**64 if v >= 2**63 else v for v in map(int, values)]


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, min_side=0), elements=floats))
def test_encoding_is_the_nearest_integer_of_the_scaled_value(x: NDArray[Any]) -> None:
    encoded = encode(x)
    assert encoded.dtype == np.uint64
    assert encoded.shape == x.shape
    # Python's round is exact and to even.
    assert _signed(encoded.ravel()) == [round(float(v) * 2**18) for v in x.ravel()]


@given(hnp.arrays(np.int64, 5, elements=st.integers(-(2**53), 2**53)))
def test_the_grid_survives_a_round_trip_exactly(k: NDArray[Any]) -> None:
    values = k / SCALE
    assert np.array_equal(decode(encode(values)), values)
    assert np.array_equal(encode(values).view(np.int64), k)


@given(hnp.arrays(np.float32, 4, elements=st.floats(-(2**43), 2**43, width=32)))
def test_float32_is_encoded_as_the_float64_it_is(x: NDArray[Any]) -> None:
    assert np.array_equal(encode(x), encode(x.astype(np.float64)))


@given(hnp.arrays(np.uint64, 6, elements=ring))
def test_decoding_is_twos_complement(x: NDArray[Any]) -> None:
    assert decode(x).tolist() == [v / 2**18 for v in _signed(x)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, LIMIT, -LIMIT, 1e308])
def test_values_outside_the_ring_are_refused_counted_and_located(bad: float) -> None:
    x = np.array([0.0, 1.0, bad, -1.0, bad])
    with pytest.raises(EncodingError, match=r"2 of 5 values .* at index 2"):
        encode(x)


@pytest.mark.parametrize("good", [BELOW_LIMIT, -BELOW_LIMIT, 0.0, -0.0, 5e-324])
def test_values_just_inside_are_encoded(good: float) -> None:
    assert decode(encode(np.array([good])))[0] == pytest.approx(good, abs=2**-19)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.bool_, np.complex128, object])
def test_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(EncodingError, match="float"):
        encode(np.zeros(2, dtype=dtype))
    with pytest.raises(EncodingError, match="float"):
        clip_l2(np.zeros(2, dtype=dtype), 1.0)


def test_decode_refuses_what_is_not_a_ring_element() -> None:
    with pytest.raises(EncodingError, match="uint64"):
        decode(np.zeros(2, dtype=np.int64))


def _integer_norm_within(clipped: NDArray[Any], bound: float) -> bool:
    """In exact integers: sum of squares <= (bound * 2^18)^2, the bound as the rational number that the float is."""
    numerator, denominator = bound.as_integer_ratio()
    total = sum(v * v for v in _signed(encode(clipped)))
    return total * denominator**2 <= (numerator * 2**18) ** 2


@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(allow_nan=False, allow_infinity=False)),
    st.floats(1e-4, 1e6),
)
def test_the_integer_norm_of_a_clipped_vector_never_exceeds_the_bound(x: NDArray[Any], bound: float) -> None:
    assert _integer_norm_within(clip_l2(x, bound), bound)


@given(st.integers(1, 3000), st.floats(0.01, 100), st.integers(0, 2**32))
def test_the_bound_holds_for_vectors_on_its_very_edge(d: int, bound: float, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(d)
    x *= bound / np.linalg.norm(x)
    clipped = clip_l2(x, bound)
    assert _integer_norm_within(clipped, bound)
    assert np.linalg.norm(clipped - x) <= 2 * math.sqrt(d) / SCALE + bound * 1e-9


@given(hnp.arrays(np.int64, 5, elements=st.integers(2**30, 2**40)))
def test_a_bound_less_than_half_a_unit_of_the_last_place_below_the_norm_holds(k: NDArray[Any]) -> None:
    # The float64 norm of these integers may equal the bound while the exact one exceeds it.
    bound = float(np.linalg.norm(k / SCALE))
    assert _integer_norm_within(clip_l2(k / SCALE, bound), bound)


@given(hnp.arrays(np.float32, 8, elements=st.floats(-1, 1, width=32)))
def test_a_vector_within_the_bound_is_only_rounded(x: NDArray[Any]) -> None:
    assert np.array_equal(encode(clip_l2(x, 4.0)), encode(x))


def test_clipping_keeps_the_direction_and_its_input() -> None:
    x = np.array([3.0, -4.0] * 50, dtype=np.float32)
    before = x.copy()
    clipped = clip_l2(x, 1.0)
    assert np.array_equal(x, before)
    assert np.linalg.norm(clipped) == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(clipped, x / np.linalg.norm(x), atol=2**-18)


def test_a_million_equal_entries_that_all_round_up_stay_within() -> None:
    d = 1_000_000
    x = np.full(d, 0.6 / SCALE)
    bound = 0.7 * math.sqrt(d) / SCALE
    integers = encode(clip_l2(x, bound)).view(np.int64)
    assert int(integers @ integers) <= (bound * SCALE) ** 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_clipping_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(EncodingError, match=r"1 of 3 .* index 1"):
        clip_l2(np.array([1.0, bad, 2.0]), 1.0)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf, 1000 / 2**19, LIMIT])
def test_a_bound_that_rounding_alone_could_break_is_refused(bound: float) -> None:
    with pytest.raises(InputError, match="choose one above"):
        clip_l2(np.zeros(1_000_000), bound)


def test_clipping_takes_one_vector() -> None:
    with pytest.raises(EncodingError, match="one vector"):
        clip_l2(np.zeros((2, 2)), 1.0)
