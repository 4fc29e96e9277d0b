"""The two directions in which one validator's messages of one section travel, each carried by a call of gRPC."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import grpc

from mithridate.errors import MessageError

MAX_UNREAD = 64
"""A peer that sends more than the section reads is broken off."""


class Incoming:
    """What one peer sends in one section.

    Args:
        sender: its rank.
        drop: ends the call that carries it.
    """

    def __init__(self, sender: int, drop: Callable[[], object] = lambda: None) -> None:
        self.sender = sender
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._drop = drop
        self.ended = threading.Event()

    def put(self, message: bytes) -> None:
        """Takes a message that arrived; raises MessageError if too many wait."""
        if self._messages.qsize() >= MAX_UNREAD:
            raise MessageError(f"more than {MAX_UNREAD} messages wait to be read")
        self._messages.put(message)

    def end(self) -> None:
        """Nothing follows what has arrived."""
        self.ended.set()
        self._messages.put(None)

    def discard(self) -> None:
        """Ends it before its sender does: nobody will read it, and what carries it is needed for others."""
        self.end()
        self._drop()

    def get(self, timeout: float) -> bytes | None:
        """The next message, None once there is none; raises `queue.Empty` after `timeout` seconds."""
        message = self._messages.get(timeout=timeout)
        if message is None:
            # Whoever asks again must hear the same.
            self._messages.put(None)
        return message


class Outgoing:
    """What is sent to one peer in one section.

    Args:
        start: makes the call that carries the messages of an iterator.
    """

    def __init__(self, start: Callable[[Iterator[bytes]], grpc.Future]) -> None:
        self._box: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.call = start(self._messages())
        # However the call ends, no thread is left that waits for more to send.
        self.call.add_done_callback(lambda _: self.end())

    def put(self, message: bytes) -> None:
        """Sends a message; does not wait for it."""
        self._box.put(message)

    def end(self) -> None:
        """No message follows; those sent before still arrive."""
        self._box.put(None)

    def cancel(self) -> None:
        """Ends the call; what has not arrived yet does not."""
        self.end()
        self.call.cancel()

    def finish(self, seconds: float) -> None:
        """Ends the call once the peer has everything, or after a time."""
        self.end()
        with suppress(grpc.RpcError, grpc.FutureTimeoutError, grpc.FutureCancelledError):
            self.call.result(max(0.0, seconds))
        self.call.cancel()

    def _messages(self) -> Iterator[bytes]:
        while (message := self._box.get()) is not None:
            yield message
