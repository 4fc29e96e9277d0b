"""Arrays of msgpack from anybody, within bounds."""

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.errors import MessageError
from mithridate.federation.packing import join, shown, split, unpack_array

flat = st.lists(st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.binary()), max_size=8)


@settings(deadline=None)
@given(flat)
def test_a_flat_array_is_read(items: list[Any]) -> None:
    assert unpack_array(msgpack.packb(items), 10_000, 8) == items


@settings(deadline=None)
@given(flat, flat)
def test_so_many_arrays_are_read_as_are_asked_for(items: list[Any], inner: list[Any]) -> None:
    data = msgpack.packb([inner, *items])
    assert unpack_array(data, 10_000, 9, arrays=2) == [inner, *items]
    with pytest.raises(MessageError, match="arrays within arrays"):
        unpack_array(data, 10_000, 9)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(1, 3))
def test_anything_else_is_refused(data: bytes, arrays: int) -> None:
    try:
        items = unpack_array(data, 100, 4, arrays=arrays)
    except MessageError:
        return
    assert len(data) <= 100
    assert len(items) <= 4


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([bytes, bytearray, memoryview]))
def test_what_was_joined_is_split_without_a_copy(head: bytes, bulk: bytes, buffer: Any) -> None:
    data = buffer(join(head, bulk))
    parts = split(data, 606)
    assert parts == (head, bulk)
    assert all(part.obj is (data.obj if buffer is memoryview else data) for part in parts)


@given(st.binary(max_size=20))
def test_noise_is_split_only_where_it_is_as_long_as_it_says(data: bytes) -> None:
    try:
        head, bulk = split(data, 16)
    except MessageError:
        return
    assert join(head, bulk) == data
    assert len(data) <= 16


@pytest.mark.parametrize("data", [b"", bytes(5), join(b"head", b"bulk")[:-1], join(b"head", b"bulk") + b"\0"])
def test_what_is_not_as_long_as_it_says_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError, match="cut short, or of another version"):
        split(data, 100)


def test_nothing_is_split_beyond_the_limit() -> None:
    with pytest.raises(MessageError, match="at most 13 are allowed"):
        split(join(b"head", b"bulk"), 13)


@pytest.mark.parametrize(
    ("value", "keywords"),
    [
        ([1, 2, 3], {"items": 2}),
        ([1, 2], {"items": 3, "size": 3}),
        (["text"], {"items": 3}),
        (["text"], {"items": 3, "text": 3}),
        ([{1: 2}], {"items": 3}),
        ([msgpack.ExtType(5, b"x")], {"items": 3}),
        ([msgpack.Timestamp(1)], {"items": 3}),
        ([[[]]], {"items": 3, "arrays": 2}),
        ([[], []], {"items": 3, "arrays": 2}),
        ({}, {"items": 3}),
        (1, {"items": 3}),
        (None, {"items": 3}),
    ],
)
def test_beyond_a_bound_nothing_is_read(value: Any, keywords: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        unpack_array(msgpack.packb(value), 1000, **keywords)


def test_what_is_shown_of_a_value_is_a_number_or_its_type() -> None:
    assert [shown(value) for value in (7, -1, True, b"secret", "secret", [b"secret"], None, 1.5)] == [
        "7", "-1", "bool", "bytes", "str", "list", "NoneType", "float"
    ]  # fmt: skip
