"""Encodes calls of the contract and decodes what it returns, by its published interface (ABI)."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types, get_abi_output_types

from mithridate.errors import LedgerError
from mithridate.ledger.compile import contract

ERROR_SELECTOR = bytes.fromhex("08c379a0")
"""First four bytes of what a reverted call returns when it carries a reason: Error(string)."""


class ContractCodec:
    """The contract's functions by name.

    Args:
        abi: the interface as the compiler wrote it.
    """

    def __init__(self, abi: Sequence[Any]) -> None:
        functions = [entry for entry in abi if entry["type"] == "function"]
        self._selectors = {f["name"]: function_abi_to_4byte_selector(f) for f in functions}
        self._inputs = {f["name"]: get_abi_input_types(f) for f in functions}
        self._outputs = {f["name"]: [_as_bytes(kind) for kind in get_abi_output_types(f)] for f in functions}
        self._constructor = next(get_abi_input_types(entry) for entry in abi if entry["type"] == "constructor")

    @classmethod
    @cache
    def of(cls, name: str) -> "ContractCodec":
        """The codec of the contract of this name."""
        return cls(contract(name).abi)

    def constructor(self, arguments: Sequence[Any]) -> bytes:
        """What follows the creation code in a deployment."""
        return _encode("the constructor", self._constructor, arguments)

    def call(self, name: str, arguments: Sequence[Any]) -> bytes:
        """The data of a call.

        Raises:
            LedgerError: an argument does not fit its type.
        """
        return bytes(self._selectors[name]) + _encode(name, self._inputs[name], arguments)

    def result(self, name: str, data: bytes) -> Any:
        """What a call returned; a single value comes bare, strings come as bytes, for a party may have written them.

        Raises:
            LedgerError: `data` is not what the contract returns.
        """
        try:
            values = decode(self._outputs[name], data)
        except (DecodingError, OverflowError) as error:
            raise LedgerError(f"the ledger's answer to {name} cannot be read: is this the study's contract?") from error
        return values[0] if len(values) == 1 else values


def revert_reason(data: bytes) -> str:
    """The contract's reason in what a reverted call returned, empty where it gave none."""
    if data[:4] != ERROR_SELECTOR:
        return ""
    try:
        return printable(decode(["bytes"], data[4:])[0])
    except (DecodingError, OverflowError):
        return ""


def printable(text: bytes) -> str:
    """Text that another party wrote, with everything but printable ASCII replaced by '?'."""
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in text)


def _as_bytes(kind: str) -> str:
    # A string that is not UTF-8 would make every reader fail; its encoding equals that of bytes.
    return kind.replace("string", "bytes")


def _encode(name: str, kinds: Sequence[str], arguments: Sequence[Any]) -> bytes:
    try:
        return bytes(encode(kinds, arguments))
    except EncodingError as error:
        raise LedgerError(f"{name} does not take these values: {error}") from error
