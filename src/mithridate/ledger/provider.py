"""A web3.py provider over the embedded chain: the few JSON-RPC methods that the ledger's client uses.

A call that the contract refuses is answered as Ethereum nodes answer it: error 3 with the contract's output as data.
"""

from collections.abc import Callable
from typing import Any

from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from mithridate.errors import LedgerError
from mithridate.ledger.chain import CHAIN_ID, NO_ADDRESS, EmbeddedChain, TransactionReverted

REVERTED = 3
UNKNOWN_METHOD = -32601
REJECTED = -32000

Send = Callable[[bytes], bytes]
Clock = Callable[[], int]


class EmbeddedProvider(BaseProvider):
    """Answers web3.py from a chain in this process.

    Args:
        chain: read for calls, sequence numbers and blocks.
        send: applies a raw signed transaction and returns its hash.
        clock: what a transaction sent now would be dated.
    """

    def __init__(self, chain: EmbeddedChain, send: Send, clock: Clock) -> None:
        super().__init__()
        self._chain = chain
        self._send = send
        self._clock = clock
        self._methods: dict[str, Callable[[Any], Any]] = {
            "eth_chainId": lambda _: hex(CHAIN_ID),
            "eth_blockNumber": lambda _: hex(chain.height),
            "eth_getTransactionCount": lambda params: hex(chain.nonce(_unhex(params[0]))),
            "eth_getCode": lambda params: _hex(chain.code(_unhex(params[0]))),
            "eth_getBlockByNumber": self._block,
            "eth_sendRawTransaction": lambda params: _hex(self._send(_unhex(params[0]))),
            "eth_call": self._call,
        }

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Answers one JSON-RPC request; a request that fails is answered with an error, never by an exception."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": 1}
        if method not in self._methods:
            answer["error"] = {"code": UNKNOWN_METHOD, "message": f"the embedded ledger has no method {method}"}
            return answer  # type: ignore[return-value]
        try:
            answer["result"] = self._methods[method](params)
        except TransactionReverted as error:
            answer["error"] = {"code": REVERTED, "message": "execution reverted", "data": _hex(error.output)}
        except LedgerError as error:
            answer["error"] = {"code": REJECTED, "message": str(error)}
        return answer  # type: ignore[return-value]

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Always: the chain is in this process."""
        return True

    def _call(self, params: Any) -> str:
        sender = _unhex(params[0]["from"]) if "from" in params[0] else NO_ADDRESS
        data = _unhex(params[0]["data"])
        return _hex(self._chain.call(sender, _unhex(params[0]["to"]), data, self._clock()))

    def _block(self, params: Any) -> dict[str, str]:
        if params[0] == "pending":
            return {"number": hex(self._chain.height + 1), "timestamp": hex(self._clock())}
        return {
            "number": hex(self._chain.height),
            "timestamp": hex(self._chain.timestamp),
            "hash": _hex(self._chain.head_hash),
        }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _unhex(text: str | bytes) -> bytes:
    return bytes(text) if isinstance(text, bytes | bytearray) else bytes.fromhex(text.removeprefix("0x"))
