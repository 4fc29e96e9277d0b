"""A service's chain in this process, with a contract of a few lines on it, and accounts that write to it."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as Signer
from eth_utils.address import to_canonical_address

from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.chain import CHAIN_ID
from mithridate.ledger.codec import ContractCodec
from mithridate.ledger.embedded_network import contract_address
from mithridate.ledger.service.asked import Asked
from mithridate.ledger.service.served import Outcome, ServedChain

NOTES = """
# pragma version 0.4.3
# pragma evm-version london
event Written:
    note: bytes32
author: public(HashMap[bytes32, address])
count: public(uint256)

@external
def write(note: bytes32):
    assert self.author[note] == empty(address), "written already"
    self.author[note] = msg.sender
    self.count += 1
    log Written(note=note)

@external
@view
def date() -> uint256:
    return block.timestamp
"""


@cache
def notes_code() -> tuple[bytes, ContractCodec]:
    from vyper import compile_code

    output = compile_code(NOTES, output_formats=["abi", "bytecode"])
    abi = [*output["abi"], {"type": "constructor", "inputs": []}]
    return bytes.fromhex(output["bytecode"].removeprefix("0x")), ContractCodec(abi)


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Notes:
    """A chain in a folder that holds a contract of notes; its first block made it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chain = ServedChain(folder)
        self.writer, self.other = new_account(), new_account()
        self.address = contract_address(self.writer.address, 0)
        self.codec = notes_code()[1]
        self.numbers = {self.writer.address: 0, self.other.address: 0}
        self.sent(self.signed(self.writer, notes_code()[0], to=None))

    def signed(self, account: Account, data: bytes, **fields: Any) -> bytes:
        """The account's next transaction."""
        number = self.numbers[account.address]
        self.numbers[account.address] += 1
        order: dict[str, Any] = {"nonce": number, "gasPrice": 0, "gas": 2_000_000, "value": 0, "chainId": CHAIN_ID}
        order |= {"to": self.address, "data": data} | fields
        if order["gasPrice"] is None:
            order |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
        order = {name: value for name, value in order.items() if value is not None}
        return bytes(Signer.sign_transaction(order, account.key).raw_transaction)

    def note(self, account: Account, text: str, **fields: Any) -> bytes:
        return self.signed(account, self.codec.call("write", (sha256(text),)), **fields)

    def send(self, *raw: bytes) -> list[Outcome]:
        return self.chain.write(iter(raw))

    def sent(self, *raw: bytes) -> list[bytes]:
        outcomes = self.send(*raw)
        assert all(isinstance(outcome, bytes) for outcome in outcomes), outcomes
        return [bytes(outcome) for outcome in outcomes if isinstance(outcome, bytes)]

    def asked(self, name: str, *arguments: object, **fields: Any) -> Asked:
        return Asked(
            to_canonical_address(self.writer.address),
            to_canonical_address(self.address),
            self.codec.call(name, arguments),
            **fields,
        )

    def read(self, name: str, *arguments: object, at: bytes | None = None) -> Any:
        block = self.chain.head.hash if at is None else at
        return self.codec.result(name, self.chain.call(block, self.asked(name, *arguments)))

    def reopen(self) -> None:
        self.chain.close()
        self.chain = ServedChain(self.folder)


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    made = Notes(tmp_path / "ledger")
    yield made
    made.chain.close()
