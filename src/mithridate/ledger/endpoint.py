"""One node's JSON-RPC endpoint over HTTP: every answer is bounded in size and time and checked before use.

What a node says is another party's word: a malformed answer counts as none (`EndpointFailed`), and text of its errors
is printed only as short plain ASCII.
"""

import itertools
import json
import re
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3
from eth_utils.address import to_canonical_address
from pydantic_core import from_json

from mithridate.errors import InputError
from mithridate.ledger.codec import printable
from mithridate.ledger.network import Reverted
from mithridate.proxies import proxy_for, proxy_password

MAX_ANSWER_BYTES = 8 << 20
"""A block of a thousand transactions' hashes has 70 kB, the largest page of the contract 20 kB."""
CHUNK_BYTES = 1 << 16
MAX_TEXT = 200
REVERTED = 3
CONNECT_S = 3.0
HASH_BYTES = 32
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]*")
MAX_QUANTITY_DIGITS = 64


class EndpointFailed(Exception):
    """This endpoint gave no usable answer: unreachable, too slow, malformed or behind. Another one may."""


class Unreachable(EndpointFailed):
    """The endpoint did not answer at all."""


class Refused(Exception):
    """The node answered with an error of its own; `text` is its message, shortened to printable ASCII."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name} answers {text!r}")
        self.text = text


@dataclass(frozen=True)
class Head:
    """A block's place in the chain; `timestamp` in seconds since 1970."""

    number: int
    hash: bytes
    timestamp: int
    gas_limit: int


@dataclass(frozen=True)
class Receipt:
    """Where a transaction landed and whether it took effect."""

    number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int


class Endpoint:
    """An endpoint by its URL; safe to use from several threads.

    Args:
        url: `http://` or `https://`, without user name or password.
        answer_s: seconds within which an answer must be complete.

    Raises:
        InputError: the URL is not one of these, or the environment's proxy is none.
    """

    def __init__(self, url: str, answer_s: float) -> None:
        parts = _checked(url)
        self.name = f"{parts.scheme}://{parts.netloc}"
        """The URL without its path, which may hold a provider's key."""
        self._url = url
        self._answer_s = answer_s
        self._ids = itertools.count(1)
        self._pool = _pool(parts.scheme, str(parts.hostname), answer_s)

    def head(self) -> Head:
        """The last block this node has."""
        return self._block("latest")

    def block(self, number: int) -> Head:
        """The block of a number; EndpointFailed if the node has none."""
        return self._block(hex(number))

    def chain_id(self) -> int:
        """The chain's number."""
        return quantity(self.request("eth_chainId"), "a chain's number")

    def call(self, to: str, data: bytes, block: bytes) -> bytes:
        """What a read returns on the state after the block with this hash; raises Reverted."""
        transaction = {"to": to, "data": _hex(data)}
        return binary(self.request("eth_call", transaction, {"blockHash": _hex(block)}), "a call's result")

    def replay(self, sender: str, to: str | None, data: bytes, number: int) -> bytes:
        """What a transaction would have returned after the block of this number; raises Reverted."""
        return binary(self.request("eth_call", _transaction(sender, to, data), hex(number)), "a call's result")

    def code(self, address: str, block: bytes) -> bytes:
        """The code at an address after the block with this hash, empty if there is none."""
        return binary(self.request("eth_getCode", address, {"blockHash": _hex(block)}), "a contract's code")

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        """The gas that a transaction needs on the node's last block; raises Reverted if the contract refuses it."""
        transaction = _transaction(sender, to, data)
        try:
            return quantity(self.request("eth_estimateGas", transaction), "an amount of gas")
        except Reverted as refusal:
            if refusal.output:
                raise
        # Some nodes tell the reason in a call only.
        self.request("eth_call", transaction, "latest")
        raise Reverted(b"")

    def sent_by(self, address: str, block: bytes | None) -> int:
        """How many transactions an account sent, up to the block with this hash; None adds those still waiting."""
        at = "pending" if block is None else {"blockHash": _hex(block)}
        return quantity(self.request("eth_getTransactionCount", address, at), "a count of transactions")

    def price(self) -> int:
        """What a unit of gas costs on this network, in wei; 0 on a network without fees."""
        return quantity(self.request("eth_gasPrice"), "a gas price")

    def send(self, raw: bytes) -> None:
        """Hands a signed transaction to the node."""
        self.request("eth_sendRawTransaction", _hex(raw))

    def receipt(self, transaction: bytes) -> Receipt | None:
        """A transaction's receipt, None while it is in no block."""
        answer = self.request("eth_getTransactionReceipt", _hex(transaction))
        if answer is None:
            return None
        fields = _fields(answer, "a receipt")
        if fields.get("blockHash") is None:
            return None
        return Receipt(
            quantity(fields.get("blockNumber"), "a block's number"),
            digest(fields.get("blockHash"), "a block's hash"),
            quantity(fields.get("status"), "a status") == 1,
            quantity(fields.get("gasUsed"), "an amount of gas"),
        )

    def date(self) -> datetime:
        """The node's clock, by the header of an answer."""
        try:
            answer = self._pool.request("HEAD", self._url, redirect=False, preload_content=False)
            answer.close()
            return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"cannot be reached ({type(error).__name__})") from error
        except (KeyError, ValueError, TypeError) as error:
            raise EndpointFailed("tells no date") from error

    def close(self) -> None:
        """Gives back the connections."""
        self._pool.clear()

    def request(self, method: str, *parameters: object) -> Any:
        """One JSON-RPC request's result, undecoded.

        Raises:
            EndpointFailed: there was no answer in time, or none that can be read.
            Reverted: a contract refused.
            Refused: the node answered with another error.
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": parameters}
        answer = self._parsed(self._answer(json.dumps(request).encode()))
        if answer.get("id") != request["id"]:
            raise EndpointFailed("answers another request than it was asked")
        if answer.get("error") is not None:
            raise _error(self.name, answer["error"])
        return answer.get("result")

    def _answer(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        deadline = time.monotonic() + self._answer_s
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=headers, preload_content=False, redirect=False
            )
            try:
                return self._read(response, deadline)
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"cannot be reached ({type(error).__name__})") from error

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        parts, size = [], 0
        # read1 returns what has arrived: a node that sends a byte a second must not hold us past the deadline.
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                response.close()
                raise EndpointFailed(f"answers more than {MAX_ANSWER_BYTES} bytes or takes over {self._answer_s:g} s")
        if response.status >= 300 and not parts:
            raise EndpointFailed(f"answers HTTP {response.status}")
        return b"".join(parts)

    @staticmethod
    def _parsed(answer: bytes) -> dict[str, Any]:
        try:
            # Not the json module: py_ecc lifts Python's recursion limit, and deep nesting would end the process.
            document = from_json(answer)
        except ValueError as error:
            raise EndpointFailed("answers no JSON: is this a node's JSON-RPC address?") from error
        return _fields(document, "an answer")

    def _block(self, which: str) -> Head:
        answer = self.request("eth_getBlockByNumber", which, False)
        if answer is None:
            raise EndpointFailed("does not have this block")
        fields = _fields(answer, "a block")
        return Head(
            quantity(fields.get("number"), "a block's number"),
            digest(fields.get("hash"), "a block's hash"),
            quantity(fields.get("timestamp"), "a date"),
            quantity(fields.get("gasLimit"), "an amount of gas"),
        )


def quantity(value: object, what: str) -> int:
    """A number in JSON-RPC's hexadecimal form, at most 256 bits; EndpointFailed for anything else."""
    if isinstance(value, str) and HEXADECIMAL.fullmatch(value) and 2 < len(value) <= 2 + MAX_QUANTITY_DIGITS:
        return int(value, 16)
    raise EndpointFailed(f"answers something else where {what} belongs")


