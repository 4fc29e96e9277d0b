"""Bytes between a site and the coordinator: what is signed is read, and nothing else, whatever is sent."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.crypto import signing
from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import generate
from mithridate.errors import MessageError, SignatureInvalid
from mithridate.federation.remote import wire
from mithridate.federation.remote.wire import (
    MAX_NAME,
    MAX_PARTS,
    MAX_REASON,
    RelayRefused,
    Topic,
    answer,
    make_request,
    open_request,
    pack_page,
    read_answer,
    read_page,
    refusal,
)

STUDY = b"s" * 32
KEY, OTHER = generate(), generate()
KEYS = {"hospital-1": KEY.public_key(), "hospital-2": OTHER.public_key()}
LIMIT = 10_000
REQUEST = make_request(STUDY, "hospital-1", KEY, 7, Topic.SUBMISSION, [1, 0, b"message"])
VERSION, SENDER, NUMBER, TOPIC, BODY, SIGNATURE = range(6)


def opened(data: bytes, limit: int = LIMIT) -> wire.Request:
    return open_request(data, STUDY, KEYS, limit)


def packed(value: Any) -> bytes:
    data: bytes = msgpack.packb(value)
    return data


def signed(*head: Any, key: Any = KEY, study: bytes = STUDY) -> bytes:
    """A request of any content that a participant signed."""
    return packed([*head, signing.sign(key, Domain.RELAY_REQUEST, packed([study, *head]))])


def nested(depth: int, leaf: bytes = b"\xc0") -> bytes:
    return b"\x91" * depth + leaf


items = st.lists(st.one_of(st.integers(-(2**63), 2**64 - 1), st.binary(max_size=50)), max_size=3)
anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=80), st.binary()
    ),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.sampled_from(Topic), st.integers(1, 2**63 - 1), items)
def test_what_was_signed_is_read(topic: Topic, number: int, body: list[Any]) -> None:
    request = opened(make_request(STUDY, "hospital-1", KEY, number, topic, body))
    assert request == wire.Request("hospital-1", number, topic, tuple(body))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        opened(data)


@settings(deadline=None)
@given(anything)
def test_other_msgpack_is_refused(value: Any) -> None:
    with pytest.raises(MessageError):
        opened(packed(value))


@settings(deadline=None)
@given(st.lists(anything, min_size=5, max_size=5))
def test_any_head_that_a_participant_signed_is_read_or_refused(head: list[Any]) -> None:
    with pytest.raises((MessageError, SignatureInvalid)):
        opened(signed(*head))


@settings(deadline=None)
@given(st.integers(0, 5), anything)
def test_one_field_of_another_kind_is_refused(index: int, value: Any) -> None:
    fields = msgpack.unpackb(REQUEST)
    if packed(value) == packed(fields[index]):
        return
    fields[index] = value
    with pytest.raises((MessageError, SignatureInvalid)):
        opened(packed(fields))


@settings(deadline=None)
@given(st.data())
def test_a_request_that_was_altered_is_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(REQUEST)))
    end = data.draw(st.integers(start, min(len(REQUEST), start + 8)))
    altered = REQUEST[:start] + data.draw(st.binary(max_size=8)) + REQUEST[end:]
    if altered == REQUEST:
        return
    with pytest.raises((MessageError, SignatureInvalid)):
        opened(altered)


@pytest.mark.parametrize("topic", [[], {}, nested(1), ["model"], None, 1, b"model", "models", "MODEL", ""])
def test_a_topic_that_is_none_is_refused_also_when_signed(topic: Any) -> None:
    with pytest.raises(MessageError):
        opened(signed(1, "hospital-1", 1, topic, packed([])))


@pytest.mark.parametrize("version", [True, 1.0, 2, 0, "1", None, b"\1"])
def test_another_version_is_refused_also_when_signed(version: Any) -> None:
    with pytest.raises(MessageError, match="this program reads version 1"):
        opened(signed(version, "hospital-1", 1, "model", packed([])))


@pytest.mark.parametrize("number", [0, -1, 2**63, 2**64 - 1, True, 1.0, "1", None, b"1"])
def test_a_number_is_a_positive_integer_of_63_bits(number: Any) -> None:
    with pytest.raises(MessageError, match="has a number above zero"):
        opened(signed(1, "hospital-1", number, "model", packed([])))


@pytest.mark.parametrize(
    "body",
    [
        packed(None),
        packed({}),
        packed(["text"]),
        packed([None]),
        packed([1.0]),
        packed([True]),
        packed([[]]),
        b"",
        packed([1, 2, 3, 4]),
        packed([1]) + b"\0",
        nested(600),
        b"\xdd\xff\xff\xff\xff",
        b"\x91\xc6\xff\xff\xff\xff",
    ],
)
def test_a_body_of_another_kind_is_refused_also_when_signed(body: bytes) -> None:
    with pytest.raises(MessageError):
        opened(signed(1, "hospital-1", 1, "model", body))


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("depth", [1, 2, 100, 500, 900, 1022, 1023, 1024, 5000])
def test_arrays_within_arrays_are_refused_however_deep(index: int, depth: int) -> None:
    fields = [packed(field) for field in msgpack.unpackb(REQUEST)]
    fields[index] = nested(depth)
    with pytest.raises(MessageError):
        opened(b"\x96" + b"".join(fields))


def test_who_signs_for_another_or_for_another_study_is_refused() -> None:
    for forged in (
        signed(1, "hospital-1", 1, "model", packed([]), key=OTHER),
        signed(1, "hospital-2", 1, "model", packed([]), key=KEY),
        signed(1, "hospital-1", 1, "model", packed([]), study=b"t" * 32),
    ):
        with pytest.raises(SignatureInvalid, match="does not verify"):
            opened(forged)
    with pytest.raises(SignatureInvalid, match="'stranger' is not in the roster"):
        opened(signed(1, "stranger", 1, "model", packed([]), key=OTHER))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), b"\xff" * 64, bytes(65), bytes(5000)])
def test_a_signature_of_nothing_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        opened(packed([1, "hospital-1", 1, "model", packed([]), signature]))


def test_a_request_beyond_the_limit_is_not_read() -> None:
    assert opened(REQUEST, len(REQUEST)).items == (1, 0, b"message")
    with pytest.raises(MessageError, match=f"{len(REQUEST)} bytes where at most {len(REQUEST) - 1}"):
        opened(REQUEST, len(REQUEST) - 1)


SIZE = 2_000_000
BOMBS = {
    "empty arrays": b"\x96" * 7 + b"\x90" * SIZE,
    "a tree of six": b"\x96" * SIZE,
    "wide": b"\xdc\x0f\xff" + (b"\xdc\x0f\xff" + b"\x90" * 4095) * (SIZE // 4098),
    "empty maps": b"\xdc\x0f\xff" + (b"\xdc\x0f\xff" + b"\x80" * 4095) * (SIZE // 4098),
    "claims 4 G items": b"\xdd\xff\xff\xff\xff",
    "claims 4 GiB": b"\x96\x01\xc6\xff\xff\xff\xff",
    "claims 4 GiB of text": b"\x96\x01\xdb\xff\xff\xff\xff",
    "a long version": packed([bytes(SIZE), "hospital-1", 1, "model", b"", b""]),
    "a long topic": packed([1, "hospital-1", 1, bytes(SIZE), b"", b""]),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("where", ["request", "body", "answer", "page"])
def test_no_message_takes_much_more_memory_than_its_bytes(bomb: str, where: str) -> None:
    data, limit = BOMBS[bomb], 2 * SIZE
    if where == "body":
        data = signed(1, "hospital-1", 1, "model", data)
    readers: dict[str, Callable[[bytes], Any]] = {
        "answer": lambda data: read_answer(data, limit),
        "page": lambda data: read_page(data, limit, 0),
    }
    read = readers.get(where, lambda data: opened(data, limit))
    tracemalloc.start()
    try:
        with pytest.raises(MessageError):
            read(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A body is held with copies of what was signed; a page may open 1,024 arrays that are never filled.
    assert peak < {"body": 5 * SIZE, "page": SIZE + 20_000_000}.get(where, 2 * SIZE)


@settings(deadline=None)
@given(st.binary(max_size=1000))
def test_an_answer_brings_its_payload(payload: bytes) -> None:
    assert read_answer(answer(payload), LIMIT) == payload


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=100), anything.map(packed)))
def test_whatever_comes_for_an_answer_is_malformed(data: bytes) -> None:
    with pytest.raises((MessageError, RelayRefused)):
        read_answer(data, LIMIT)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=2 * MAX_REASON))
def test_a_reason_is_one_line_that_can_be_printed(reason: str) -> None:
    for data in (refusal(reason), packed([1, True, reason.encode("utf-8", "surrogatepass")])):
        with pytest.raises(RelayRefused) as caught:
            read_answer(data, LIMIT)
        text = str(caught.value)
        assert text.isprintable()
        assert len(text) <= MAX_REASON


def test_a_reason_forges_no_line_of_a_log() -> None:
    with pytest.raises(RelayRefused, match=r"^no\?WARNING all is well\?\[2J$"):
        read_answer(packed([1, True, b"no\nWARNING all is well\x1b[2J"]), LIMIT)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 2**63 - 2), st.binary(max_size=20), max_size=20), st.booleans())
def test_a_page_is_read_as_it_was_written(parts: dict[int, bytes], more: bool) -> None:
    following = max(parts) + 1 if parts and more else 0
    assert read_page(pack_page(parts, following), LIMIT, min(parts, default=0)) == (parts, following)


def test_a_full_page_is_read() -> None:
    parts = dict.fromkeys(range(MAX_PARTS), b"part")
    assert read_page(pack_page(parts, MAX_PARTS), 100_000, 0) == (parts, MAX_PARTS)


@pytest.mark.parametrize(
    ("page", "first"),
    [
        ([], 0),
        ([5], 0),  # nothing, and yet more
        ([1, 0, b"a", 0, b"b"], 0),  # one twice
        ([0, 1, b"a", 0, b"b"], 0),  # backwards
        ([1, 1, b"a"], 0),  # the same again
        ([4, 3, b"a"], 4),  # before where it should begin
        ([-1, 3, b"a"], 0),
        ([0, -3, b"a"], 0),
        ([0, 3], 0),
        ([0, b"a", 3], 0),
        ([None, 3, b"a"], 0),
        ([True, 0, b"a"], 0),
        ([0, True, b"a"], 0),
        ([0, 3, "a"], 0),
        ([0, 3, None], 0),
        ([0, 3, [b"a"]], 0),
        ([0, 3.0, b"a"], 0),
        ([0, *(each for index in range(MAX_PARTS + 1) for each in (index, b""))], 0),
        ("page", 0),
        ({}, 0),
    ],
)
def test_a_page_that_is_none_is_refused(page: Any, first: int) -> None:
    with pytest.raises(MessageError):
        read_page(packed(page), 100_000, first)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=100), anything.map(packed)), st.integers(0, 10))
def test_a_page_goes_on_or_is_refused(data: bytes, first: int) -> None:
    try:
        parts, following = read_page(data, LIMIT, first)
    except MessageError:
        return
    assert all(index >= first for index in parts)
    assert following == 0 or following > max(parts)


def test_a_long_name_is_refused_before_it_is_looked_up() -> None:
    with pytest.raises(MessageError):
        opened(packed([1, "h" * (MAX_NAME + 1), 1, "model", packed([]), bytes(64)]))


def test_no_error_tells_what_a_message_holds() -> None:
    canary = "canary-of-a-key"
    for index in range(6):
        for value in (canary, canary.encode(), [canary], {canary: 1}):
            fields = msgpack.unpackb(REQUEST)
            fields[index] = value
            with pytest.raises((MessageError, SignatureInvalid)) as caught:
                opened(packed(fields))
            # The name of who asks is no secret, and the only thing repeated.
            assert canary not in str(caught.value) or index == SENDER
