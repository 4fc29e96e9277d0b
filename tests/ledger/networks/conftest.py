"""Two real networks of four sealers and a hospital's node, their links, and a relay that stands for a false node.

With `MITHRIDATE_RPC` (endpoints, separated by commas) the tests that need no control over nodes run on that network:
`MITHRIDATE_RPC_FINALITY` gives its depth (0), `MITHRIDATE_RPC_KEYSTORE` an account with funds where changes cost any.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import urllib3

from mithridate.errors import LedgerError
from mithridate.evaluation.networks.clique import clique_network
from mithridate.evaluation.networks.funds import fund
from mithridate.evaluation.networks.ibft import ibft_network
from mithridate.evaluation.networks.local import LocalNetwork, started
from mithridate.evaluation.networks.process import NodeProcess
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.codec import ContractCodec
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.keystore import read_keystore, read_password

KINDS = {"clique": clique_network, "ibft": ibft_network}
ENDPOINTS = tuple(filter(None, os.environ.get("MITHRIDATE_RPC", "").split(",")))


class GivenNetwork(LocalNetwork):
    """A network that runs elsewhere: no node of it can be killed."""

    def connect(self, *nodes: NodeProcess, agreement: int = 1, timeout: float = 120.0) -> EvmNetwork:
        return EvmNetwork(ENDPOINTS, finality=self.finality, agreement=agreement, timeout=timeout)


def given_network() -> GivenNetwork:
    keystore = os.environ.get("MITHRIDATE_RPC_KEYSTORE")
    treasury = read_keystore(Path(keystore), read_password()) if keystore else None
    return GivenNetwork("given", (), (), int(os.environ.get("MITHRIDATE_RPC_FINALITY", "0")), treasury)


@dataclass
class Relay:
    """A node that passes on what another answers, unless `alter` makes something else of it."""

    url: str
    alter: Callable[[str, Sequence[Any], Callable[[], Any]], Any] = lambda method, parameters, ask: ask()
    asked: list[str] = field(default_factory=list)

    @staticmethod
    def fail(error: dict[str, Any]) -> Any:
        """Called by `alter`: the relay answers with this error."""
        raise UpstreamError(error)


def networks() -> list[Any]:
    if ENDPOINTS:
        return [pytest.param("given", marks=pytest.mark.xdist_group("networks-given"))]
    return [pytest.param(kind, marks=pytest.mark.xdist_group(f"networks-{kind}")) for kind in KINDS]


@pytest.fixture(scope="session", params=networks())
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    """A network that runs for the whole session; `network` heals it after each test."""
    if request.param == "given":
        yield given_network()
        return
    try:
        made = started(KINDS[request.param], tmp_path_factory.mktemp(request.param))
    except LedgerError as error:
        if os.environ.get("CI") == "true" or "make networks" not in str(error):
            raise
        pytest.skip(str(error))
    with made:
        yield made


@pytest.fixture
def network(running: LocalNetwork) -> Iterator[LocalNetwork]:
    yield running
    for node in running.nodes:
        node.resume()
        if not node.running:
            node.restart()
    if running.nodes:
        join(running, range(len(running.nodes)))
        running.wait_height(max(node.height() for node in running.nodes))


@pytest.fixture
def local(network: LocalNetwork) -> LocalNetwork:
    """A network whose nodes the test may kill."""
    if not network.nodes:
        pytest.skip("MITHRIDATE_RPC names nodes that run elsewhere: they cannot be killed from here")
    return network


@pytest.fixture
def relay() -> Iterator[Callable[[str], Relay]]:
    """Makes a relay in front of a node."""
    servers: list[ThreadingHTTPServer] = []

    def make(upstream: str) -> Relay:
        made = Relay("")
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made, upstream))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        return made

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def handler(relay: Relay, upstream: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = json.loads(body)
            relay.asked.append(request["method"])
            answer = {"jsonrpc": "2.0", "id": request["id"]}
            try:
                answer["result"] = relay.alter(request["method"], request["params"], lambda: forward(upstream, request))
            except UpstreamError as error:
                answer["error"] = error.args[0]
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


class UpstreamError(Exception):
    """The node behind a relay answered with an error, which is passed on."""


def forward(upstream: str, request: dict[str, Any]) -> Any:
    answer: dict[str, Any] = urllib3.request("POST", upstream, json=request, timeout=10).json()
    if answer.get("error") is not None:
        raise UpstreamError(answer["error"])
    return answer["result"]


def part(network: LocalNetwork, number: int) -> None:
    """Cuts every link of one geth node."""
    for other in range(len(network.nodes)):
        if other != number:
            unlink(network.nodes[number], network.nodes[other])
            unlink(network.nodes[other], network.nodes[number])


def unlink(node: NodeProcess, peer: NodeProcess) -> None:
    address = enode(peer)
    node.request("admin_removeTrustedPeer", address)
    node.request("admin_removePeer", address)


def join(network: LocalNetwork, numbers: Sequence[int]) -> None:
    """Links geth nodes with all others again; polygon-edge's find one another."""
    if network.kind != "clique":
        return
    for number in numbers:
        for node in network.nodes:
            if node is not network.nodes[number]:
                network.nodes[number].request("admin_addPeer", enode(node))


