"""Requests from anybody: each is answered, with a result or an error of its own, and none ends the service."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mithridate.errors import LedgerError
from mithridate.evaluation.networks.process import NodeProcess
from mithridate.evaluation.networks.service import service_network
from mithridate.ledger.chain import CHAIN_ID
from mithridate.ledger.service import methods as methods_file
from mithridate.ledger.service import worker as worker_file
from mithridate.ledger.service.methods import Methods
from mithridate.ledger.service.protocol import respond
from mithridate.ledger.service.server import MAX_REQUEST_BYTES
from mithridate.ledger.service.worker import Worker

Notes = Any
Ask = Callable[..., Any]
METHODS = (
    *("eth_chainId", "net_version", "eth_gasPrice", "eth_blockNumber", "eth_getBlockByNumber", "eth_call"),
    *("eth_estimateGas", "eth_getCode", "eth_getTransactionCount", "eth_sendRawTransaction"),
    "eth_getTransactionReceipt",
)
CODES = {-32700, -32600, -32601, -32602, -32000, 3}
"""Without -32603: an internal error is a fault of the service."""


class Served:
    """The service's inside, driven from a test."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.worker = Worker(folder)
        self.methods = self.loop.run_until_complete(self.made())

    async def made(self) -> Methods:
        return Methods(self.worker)

    def raw(self, body: bytes) -> Any:
        return json.loads(self.loop.run_until_complete(respond(self.methods, body)))

    def ask(self, method: str, *parameters: Any) -> Any:
        return self.raw(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode())

    def together(self, *requests: tuple[str, list[Any]]) -> list[Any]:
        async def all_of_them() -> Any:
            return await asyncio.gather(*(self.methods.answer(*each) for each in requests), return_exceptions=True)

        return list(self.loop.run_until_complete(all_of_them()))

    def close(self) -> None:
        self.loop.run_until_complete(self.worker.close())
        self.loop.close()


@pytest.fixture
def served(notes: Notes) -> Iterator[Served]:
    """The service on a chain of notes, which only signs now."""
    notes.chain.close()
    made = Served(notes.folder)
    yield made
    made.close()
    notes.chain = type(notes.chain)(notes.folder)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("hostile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with service_network(tmp_path_factory.mktemp("node")).start() as network:
        yield network.followers[0]


def is_answer(answer: Any) -> bool:
    if set(answer) == {"jsonrpc", "id", "result"}:
        return True
    error = answer["error"]
    return set(answer) == {"jsonrpc", "id", "error"} and error["code"] in CODES and "Traceback" not in error["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HEXADECIMAL = st.binary(max_size=70).map(lambda data: "0x" + data.hex())
WHICH = st.sampled_from(["latest", "pending", "earliest", "0x0", "0x1", "0xffffffffffffffff"]) | st.fixed_dictionaries(
    {"blockHash": st.binary(min_size=32, max_size=32).map(lambda data: "0x" + data.hex())}
)
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda data: "0x" + data.hex())
CALLS = st.fixed_dictionaries(
    {}, optional={"from": ADDRESSES, "to": ADDRESSES, "data": HEXADECIMAL, "gas": HEXADECIMAL, "value": HEXADECIMAL}
)
PARAMETERS = JSON | st.lists(JSON | HEXADECIMAL | WHICH | ADDRESSES | CALLS | st.booleans(), max_size=3)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_answered(hostile: Served, body: bytes) -> None:
    assert is_answer(hostile.raw(body))


@FUZZ
@given(st.sampled_from(METHODS) | st.text(), PARAMETERS, JSON)
def test_any_parameters_are_answered(hostile: Served, method: str, parameters: Any, identity: Any) -> None:
    request = {"jsonrpc": "2.0", "id": identity, "method": method, "params": parameters}
    answer = hostile.raw(json.dumps(request).encode())
    assert is_answer(answer)
    assert answer["id"] in (identity, None)


@FUZZ
@given(st.sampled_from(["eth_call", "eth_estimateGas"]), CALLS, WHICH)
def test_any_code_may_run(hostile: Served, method: str, call: Any, which: Any) -> None:
    assert is_answer(hostile.ask(method, call, which))


@settings(FUZZ, max_examples=100)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(1, 255))
def test_altered_transactions_are_refused(notes: Notes, garbage: bytes, place: int, change: int) -> None:
    raw = bytearray(notes.note(notes.writer, "a"))
    notes.numbers[notes.writer.address] -= 1
    raw[place % len(raw)] ^= change
    before = notes.chain.head
    outcomes = notes.send(bytes(raw), garbage)
    # A changed byte makes another sender's transaction at most, which is a stranger's own.
    taken = [each for each in outcomes if isinstance(each, bytes)]
    assert len(notes.chain.head.transactions if notes.chain.head != before else ()) == len(taken)
    assert not any(each.sender == notes.writer.address for each in notes.chain.head.transactions if taken)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"[" * 100_000, -32700),
        (b'{"a":' * 50_000, -32700),
        (b'{"jsonrpc":"2.0","id":NaN}', -32700),
        (b'{"jsonrpc":"2.0","id":"\xff"}', -32700),
        (b"1" * 5000, -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}]', -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0","method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":["eth_chainId"]}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"admin_peers"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"__init__"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":{}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_getCode","params":["0x00","latest"]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["newest",false]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]}', -32000),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"value":"0x1"}]}', -32602),
    ],
)
def test_errors_have_the_specifications_codes(hostile: Served, body: bytes, code: int) -> None:
    answer = hostile.raw(body)
    assert answer["error"]["code"] == code
    assert len(answer["error"]["message"]) <= 300


