"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification): the bytes of one request in, the bytes of its response out."""

import logging
from typing import Any

from pydantic_core import from_json, to_json

from mithridate.errors import LedgerError
from mithridate.ledger.codec import printable
from mithridate.ledger.network import Reverted
from mithridate.ledger.service.forms import binary
from mithridate.ledger.service.methods import Methods, MethodUnknown
from mithridate.ledger.service.parameters import MAX_TEXT, ParametersInvalid

LOG = logging.getLogger("mithridate.ledger")
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
REFUSED, REVERTED = -32000, 3
"""As geth has them."""
MAX_ID = 2**63
MAX_ID_TEXT = 64
Id = int | str | None


class _Failed(Exception):
    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"code": code, "message": message} | ({} if data is None else {"data": data})


async def respond(methods: Methods, body: bytes) -> bytes:
    """The response to a request; an error for whatever is none. It raises nothing that a request could cause."""
    identity: Id = None
    try:
        request = _parsed(body)
        identity = _identity(request)
        result = await _result(methods, request)
        return bytes(to_json({"jsonrpc": "2.0", "id": identity, "result": result}))
    except _Failed as failure:
        return bytes(to_json({"jsonrpc": "2.0", "id": identity, "error": failure.error}))


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        # Not the json module: py_ecc lifts Python's recursion limit, and deep nesting would end the process.
        request = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise _Failed(PARSE_ERROR, "parse error: this is no JSON") from error
    if isinstance(request, list):
        raise _Failed(INVALID_REQUEST, "batches are not taken: send one request at a time")
    if not isinstance(request, dict):
        raise _Failed(INVALID_REQUEST, "a request is an object")
    return request


def _identity(request: dict[str, Any]) -> Id:
    identity = request.get("id")
    if isinstance(identity, str) and len(identity) <= MAX_ID_TEXT:
        return identity
    if isinstance(identity, int) and not isinstance(identity, bool) and abs(identity) < MAX_ID:
        return identity
    raise _Failed(INVALID_REQUEST, "a request has an id: a number, or a string of at most 64 characters")


async def _result(methods: Methods, request: dict[str, Any]) -> Any:
    method = request.get("method")
    if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise _Failed(INVALID_REQUEST, 'a request has "jsonrpc": "2.0" and a method')
    try:
        return await methods.answer(method, request.get("params"))
    except MethodUnknown as error:
        text = f"the method {printable(method.encode(errors='replace'))[:MAX_TEXT]} does not exist here"
        raise _Failed(METHOD_NOT_FOUND, text) from error
    except ParametersInvalid as error:
        raise _Failed(INVALID_PARAMS, str(error)) from error
    except Reverted as refusal:
        raise _Failed(REVERTED, "execution reverted", binary(refusal.output)) from refusal
    except LedgerError as error:
        raise _Failed(REFUSED, printable(str(error).encode(errors="replace"))[:MAX_TEXT]) from error
    except Exception as error:
        LOG.exception("a request for %s failed", method)
        raise _Failed(INTERNAL_ERROR, "internal error") from error
