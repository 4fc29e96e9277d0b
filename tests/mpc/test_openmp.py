import ctypes

import pytest
import torch

from mithridate.mpc.openmp import SingleThreadedProducts


def levels() -> int:
    assert torch.get_num_threads() > 0
    return int(ctypes.CDLL("libgomp.so.1").omp_get_max_active_levels())


def test_the_limit_holds_inside_and_is_restored_outside() -> None:
    before = levels()
    products = SingleThreadedProducts()
    with products:
        assert levels() == 0
        with products:
            assert levels() == 0
        assert levels() == 0
    assert levels() == before > 0


def test_the_limit_is_restored_after_an_error() -> None:
    before = levels()
    with pytest.raises(KeyError), SingleThreadedProducts():
        raise KeyError
    assert levels() == before


def test_without_the_runtime_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> ctypes.CDLL:
        raise OSError

    before = levels()
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", missing)
        products = SingleThreadedProducts()
    with products:
        assert levels() == before
