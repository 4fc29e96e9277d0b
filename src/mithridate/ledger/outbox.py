"""The transactions of one account on a network: their sequence numbers, and sending them again until they are final.

A signed transaction can take effect once at most, under its own sequence number: so sending it again, to the same node
or another, is always safe. A new one takes its place only after the chain gave that number, finally, to another.
"""

import threading
import time
from dataclasses import dataclass, field

from eth_account import Account as Signer

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Receipt, Refused
from mithridate.ledger.nodes import Nodes

SEND_TRIES = 8
RESEND_S = 4.0
"""Longer than a block takes: by then a transaction is in one, or a node lost it."""
POLL_S = 0.05
FULL_S = 1.0
"""A full pool empties with the next block."""
KNOWN = ("already known", "known transaction", "already imported", "already exists")
NUMBER_TAKEN = ("nonce too low", "replacement", "same nonce", "nonce is too low", "nonce has already")
FULL = ("pool is full", "txpool is full", "maximum number of enqueued", "low slots", "future transaction")
POOR = ("insufficient funds", "upfront cost")


class Displaced(Exception):
    """Another transaction, of another process with the same key, finally took this one's sequence number."""


@dataclass(frozen=True)
class Order:
    """What to do in an account's name: call a contract, make one (`to` None), or pay somebody."""

    account: Account
    to: str | None
    data: bytes
    gas: int
    price: int
    wei: int = 0


@dataclass
class Sent:
    """A signed transaction on its way.

    Attributes:
        sent_at: when, by the monotonic clock.
        unsettled: the last block at which a node did not have it as final: its hash, and what the node had, in words.
    """

    order: Order
    nonce: int
    raw: bytes
    hash: bytes
    sent_at: float
    unsettled: dict[Endpoint, tuple[bytes, str]] = field(default_factory=dict)


@dataclass
class _Account:
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[int, Sent] = field(default_factory=dict)
    """Not yet final, by sequence number; those given up on too, for they may still take effect."""
    next: int = 0


