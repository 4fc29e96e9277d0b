"""One committee hands its shares to the next: what arrives is what was kept, and whoever alters it is noticed."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.aggregation.secure import Memory
from mithridate.crypto import keys
from mithridate.errors import MithridateError, RoundVoid, TamperingDetected
from mithridate.federation.handover import Kept, KeptShape, handover_context, secret_of, settle, take_over
from mithridate.federation.standings import SharedStanding
from mithridate.federation.submission import make_submission, open_submission, parse
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.shares import ReplicatedShare, reconstruct, share_locally

STUDY = b"s" * 32
STATE: Any = SimpleNamespace(round=3, attempt=1, base_hash=b"b" * 32)
SIGNERS = [keys.generate() for _ in range(3)]
ENVELOPES = [keys.generate() for _ in range(3)]
words = st.integers(0, 2**64 - 1)


def kept_by_three(evidence: list[int], memory: list[int] | None, rounds: int = 5) -> list[Kept]:
    waited = tuple(range(len(evidence)))
    held = share_locally(np.array(evidence, dtype=np.uint64))
    if memory is None:
        return [Kept(SharedStanding(share, waited), None) for share in held]
    values = share_locally(np.array(memory, dtype=np.uint64).reshape(len(evidence), -1))
    return [
        Kept(SharedStanding(share, waited), Memory(value, rounds)) for share, value in zip(held, values, strict=True)
    ]


def shape_of(kept: Kept) -> KeptShape:
    return KeptShape(len(kept.standing.waited), None if kept.memory is None else kept.memory.values.shape)


def message(rank: int, secret: Any, shape: KeptShape) -> bytes:
    context = handover_context(STUDY, STATE, rank, shape)
    return make_submission(secret, context, SIGNERS[rank], [key.public_key() for key in ENVELOPES])[0]


def opened_by(rank: int, messages: dict[int, bytes], shape: KeptShape) -> dict[int, ReplicatedShare]:
    """What one of the new committee opens, by the old one's ranks."""
    opened = {}
    for sender, sent in messages.items():
        submission = parse(sent, shape.length)
        part = SimpleNamespace(
            header=submission.header, rank=rank, envelope=submission.envelopes[rank], body=submission.body
        )
        context = handover_context(STUDY, STATE, sender, shape)
        digest = submission.header.digest()
        opened[sender] = open_submission(part, rank, ENVELOPES[rank], context, SIGNERS[sender].public_key(), digest)  # type: ignore[arg-type]
    return opened


def together(work: Any) -> list[Any]:
    peers = memory_peers(20.0)

    def guarded(rank: int) -> Any:
        try:
            return work(rank, peers[rank])
        except MithridateError as error:
            peers[rank].hang_up()
            return error

    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(guarded, range(3)))


def handed_over(secrets: dict[int, Any], shape: KeptShape) -> list[Any]:
    messages = {rank: message(rank, secret, shape) for rank, secret in secrets.items()}
    return together(lambda rank, peers: take_over(opened_by(rank, messages, shape), shape, peers))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(words, min_size=3, max_size=3),
    st.none() | st.lists(words, min_size=6, max_size=6),
    st.sampled_from([(0, 1, 2), (0, 1), (0, 2), (1, 2)]),
)
def test_two_of_the_old_committee_are_enough(evidence: list[int], memory: list[int] | None, present: Any) -> None:
    kept = kept_by_three(evidence, memory)
    shape = shape_of(kept[0])
    taken = handed_over({rank: secret_of(kept[rank]) for rank in present}, shape)
    assert reconstruct([each.standing.evidence for each in taken]).tolist() == evidence
    assert {each.standing.waited for each in taken} == {(0, 1, 2)}
    if memory is not None:
        assert reconstruct([each.memory.values for each in taken]).reshape(-1).tolist() == memory
        assert {each.memory.rounds for each in taken} == {5}


def test_the_new_shares_have_nothing_in_common_with_the_old_ones() -> None:
    kept = kept_by_three([1, 2, 3], None)
    taken = handed_over({rank: secret_of(kept[rank]) for rank in range(3)}, shape_of(kept[0]))
    old = {int(word) for each in kept for word in (*each.standing.evidence.first, *each.standing.evidence.second)}
    new = {int(word) for each in taken for word in (*each.standing.evidence.first, *each.standing.evidence.second)}
    assert not old & new


