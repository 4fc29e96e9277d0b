"""The methods of Ethereum's JSON-RPC that the ledger's parties and auditors use, on a chain of this process.

What a call returns at one block never changes, so it is run once, whoever asks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from eth_account import Account as Signer
from pydantic import StrictBool

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.chain import CHAIN_ID
from mithridate.ledger.chronicle import Block
from mithridate.ledger.network import Reverted
from mithridate.ledger.service.asked import Asked
from mithridate.ledger.service.forms import binary, block_form, receipt_form
from mithridate.ledger.service.parameters import (
    Address,
    Binary,
    BlockByHash,
    Form,
    Hash,
    Quantity,
    Tag,
    Transaction,
    Which,
    unhex,
)
from mithridate.ledger.service.served import ServedChain
from mithridate.ledger.service.worker import Worker

TICK_S = 5
"""While somebody looks, the last block is never older: the parties take its date for the time."""
TICK_GAS = 21_000
KEPT_ANSWERS = 16_384
KEPT_BYTES = 64 << 20
ENTRY_BYTES = 256

Answer = Any
Kept = bytes | int | Reverted


class MethodUnknown(Exception):
    """There is no such method here."""


class Methods:
    """All methods, for one event loop.

    Args:
        worker: runs the chain.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._answers: dict[object, Kept] = {}
        self._running: dict[object, asyncio.Task[Kept]] = {}
        self._size = 0
        self._head: tuple[bytes, Answer] = (b"", None)
        self._ticker: Account = new_account()
        self._ticks = 0
        self._ticking = asyncio.Lock()
        self._methods: dict[str, tuple[Form, Callable[..., Awaitable[Answer]]]] = {
            "eth_chainId": (Form(), self._chain_id),
            "net_version": (Form(), self._version),
            "eth_gasPrice": (Form(), self._gas_price),
            "eth_blockNumber": (Form(), self._block_number),
            "eth_getBlockByNumber": (Form(Tag | Quantity, StrictBool, defaults=(False,)), self._block),
            "eth_call": (Form(Transaction, Which, defaults=("latest",)), self._call),
            "eth_estimateGas": (Form(Transaction, Which, defaults=("pending",)), self._estimate),
            "eth_getCode": (Form(Address, Which, defaults=("latest",)), self._code),
            "eth_getTransactionCount": (Form(Address, Which, defaults=("latest",)), self._count),
            "eth_sendRawTransaction": (Form(Binary), self._send),
            "eth_getTransactionReceipt": (Form(Hash), self._receipt),
        }

    async def answer(self, method: str, parameters: object) -> Answer:
        """The result of a method, as plain values.

        Raises:
            MethodUnknown: there is none of this name.
            ParametersInvalid: its parameters have another form.
            Reverted: a contract refused.
            LedgerError: the chain does not take or does not have it.
        """
        if method not in self._methods:
            raise MethodUnknown
        form, run = self._methods[method]
        return await run(*form.read(parameters))

    async def _chain_id(self) -> str:
        return hex(CHAIN_ID)

    async def _version(self) -> str:
        return str(CHAIN_ID)

    async def _gas_price(self) -> str:
        return hex(0)

    async def _block_number(self) -> str:
        return hex((await self._latest()).number)

    async def _block(self, which: str, full: bool) -> Answer:
        if which == "earliest" or which.startswith("0x"):
            number = 0 if which == "earliest" else int(which, 16)
            found = await self._worker.ask(lambda chain: chain.block(number))
            return None if found is None else block_form(found, full=full)
        head = await self._latest()
        if full:
            return block_form(head, full=True)
        if self._head[0] != head.hash:
            self._head = head.hash, block_form(head, full=False)
        return self._head[1]

    async def _call(self, transaction: Transaction, which: Any) -> str:
        asked = transaction.asked()
        if which == "pending":
            return binary(await self._worker.ask(lambda chain: chain.call_next(asked)))
        at = await self._hash(which)
        return binary(await self._once((at, asked), lambda chain: chain.call(at, asked)))

    async def _estimate(self, transaction: Transaction, _: Any) -> str:
        asked = transaction.asked()
        return hex(await self._worker.ask(lambda chain: chain.estimate(asked)))

    async def _code(self, address: str, which: Any) -> str:
        at, of = await self._hash(which), unhex(address)
        return binary(await self._once((at, "code", of), lambda chain: chain.code(at, of)))

    async def _count(self, address: str, which: Any) -> str:
        at, of = await self._hash(which), unhex(address)
        return hex(await self._once((at, "count", of), lambda chain: chain.count(at, of)))

    async def _send(self, raw: str) -> str:
        return binary(await self._worker.send(unhex(raw)))

    async def _receipt(self, transaction: str) -> Answer:
        digest = unhex(transaction)
        found = await self._worker.ask(lambda chain: chain.find(digest))
        return None if found is None else receipt_form(*found)

    async def _hash(self, which: Any) -> bytes:
        if isinstance(which, BlockByHash):
            return unhex(which.hash)
        if which != "earliest" and not which.startswith("0x"):
            return self._worker.head.hash
        number = 0 if which == "earliest" else int(which, 16)
        found = await self._worker.ask(lambda chain: chain.block(number))
        if found is None:
            raise LedgerError("header not found")
        return found.hash

    async def _once(self, key: object, question: Callable[[ServedChain], Kept]) -> Any:
        if key in self._answers:
            answer = self._answers[key]
        else:
            # Whoever asks the same meanwhile waits for the same answer; a caller that leaves does not take it along.
            answer = await asyncio.shield(self._running.get(key) or self._run(key, question))
        if isinstance(answer, Reverted):
            raise Reverted(answer.output)
        return answer

    def _run(self, key: object, question: Callable[[ServedChain], Kept]) -> "asyncio.Task[Kept]":
        def done(task: "asyncio.Task[Kept]") -> None:
            del self._running[key]
            if not task.cancelled() and task.exception() is None:
                self._keep(key, task.result())

        task = asyncio.create_task(self._worker.ask(lambda chain: _said(question, chain)))
        self._running[key] = task
        task.add_done_callback(done)
        return task

    def _keep(self, key: object, answer: Kept) -> None:
        self._size += _size(key) + _size(answer)
        if self._size > KEPT_BYTES or len(self._answers) >= KEPT_ANSWERS:
            self._answers.clear()
            self._size = 0
        self._answers[key] = answer

    async def _latest(self) -> Block:
        """The last block, a new one if that is old: the chain seals none while nobody makes a change."""
        if self._is_old():
            async with self._ticking:
                if self._is_old():
                    await self._tick()
        return self._worker.head

    def _is_old(self) -> bool:
        # Before the first change nobody asks for the time.
        return self._worker.head.number > 0 and time.time() - self._worker.head.timestamp > TICK_S

    async def _tick(self) -> None:
        """A transaction to nobody, in a block that has today's date."""
        fields = {"nonce": self._ticks, "gasPrice": 0, "gas": TICK_GAS, "value": 0, "data": b"", "chainId": CHAIN_ID}
        signed = Signer.sign_transaction(fields | {"to": self._ticker.address}, self._ticker.key)
        await self._worker.send(bytes(signed.raw_transaction))
        self._ticks += 1


def _said(question: Callable[[ServedChain], Kept], chain: ServedChain) -> Kept:
    # A refusal is an answer, too, and stays one.
    try:
        return question(chain)
    except Reverted as refusal:
        return refusal


def _size(value: object) -> int:
    """About how many bytes a key or an answer takes."""
    if isinstance(value, Reverted):
        return len(value.output)
    if isinstance(value, Asked):
        return len(value.data) + ENTRY_BYTES
    return sum(map(_size, value)) if isinstance(value, tuple) else len(value) if isinstance(value, bytes) else 0
