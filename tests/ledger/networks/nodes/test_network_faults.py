"""What a network loses, repeats, delays or keeps from a part of its nodes: every change takes effect once."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.endpoint import Endpoint, Refused
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.network import Reverted
from mithridate.ledger.nodes import Nodes
from mithridate.ledger.outbox import Order, Outbox

pytestmark = pytest.mark.slow
Board = Any
Local = Any
Links = Any
MakeRelay = Callable[[str], Any]
GAS = 200_000
CUT_OFF = 2


def in_thread(act: Callable[[], None]) -> Callable[[], None]:
    """Starts `act`; what is returned waits for its end and raises what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        thread.join()
        if raised:
            raise raised[0]

    return end


def opened_outbox(local: Local, *nodes: Any) -> tuple[Nodes, Outbox]:
    endpoints = [Endpoint(node.url, 5.0) for node in nodes]
    made = Nodes(endpoints, agreement=1, finality=local.finality, patience=60.0, chain_id=None)
    return made, Outbox(made)


def soon() -> float:
    return time.monotonic() + 120


def order(board: Board, account: Any, note: bytes) -> Order:
    return Order(account, board.address, board.data("write", note), gas=GAS, price=2 if board.network.treasury else 0)


def test_no_majority_no_finality_and_nothing_is_lost(board: Board, local: Local) -> None:
    note = board.note()
    for sealer in local.sealers[2:]:
        sealer.pause()
    view = local.connect(local.sealers[0], timeout=8)
    with pytest.raises(LedgerError, match=r"not final in time .*127\.0\.0\.1.*may still take effect"):
        board.write(view, board.writer, note)
    assert note not in board.notes(view)
    for sealer in local.sealers[2:]:
        sealer.resume()
    # A later change of the same account takes the abandoned one along.
    board.write(view, board.writer, later := board.note())
    board.everywhere(note, later)
    view.close()


def test_a_hospitals_node_is_restarted_while_a_change_is_on_its_way(board: Board, local: Local) -> None:
    node = local.followers[0]
    view, notes = local.connect(node), [board.note(), board.note()]
    ended = in_thread(lambda: board.write(view, board.writer, notes[0]))
    time.sleep(0.3)
    node.kill()
    waiting = in_thread(lambda: board.write(view, board.other, notes[1]))
    node.start()
    ended()
    waiting()
    board.everywhere(*notes)
    view.close()


def test_another_node_takes_over_while_the_own_is_down(board: Board, local: Local) -> None:
    view, note = local.connect(local.followers[0], local.sealers[1]), board.note()
    local.followers[0].kill()
    board.write(view, board.writer, note)
    assert note in board.notes(view)
    view.close()


def test_a_change_sent_many_times_takes_effect_once(board: Board, local: Local) -> None:
    note = board.note()
    nodes, outbox = opened_outbox(local, local.followers[0])
    sent = outbox.send(order(board, board.writer, note))
    again = [Endpoint(node.url, 5.0) for node in local.nodes]
    for endpoint in again * 2:
        resend(endpoint, sent.raw)
    assert outbox.wait(sent, soon()).succeeded
    for endpoint in again:
        resend(endpoint, sent.raw)
    board.everywhere(note)
    nodes.close()


def resend(endpoint: Endpoint, raw: bytes) -> None:
    # A node may take it again without a word, or say that it knows it.
    with suppress(Refused):
        endpoint.send(raw)