def test_a_refusal_carries_what_the_contract_returned(notes: Notes, served: Served) -> None:
    call = {"from": notes.other.address, "to": notes.address, "data": "0x" + notes.asked("write", bytes(32)).data.hex()}
    raw = [notes.signed(account, notes.asked("write", bytes(32)).data) for account in (notes.writer, notes.other)]
    assert int(served.ask("eth_estimateGas", call)["result"], 16) < 200_000
    first = served.ask("eth_sendRawTransaction", "0x" + raw[0].hex())["result"]
    errors = [
        served.ask("eth_sendRawTransaction", "0x" + raw[1].hex())["error"],
        served.ask("eth_estimateGas", call)["error"],
        served.ask("eth_call", call, "latest")["error"],
        served.ask("eth_call", call, "latest")["error"],
        served.ask("eth_call", call, "pending")["error"],
    ]
    assert all(error == errors[0] for error in errors)
    assert errors[0]["code"] == 3
    assert b"written already" in bytes.fromhex(errors[0]["data"][2:])
    receipt = served.ask("eth_getTransactionReceipt", first)["result"]
    assert receipt["status"] == "0x1"
    assert served.ask("eth_call", call, "0x1")["result"] == "0x"
    assert served.ask("eth_call", call, {"blockHash": receipt["blockHash"]})["error"] == errors[0]
    assert served.ask("eth_call", call, "0x77")["error"]["code"] == -32000


def test_what_arrives_at_the_same_moment_is_one_block(notes: Notes, served: Served) -> None:
    raw = ["0x" + notes.note(notes.writer, f"{number}").hex() for number in range(20)]
    answers = served.together(*(("eth_sendRawTransaction", [each]) for each in raw))
    assert all(isinstance(each, str) for each in answers)
    assert served.worker.head.number <= 3
    assert len({served.ask("eth_getTransactionReceipt", each)["result"]["blockNumber"] for each in answers}) <= 2