def enode(node: NodeProcess) -> str:
    told: Any = node.request("admin_nodeInfo")
    return str(told["enode"])


@pytest.fixture
def links() -> tuple[Callable[[LocalNetwork, int], None], Callable[[LocalNetwork, Sequence[int]], None]]:
    """Cut a geth node off, and link nodes again."""
    return part, join


WAIT_S = 120.0
POLL_S = 0.1

BOARD = """
# pragma version 0.4.3
# pragma evm-version london
notes: public(DynArray[bytes32, 4096])
author: public(HashMap[bytes32, address])
armed: bool
ballast: public(uint256[256])

@external
def write(note: bytes32):
    assert self.author[note] == empty(address), "written already"
    self.author[note] = msg.sender
    self.notes.append(note)

@external
def follow(note: bytes32, earlier: bytes32):
    assert self.author[earlier] != empty(address), "nothing to follow"
    assert self.author[note] == empty(address), "written already"
    self.author[note] = msg.sender
    self.notes.append(note)

@external
def spring():
    if self.armed:
        for index: uint256 in range(256):
            self.ballast[index] += 1
    self.armed = not self.armed

@external
@view
def all_notes() -> DynArray[bytes32, 4096]:
    return self.notes
"""


@cache
def board_code() -> tuple[bytes, ContractCodec]:
    from vyper import compile_code

    output = compile_code(BOARD, output_formats=["abi", "bytecode"])
    abi = [*output["abi"], {"type": "constructor", "inputs": []}]
    return bytes.fromhex(output["bytecode"].removeprefix("0x")), ContractCodec(abi)


class Board:
    """A board of notes on a network; every note is fresh."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        self.view = network.connect()
        self.writer, self.other, self.third = writers = [new_account() for _ in range(3)]
        fund(network, self.view, writers)
        self.address = self.view.deploy(self.writer, board_code()[0])
        self.numbers = count()

    def note(self) -> bytes:
        return hashlib.sha256(f"note {next(self.numbers)}".encode()).digest()

    def write(self, view: EvmNetwork, account: Account, note: bytes) -> None:
        view.transact(account, self.address, self.data("write", note))

    @staticmethod
    def data(name: str, *arguments: object) -> bytes:
        return board_code()[1].call(name, arguments)

    def read(self, name: str, *arguments: object) -> Any:
        return board_code()[1].result(name, self.view.call(self.address, self.data(name, *arguments)))

    def notes(self, view: EvmNetwork) -> list[bytes]:
        # A node that still catches up has no board as yet.
        if not view.code(self.address):
            return []
        return list(board_code()[1].result("all_notes", view.call(self.address, self.data("all_notes"))))

    def everywhere(self, *notes: bytes) -> None:
        """Every node, alone, tells the same notes in the same order, and each of these once."""
        views = [self.network.connect(node) for node in self.network.nodes] or [self.view]
        try:
            told = [self.notes(view) for view in views]
            deadline = time.monotonic() + WAIT_S
            while any(each != told[0] for each in told) or not set(notes) <= set(told[0]):
                assert time.monotonic() < deadline, "the nodes tell different notes"
                time.sleep(POLL_S)
                told = [self.notes(view) for view in views]
        finally:
            for view in views if self.network.nodes else ():
                view.close()
        assert all(told[0].count(note) == 1 for note in notes)


@pytest.fixture(scope="session")
def boards() -> Iterator[dict[str, Board]]:
    """Boards by their network's first node; one worker may come to several networks."""
    made: dict[str, Board] = {}
    yield made
    for board in made.values():
        board.view.close()


@pytest.fixture
def board(boards: dict[str, Board], network: LocalNetwork) -> Board:
    url = network.nodes[0].url if network.nodes else "given"
    if url not in boards:
        boards[url] = Board(network)
    return boards[url]