@pytest.mark.parametrize("present", [(), (0,), (1,), (2,)])
def test_one_alone_is_not_enough(present: tuple[int, ...]) -> None:
    kept = kept_by_three([1, 2, 3], None)
    for error in handed_over({rank: secret_of(kept[rank]) for rank in present}, shape_of(kept[0])):
        assert isinstance(error, RoundVoid)
        assert "handed over what it keeps: 2 are needed" in str(error)


@pytest.mark.parametrize("liar", range(3))
@pytest.mark.parametrize("where", range(18))
def test_with_all_three_there_whatever_one_alters_of_its_components_is_noticed(liar: int, where: int) -> None:
    kept = kept_by_three([1, 2, 3], [4, 5, 6, 7, 8, 9])
    secrets = {rank: secret_of(kept[rank]) for rank in range(3)}
    secrets[liar][where] ^= np.uint64(1 << 63)
    results = handed_over(secrets, shape_of(kept[0]))
    assert all(isinstance(result, TamperingDetected) for result in results)
    assert all("of the last committee hand over different components" in str(result) for result in results)


@pytest.mark.parametrize("where", [-1, -2, -4])
def test_so_are_different_words_on_who_was_checked_when(where: int) -> None:
    kept = kept_by_three([1, 2, 3], [4, 5, 6])
    secrets = {rank: secret_of(kept[rank]) for rank in range(3)}
    secrets[1][where] ^= np.uint64(1)
    for result in handed_over(secrets, shape_of(kept[0])):
        assert isinstance(result, TamperingDetected)
        assert "different records of who was checked when" in str(result)


def test_a_number_of_rounds_that_cannot_be_is_refused_though_all_say_it() -> None:
    kept = kept_by_three([1, 2, 3], None)
    secrets = {rank: secret_of(kept[rank]) for rank in range(3)}
    for secret in secrets.values():
        secret[-2] = np.uint64(2**32)
    assert all(isinstance(each, TamperingDetected) for each in handed_over(secrets, shape_of(kept[0])))


def test_with_two_there_the_component_that_both_hold_is_compared() -> None:
    kept = kept_by_three([1, 2, 3], None)
    secrets = {rank: secret_of(kept[rank]) for rank in (0, 1)}
    # Component 1 is the second one of rank 0.
    secrets[0][3] ^= np.uint64(1)
    assert all(isinstance(each, TamperingDetected) for each in handed_over(secrets, shape_of(kept[0])))


DIGESTS = [bytes([number]) * 32 for number in (1, 2, 3)]


def test_a_message_counts_that_all_three_opened_and_none_of_which_versions_differ() -> None:
    held = [list(DIGESTS) for _ in range(3)]
    assert together(lambda rank, peers: settle(held[rank], peers)) == [[0, 1, 2]] * 3
    held[1][0] = bytes(32)
    held[2][2] = b"x" * 32
    assert together(lambda rank, peers: settle(held[rank], peers)) == [[1]] * 3
    held[0][1] = held[1][1] = held[2][1] = bytes(32)
    assert together(lambda rank, peers: settle(held[rank], peers)) == [[]] * 3


class TwoFaced:
    """A validator's end of the channel that tells rank 2 another first message than rank 0."""

    def __init__(self, peers: Any) -> None:
        self._peers = peers
        self.rank = peers.rank
        self._told = False

    def send(self, to: int, message: bytes) -> None:
        altered = message[:-32] + bytes(32) if to == 2 and not self._told else message
        self._told = self._told or to == 2
        self._peers.send(to, altered)

    def receive(self, sender: int) -> bytes:
        return bytes(self._peers.receive(sender))


def test_who_tells_the_two_others_different_digests_only_leaves_messages_out() -> None:
    found = together(lambda rank, peers: settle(DIGESTS, TwoFaced(peers) if rank == 1 else peers))
    assert found == [[0, 1]] * 3


def test_a_share_keeps_the_rank_of_the_new_committee() -> None:
    kept = kept_by_three([1, 2, 3], [4, 5, 6])
    taken = handed_over({rank: secret_of(kept[rank]) for rank in range(3)}, shape_of(kept[0]))
    held: list[ReplicatedShare] = [each.standing.evidence for each in taken]
    assert [share.rank for share in held] == [0, 1, 2]