class Outbox:
    """Signs, sends and awaits transactions of any account; safe to use from several threads.

    Args:
        nodes: the network's.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._accounts: dict[str, _Account] = {}
        self._lock = threading.Lock()

    def send(self, order: Order) -> Sent:
        """Signs an order with the account's next sequence number and hands it to a node.

        Raises:
            LedgerError: no node takes it.
        """
        state = self._of(order.account)
        with state.lock:
            number = self._next(state, order.account.address)
            for _ in range(SEND_TRIES):
                sent = self._signed(order, number)
                try:
                    self._nodes.first(lambda endpoint, raw=sent.raw: endpoint.send(raw))  # type: ignore[misc]
                except Refused as refusal:
                    number = self._after_refusal(refusal, order, number)
                    if number != sent.nonce:
                        continue
                    if not _says(refusal, KNOWN):
                        time.sleep(FULL_S)
                        continue
                state.waiting[sent.nonce] = sent
                state.next = sent.nonce + 1
                return sent
        raise LedgerError(
            f"the network took no transaction of {order.account.address} in {SEND_TRIES} tries: its pool is full, or "
            "another process writes with the same key; wait, or end that process"
        )

    def wait(self, sent: Sent, deadline: float) -> Receipt:
        """Waits until a transaction is final, sending it again where a node lost it.

        Args:
            sent: what `send` returned.
            deadline: until when, by the monotonic clock.

        Raises:
            Displaced: it never took effect and never will.
            LedgerError: it is not final by then; it may become so later.
        """
        while True:
            notes: dict[str, str] = {}
            receipt = self._held(sent, notes)
            if receipt is not None:
                self._nodes.seen(receipt.number)
                self._forget(sent)
                return receipt
            if time.monotonic() - sent.sent_at > RESEND_S:
                self._again(sent)
            if time.monotonic() > deadline:
                raise self._stalled(sent, notes)
            time.sleep(POLL_S)

    def _held(self, sent: Sent, notes: dict[str, str]) -> Receipt | None:
        alike: dict[Receipt, int] = {}
        for endpoint in self._nodes.ordered():
            for receipt in self._nodes.attempt(endpoint, lambda each: self._final(each, sent, notes), notes):
                if receipt is None:
                    continue
                alike[receipt] = alike.get(receipt, 0) + 1
                if alike[receipt] == self._nodes.agreement:
                    return receipt
        return None

    def _final(self, endpoint: Endpoint, sent: Sent, notes: dict[str, str]) -> Receipt | None:
        # The head first: a receipt replaced between the two questions must not count as final.
        head = self._nodes.head(endpoint)
        if sent.unsettled.get(endpoint, (b"", ""))[0] != head.hash:
            receipt = self._known_receipt(endpoint, sent)
            if receipt is not None and head.number >= receipt.number + self._nodes.finality:
                return receipt
            where = "no block" if receipt is None else f"block {receipt.number}"
            sent.unsettled[endpoint] = (head.hash, f"has it in {where}, not final at {head.number}")
        notes[endpoint.name] = sent.unsettled[endpoint][1]
        return None

    def _again(self, sent: Sent) -> None:
        state = self._of(sent.order.account)
        with state.lock:
            # A lost transaction holds up all that follow it, so whoever waits sends the earlier ones too.
            due = [each for number, each in sorted(state.waiting.items()) if number <= sent.nonce]
        refused = False
        for endpoint in self._nodes.ordered():
            for each in due:
                refused |= self._offer(endpoint, each)
        if refused and self._is_displaced(sent):
            self._forget(sent)
            raise Displaced
        sent.sent_at = time.monotonic()
        # Asked anew: a node may tell of a block before it tells of what is in it.
        sent.unsettled.clear()

    def _offer(self, endpoint: Endpoint, sent: Sent) -> bool:
        try:
            self._nodes.attempt(endpoint, lambda each: each.send(sent.raw), {})
        except Refused as refusal:
            return _says(refusal, NUMBER_TAKEN)
        return False

    def _is_displaced(self, sent: Sent) -> bool:
        address = sent.order.account.address
        if self._nodes.agreed(lambda endpoint, anchor: endpoint.sent_by(address, anchor.hash)) <= sent.nonce:
            return False
        # From nodes that have that block: one that lags, or does not answer, proves nothing.
        return all(receipt is None for receipt in self._nodes.several(lambda each: self._known_receipt(each, sent)))

    def _known_receipt(self, endpoint: Endpoint, sent: Sent) -> Receipt | None:
        self._nodes.head(endpoint)
        try:
            return endpoint.receipt(sent.hash)
        except Refused as error:
            raise EndpointFailed(f"answers {error.text!r} when asked for a transaction") from error

    def _after_refusal(self, refusal: Refused, order: Order, number: int) -> int:
        if _says(refusal, NUMBER_TAKEN):
            return max(self._count(order.account.address), number + 1)
        if _says(refusal, (*KNOWN, *FULL)):
            return number
        if _says(refusal, POOR):
            raise LedgerError(
                f"{order.account.address} cannot pay for its transaction: this network has fees, so its accounts need "
                "funds in the genesis block, or by a transfer"
            )
        raise LedgerError(f"the network does not take a transaction of {order.account.address}: {refusal}")

    def _next(self, state: _Account, address: str) -> int:
        # Nodes may not show yet what this process has sent, and this process not what another has.
        return max(state.next, self._count(address)) if state.waiting else self._count(address)

    def _count(self, address: str) -> int:
        # The least that they say: a number too high would wait for ever, one too low is refused at once.
        return min(self._nodes.several(lambda endpoint: endpoint.sent_by(address, None)))

    def _signed(self, order: Order, number: int) -> Sent:
        fields = {
            "nonce": number,
            "gasPrice": order.price,
            "gas": order.gas,
            "value": order.wei,
            "data": order.data,
            "chainId": self._nodes.chain_id(),
        }
        signed = Signer.sign_transaction(fields | ({} if order.to is None else {"to": order.to}), order.account.key)
        return Sent(order, number, bytes(signed.raw_transaction), bytes(signed.hash), time.monotonic())

    def _of(self, account: Account) -> _Account:
        with self._lock:
            return self._accounts.setdefault(account.address, _Account())

    def _forget(self, sent: Sent) -> None:
        state = self._of(sent.order.account)
        with state.lock:
            # Earlier numbers are decided too: the chain takes them in order.
            for number in [each for each in state.waiting if each <= sent.nonce]:
                if state.waiting[number].hash == sent.hash or number < sent.nonce:
                    del state.waiting[number]

    def _stalled(self, sent: Sent, notes: dict[str, str]) -> LedgerError:
        told = "; ".join(f"{name} {why}" for name, why in notes.items())
        return LedgerError(
            f"transaction 0x{sent.hash.hex()} is not final in time ({told}): fewer than the needed "
            "sealers run or reach one another. It may still take effect: read the ledger before doing it again"
        )


def _says(refusal: Refused, phrases: tuple[str, ...]) -> bool:
    return any(phrase in refusal.text.lower() for phrase in phrases)
