"""What an emulated network does, measured from inside it, to be held against what it was told to do.

A socket stays in the namespace in which it was made, so one thread holds both ends.
"""

import socket
import threading
import time
from contextlib import ExitStack, suppress

from mithridate.emulation.host import Host
from mithridate.errors import BenchmarkError

WAIT_S = 10.0
_CHUNK = 1 << 16
_PORT = 9
_SO_RCVBUFFORCE = 33
"""Of Linux, socket(7); Python does not name it."""
_ROOM = 1 << 26


def round_trips(one: Host, other: Host, count: int) -> list[float]:
    """Seconds that each of `count` datagrams of 32 bytes took there and back.

    Raises:
        BenchmarkError: one was lost: measure where the loss is 0.
    """
    with ExitStack() as stack:
        asking, answering = (stack.enter_context(_bound(host, socket.SOCK_DGRAM)) for host in (one, other))
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            asking.sendto(bytes(32), (other.address, _PORT))
            try:
                answering.sendto(*answering.recvfrom(_CHUNK))
                asking.recv(_CHUNK)
            except TimeoutError:
                raise BenchmarkError(f"a datagram was lost between {one.address} and {other.address}") from None
            seconds.append(time.perf_counter() - start)
        return seconds


def throughput(one: Host, other: Host, size: int) -> float:
    """Bits a second of one TCP stream, over its second half, after it has found its pace.

    Args:
        one: sends.
        other: receives.
        size: bytes of the stream; at least a second's worth.

    Raises:
        BenchmarkError: the stream broke off.
    """
    with ExitStack() as stack:
        listening, sending = (stack.enter_context(_bound(host, socket.SOCK_STREAM)) for host in (other, one))
        listening.listen(1)
        sending.connect((other.address, _PORT))
        receiving = stack.enter_context(listening.accept()[0])
        receiving.settimeout(WAIT_S)
        sender = threading.Thread(target=_send, args=(sending, size), name="probe", daemon=True)
        sender.start()
        try:
            first = _received(receiving, size // 2)
            start = time.perf_counter()
            second = _received(receiving, size - first)
            elapsed = time.perf_counter() - start
        except OSError as error:
            raise BenchmarkError(f"a stream from {one.address} to {other.address} broke off: {error}") from error
        sender.join(WAIT_S)
    return 8 * second / elapsed


def arrivals(one: Host, other: Host, count: int, *, size: int, apart_s: float) -> int:
    """How many of `count` datagrams arrived.

    Args:
        one: sends.
        other: receives.
        count: of the datagrams.
        size: bytes of each.
        apart_s: seconds between two, so that none is dropped for want of bandwidth.
    """
    with ExitStack() as stack:
        sending, receiving = (stack.enter_context(_bound(host, socket.SOCK_DGRAM)) for host in (one, other))
        # What waits while this thread does not run must not look like loss; the usual bound is 200 kB.
        receiving.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        receiving.settimeout(0.0)
        arrived, begin = 0, time.perf_counter()
        for number in range(count):
            sending.sendto(bytes(size), (other.address, _PORT))
            while (left := begin + (number + 1) * apart_s - time.perf_counter()) > 0:
                time.sleep(left)
            arrived += _drained(receiving)
        receiving.settimeout(1.0)
        with suppress(TimeoutError):
            while receiving.recv(_CHUNK):
                arrived += 1
        return arrived


def _bound(host: Host, kind: socket.SocketKind) -> socket.socket:
    with host.inside():
        made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.settimeout(WAIT_S)
    made.bind((host.address, _PORT))
    return made


def _send(sending: socket.socket, size: int) -> None:
    with suppress(OSError):
        for _ in range(-(-size // _CHUNK)):
            sending.sendall(bytes(_CHUNK))


def _received(receiving: socket.socket, size: int) -> int:
    left = size
    while left > 0:
        got = len(receiving.recv(_CHUNK))
        if not got:
            raise ConnectionError("it ended early")
        left -= got
    return size - left


def _drained(receiving: socket.socket) -> int:
    arrived = 0
    with suppress(BlockingIOError):
        while receiving.recv(_CHUNK):
            arrived += 1
    return arrived
