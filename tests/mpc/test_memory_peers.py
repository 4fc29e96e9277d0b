"""The channel in memory counts what it would cost between machines."""

from mithridate.mpc.peers import memory_peers


def test_a_round_is_a_wait_after_something_was_sent() -> None:
    first, second, _ = memory_peers(5.0)
    first.send(1, b"abc")
    first.send(1, b"de")
    assert (first.rounds, first.sent_bytes) == (0, 5)
    assert [second.receive(0), second.receive(0)] == [b"abc", b"de"]
    # It waited without having sent: whoever sent counts the round.
    assert second.rounds == 0
    second.send(0, b"f")
    assert first.receive(1) == b"f"
    assert first.rounds == 1
    first.send(1, b"g")
    second.receive(0)
    assert (first.rounds, second.rounds) == (1, 1)
