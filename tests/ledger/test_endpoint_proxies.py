"""Nodes that are reached through a proxy, as gRPC reads the environment."""

import datetime
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mithridate.errors import InputError
from mithridate.ledger.endpoint import Endpoint, EndpointFailed
from mithridate.proxies import check_proxy, go_through, proxy_for, proxy_password

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


@pytest.mark.parametrize(
    "url",
    [
        "proxy:3128",
        "https://proxy:3128",
        "http://proxy",
        "http://proxy:0",
        "http://proxy:99999",
        "http://proxy:3128/path",
        "http://user:se/cret@proxy:3128",
        "http://user:se@cret@proxy:3128",
        "http://user:secret@:3128",
        "http://user:secret@proxy:3128\n",
        "http://user:secret@" + "p" * 254 + ":3128",
        "http://" + "secret" * 200 + "@proxy:3128",
        " ",
    ],
)
def test_a_proxy_that_not_both_clients_take_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(InputError) as refused:
        check_proxy(url, "the setting")
    with pytest.raises(InputError, match="the variable https_proxy should be the URL of a proxy"):
        proxy_for("node.example", {"https_proxy": url})
    assert "the setting should be the URL of a proxy" in str(refused.value)
    assert "cret" not in str(refused.value)


def test_a_proxys_user_and_password_are_told_apart_from_its_place() -> None:
    check_proxy("http://user:p%40ss%3a@proxy.clinic.example:3128/", "it")
    assert proxy_password("http://user:p%40ss%3a@proxy.clinic.example:3128") == "user:p@ss:"
    assert proxy_password("http://user@proxy:3128") == "user:"
    assert proxy_password("http://proxy:3128") is None


def test_the_setting_comes_before_the_environments_proxy_and_leaves_its_exceptions() -> None:
    environment = {"https_proxy": "http://other:1", "no_proxy": "university.example"}
    go_through("", environment)
    assert proxy_for("node.example", environment) == "http://other:1"
    go_through("http://proxy:3128", environment)
    assert proxy_for("node.example", environment) == "http://proxy:3128"
    assert proxy_for("node.university.example", environment) is None
    alone: dict[str, str] = {}
    go_through("http://proxy:3128", alone)
    assert proxy_for("localhost", alone) is None
    assert proxy_for("127.0.0.1", alone) is None


class TlsNode(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0xcafe"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def tls_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a node behind TLS, whose certificate this process trusts."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    file = tmp_path / "node.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), TlsNode)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_proxy_that_asks_for_a_password_sees_where_a_node_is_and_nothing_that_is_said(
    tls_node: str, connect_proxy: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = connect_proxy()
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    endpoint = Endpoint(f"{tls_node}/the-providers-key", 5.0)
    try:
        assert endpoint.chain_id() == 0xCAFE
    finally:
        endpoint.close()
    assert proxy.asked == [f"CONNECT {tls_node.removeprefix('https://')}"]
    assert len(proxy.relayed) > 1000, "the handshake went through it"
    assert b"localhost" in proxy.relayed, "a name that TLS shows is found"
    for planted in (b"eth_chainId", b"the-providers-key", b"0xcafe", b"jsonrpc"):
        assert planted not in proxy.relayed


def test_a_proxys_wrong_password_is_told_as_a_node_that_cannot_be_reached(
    tls_node: str, connect_proxy: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = connect_proxy()
    monkeypatch.setenv("https_proxy", proxy.url.replace("a%20word", "another%20word"))
    endpoint = Endpoint(tls_node, 5.0)
    try:
        with pytest.raises(EndpointFailed) as refused:
            endpoint.chain_id()
    finally:
        endpoint.close()
    assert "word" not in str(refused.value)
    assert proxy.turned_away == 1
    assert not proxy.asked
