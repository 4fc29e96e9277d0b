"""Three validators in threads, who aggregate shares of updates that the test knows."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mithridate.aggregation import Gathered, robust_rules
from mithridate.aggregation.secure import SecureContext, SecureRule, SharedRound, secure_rules
from mithridate.crypto.fixed_point import decode, encode
from mithridate.mpc.linear import ZeroSharing, open_share
from mithridate.mpc.links import memory_links
from mithridate.mpc.peers import MemoryPeers, memory_peers
from mithridate.mpc.session import Integer, Session
from mithridate.mpc.shares import VALIDATORS, reconstruct, share_locally
from mithridate.verification.registry import Bounds


class RecordingPeers:
    """A validator's channel that remembers what it sent: (receiver, message)."""

    def __init__(self, peers: MemoryPeers) -> None:
        self._peers = peers
        self.rank = peers.rank
        self.sent_bytes = 0
        self.sent: list[tuple[int, bytes]] = []

    def send(self, to: int, message: bytes) -> None:
        self.sent.append((to, message))
        self._peers.send(to, message)

    def receive(self, sender: int) -> bytes:
        return self._peers.receive(sender)


class Committee:
    def __init__(self) -> None:
        self.peers = [RecordingPeers(peers) for peers in memory_peers(60.0)]
        self._threads = ThreadPoolExecutor(VALIDATORS)
        self._sessions = [Session(link) for link in memory_links(60.0)]
        zeros = self._threads.map(ZeroSharing, self.peers)
        self.contexts = [SecureContext(*parts) for parts in zip(self.peers, self._sessions, zeros, strict=True)]

    def together(self, work: Callable[[SecureContext], Any]) -> list[Any]:
        return list(self._threads.map(work, self.contexts))

    def program(self, function: Callable[..., Any], *inputs: Any, integers: bool = False) -> np.ndarray:
        """The output of a program on secret arrays: reals, or int64 where the function gives integers."""
        shares = [
            [Integer(s) for s in share_locally(value.view(np.uint64))]
            if value.dtype == np.int64
            else share_locally(encode(value))
            for value in inputs
        ]
        outputs = self.together(lambda c: c.run(function, *(value[c.peers.rank] for value in shares)))
        ring = reconstruct(outputs)
        return ring.view(np.int64) if integers else decode(ring)

    def step(
        self, rule: SecureRule, gathered: Gathered, memories: Any = (None, None, None), norm: float = 256.0
    ) -> tuple[np.ndarray, list[Any]]:
        """The step as opened, and the three memories; `sent` holds what was sent before the opening."""
        updates = share_locally(encode(gathered.updates))
        roots = (None,) * VALIDATORS if gathered.root is None else share_locally(encode(gathered.root))
        weights = [int(weight) for weight in gathered.weights]
        for peers in self.peers:
            peers.sent.clear()

        def work(context: SecureContext) -> Any:
            rank = context.peers.rank
            shared = SharedRound(updates[rank], weights, Bounds.of(norm), roots[rank])
            return rule.step(context, shared, memories[rank])

        outcomes = self.together(work)
        self.sent = [list(peers.sent) for peers in self.peers]
        opened = self.together(lambda context: open_share(outcomes[context.peers.rank][0], context.peers))
        assert all(np.array_equal(value, opened[0]) for value in opened)
        return decode(opened[0]), [memory for _, memory in outcomes]

    def close(self) -> None:
        for session in self._sessions:
            session.close()
        self._threads.shutdown()


def attacked(kind: str, n: int, f: int, d: int = 60, seed: int = 0) -> Gathered:
    """n updates on the grid of fixed point, the first f of them malicious, unequal records, and a root update."""
    rng = np.random.default_rng((seed, n))
    common = 0.3 * rng.normal(size=d)
    updates = common + 0.5 * rng.normal(size=(n, d))
    honest = updates[f:].mean(axis=0)
    if kind == "sign flip":
        updates[:f] *= -10
    elif kind == "colluders":
        updates[:f] = -0.6 * honest + 1e-3 * rng.normal(size=(f, d))
    elif kind == "silent":
        updates[:f] = 0
    elif kind == "copies":
        updates[:f] = -2 * honest
    updates = decode(encode(updates))
    root = decode(encode(common + 0.3 * rng.normal(size=d)))
    return Gathered(updates, rng.integers(50, 500, size=n).astype(np.float64), root)


@pytest.fixture(scope="session")
def committee() -> Iterator[Committee]:
    committee = Committee()
    yield committee
    committee.close()


@pytest.fixture(scope="session")
def updates_of() -> Callable[..., Gathered]:
    return attacked


@pytest.fixture(scope="session")
def both() -> Callable[[str, int], Any]:
    """The rule in the clear and on shares, by name and number of malicious hospitals."""

    def pair(name: str, malicious: int) -> Any:
        clear = robust_rules.get(name)(malicious)
        return clear, secure_rules.get(name)(clear)

    return pair
