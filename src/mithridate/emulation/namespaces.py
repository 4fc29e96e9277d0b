"""Network namespaces of Linux (network_namespaces(7)) with a TUN device in each, neither of which outlives its users.

Python has no `setns` before 3.12, so two calls go to the C library.
"""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mithridate.errors import EmulationUnavailable

DEVICE = "wan0"
_TUN = Path("/dev/net/tun")
_OWN = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
_QUEUE = 10_000
"""Packets that wait for the switch: it loses none that it was not told to."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace; the kernel removes it once it is closed and no process is in it.

    Args:
        descriptor: an open file of it, owned from now on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Within the block, this thread and the threads and processes it starts are in the namespace."""
        before = _opened_own()
        try:
            _call("setns", self._descriptor, _CLONE_NEWNET)
            try:
                yield
            finally:
                _call("setns", before, _CLONE_NEWNET)
        finally:
            os.close(before)

    def close(self) -> None:
        """Gives it up."""
        os.close(self._descriptor)


def new_namespace() -> Namespace:
    """An empty namespace, without a way out.

    Raises:
        EmulationUnavailable: this process may not make one.
    """
    before = _opened_own()
    try:
        _call("unshare", _CLONE_NEWNET)
        try:
            return Namespace(_opened_own())
        finally:
            _call("setns", before, _CLONE_NEWNET)
    finally:
        os.close(before)


def open_tun(namespace: Namespace, address: str, mtu: int) -> int:
    """Makes the namespace's one way out: what is sent there is read from the descriptor returned, and the other way.

    Args:
        namespace: without such a device.
        address: IPv4 with its prefix length, "10.77.0.1/24".
        mtu: bytes.

    Returns:
        A non-blocking descriptor, a packet of IPv4 a read; the device ends with it.

    Raises:
        EmulationUnavailable: there is no TUN device or no `ip`, or this process may not use them.
    """
    with namespace.inside():
        try:
            descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
        except OSError as error:
            raise EmulationUnavailable(
                f"{_TUN} cannot be used ({error.strerror}): networks are emulated with it, by root"
            ) from error
        _ip(
            "link set lo up",
            f"address add {address} dev {DEVICE}",
            f"link set {DEVICE} mtu {mtu} txqueuelen {_QUEUE} up",
        )
    return descriptor


def _ip(*lines: str) -> None:
    program = shutil.which("ip")
    if program is None:
        raise EmulationUnavailable("there is no `ip`: install iproute2 to emulate networks")
    done = subprocess.run([program, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulationUnavailable(f"`ip` does not set the device up: {done.stderr.strip()[-300:]}")


def _opened_own() -> int:
    return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


def _call(name: str, *arguments: int) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise EmulationUnavailable(
            f"networks cannot be emulated: {name} of a network namespace is refused ({reason}); "
            "it needs Linux and the rights of root (CAP_SYS_ADMIN and CAP_NET_ADMIN)"
        )
