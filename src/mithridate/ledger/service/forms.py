"""Blocks, transactions and receipts in the form that JSON-RPC gives them (Ethereum's execution API, London)."""

from functools import lru_cache
from typing import Any

from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.chronicle import Block, Transaction
from mithridate.ledger.embedded_network import contract_address

_HEADER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"),
)
"""Fields of a header in order (yellow paper, section 4.3, and EIP-1559)."""
_SIGNED = {
    0: ("nonce", "gasPrice", "gas", "to", "value", "input", "v", "r", "s"),
    1: ("chainId", "nonce", "gasPrice", "gas", "to", "value", "input", "accessList", "v", "r", "s"),
    2: (
        *("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas"),
        *("to", "value", "input", "accessList", "v", "r", "s"),
    ),
}
"""Transaction type (EIP-2718): its fields in order."""
_NUMBERS = frozenset(
    (
        *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "nonce", "gasPrice", "gas"),
        *("value", "chainId", "maxPriorityFeePerGas", "maxFeePerGas", "v", "r", "s"),
    )
)
_FIRST_OF_A_LIST = 0xC0
_DEPTH = 4
_CUMULATIVE_GAS, _BLOOM = 1, 2
Form = dict[str, Any]


def binary(data: bytes) -> str:
    """Bytes in hexadecimal."""
    return "0x" + data.hex()


def block_form(block: Block, *, full: bool) -> Form:
    """A block; with its transactions, or their hashes only."""
    fields = decode(block.header, 1)
    form: Form = {name: _header_field(name, value) for name, value in zip(_HEADER, fields, strict=True)}
    listed = [transaction_form(block, place) if full else binary(t.hash) for place, t in enumerate(block.transactions)]
    size = len(block.header) + sum(len(each.raw) for each in block.transactions)
    return form | {
        "hash": binary(block.hash),
        "transactions": listed,
        "uncles": [],
        "size": hex(size),
        "totalDifficulty": "0x0",
    }


def transaction_form(block: Block, place: int) -> Form:
    """One transaction of a block."""
    transaction = block.transactions[place]
    kind, fields = _split(transaction.raw)
    named = zip(_SIGNED[kind], decode(fields, _DEPTH), strict=True)
    form: Form = {name: _signed_field(name, value) for name, value in named}
    if kind == max(_SIGNED):
        form["gasPrice"] = form["maxFeePerGas"]
    return form | _place(block, transaction, place) | {"hash": binary(transaction.hash), "type": hex(kind)}


def receipt_form(block: Block, place: int) -> Form:
    """What became of one transaction of a block."""
    transaction, receipt = block.transactions[place], block.receipts[place]
    kind, fields = _split(receipt.encoded)
    _, gas, bloom, _ = decode(fields, _DEPTH)
    before = _cumulative_gas(block.receipts[place - 1].encoded) if place else 0
    first = sum(len(each.logs) for each in block.receipts[:place])
    where = _place(block, transaction, place)
    about = {name: where[name] for name in ("blockHash", "blockNumber")} | {
        "transactionHash": binary(transaction.hash),
        "transactionIndex": hex(place),
    }
    logs = [
        {
            "address": log.address.lower(),
            "topics": [binary(topic) for topic in log.topics],
            "data": binary(log.data),
            "logIndex": hex(first + number),
            "removed": False,
        }
        | about
        for number, log in enumerate(receipt.logs)
    ]
    made = contract_address(transaction.sender, transaction.number).lower() if transaction.to is None else None
    return about | {
        "from": where["from"],
        "to": transaction.to.lower() if transaction.to else None,
        "contractAddress": made,
        "status": hex(receipt.succeeded),
        "gasUsed": hex(int.from_bytes(gas) - before),
        "cumulativeGasUsed": hex(int.from_bytes(gas)),
        "effectiveGasPrice": "0x0",
        "logsBloom": binary(bloom.rjust(256, b"\0")),
        "logs": logs,
        "type": hex(kind),
    }


def _place(block: Block, transaction: Transaction, place: int) -> Form:
    return {
        "blockHash": binary(block.hash),
        "blockNumber": hex(block.number),
        "transactionIndex": hex(place),
        "from": transaction.sender.lower(),
    }


@lru_cache(maxsize=1024)
def _cumulative_gas(receipt: bytes) -> int:
    return int.from_bytes(decode(_split(receipt)[1], _DEPTH)[_CUMULATIVE_GAS])


def _split(encoded: bytes) -> tuple[int, bytes]:
    """The type of a transaction or receipt, and the RLP of its fields."""
    return (0, encoded) if encoded[0] >= _FIRST_OF_A_LIST else (encoded[0], encoded[1:])


def _header_field(name: str, value: bytes) -> str:
    # A header's nonce is eight bytes, a transaction's a number.
    return hex(int.from_bytes(value)) if name in _NUMBERS and name != "nonce" else binary(value)


def _signed_field(name: str, value: Any) -> Any:
    if name == "to":
        return binary(value) if value else None
    if name == "accessList":
        return [{"address": binary(at), "storageKeys": [binary(key) for key in keys]} for at, keys in value]
    return hex(int.from_bytes(value)) if name in _NUMBERS else binary(value)