def binary(value: object, what: str) -> bytes:
    """Bytes in JSON-RPC's hexadecimal form; EndpointFailed for anything else."""
    if isinstance(value, str) and HEXADECIMAL.fullmatch(value) and len(value) % 2 == 0:
        return bytes.fromhex(value[2:])
    raise EndpointFailed(f"answers something else where {what} belongs")


def digest(value: object, what: str) -> bytes:
    """A hash of 32 bytes; EndpointFailed for anything else."""
    data = binary(value, what)
    if len(data) != HASH_BYTES:
        raise EndpointFailed(f"answers something else where {what} belongs")
    return data


def _pool(scheme: str, host: str, answer_s: float) -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=CONNECT_S, read=answer_s)
    # What is not encrypted stays within the machine, where no proxy has a part.
    proxy = proxy_for(host) if scheme == "https" else None
    trust = ssl.create_default_context()
    if proxy is None:
        return urllib3.PoolManager(maxsize=32, retries=False, timeout=timeout, ssl_context=trust)
    headers = urllib3.make_headers(proxy_basic_auth=proxy_password(proxy))
    address = urlsplit(proxy)
    bare = f"http://{address.hostname}:{address.port}"
    return urllib3.ProxyManager(
        bare, proxy_headers=headers, maxsize=32, retries=False, timeout=timeout, ssl_context=trust
    )


def _checked(url: str) -> Any:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"{url[:MAX_TEXT]!r} is no endpoint: write it as http://host:port or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"the endpoint at {parts.hostname} carries a password in its URL: keep it out of study files")
    return parts


def _transaction(sender: str, to: str | None, data: bytes) -> dict[str, str]:
    to_canonical_address(sender)
    return {"from": sender, "data": _hex(data)} | ({} if to is None else {"to": to})


def _fields(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EndpointFailed(f"answers something else where {what} belongs")
    return value


def _error(name: str, answer: object) -> Exception:
    fields = answer if isinstance(answer, dict) else {"message": answer}
    text = printable(str(fields.get("message")).encode(errors="replace"))[:MAX_TEXT]
    data = fields.get("data")
    if fields.get("code") == REVERTED or "revert" in text.lower():
        return Reverted(_output(data))
    return Refused(name, text)


def _output(data: object) -> bytes:
    # Nodes write it with and without 0x; what cannot be read carries no reason.
    try:
        return bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
