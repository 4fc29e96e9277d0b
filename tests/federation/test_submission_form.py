"""Bytes that are no submission, by hand and at random: refused before anything of a claimed size is allocated."""

from dataclasses import replace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.crypto import keys
from mithridate.errors import MessageError
from mithridate.federation.packing import join, split
from mithridate.federation.submission import MAX_OVERHEAD, VERSION, RoundContext, make_submission, parse, parse_part

D = 6
CONTEXT = RoundContext(b"s" * 32, 3, 1, 7, b"b" * 32, D)
MESSAGE, _ = make_submission(
    np.arange(D, dtype=np.uint64), CONTEXT, keys.generate(), [keys.generate().public_key() for _ in range(3)]
)
ENVELOPES, BODY_AT = 3, 4


def _items() -> list[Any]:
    head, body = split(MESSAGE, len(MESSAGE))
    return [*msgpack.unpackb(head), bytes(body)]


def _with(index: int, value: Any) -> bytes:
    items = _items()
    items[index] = value
    *head, body = items
    return join(msgpack.packb(head), body)


NOT_HEADS: dict[str, bytes] = {
    "text": b"not msgpack at all",
    "an integer": msgpack.packb(1),
    "a map": msgpack.packb({"version": VERSION}),
    "an empty array": msgpack.packb([]),
    "strings for bytes": msgpack.packb([VERSION, "header", "signature", ["a", "b", "c"]]),
    "nothing for bytes": msgpack.packb([VERSION, None, None, None]),
    "a fifth item": msgpack.packb([*_items()[:-1], b""]),
    "the body among them": msgpack.packb(_items()),
    "something behind them": msgpack.packb(_items()[:-1]) + b"\0",
    "nested deeply": b"\x91" * 600,
    "nested in width": b"\x9a" * 100,
    "claims 4 GiB of bytes": b"\x94\x02\xc6\xff\xff\xff\xff",
    "claims 4 G items": b"\xdd\xff\xff\xff\xff",
    "claims 4 G pairs": b"\xdf\xff\xff\xff\xff",
    "claims a 4 GiB extension": b"\xc9\xff\xff\xff\xff\x01",
    "a timestamp": msgpack.packb([VERSION, msgpack.Timestamp(1, 0), b"", []]),
    "never-used byte": b"\xc1",
    "nothing": b"",
}
NOT_MESSAGES: dict[str, bytes] = {
    **{f"head: {name}": join(head, _items()[BODY_AT]) for name, head in NOT_HEADS.items()},
    "another version": _with(0, VERSION - 1),
    "true for the version": _with(0, True),
    "a float for the version": _with(0, float(VERSION)),
    "two envelopes": _with(ENVELOPES, _items()[ENVELOPES][:2]),
    "four envelopes": _with(ENVELOPES, [*_items()[ENVELOPES], b""]),
    "an envelope too short": _with(ENVELOPES, [*_items()[ENVELOPES][:2], b"short"]),
    "a nested envelope": _with(ENVELOPES, [[b"a"], [b"b"], [b"c"]]),
    "one array with the body in it": msgpack.packb(_items()),
    "sizes alone": MESSAGE[:6],
    "not even sizes": MESSAGE[:5],
    "head shorter than its size": b"\xff\xff" + MESSAGE[2:],
    "body shorter than its size": MESSAGE[:-1],
    "body longer than its size": MESSAGE + b"\0",
    "claims a body of 4 GiB": MESSAGE[:2] + b"\xff\xff\xff\xff" + MESSAGE[6:],
    "too large": MESSAGE + bytes(MAX_OVERHEAD),
}


@pytest.mark.parametrize("name", NOT_MESSAGES)
@pytest.mark.parametrize("reads", [parse, parse_part])
def test_what_is_no_message_is_refused(name: str, reads: Any) -> None:
    with pytest.raises(MessageError):
        reads(NOT_MESSAGES[name], D)


@pytest.mark.parametrize("reads", [parse, parse_part])
def test_a_well_formed_message_beyond_the_studys_size_is_refused(reads: Any) -> None:
    submission = replace(parse(MESSAGE, D), body=bytes(8 * D + MAX_OVERHEAD))
    for message in (submission.for_validator(1), _with(BODY_AT, submission.body)):
        with pytest.raises(MessageError, match=f"at most {8 * D + MAX_OVERHEAD} are allowed"):
            reads(message, D)


@given(st.binary(max_size=400))
def test_noise_is_no_message(noise: bytes) -> None:
    for reads in (parse, parse_part):
        with pytest.raises(MessageError):
            reads(noise, D)
