"""Three validators in threads of one process."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mithridate.mpc.links import memory_links
from mithridate.mpc.session import Integer, Session
from mithridate.mpc.shares import ReplicatedShare, reconstruct, share_locally

SCALE = 2.0**18


class Committee:
    """Runs a function at all three validators on values that the test knows, and opens the outputs."""

    def __init__(self) -> None:
        self.sessions = [Session(link) for link in memory_links(60.0)]
        self._threads = ThreadPoolExecutor(3)

    def together(self, work: Callable[[Session], Any]) -> list[Any]:
        return list(self._threads.map(work, self.sessions))

    def shares(self, function: Callable[..., Any], inputs: Sequence[Any]) -> list[list[ReplicatedShare]]:
        """`inputs`: three shares, a tuple of three Integers, or a public array each; returns (outputs, ranks)."""

        def work(session: Session) -> list[ReplicatedShare]:
            return session.run(function, [v[session.rank] if isinstance(v, tuple) else v for v in inputs])

        return [list(parts) for parts in zip(*self.together(work), strict=True)]

    def ring(self, function: Callable[..., Any], inputs: Sequence[Any]) -> list[np.ndarray]:
        return [reconstruct(parts) for parts in self.shares(function, inputs)]

    def real(self, function: Callable[..., Any], inputs: Sequence[Any]) -> list[np.ndarray]:
        return [decode(value) for value in self.ring(function, inputs)]

    def close(self) -> None:
        for session in self.sessions:
            session.close()
        self._threads.shutdown()


def encode(values: Any) -> np.ndarray:
    return np.rint(np.asarray(values, np.float64) * SCALE).astype(np.int64).view(np.uint64)


def decode(ring: np.ndarray) -> np.ndarray:
    return ring.view(np.int64) / SCALE


def fixed(values: Any) -> tuple[ReplicatedShare, ReplicatedShare, ReplicatedShare]:
    return share_locally(encode(values))


def integer(values: Any) -> tuple[Integer, ...]:
    return tuple(Integer(share) for share in share_locally(np.asarray(values, np.int64).view(np.uint64)))


class Codec:
    """The helpers above, for tests, which cannot import from here."""

    encode = staticmethod(encode)
    decode = staticmethod(decode)
    fixed = staticmethod(fixed)
    integer = staticmethod(integer)


@pytest.fixture
def codec() -> Codec:
    return Codec()


@pytest.fixture(scope="session")
def committee() -> Iterator[Committee]:
    committee = Committee()
    yield committee
    committee.close()
