"""What tests of several folders share."""

import base64
import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import fsspec
import pytest

from mithridate.emulation.network import require_emulation
from mithridate.errors import EmulationUnavailable

LONG_GROUPS = ("networks-", "poc")
LONGEST_NAME = 40
"""Bytes of a parameter that its test may be named by."""


class ConnectProxy(socketserver.ThreadingTCPServer):
    """A forward proxy on loopback that takes CONNECT only, from whoever shows its password, and keeps what it relays.

    Attributes:
        url: with user and password.
        asked: the places that it connected to.
        turned_away: requests without the right password.
        relayed: all bytes of both ways, in the order of their arrival.
    """

    daemon_threads = True
    user = "clinic:a%20word%40for%20the%20proxy"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.url = f"http://{self.user}@127.0.0.1:{self.server_address[1]}"
        self.asked: list[str] = []
        self.turned_away = 0
        self.relayed = bytearray()
        self.links: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def authorization(self) -> bytes:
        return b"Basic " + base64.b64encode(b"clinic:a word@for the proxy")

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for link in self.links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)


class Tunnel(socketserver.StreamRequestHandler):
    server: ConnectProxy
    rbufsize = 0

    def handle(self) -> None:
        method, target, _ = self.rfile.readline(4096).split(b" ", 2)
        headers = {}
        while line := self.rfile.readline(4096).strip():
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        if headers.get(b"proxy-authorization") != self.server.authorization:
            self.server.turned_away += 1
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = target.decode().rpartition(":")
        self.server.asked.append(f"{method.decode()} {target.decode()}")
        try:
            other = socket.create_connection((host, int(port)), timeout=5)
        except OSError:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with other, contextlib.suppress(OSError):
            other.settimeout(None)
            self.server.links += [other, self.connection]
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.relay({self.connection: other, other: self.connection})

    def relay(self, ways: dict[socket.socket, socket.socket]) -> None:
        while True:
            for ready in select.select(list(ways), [], [])[0]:
                data = ready.recv(1 << 16)
                if not data:
                    return
                self.server.relayed += data
                ways[ready].sendall(data)


@pytest.fixture
def connect_proxy() -> Iterator[Callable[[], ConnectProxy]]:
    """Makes a forward proxy."""
    made: list[ConnectProxy] = []

    def make() -> ConnectProxy:
        made.append(ConnectProxy())
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket on an S3 server on the loopback interface; the environment leads to it, as it would in production."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("models")
        yield "s3://models"
    server.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes a whole file, whose tests share fixtures and compiled programs; the longest groups come first."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: not any(_is_long(mark.args[0]) for mark in item.iter_markers("xdist_group")))


def _is_long(group: str) -> bool:
    return group.startswith(LONG_GROUPS)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long messages, most with random keys in them, are named by their argument: workers must name tests alike."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_NAME else None


@pytest.fixture(scope="session")
def emulation() -> None:
    """Skips where this process may not emulate networks."""
    try:
        require_emulation()
    except EmulationUnavailable as error:
        pytest.skip(str(error))