def test_the_same_question_is_run_once(notes: Notes, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, ran = served.worker._chain, []
    call = type(chain).call
    monkeypatch.setattr(type(chain), "call", lambda *given: ran.append(1) or call(*given))
    question = [{"to": notes.address, "data": "0x" + notes.asked("count").data.hex()}, "latest"]
    told = served.together(*(("eth_call", question) for _ in range(15)))
    assert told == ["0x" + "00" * 32] * 15
    assert len(ran) == 1
    served.ask("eth_sendRawTransaction", "0x" + notes.note(notes.writer, "a").hex())
    assert served.ask("eth_call", *question)["result"] == "0x" + "00" * 31 + "01"
    monkeypatch.setattr(methods_file, "KEPT_ANSWERS", 1)
    assert served.ask("eth_getTransactionCount", notes.writer.address, "pending")["result"] == "0x2"
    assert served.ask("eth_call", *question)["result"] == "0x" + "00" * 31 + "01"
    assert len(served.methods._answers) == 1


def test_the_last_block_is_never_old_while_somebody_looks(
    served: Served, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = served.worker.head.timestamp
    monkeypatch.setattr("time.time", lambda: start + 3600.5)
    dates = [answer["timestamp"] for answer in served.together(*(("eth_getBlockByNumber", ["latest"]),) * 5)]
    assert dates == [hex(start + 3600)] * 5
    assert served.worker.head.number == 2
    monkeypatch.setattr("time.time", lambda: start + 7200.5)
    assert served.ask("eth_blockNumber")["result"] == "0x3"


def test_too_many_requests_are_refused(served: Served, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_file, "MAX_WAITING", 2)
    call = {"to": notes.address, "data": "0x" + notes.asked("count").data.hex()}
    told = served.together(*(("eth_estimateGas", [call]) for _ in range(5)))
    assert sum(isinstance(each, LedgerError) for each in told) == 3
    assert "result" in served.ask("eth_estimateGas", call)


def test_a_fault_of_the_service_is_logged_and_told_without_details(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*given: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(type(served.worker._chain), "block", fault)
    with caplog.at_level(logging.ERROR):
        answer = served.ask("eth_getBlockByNumber", "0x0", False)
    assert answer["error"] == {"code": -32603, "message": "internal error"}
    assert "eth_getBlockByNumber" in caplog.text
    monkeypatch.setattr(type(served.worker._chain), "write", fault)
    assert served.ask("eth_sendRawTransaction", "0x00")["error"]["code"] == -32000


def post(node: NodeProcess, body: bytes, **headers: str) -> urllib3.BaseHTTPResponse:
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request("POST", node.url, body=body, headers=given, timeout=20, retries=False)


QUESTION = b'{"jsonrpc":"2.0","id":"x","method":"eth_chainId"}'


def test_http_takes_json_of_this_machine_within_bounds(node: NodeProcess) -> None:
    assert post(node, QUESTION).json() == {"jsonrpc": "2.0", "id": "x", "result": hex(CHAIN_ID)}
    assert post(node, QUESTION, Content_Type="text/plain").status == 415
    assert post(node, QUESTION, Host="ledger.example").status == 403
    assert post(node, b" " * (MAX_REQUEST_BYTES + 1)).status == 413
    assert urllib3.request("GET", node.url, retries=False).status == 405
    assert urllib3.request("POST", f"{node.url}/other", retries=False).status == 404
    # What is asked for is taken, however it arrives.
    assert post(node, b" " * (MAX_REQUEST_BYTES - 100) + QUESTION).json()["id"] == "x"


@settings(FUZZ, max_examples=100)
@given(st.binary(max_size=400))
def test_any_bytes_on_the_port_leave_it_answering(node: NodeProcess, noise: bytes) -> None:
    port = int(node.url.rsplit(":", 1)[1])
    for lead in (b"", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(lead + noise)
    assert node.request("eth_chainId") == hex(CHAIN_ID)


@pytest.mark.slow
def test_callers_that_leave_or_dawdle_harm_nobody(node: NodeProcess) -> None:
    port = int(node.url.rsplit(":", 1)[1])
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(50)]
    for connection in slow:
        connection.sendall(head + b"{")
    threads = [threading.Thread(target=node.height) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert node.height() == 0
    # Each is told so after a while, and its connection closed.
    assert b" 408 " in slow[0].recv(1000)
    for connection in slow:
        connection.close()
    assert node.height() == 0