def test_a_change_that_arrives_before_its_predecessor_waits_for_it(
    board: Board, local: Local, relay: MakeRelay
) -> None:
    first, second = board.note(), board.note()
    held: list[Any] = []

    def hold_first(method: str, parameters: Any, ask: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction" and not held:
            held.append(parameters)
            return "0x" + bytes(32).hex()
        return ask()

    slow = relay(local.followers[0].url)
    slow.alter = hold_first
    nodes = Nodes([Endpoint(slow.url, 5.0)], agreement=1, finality=local.finality, patience=60.0, chain_id=None)
    outbox = Outbox(nodes)
    sent = [outbox.send(order(board, board.writer, note)) for note in (first, second)]
    assert [each.nonce for each in sent] == [sent[0].nonce, sent[0].nonce + 1]
    # The node swallowed the first: whoever waits for the second sends both again.
    assert outbox.wait(sent[1], soon()).succeeded
    assert outbox.wait(sent[0], soon()).succeeded
    notes = board.notes(board.view)
    assert notes.index(first) < notes.index(second)
    board.everywhere(first, second)
    nodes.close()


def test_two_processes_with_one_key_each_have_their_changes(board: Board, network: Local) -> None:
    views = [network.connect(), network.connect()]
    notes = [[board.note() for _ in range(3)] for _ in views]

    def write_all(view: Any, mine: list[bytes]) -> Callable[[], None]:
        def act() -> None:
            with view.block():
                for note in mine:
                    board.write(view, board.third, note)

        return in_thread(act)

    for end in [write_all(view, mine) for view, mine in zip(views, notes, strict=True)]:
        end()
    board.everywhere(*notes[0], *notes[1])
    for view in views:
        view.close()


def test_a_number_that_another_process_took_is_replaced_once(board: Board, local: Local, relay: MakeRelay) -> None:
    first, second = board.note(), board.note()
    lossy, lost = relay(local.followers[0].url), threading.Event()

    def lose_first(method: str, parameters: Any, ask: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction" and not lost.is_set():
            lost.set()
            return "0x" + bytes(32).hex()
        return ask()

    lossy.alter = lose_first
    view = EvmNetwork([lossy.url], finality=local.finality)
    ended = in_thread(lambda: board.write(view, board.writer, first))
    assert lost.wait(30)
    board.write(board.view, board.writer, second)
    ended()
    board.everywhere(first, second)
    view.close()


def test_changes_of_a_block_may_build_on_one_another_and_refusals_name_themselves(board: Board, network: Local) -> None:
    first, second, third = board.note(), board.note(), board.note()
    with board.view.block():
        board.write(board.view, board.writer, first)
        board.view.transact(board.other, board.address, board.data("follow", second, first))
        with pytest.raises(Reverted, match=b"written already".hex()):
            board.write(board.view, board.third, first)
        board.write(board.view, board.third, third)
        assert third in board.notes(board.view)
    board.everywhere(first, second, third)


def test_a_refusal_found_only_on_the_chain_is_raised_at_the_end(board: Board, network: Local) -> None:
    note, other = board.note(), board.note()

    def write_all() -> None:
        with board.view.block():
            board.write(board.view, board.writer, note)
            board.write(board.view, board.other, note)
            board.write(board.view, board.third, other)

    with pytest.raises(Reverted, match=b"written already".hex()):
        write_all()
    board.everywhere(note, other)


def test_a_change_made_dearer_by_another_in_its_block_is_done_again(board: Board, network: Local) -> None:
    before = board.read("ballast", 0)
    with board.view.block():
        for account in (board.writer, board.other):
            board.view.transact(account, board.address, board.data("spring"))
    # Each was estimated on a state in which it is cheap; the second to be sealed is forty times dearer.
    assert board.read("ballast", 0) == before + 1


# polygon-edge has no call that cuts links, and its blocks are never replaced.
@pytest.mark.parametrize(
    "running", [pytest.param("clique", marks=pytest.mark.xdist_group("networks-clique"))], indirect=True
)
def test_a_cut_off_minoritys_blocks_are_replaced_and_its_changes_kept(board: Board, local: Local, links: Links) -> None:
    sealer = local.sealers[CUT_OFF]
    careful, (nodes, outbox) = local.connect(sealer), opened_outbox(local, sealer)
    sent, note, alone = sealed_alone(board, local, links, outbox)
    waiting = in_thread(lambda: outbox.wait(sent, soon()))
    board.write(board.view, board.other, theirs := board.note())
    local.wait_height(alone.number + 2 * local.finality, local.sealers[:CUT_OFF])
    # The minority has sealed the change, and must not call it final.
    assert note not in board.notes(careful)
    links[1](local, [CUT_OFF])
    waiting()
    kept = Endpoint(sealer.url, 5.0).receipt(sent.hash)
    assert kept is not None
    assert kept.block_hash != alone.block_hash
    board.everywhere(note, theirs)
    nodes.close()
    careful.close()


def sealed_alone(board: Board, local: Local, links: Links, outbox: Outbox) -> tuple[Any, bytes, Any]:
    """A change in a block that one sealer made while it was cut off, with that block's receipt."""
    part, join = links
    node = local.sealers[CUT_OFF]
    alone, place = (
        Endpoint(node.url, 5.0),
        sorted(node.request("clique_getSigners")).index(node.request("eth_coinbase")),
    )
    for _ in range(20):
        # The sealer makes its block from what it knows when the one before arrives: two blocks before its turn.
        until(lambda: (alone.head().number + 2) % len(local.sealers) == place)
        number, note = alone.head().number, board.note()
        # It pays nothing, so that only the sealer that it is handed to takes it.
        sent = outbox.send(replace(order(board, board.writer, note), price=0))
        until(lambda before=number: alone.head().number > before)
        part(local, CUT_OFF)
        time.sleep(3)
        receipt = alone.receipt(sent.hash)
        if receipt is not None and Endpoint(local.sealers[0].url, 5.0).receipt(sent.hash) is None:
            return sent, note, receipt
        # It had sealed the change before it was cut off, or did not come to its turn.
        join(local, [CUT_OFF])
        outbox.wait(sent, soon())
    pytest.fail("the sealer never made a block alone")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
