import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mithridate.errors import ModelError, RoundVoid
from mithridate.mpc import programs
from mithridate.mpc.links import memory_links
from mithridate.mpc.session import Session


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Any:
    empty: Any = OrderedDict()
    monkeypatch.setattr(programs, "_cache", empty)
    return empty


RNG = np.random.default_rng(3)


def test_fixed_point_outputs(committee: Any, codec: Any) -> None:
    x, y = RNG.normal(size=(6, 5)), RNG.normal(size=(5, 4))
    product, rectified = committee.real(_product, [codec.fixed(x), codec.fixed(y)])
    assert np.allclose(product, x @ y, atol=1e-4)
    assert np.allclose(rectified, np.maximum(x @ y, 0), atol=1e-4)


def _product(x: Any, y: Any) -> Any:
    return x @ y, jnp.maximum(x @ y, 0)


def test_comparisons_come_back_as_ring_integers_0_and_1(committee: Any, codec: Any) -> None:
    x = np.array([-3.0, -(2.0**-18), 0.0, 2.0**-18, 3.0])
    bits, count, indicator = committee.ring(_bits, [codec.fixed(x)])
    assert bits.tolist() == [0, 0, 0, 1, 1]
    assert count.tolist() == 2
    assert codec.decode(indicator).tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]


def _bits(x: Any) -> Any:
    return x > 0, (x > 0).sum(), jnp.where(x > 0, 1.0, 0.0)


def test_integers_have_sixty_four_bits(committee: Any, codec: Any) -> None:
    x = np.array([-(2**62), -(2**31) - 1, -1, 0, 2**31, 2**40, 2**62])
    small, shifted = committee.ring(_range, [codec.integer(x)])
    assert small.tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert shifted.view(np.int64).tolist() == (x + 2**40).tolist()


def _range(x: Any) -> Any:
    return (x < 2**40) & (x > -(2**31)), x + 2**40


def test_public_inputs_need_no_new_program(cache: Any, committee: Any, codec: Any) -> None:
    x = codec.fixed([0.5, 1.5, 2.5])
    for threshold, expected in ((1.0, 2), (2.0, 1), (3.0, 0)):
        assert committee.ring(_above, [x, np.float64(threshold)])[0].tolist() == expected
    assert len(cache) == 1


def _above(x: Any, threshold: Any) -> Any:
    return (x > threshold).sum()


def test_public_outputs_are_shared_too(committee: Any, codec: Any) -> None:
    constant, number = committee.ring(lambda x: (jnp.ones(3), jnp.array(7)), [codec.fixed([1.0])])
    assert codec.decode(constant).tolist() == [1.0, 1.0, 1.0]
    assert number.tolist() == 7


def test_scalars_and_empty_trees(committee: Any, codec: Any) -> None:
    outputs = committee.real(lambda x: {"b": x + 1, "a": (x, [])}, [codec.fixed(2.0)])
    assert [output.tolist() for output in outputs] == [2.0, 3.0]


@dataclass(frozen=True)
class Scale:
    """A program that equal ones stand for."""

    factor: float

    def __call__(self, x: Any) -> Any:
        return x * self.factor


def test_equal_functions_are_compiled_once(cache: Any, committee: Any, codec: Any) -> None:
    x = codec.fixed([1.0])
    committee.real(Scale(3.0), [x])
    assert np.allclose(committee.real(Scale(3.0), [x]), 3.0, atol=1e-4)
    assert len(cache) == 1
    assert np.allclose(committee.real(Scale(4.0), [x]), 4.0, atol=1e-4)
    assert len(cache) == 2


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch, cache: Any, committee: Any, codec: Any) -> None:
    monkeypatch.setattr(programs, "CACHED_PROGRAMS", 2)
    for factor in (11.0, 12.0, 13.0):
        committee.real(Scale(factor), [codec.fixed([1.0])])
    assert len(cache) == 2


def test_what_spu_cannot_compile_is_a_model_error(committee: Any, codec: Any) -> None:
    with pytest.raises(ModelError, match="SPU cannot compile"):
        committee.ring(lambda x: jnp.linalg.eigh(x)[0], [codec.fixed(np.eye(2))])


def test_errors_of_the_function_itself_pass_through(committee: Any, codec: Any) -> None:
    with pytest.raises(TypeError):
        committee.ring(lambda x: x @ jnp.ones((7, 7)), [codec.fixed(np.eye(2))])
    assert np.allclose(committee.real(Scale(1.0), [codec.fixed([2.0])]), 2.0, atol=1e-4)


def test_a_share_of_another_validator_is_refused(codec: Any) -> None:
    session = Session(memory_links(1.0)[0])
    with pytest.raises(ValueError, match="given to validator 0"):
        session.run(Scale(1.0), [codec.fixed([2.0])[1]])


def test_a_dead_peer_ends_the_program_with_an_error(codec: Any) -> None:
    session = Session(memory_links(0.2)[1])
    start = time.monotonic()
    with pytest.raises(RoundVoid, match="Another validator is down"):
        session.run(Scale(1.0), [codec.fixed([2.0])[1]])
    assert time.monotonic() - start < 30
    with pytest.raises(RoundVoid, match="failed before"):
        session.run(Scale(1.0), [codec.fixed([2.0])[1]])


def test_a_closed_session_runs_nothing(codec: Any) -> None:
    session = Session(memory_links(1.0)[2])
    session.close()
    with pytest.raises(RoundVoid, match="closed"):
        session.run(Scale(1.0), [codec.fixed([2.0])[2]])
