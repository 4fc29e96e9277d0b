"""The one thread that runs the chain: what is asked of it waits in a queue, and what waits together is sealed together.

A transaction is answered once its block is on the disk. Those that arrive while another is run, or while the thread is
busy otherwise, go into the same block: so the hospitals of a round, which submit at the same moment, share one write.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mithridate.errors import LedgerError
from mithridate.ledger.chronicle import Block
from mithridate.ledger.service.served import Outcome, ServedChain

LOG = logging.getLogger("mithridate.ledger")
MAX_WAITING = 2048
"""Questions and transactions in the queue; more are refused."""
Answer = TypeVar("Answer")


class Worker:
    """A chain for an event loop.

    Args:
        folder: see `ServedChain`.

    Raises:
        LedgerError: see `ServedChain`.
    """

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._chain = self._thread.submit(ServedChain, folder).result()
        self._waiting: deque[tuple[bytes, asyncio.Future[bytes]]] = deque()
        self._asked = 0

    @property
    def head(self) -> Block:
        """The last block that is on the disk."""
        return self._chain.head

    async def ask(self, question: Callable[[ServedChain], Answer]) -> Answer:
        """Runs a read on the chain.

        Raises:
            Reverted: the contract refuses.
            LedgerError: there is no answer, or too many wait.
        """
        self._require_room()
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, question, self._chain)
        finally:
            self._asked -= 1

    async def send(self, raw: bytes) -> bytes:
        """Puts a signed transaction into a block; returns its hash once that block is on the disk.

        Raises:
            Reverted: the contract refuses; it is in no block.
            LedgerError: it is no transaction that the chain takes, or too many wait.
        """
        self._require_room()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append((raw, answer))
        # One group a transaction at most: a group that finds nothing left costs nothing.
        self._thread.submit(self._seal, loop)
        return await answer

    async def close(self) -> None:
        """Answers what waits, then closes the chain."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._chain.close)
        self._thread.shutdown()

    def _seal(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            return
        group: list[asyncio.Future[bytes]] = []
        outcomes: Sequence[Outcome]
        try:
            outcomes = self._chain.write(self._take(group))
        except Exception as error:
            LOG.exception("a group of transactions could not be sealed")
            # What it did not even take waits for nothing.
            deque(self._take(group), maxlen=0)
            outcomes = [LedgerError(f"the ledger failed ({type(error).__name__})")] * len(group)
        loop.call_soon_threadsafe(_tell, group, outcomes)

    def _take(self, group: list[asyncio.Future[bytes]]) -> Iterator[bytes]:
        while self._waiting:
            raw, answer = self._waiting.popleft()
            group.append(answer)
            yield raw

    def _require_room(self) -> None:
        if self._asked + len(self._waiting) >= MAX_WAITING:
            raise LedgerError("txpool is full: too many requests wait, ask again")


def _tell(group: list[asyncio.Future[bytes]], outcomes: Sequence[Outcome]) -> None:
    for answer, outcome in zip(group, outcomes, strict=True):
        if answer.done():
            # Its caller left.
            continue
        if isinstance(outcome, bytes):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)
