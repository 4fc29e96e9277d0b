"""The contracts on a network of Ethereum nodes: any that speak JSON-RPC, geth Clique, polygon-edge or Besu QBFT.

A change is held for good once its block has `finality` blocks on top. Networks of Byzantine consensus (IBFT, QBFT)
never replace a block: 0. Clique's proof of authority may: half its sealers, rounded down, for then a majority has
sealed on top of the change, and no minority that is cut off can seal so many blocks. Both are void if more sealers are
faulty than the consensus allows.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from mithridate.errors import InputError, LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.answers import Answers
from mithridate.ledger.embedded_network import contract_address
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Receipt, Refused
from mithridate.ledger.network import Reverted
from mithridate.ledger.nodes import Nodes
from mithridate.ledger.outbox import Displaced, Order, Outbox, Sent

ANSWER_S = 5.0
TIMEOUT_S = 120.0
MAX_GAS = 50_000_000
"""A bound, whatever a node estimates; the dearest call, which goes back over 1,024 releases, needs a quarter of it."""
BLOCK_SHARE = 2
"""No transaction may ask for more than this fraction of a block: it would never be sealed on a busy network."""
PRICE_LIMIT = 10**12
"""In wei. A node that names a higher price for gas is not believed."""
PRICE_MARGIN = 2
GAS_MARGIN = 1_000_000
"""What is not used is not paid: a tight limit would only make a change fail that another made dearer."""
PRICE_KEPT_S = 10.0
TRANSFER_GAS = 21_000
TRIES = 4


class EvmNetwork:
    """See `Network`. Many parties and threads may use it at once.

    Args:
        endpoints: URLs of nodes, the party's own first; those after it take over while it is down or behind.
        finality: blocks on top of a block from which on it is final, at least 0.
        agreement: how many nodes must answer alike for an answer to be believed: 1 trusts the party's own node; with 2,
            list nodes of different organisations.
        timeout: seconds to wait for a change, or for a node to answer, before a LedgerError.
        chain_id: the chain's number, if known; a node of another chain is then refused.

    Raises:
        InputError: an endpoint is no URL, or a number is out of range.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        finality: int,
        agreement: int = 1,
        timeout: float = TIMEOUT_S,
        chain_id: int | None = None,
    ) -> None:
        if not 1 <= agreement <= len(set(endpoints)):
            raise InputError(
                f"{agreement} nodes cannot agree where {len(set(endpoints))} are listed: list more of them"
            )
        if finality < 0 or timeout <= 0:
            raise InputError("finality is at least 0 blocks, and the timeout more than 0 seconds")
        listed = [Endpoint(url, min(ANSWER_S, timeout)) for url in dict.fromkeys(endpoints)]
        self._nodes = Nodes(listed, agreement=agreement, finality=finality, patience=timeout, chain_id=chain_id)
        self._outbox = Outbox(self._nodes)
        self._answers = Answers()
        self._unconfirmed = Answers() if finality else self._answers
        self._timeout = timeout
        self._local = threading.local()
        self._price = (0.0, 0)
        self._max_gas = 0

    @property
    def suspects(self) -> dict[str, str]:
        """Nodes that answered otherwise than those that agree: endpoint to what it did."""
        return self._nodes.suspects

    def call(self, to: str, data: bytes) -> bytes:
        """See `Network.call`. Read at the last final block, or inside `unconfirmed` at the last block; inside `block`,
        the changes made there come first."""
        self._settle()
        final = not getattr(self._local, "unconfirmed", False)
        answers = self._answers if final else self._unconfirmed
        return self._nodes.agreed(lambda endpoint, anchor: answers.call(endpoint, to, data, anchor.hash), final=final)

    def transact(self, account: Account, to: str, data: bytes) -> None:
        """See `Network.transact`."""
        self._send(self._order(account, to, data))

    def deploy(self, account: Account, data: bytes) -> str:
        """See `Network.deploy`."""
        sent = self._send(self._order(account, None, data))
        return contract_address(account.address, sent.nonce)

    def pay(self, account: Account, to: str, wei: int) -> None:
        """Moves funds, on a network with fees, so that another account can make changes; awaited like a change."""
        self._send(Order(account, to, b"", gas=TRANSFER_GAS, price=self._gas_price(), wei=wei))

    def code(self, address: str) -> bytes:
        """See `Network.code`."""
        self._settle()
        return self._nodes.agreed(lambda endpoint, anchor: endpoint.code(address, anchor.hash))

    def now(self) -> int:
        """The date of the network's last block: no change made now is dated earlier."""
        return min(head.timestamp for head in self._nodes.several(self._nodes.head))

    def height(self) -> int:
        """Number of the last final block."""
        return self._nodes.agreed(lambda _, anchor: anchor.number)

    @contextmanager
    def unconfirmed(self) -> Iterator[None]:
        """See `Network.unconfirmed`."""
        before = getattr(self._local, "unconfirmed", False)
        self._local.unconfirmed = True
        try:
            yield
        finally:
            self._local.unconfirmed = before

    @contextmanager
    def block(self) -> Iterator[None]:
        """Changes that this thread makes inside are sent at once and awaited at the end.

        A read, and a change that the contract refuses as yet, wait for the earlier ones first. What the contract
        refuses in spite of an earlier look is raised at the end, and the other changes stay.
        """
        if self._in_block():
            raise LedgerError("a block is open already: blocks do not nest")
        self._local.pending, self._local.failures = [], []
        try:
            yield
            self._settle()
            if self._local.failures:
                raise self._local.failures[0]
        except Exception:
            self._settle()
            raise
        finally:
            del self._local.pending

    def close(self) -> None:
        """Gives back the connections."""
        self._nodes.close()

    def _send(self, order: Order) -> Sent:
        sent = self._outbox.send(order)
        if not self._in_block():
            return self._finish(sent, time.monotonic() + self._timeout)
        self._local.pending.append(sent)
        return sent

    def _in_block(self) -> bool:
        return hasattr(self._local, "pending")

    def _settle(self) -> bool:
        """Awaits what this thread's block has sent; False if that was nothing."""
        pending: list[Sent] = getattr(self._local, "pending", [])
        waited, deadline = bool(pending), time.monotonic() + self._timeout
        while pending:
            try:
                self._finish(pending.pop(0), deadline)
            except (Reverted, LedgerError) as error:
                self._local.failures.append(error)
        return waited

    def _order(self, account: Account, to: str | None, data: bytes) -> Order:
        try:
            estimate = self._estimate(account, to, data)
        except Reverted:
            # It may build on a change that is on its way.
            if not self._settle():
                raise
            estimate = self._estimate(account, to, data)
        price, most = self._gas_price(), self._gas_limit()
        if estimate > most:
            raise LedgerError(f"a change needs {estimate} gas, more than the {most} that the network allows at once")
        # An estimate holds for the state it was made on; where gas is free there is no reason to be tight.
        return Order(account, to, data, gas=min(most, GAS_MARGIN + 2 * estimate) if price else most, price=price)

    def _estimate(self, account: Account, to: str | None, data: bytes) -> int:
        """Gas for a change on the last block; raises Reverted once as many nodes as must agree say so."""
        refusing: dict[bytes, set[Endpoint]] = {}

        def ask(endpoint: Endpoint) -> int:
            # A node that is behind would refuse what builds on blocks it lacks.
            self._nodes.head(endpoint)
            try:
                return endpoint.estimate(account.address, to, data)
            except Reverted as refusal:
                refusing.setdefault(refusal.output, set()).add(endpoint)
                if len(refusing[refusal.output]) == self._nodes.agreement:
                    raise
                raise EndpointFailed("alone says that the contract refuses this") from refusal

        try:
            return self._nodes.first(ask)
        except Refused as refusal:
            raise LedgerError(f"the network cannot tell what a change needs: {refusal}") from refusal

    def _finish(self, sent: Sent, deadline: float) -> Sent:
        for _ in range(TRIES):
            try:
                receipt = self._outbox.wait(sent, deadline)
            except Displaced as error:
                order = sent.order
                if order.to is None:
                    # Its sequence number decides a contract's address, which others may have been told.
                    raise LedgerError(
                        f"another process writes with the key of {order.account.address}: end it, then deploy again"
                    ) from error
                # The state has moved on: look again before doing it under another number.
                again = order if order.wei else self._order(order.account, order.to, order.data)
                sent = self._outbox.send(again)
                continue
            if receipt.succeeded:
                return sent
            sent = self._after_failure(sent, receipt)
        raise LedgerError(
            f"a change of {sent.order.account.address} did not take effect in {TRIES} tries: another process writes "
            "with the same key, or it needs more gas than a block holds"
        )

    def _after_failure(self, sent: Sent, receipt: Receipt) -> Sent:
        order, most = sent.order, self._gas_limit()
        if receipt.gas_used * 64 >= order.gas * 63 and order.gas < most:
            # Another change in the same block made this one dearer than estimated.
            return self._outbox.send(replace(order, gas=most))
        raise self._reason(order, receipt)

    def _reason(self, order: Order, receipt: Receipt) -> Reverted:
        # Nodes keep no reason: ask what the change returns after its block, and before.
        for number in (receipt.number, receipt.number - 1):
            try:
                self._nodes.first(
                    lambda endpoint, at=number: endpoint.replay(order.account.address, order.to, order.data, at)  # type: ignore[misc]
                )
            except Reverted as refusal:
                return refusal
            except Refused:
                continue
        return Reverted(b"")

    def _gas_price(self) -> int:
        asked, price = self._price
        if time.monotonic() - asked > PRICE_KEPT_S or not asked:
            try:
                price = PRICE_MARGIN * min(self._nodes.several(Endpoint.price))
            except Refused as refusal:
                raise LedgerError(f"the network does not say what gas costs: {refusal}") from refusal
            if price > PRICE_LIMIT:
                raise LedgerError(f"a node asks {price} wei for a unit of gas: more than {PRICE_LIMIT} is not believed")
            self._price = (time.monotonic(), price)
        return price

    def _gas_limit(self) -> int:
        if not self._max_gas:
            limit = min(head.gas_limit for head in self._nodes.several(self._nodes.head))
            self._max_gas = min(MAX_GAS, limit // BLOCK_SHARE)
        return self._max_gas
