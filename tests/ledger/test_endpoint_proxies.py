"""Nodes that are reached through a proxy, as gRPC reads the environment."""

import socket
import threading

import pytest

from mithridate.ledger.endpoint import Endpoint, EndpointFailed
from mithridate.proxies import proxy_for

PROXY = {"https_proxy": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("environment", "host", "expected"),
    [
        ({}, "node.example", None),
        (PROXY, "node.example", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "node.example", None),
        (PROXY | {"grpc_proxy": "http://other:1"}, "node.example", "http://other:1"),
        (PROXY | {"no_proxy": "node.example"}, "node.example", None),
        (PROXY | {"no_proxy": "localhost, .EXAMPLE"}, "Node.example", None),
        (PROXY | {"no_proxy": "other.example"}, "node.example", "http://proxy:3128"),
        (PROXY | {"no_proxy": ","}, "node.example", "http://proxy:3128"),
    ],
)
def test_which_proxy(environment: dict[str, str], host: str, expected: str | None) -> None:
    assert proxy_for(host, environment) == expected


def test_an_encrypted_node_is_asked_through_the_proxy_and_a_plain_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(EndpointFailed):
            Endpoint("https://node.example:8545", 2.0).head()
        thread.join(5)
    assert heard[0].startswith(b"CONNECT node.example:8545 ")
    # Nobody listens at the proxy's port any more: this fails at the node itself.
    with pytest.raises(EndpointFailed):
        Endpoint("http://127.0.0.1:9", 2.0).head()
    assert len(heard) == 1
