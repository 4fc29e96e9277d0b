"""The coordinator relays well-formed messages of enrolled hospitals, once each, and cannot read them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest

from mithridate.crypto import keys
from mithridate.errors import MessageError
from mithridate.federation.coordinator import Coordinator
from mithridate.federation.packing import join, split
from mithridate.federation.submission import MAX_OVERHEAD, RoundContext, make_submission, parse, parse_part

D = 5
SIGNER = keys.generate()
VALIDATORS = [keys.generate().public_key() for _ in range(3)]
STATE: Any = SimpleNamespace(round=2, attempt=1, submissions={})
NEXT: Any = SimpleNamespace(round=2, attempt=2, submissions={})


def message_of(hospital: int, length: int = D) -> bytes:
    context = RoundContext(b"s" * 32, 2, 1, hospital, b"b" * 32, length)
    return make_submission(np.arange(length, dtype=np.uint64), context, SIGNER, VALIDATORS)[0]


MESSAGE = message_of(0)
HEAD, BODY = split(MESSAGE, len(MESSAGE))
ITEMS = msgpack.unpackb(HEAD)


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return tmp_path / "coordinator" / "mailbox"


@pytest.fixture
def coordinator(mailbox: Path) -> Coordinator:
    ledger: Any = SimpleNamespace(
        hospitals=lambda: [SimpleNamespace(index=index) for index in range(3)], validators=lambda: [None] * 3
    )
    return Coordinator(ledger, mailbox, D)


def files(mailbox: Path) -> list[str]:
    return sorted(str(path.relative_to(mailbox)) for path in mailbox.rglob("*") if path.is_file())


@pytest.mark.parametrize("sender", [3, -1, 2**32 - 1])
def test_an_unknown_sender_is_refused_by_number(coordinator: Coordinator, mailbox: Path, sender: int) -> None:
    with pytest.raises(MessageError, match=f"unknown hospital {sender} was refused: it is not enrolled"):
        coordinator.accept(STATE, sender, MESSAGE)
    assert files(mailbox) == []


def test_the_curators_message_is_kept_apart_and_divided_like_any_other(coordinator: Coordinator, mailbox: Path) -> None:
    sent = message_of(2**32 - 1, 2 * D)
    assert coordinator.curated_part(STATE, 0) is None
    coordinator.accept_curated(STATE, sent)
    with pytest.raises(MessageError, match="before"):
        coordinator.accept_curated(STATE, message_of(2**32 - 1, 2 * D))
    assert coordinator.parts(STATE, 0) == {}
    for rank in range(3):
        assert coordinator.curated_part(STATE, rank) == parse(sent, 2 * D).for_validator(rank)
    assert coordinator.curated_part(NEXT, 0) is None
    coordinator.discard(STATE)
    assert files(mailbox) == []


def test_a_curators_message_too_large_is_refused(coordinator: Coordinator, mailbox: Path) -> None:
    with pytest.raises(MessageError, match="at most"):
        coordinator.accept_curated(STATE, message_of(2**32 - 1, 2 * D + MAX_OVERHEAD))
    assert files(mailbox) == []


def committed_to(message: bytes) -> Any:
    return SimpleNamespace(round=2, attempt=1, submissions={0: parse(message, D).header.digest()})


def test_a_message_may_be_replaced_until_the_hospital_commits_to_one(coordinator: Coordinator, mailbox: Path) -> None:
    coordinator.accept(STATE, 0, MESSAGE)
    second = message_of(0)
    coordinator.accept(STATE, 0, second)
    assert (mailbox / "2-1" / "0.msg").read_bytes() == second
    with pytest.raises(
        MessageError, match="hospital-0 committed to another message on the ledger than the one it sent"
    ):
        coordinator.accept(committed_to(second), 0, MESSAGE)
    with pytest.raises(MessageError, match="hospital-0 has handed in this message before"):
        coordinator.accept(committed_to(second), 0, second)
    assert (mailbox / "2-1" / "0.msg").read_bytes() == second
    coordinator.accept(NEXT, 0, message_of(0))
    assert files(mailbox) == ["2-1/0.msg", "2-2/0.msg"]


def test_a_message_lost_after_the_commitment_can_be_handed_in_again(coordinator: Coordinator, mailbox: Path) -> None:
    coordinator.accept(STATE, 0, message_of(0))
    coordinator.accept(committed_to(MESSAGE), 0, MESSAGE)
    assert (mailbox / "2-1" / "0.msg").read_bytes() == MESSAGE


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"", "cut short"),
        (b"hello", "cut short"),
        (MESSAGE[:-1], "cut short"),
        (MESSAGE + b"\0", "cut short"),
        (join(b"hello", b""), "not the msgpack"),
        (join(msgpack.packb([1, *ITEMS[1:]]), BODY), "version 1: this program reads version 2"),
        (join(msgpack.packb(ITEMS[:3]), BODY), "array of 4 items"),
        (bytes(8 * D + MAX_OVERHEAD + 1), f"at most {8 * D + MAX_OVERHEAD} are allowed"),
        (message_of(0, D + 200), f"at most {8 * D + MAX_OVERHEAD} are allowed"),
    ],
)
def test_what_is_malformed_or_too_large_is_refused_and_not_kept(
    coordinator: Coordinator, mailbox: Path, message: bytes, what: str
) -> None:
    with pytest.raises(MessageError, match=what):
        coordinator.accept(STATE, 0, message)
    assert files(mailbox) == []
    coordinator.accept(STATE, 0, MESSAGE)


@pytest.mark.parametrize("rank", range(3))
def test_a_validator_gets_its_own_envelope_and_rank_0_no_body(coordinator: Coordinator, rank: int) -> None:
    messages = {index: message_of(index) for index in (0, 2)}
    for index, message in messages.items():
        coordinator.accept(STATE, index, message)
    parts = coordinator.parts(STATE, rank)
    assert set(parts) == {0, 2}
    for index, part in parts.items():
        whole, own = parse(messages[index], D), parse_part(part, D)
        assert own.rank == rank
        assert own.header == whole.header
        assert own.envelope == whole.envelopes[rank]
        assert own.body == (b"" if rank == 0 else whole.body)
        assert all(whole.envelopes[other] not in part for other in range(3) if other != rank)
        assert (whole.body in part) == (rank != 0)


def test_parts_of_another_attempt_are_not_handed_out(coordinator: Coordinator) -> None:
    coordinator.accept(STATE, 0, MESSAGE)
    assert coordinator.parts(NEXT, 1) == {}


def test_discard_keeps_the_reference_set_and_what_came_for_the_next_attempt(
    coordinator: Coordinator, mailbox: Path
) -> None:
    coordinator.accept_reference((0, 1, 2), message_of(0, 2 * D), 2 * D)
    coordinator.accept(STATE, 0, MESSAGE)
    coordinator.accept(NEXT, 1, message_of(1))
    coordinator.discard(STATE)
    assert files(mailbox) == ["2-2/1.msg", "reference-0-1-2.msg"]
    coordinator.discard(SimpleNamespace(round=3, attempt=0))
    assert files(mailbox) == ["reference-0-1-2.msg"]
    assert [path.name for path in mailbox.iterdir()] == ["reference-0-1-2.msg"]
    assert parse_part(coordinator.reference_part((0, 1, 2), 0, 2 * D).part, 2 * D).body == b""
    assert parse_part(coordinator.reference_part((0, 1, 2), 2, 2 * D).part, 2 * D).body


def test_a_reference_message_of_another_length_is_refused(coordinator: Coordinator, mailbox: Path) -> None:
    with pytest.raises(MessageError, match="are allowed"):
        coordinator.accept_reference((0, 1, 2), message_of(0, 1000), D)
    assert files(mailbox) == []


def test_a_restart_loses_no_message(coordinator: Coordinator, mailbox: Path) -> None:
    coordinator.accept(STATE, 1, MESSAGE)
    # What a killed process was writing is no message.
    (mailbox / "2-1" / "2.part").write_bytes(MESSAGE[:40])
    again = Coordinator(coordinator._ledger, mailbox, D)
    assert set(again.parts(STATE, 0)) == {1}
    committed = SimpleNamespace(round=2, attempt=1, submissions={1: parse(MESSAGE, D).header.digest()})
    with pytest.raises(MessageError, match="before"):
        again.accept(committed, 1, MESSAGE)  # type: ignore[arg-type]
