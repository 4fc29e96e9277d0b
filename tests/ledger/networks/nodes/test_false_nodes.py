"""Nodes that lie, lose or lag, as real relays in front of honest ones."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.network import Reverted

pytestmark = pytest.mark.slow
Board = Any
Local = Any
MakeRelay = Callable[[str], Any]
Ask = Callable[[], Any]


def connect(local: Local, *urls: str, agreement: int, timeout: float = 60.0) -> EvmNetwork:
    return EvmNetwork(urls, finality=local.finality, agreement=agreement, timeout=timeout)


def no_notes(method: str, parameters: Sequence[Any], ask: Ask) -> Any:
    """Tells that the board is empty."""
    answer = ask()
    return "0x" + (32).to_bytes(32, "big").hex() + bytes(32).hex() if method == "eth_call" else answer


@pytest.fixture
def noted(board: Board, network: Local) -> bytes:
    note: bytes = board.note()
    board.write(board.view, board.writer, note)
    board.everywhere(note)
    return note


def test_one_node_is_believed_and_two_are_compared(board: Board, noted: bytes, local: Local, relay: MakeRelay) -> None:
    liar = relay(local.followers[0].url)
    liar.alter = no_notes
    trusting = connect(local, liar.url, agreement=1)
    assert board.notes(trusting) == []
    comparing = connect(local, liar.url, local.sealers[0].url, agreement=2)
    with pytest.raises(LedgerError, match="answer differently about the same block") as caught:
        board.notes(comparing)
    assert liar.url in str(caught.value)
    assert local.sealers[0].url in str(caught.value)
    trusting.close()
    comparing.close()


def test_a_third_node_tells_who_lies(board: Board, noted: bytes, local: Local, relay: MakeRelay) -> None:
    liar = relay(local.followers[0].url)
    liar.alter = no_notes
    view = connect(local, liar.url, local.sealers[0].url, local.sealers[1].url, agreement=2)
    assert noted in board.notes(view)
    assert list(view.suspects) == [liar.url]
    view.close()


def test_honest_nodes_are_not_accused(board: Board, noted: bytes, local: Local) -> None:
    view = connect(local, *(node.url for node in local.nodes), agreement=3)
    for _ in range(20):
        assert noted in board.notes(view)
    assert view.suspects == {}
    view.close()


def test_a_false_receipt_is_not_believed(board: Board, local: Local, relay: MakeRelay) -> None:
    def pretend(method: str, parameters: Sequence[Any], ask: Ask) -> Any:
        if method == "eth_sendRawTransaction":
            return "0x" + bytes(32).hex()
        if method == "eth_getTransactionReceipt":
            return {"blockNumber": "0x1", "blockHash": "0x" + bytes(32).hex(), "status": "0x1", "gasUsed": "0x1"}
        return ask()

    liar, note = relay(local.followers[0].url), board.note()
    liar.alter = pretend
    trusting = connect(local, liar.url, agreement=1)
    board.write(trusting, board.writer, note)
    assert note not in board.notes(board.view)
    comparing = connect(local, liar.url, local.sealers[0].url, local.sealers[1].url, agreement=2)
    board.write(comparing, board.writer, note)
    board.everywhere(note)
    trusting.close()
    comparing.close()


def test_one_node_alone_cannot_refuse_a_change(board: Board, local: Local, relay: MakeRelay) -> None:
    liar, note = relay(local.followers[0].url), board.note()

    def refuse(method: str, parameters: Sequence[Any], ask: Ask) -> Any:
        refusal = {"code": 3, "message": "execution reverted", "data": "0x"}
        return liar.fail(refusal) if method == "eth_estimateGas" or "from" in str(parameters[:1]) else ask()

    liar.alter = refuse
    trusting = connect(local, liar.url, agreement=1)
    with pytest.raises(Reverted):
        board.write(trusting, board.writer, note)
    view = connect(local, liar.url, local.sealers[0].url, agreement=2)
    board.write(view, board.writer, note)
    board.everywhere(note)
    view.close()
    trusting.close()


def test_a_change_that_a_node_loses_is_sent_again(board: Board, local: Local, relay: MakeRelay) -> None:
    lost: list[Any] = []

    def lose_first(method: str, parameters: Sequence[Any], ask: Ask) -> Any:
        if method == "eth_sendRawTransaction" and not lost:
            lost.append(parameters)
            return "0x" + bytes(32).hex()
        return ask()

    forgetful, note = relay(local.followers[0].url), board.note()
    forgetful.alter = lose_first
    view = connect(local, forgetful.url, agreement=1)
    board.write(view, board.writer, note)
    assert lost
    board.everywhere(note)
    view.close()


def test_a_node_that_stands_still_is_left_for_another(
    board: Board, noted: bytes, local: Local, relay: MakeRelay
) -> None:
    frozen: dict[str, Any] = {}

    def freeze(method: str, parameters: Sequence[Any], ask: Ask) -> Any:
        if method == "eth_getBlockByNumber" and parameters[0] == "latest":
            return frozen.setdefault("latest", ask())
        return ask()

    old = relay(local.followers[0].url)
    old.alter = freeze
    view = connect(local, old.url, local.sealers[0].url, agreement=1)
    assert noted in board.notes(view)
    board.write(view, board.writer, note := board.note())
    assert note in board.notes(view)
    alone = connect(local, old.url, agreement=1, timeout=3)
    with pytest.raises(LedgerError, match="not final in time"):
        board.write(alone, board.writer, board.note())
    view.close()
    alone.close()


def test_a_node_of_another_chain_is_refused_by_name(board: Board, local: Local, relay: MakeRelay) -> None:
    def elsewhere(method: str, parameters: Sequence[Any], ask: Ask) -> Any:
        return "0x7" if method == "eth_chainId" else ask()

    foreign = relay(local.followers[0].url)
    foreign.alter = elsewhere
    view = connect(local, local.sealers[0].url, foreign.url, agreement=2, timeout=2)
    with pytest.raises(LedgerError, match=r"another chain \(number 7") as caught:
        view.height()
    assert foreign.url in str(caught.value)
    view.close()


def test_a_price_beyond_reason_is_not_paid(board: Board, local: Local, relay: MakeRelay) -> None:
    greedy = relay(local.followers[0].url)
    greedy.alter = lambda method, parameters, ask: hex(10**18) if method == "eth_gasPrice" else ask()
    view = connect(local, greedy.url, agreement=1)
    with pytest.raises(LedgerError, match="wei for a unit of gas"):
        board.write(view, board.writer, board.note())
    view.close()
