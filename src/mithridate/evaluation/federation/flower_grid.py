"""Flower's messages carried in one process: the server's workflow on one side, the clients' mods on the other.

Imports Flower, so only Flower's own interpreter loads it (`flower.py`).
"""

from collections.abc import Callable, Iterable

from flwr.app import Context, Message, RecordDict
from flwr.common.serde import recorddict_to_proto

from mithridate.evaluation.federation.clock import Clock

CLIENT = "client"
SIZED = 3
"""Clients whose messages are measured in bytes: serialising all would take longer than the round."""
App = Callable[[Message, Context], Message]


class Bytes:
    """Bytes of message contents, serialised as Flower sends them."""

    def __init__(self) -> None:
        self.up = 0
        self.down = 0

    def add(self, down: RecordDict, up: RecordDict) -> None:
        """Counts one exchange."""
        self.down += recorddict_to_proto(down).ByteSize()
        self.up += recorddict_to_proto(up).ByteSize()


class ProcessGrid:
    """Hands each message to its client at once, in turn; what the workflow asks of a `flwr.serverapp.Grid`.

    Args:
        clock: charged for clients while they answer.
        answer: node identifier and message to the reply, None from a client that is gone.
    """

    def __init__(self, clock: Clock, answer: Callable[[int, Message], Message | None]) -> None:
        self._clock = clock
        self._answer = answer

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """See `flwr.serverapp.Grid.send_and_receive`."""
        with self._clock.on("transport"):
            replies = (self._answer(message.metadata.dst_node_id, message) for message in messages)
            return [reply for reply in replies if reply is not None]
