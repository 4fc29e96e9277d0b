"""What a node may answer: whatever is no answer is named and costs bounded memory and time."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.errors import InputError, LedgerError
from mithridate.ledger import endpoint as endpoints
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused, binary, digest, quantity
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.network import Reverted

ADDRESS = "0x" + "11" * 20
HASH = bytes(range(32))
BLOCK = {"number": "0x2", "hash": "0x" + "22" * 32, "timestamp": "0x5f5e100", "gasLimit": "0x100000"}
RECEIPT = {"blockNumber": "0x2", "blockHash": "0x" + "22" * 32, "status": "0x1", "gasUsed": "0x5208"}
Serve = Callable[[Callable[[dict[str, Any]], bytes]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server on loopback that answers each request with the bytes given for it."""
    servers: list[ThreadingHTTPServer] = []

    def make(answer: Callable[[dict[str, Any]], bytes]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def result(value: object) -> Callable[[dict[str, Any]], bytes]:
    return lambda request: json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value}).encode()


def error(**fields: object) -> Callable[[dict[str, Any]], bytes]:
    return lambda request: json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": fields}).encode()


def test_answers_are_read(serve: Serve) -> None:
    block = Endpoint(serve(result(BLOCK)), 5).head()
    assert (block.number, block.hash, block.timestamp, block.gas_limit) == (2, b"\x22" * 32, 10**8, 1 << 20)
    receipt = Endpoint(serve(result(RECEIPT)), 5).receipt(HASH)
    assert receipt is not None
    assert (receipt.number, receipt.succeeded, receipt.gas_used) == (2, True, 21_000)
    assert Endpoint(serve(result(None)), 5).receipt(HASH) is None
    assert Endpoint(serve(result("0x0102")), 5).call(ADDRESS, b"", HASH) == b"\1\2"


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: b"",
        lambda request: b"<html>",
        lambda request: b"[]",
        lambda request: b"[" * 100_000,
        lambda request: b"7",
        lambda request: b'{"jsonrpc": "2.0", "id": 999999, "result": "0x1"}',
        lambda request: b"\xff\xfe",
        result(None),
        result([]),
        result("0x2"),
        *(result({key: value for key, value in BLOCK.items() if key != missing}) for missing in BLOCK),
        *(result(BLOCK | {key: "0x"}) for key in BLOCK),
        *(result(BLOCK | {key: 5}) for key in BLOCK),
        result(BLOCK | {"hash": "0x22"}),
        result(BLOCK | {"number": "0x" + "f" * 65}),
        result(BLOCK | {"number": "-0x1"}),
    ],
)
def test_what_is_no_block_is_no_answer(serve: Serve, answer: Callable[[dict[str, Any]], bytes]) -> None:
    with pytest.raises(EndpointFailed):
        Endpoint(serve(answer), 5).head()


def test_an_answer_without_end_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_ANSWER_BYTES", 100_000)
    with pytest.raises(EndpointFailed, match="more than 100000 bytes"):
        Endpoint(serve(lambda request: b" " * 200_000), 5).head()


def test_an_answer_that_drips_is_cut_off(serve: Serve) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                try:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with pytest.raises(EndpointFailed, match=r"over 0\.3 s"):
        Endpoint(f"http://127.0.0.1:{server.server_address[1]}", 0.3).head()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("fields", [{"code": 3, "message": "x"}, {"code": -32000, "message": "execution Reverted: y"}])
@pytest.mark.parametrize(("data", "output"), [("0xab", b"\xab"), ("ab", b"\xab"), ("zz", b""), (None, b""), (7, b"")])
def test_a_contracts_refusal_carries_its_output(
    serve: Serve, fields: dict[str, Any], data: object, output: bytes
) -> None:
    with pytest.raises(Reverted) as caught:
        Endpoint(serve(error(**fields, data=data)), 5).call(ADDRESS, b"", HASH)
    assert caught.value.output == output


def test_a_nodes_own_error_is_short_plain_text_and_names_the_node(serve: Serve) -> None:
    url = serve(error(code=-32000, message="nonce\x1b[31m too low " + "x" * 10_000))
    with pytest.raises(Refused) as caught:
        Endpoint(url, 5).send(b"")
    assert caught.value.text.startswith("nonce?[31m too low xxx")
    assert len(caught.value.text) == 200
    assert url in str(caught.value)


def test_a_closed_port_is_named(serve: Serve) -> None:
    network = EvmNetwork(["http://127.0.0.1:1"], finality=0, timeout=0.2)
    with pytest.raises(LedgerError, match=r"http://127\.0\.0\.1:1 cannot be reached .*start the node"):
        network.height()


@pytest.mark.parametrize(
    "url", ["", "localhost:8545", "ftp://a", "http://", "http://a:0", "http://a:99999999", "file:///x"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="no endpoint"):
        Endpoint(url, 5)


def test_passwords_in_urls_are_refused_without_repeating_them() -> None:
    with pytest.raises(InputError, match="keep it out of study files") as caught:
        Endpoint("http://user:secret@host:1", 5)
    assert "secret" not in str(caught.value)


def test_a_providers_key_in_a_path_is_not_told() -> None:
    assert Endpoint("https://host/key", 5).name == "https://host"


@pytest.mark.parametrize(("agreement", "finality", "timeout"), [(0, 0, 1), (2, 0, 1), (1, -1, 1), (1, 0, 0)])
def test_impossible_settings_are_refused(agreement: int, finality: int, timeout: float) -> None:
    # The same endpoint twice is one node: it cannot agree with itself.
    with pytest.raises(InputError):
        EvmNetwork(["http://a", "http://a"], finality=finality, agreement=agreement, timeout=timeout)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.binary()))
def test_other_values_are_no_numbers_bytes_or_hashes(value: object) -> None:
    for read in (quantity, binary, digest):
        try:
            read(value, "it")
        except EndpointFailed:
            continue
        assert isinstance(value, str)
        assert value.startswith("0x")


@given(st.integers(0, 2**256 - 1))
def test_numbers_are_read_as_written(number: int) -> None:
    assert quantity(hex(number), "it") == number
