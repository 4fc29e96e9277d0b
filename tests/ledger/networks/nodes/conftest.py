"""A contract of a few lines on each network, so that tests of the network do not depend on the study's."""

import hashlib
import time
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

import pytest

from mithridate.evaluation.networks.funds import fund
from mithridate.evaluation.networks.local import LocalNetwork
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.codec import ContractCodec
from mithridate.ledger.evm import EvmNetwork

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
def shared_board(running: LocalNetwork) -> Iterator[Board]:
    made = Board(running)
    yield made
    made.view.close()


@pytest.fixture
def board(shared_board: Board, network: LocalNetwork) -> Board:
    return shared_board
