from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mithridate.errors import RoundVoid
from mithridate.mpc.links import memory_links
from mithridate.mpc.session import Session
from mithridate.mpc.shares import reconstruct


def double(x: Any) -> Any:
    return x + x


def test_ends_are_ranked() -> None:
    assert [(link.rank, link.world_size) for link in memory_links()] == [(0, 3), (1, 3), (2, 3)]


def test_groups_do_not_meet(codec: Any) -> None:
    one, other, x = memory_links(0.2), memory_links(0.2), codec.fixed([1.0])

    def work(rank: int) -> None:
        link = one[rank] if rank else other[rank]
        with pytest.raises(RoundVoid):
            Session(link).run(double, [x[rank]])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))


def test_a_validator_may_leave_as_soon_as_it_is_done(codec: Any) -> None:
    x = codec.fixed(np.arange(100))
    for _ in range(20):
        sessions = [Session(link) for link in memory_links(10.0)]

        def work(rank: int, held: list[Session] = sessions) -> Any:
            return held[rank].run(double, [x[rank]])[0], held.__setitem__(rank, None)

        with ThreadPoolExecutor(3) as threads:
            opened = reconstruct([share for share, _ in threads.map(work, range(3))])
        assert codec.decode(opened).tolist() == (2.0 * np.arange(100)).tolist()


def test_a_session_needs_three_ends() -> None:
    class Pair:
        world_size = 2

    with pytest.raises(ValueError, match="three validators"):
        Session(Pair())
