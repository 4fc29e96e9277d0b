"""Traffic between three validators that are processes of their own: bytes, and rounds of communication."""

from dataclasses import dataclass

from spu import libspu

from mithridate.errors import RoundVoid
from mithridate.mpc.shares import VALIDATORS
from mithridate.mpc.spu_log import sent

_CONNECT_ATTEMPTS, _CONNECT_INTERVAL_MS = 240, 500


@dataclass(frozen=True)
class Traffic:
    """What one validator sent so far.

    Args:
        sent: bytes of messages, without the transport's headers.
        rounds: of communication; in SPU's programs the messages sent, which are no fewer.
    """

    sent: int
    rounds: int

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.sent + other.sent, self.rounds + other.rounds)

    def __sub__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.sent - other.sent, self.rounds - other.rounds)


def spu_traffic() -> Traffic:
    """Of all SPU programs of this process that have ended, by SPU's own count of its link."""
    total = sent()
    return Traffic(total.bytes, total.messages)


class LinkPeers:
    """`mpc.peers.Peers` over a link between processes. A round ends where a validator waits after it has sent.

    Args:
        link: this validator's end, which nothing else uses.
    """

    def __init__(self, link: libspu.link.Context) -> None:
        self.rank: int = link.rank
        self.sent_bytes = 0
        self._link = link
        self._rounds = 0
        self._sending = False

    def send(self, to: int, message: bytes) -> None:
        """See `Peers.send`."""
        self.sent_bytes += len(message)
        self._sending = True
        # An empty message would look like a lost one.
        self._link.send_async(to, b"." + message)

    def receive(self, sender: int) -> bytes:
        """See `Peers.receive`."""
        self._rounds += self._sending
        self._sending = False
        try:
            return bytes(self._link.recv(sender))[1:]
        except RuntimeError as error:
            raise RoundVoid(f"validator-{sender} sent nothing: is its process still running?") from error

    def so_far(self) -> Traffic:
        """Of this end."""
        return Traffic(self.sent_bytes, self._rounds)


def loopback_link(rank: int, ports: tuple[int, ...], timeout_s: float) -> libspu.link.Context:
    """Validator `rank`'s end of a link over this machine's loopback; waits until all three are there.

    Args:
        rank: 0, 1 or 2.
        ports: of the three, free.
        timeout_s: how long to wait for a message.

    Raises:
        RuntimeError: another validator did not come in two minutes.
    """
    description = libspu.link.Desc()
    description.id = "-".join(map(str, ports))
    description.recv_timeout_ms = round(timeout_s * 1000)
    description.connect_retry_times = _CONNECT_ATTEMPTS
    description.connect_retry_interval_ms = _CONNECT_INTERVAL_MS
    for other in range(VALIDATORS):
        description.add_party(f"validator-{other}", f"127.0.0.1:{ports[other]}")
    return libspu.link.create_brpc(description, rank)
