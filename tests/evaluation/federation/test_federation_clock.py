from collections.abc import Iterator

import pytest

from mithridate.evaluation.federation.clock import Clock


def test_time_goes_to_the_account_entered_last() -> None:
    now: Iterator[float] = iter([10.0, 11.0, 13.0, 17.0])
    clock = Clock(lambda: next(now))
    with clock.on("server"), clock.on("client"):
        pass
    assert dict(clock.seconds) == {"server": 1.0 + 4.0, "client": 2.0}


def test_time_outside_every_account_is_nobodys() -> None:
    now: Iterator[float] = iter([0.0, 1.0, 50.0, 52.0])
    clock = Clock(lambda: next(now))
    for _ in range(2):
        with clock.on("server"):
            pass
    assert dict(clock.seconds) == {"server": 3.0}


def test_an_error_leaves_the_account() -> None:
    now: Iterator[float] = iter([0.0, 1.0, 5.0, 6.0])
    clock = Clock(lambda: next(now))
    with pytest.raises(ValueError, match="wrong"), clock.on("server"):
        raise ValueError("wrong")
    with clock.on("client"):
        pass
    clock.add("client", 0.5)
    assert dict(clock.seconds) == {"server": 1.0, "client": 1.5}
