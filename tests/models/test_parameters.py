import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from mithridate.crypto.fixed_point import decode, encode
from mithridate.errors import ModelError, ShapeError
from mithridate.models.build import build_model
from mithridate.models.parameters import layout_of, load_vector, quantise, to_vector


def test_the_vector_is_the_state_dict_in_order() -> None:
    module = build_model("mlp", (3,), 2, seed=0)
    expected = np.concatenate([tensor.numpy().ravel() for tensor in module.state_dict().values()])
    np.testing.assert_array_equal(to_vector(module), expected)
    assert layout_of(module).names == tuple(module.state_dict())


def test_load_is_the_inverse_and_copies_both_ways() -> None:
    module = build_model("cnn", (1, 8, 8), 2, seed=0)
    vector = np.random.default_rng(0).normal(size=layout_of(module).size).astype(np.float32)
    load_vector(module, vector)
    found = to_vector(module)
    np.testing.assert_array_equal(found, vector)
    vector[:] = 0
    found[:] = 1
    assert (to_vector(module) != 0).all()


def test_loading_keeps_integer_buffers() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module(torch.ones(3, 2))
    load_vector(module, np.zeros(14, np.float32))
    assert module.state_dict()["1.num_batches_tracked"] == 1


@pytest.mark.parametrize("shape", [(7,), (9,), (8, 1), ()])
def test_another_length_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="8 parameters"):
        load_vector(nn.Linear(3, 2), np.zeros(shape, np.float32))


def test_another_type_is_refused() -> None:
    with pytest.raises(ModelError, match="float64"):
        load_vector(nn.Linear(3, 2), np.zeros(8))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="float32 throughout"):
        to_vector(nn.Linear(3, 2).half())


@given(hnp.arrays(np.float32, st.integers(0, 20), elements=st.floats(-(2.0**40), 2.0**40, width=32)))
def test_quantised_values_are_exact_in_the_ring_and_nearest(
    vector: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> None:
    grid = quantise(vector)
    np.testing.assert_array_equal(decode(encode(grid)), grid.astype(np.float64))
    assert (np.abs(grid.astype(np.float64) - vector) <= 2.0**-19).all()
    np.testing.assert_array_equal(quantise(grid), grid)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_have_no_place_on_the_grid(value: float) -> None:
    with pytest.raises(ModelError, match="finite"):
        quantise(np.array([0, value], np.float32))
