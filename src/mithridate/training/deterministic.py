"""PyTorch's process-wide state while a hospital trains: deterministic operators, and a random state put back after."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

# The switch is a property of the module's own class, which type stubs do not show.
FILLING: Any = import_module("torch.utils.deterministic")


class _Mode:
    """The process-wide switches: set by the first to enter, put back by the last to leave."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = (False, False, False)

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = (
                    torch.are_deterministic_algorithms_enabled(),
                    torch.is_deterministic_algorithms_warn_only_enabled(),
                    FILLING.fill_uninitialized_memory,
                )
                torch.use_deterministic_algorithms(True)
                # Filling costs time and changes no result of a module that reads only what it wrote.
                FILLING.fill_uninitialized_memory = False

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                enabled, warn_only, fill = self._before
                torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
                FILLING.fill_uninitialized_memory = fill


_MODE = _Mode()


@contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms inside; an operator that has none raises RuntimeError."""
    _MODE.enter()
    try:
        yield
    finally:
        _MODE.leave()


@contextmanager
def one_thread() -> Iterator[None]:
    """One PyTorch thread for the calling thread's operators inside.

    More would change the last bits of convolutions and gain little on models of this size: they spin after every
    operator, which on a busy machine makes training ten times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's CPU generator starts from `seed` inside and is as before afterwards.

    The generator itself rather than `torch.manual_seed`, which visits every accelerator: 0.4 ms, a tenth of a small
    training.
    """
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
