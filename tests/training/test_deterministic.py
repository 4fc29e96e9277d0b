import pytest
import torch

from mithridate.training.deterministic import deterministic, one_thread, seeded


def enabled() -> bool:
    return torch.are_deterministic_algorithms_enabled()


def test_the_mode_is_on_inside_nested_uses_and_back_after() -> None:
    with deterministic():
        with deterministic():
            assert enabled()
        assert enabled()
    assert not enabled()


def test_an_error_puts_everything_back() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()

    def fail() -> None:
        with deterministic(), one_thread(), seeded(3):
            torch.rand(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not enabled()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_a_mode_that_was_on_stays_on() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with deterministic():
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_seeded_repeats() -> None:
    draws = []
    for _ in range(2):
        with seeded(5):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)


def test_one_thread() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
