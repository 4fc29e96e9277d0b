import secrets
from dataclasses import replace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mithridate.crypto import commitment, envelope, keys
from mithridate.crypto.domains import COMPONENTS
from mithridate.crypto.sharing import PARTIES, expand, reconstruct
from mithridate.errors import (
    EnvelopeError,
    MessageError,
    MithridateError,
    ProtocolError,
    ShapeError,
    ShareMismatch,
    SignatureInvalid,
    StaleError,
)
from mithridate.federation.packing import join, split
from mithridate.federation.submission import (
    MAX_OVERHEAD,
    RoundContext,
    Submission,
    make_submission,
    open_submission,
    parse,
    parse_part,
)
from mithridate.mpc.shares import ReplicatedShare, unwritten

D = 6
SIGNER, STRANGER = keys.generate(), keys.generate()
VALIDATORS = [keys.generate() for _ in range(PARTIES)]
PUBLIC = [key.public_key() for key in VALIDATORS]
CONTEXT = RoundContext(b"s" * 32, 3, 1, 7, b"b" * 32, D)
SECRET = np.array([0, 1, 2**63, 2**63 - 1, 2**64 - 1, 12345], dtype=np.uint64)
MESSAGE, DIGEST = make_submission(SECRET, CONTEXT, SIGNER, PUBLIC)
ALL_RANKS = pytest.mark.parametrize("rank", range(PARTIES))


def _open(
    message: bytes,
    rank: int,
    *,
    expected: RoundContext = CONTEXT,
    digest: bytes = DIGEST,
    key: keys.PrivateKey | None = None,
    into: ReplicatedShare | None = None,
) -> ReplicatedShare:
    """As a validator would: the coordinator parses and relays, the validator parses its part and opens it."""
    part = parse_part(parse(message, D).for_validator(rank), D)
    return open_submission(part, rank, key or VALIDATORS[rank], expected, SIGNER.public_key(), digest, into)


def _outcome(message: bytes, rank: int, **given: Any) -> type[MithridateError] | None:
    try:
        _open(message, rank, **given)
    except MithridateError as error:
        return type(error)
    return None


def _items(message: bytes = MESSAGE) -> list[Any]:
    head, body = split(message, len(message))
    return [*msgpack.unpackb(head), bytes(body)]


def _made(items: list[Any]) -> bytes:
    *head, body = items
    return join(msgpack.packb(head), body)


def _with(index: int, value: Any, message: bytes = MESSAGE) -> bytes:
    items = _items(message)
    items[index] = value
    return _made(items)


def _flip(data: bytes, at: int = 0) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@settings(max_examples=30)
@given(
    hnp.arrays(
        np.uint64,
        st.one_of(st.integers(1, 30), st.sampled_from([2**14, 2**14 + 1])),
        elements=st.one_of(st.sampled_from([0, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1)),
        fill=st.integers(0, 2**64 - 1),
    ),
    st.integers(0, 2**32 - 1),
)
def test_what_three_validators_open_is_the_update(secret: NDArray[Any], number: int) -> None:
    context = RoundContext(secrets.token_bytes(32), number, number, number, secrets.token_bytes(32), secret.size)
    message, digest = make_submission(secret, context, SIGNER, PUBLIC)
    assert len(message) <= 8 * secret.size + MAX_OVERHEAD
    submission = parse(message, secret.size)
    opened = [
        open_submission(
            parse_part(submission.for_validator(rank), secret.size), rank, key, context, SIGNER.public_key(), digest
        )
        for rank, key in enumerate(VALIDATORS)
    ]
    assert np.array_equal(reconstruct(*(share.first for share in opened)), secret)
    for rank in range(PARTIES):
        assert opened[rank].rank == rank
        assert np.array_equal(opened[rank].second, opened[(rank + 1) % PARTIES].first)


@ALL_RANKS
def test_a_share_is_opened_into_its_row(rank: int) -> None:
    rows = ReplicatedShare(rank, np.zeros((3, D), np.uint64), np.zeros((3, D), np.uint64))
    _open(MESSAGE, rank, into=rows[1])
    opened = _open(MESSAGE, rank)
    assert np.array_equal(rows.first[1], opened.first)
    assert np.array_equal(rows.second[1], opened.second)
    assert not rows[[0, 2]].first.any()
    assert not rows[[0, 2]].second.any()


@ALL_RANKS
def test_room_for_another_share_is_refused(rank: int) -> None:
    for room in (unwritten(rank, (D + 1,)), unwritten((rank + 1) % PARTIES, (D,)), unwritten(rank, (1, D))):
        with pytest.raises(ShapeError, match="room for 6 parameters"):
            _open(MESSAGE, rank, into=room)


def test_two_submissions_of_one_update_have_nothing_secret_in_common() -> None:
    other, digest = make_submission(SECRET, CONTEXT, SIGNER, PUBLIC)
    assert digest != DIGEST
    first, second = parse(MESSAGE, D), parse(other, D)
    assert not set(first.header.commitments) & set(second.header.commitments)
    assert not set(first.envelopes) & set(second.envelopes)
    assert first.body != second.body


# What the outcome is, at ranks 0, 1 and 2, when one region of the message is altered on its way.
HEADER, SIGNATURE, ENVELOPES, BODY_AT = 1, 2, 3, 4
_STUDY_AT, _BASE_AT = 4, 4 + 32 + 3 + 2
ALTERED: dict[str, tuple[bytes, tuple[type[MithridateError] | None, ...]]] = {
    "nothing": (MESSAGE, (None, None, None)),
    "header: study": (_with(HEADER, _flip(_items()[HEADER], _STUDY_AT)), (StaleError,) * 3),
    "header: base": (_with(HEADER, _flip(_items()[HEADER], _BASE_AT)), (StaleError,) * 3),
    "header: a commitment": (_with(HEADER, _flip(_items()[HEADER], -1)), (SignatureInvalid,) * 3),
    "header: framing": (_with(HEADER, _flip(_items()[HEADER], 0)), (MessageError,) * 3),
    "header: cut": (_with(HEADER, _items()[HEADER][:-1]), (MessageError,) * 3),
    "header: extended": (_with(HEADER, _items()[HEADER] + b"\0"), (MessageError,) * 3),
    "signature": (_with(SIGNATURE, _flip(_items()[SIGNATURE])), (SignatureInvalid,) * 3),
    "signature: cut": (_with(SIGNATURE, _items()[SIGNATURE][:-1]), (MessageError,) * 3),
    "body: ciphertext": (_with(BODY_AT, _flip(_items()[BODY_AT])), (None, EnvelopeError, EnvelopeError)),
    "body: tag": (_with(BODY_AT, _flip(_items()[BODY_AT], -1)), (None, EnvelopeError, EnvelopeError)),
    "body: cut": (_with(BODY_AT, _items()[BODY_AT][:-8]), (None, EnvelopeError, EnvelopeError)),
    "body: extended": (_with(BODY_AT, _items()[BODY_AT] + bytes(8)), (None, EnvelopeError, EnvelopeError)),
    "body: gone": (_with(BODY_AT, b""), (None, EnvelopeError, EnvelopeError)),
    "envelopes exchanged": (_with(ENVELOPES, _items()[ENVELOPES][::-1]), (EnvelopeError, None, EnvelopeError)),
    "cut short": (MESSAGE[:-1], (MessageError,) * 3),
    "extended": (MESSAGE + b"\0", (MessageError,) * 3),
    "empty": (b"", (MessageError,) * 3),
}
for _rank in range(PARTIES):
    for _byte in (0, 1, 40, 60, -1):
        _envelopes = _items()[ENVELOPES]
        _envelopes[_rank] = _flip(_envelopes[_rank], _byte)
        ALTERED[f"envelope {_rank}: byte {_byte}"] = (
            _with(ENVELOPES, _envelopes),
            tuple(EnvelopeError if rank == _rank else None for rank in range(PARTIES)),
        )


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_message_is_refused_by_whoever_it_concerns(name: str) -> None:
    message, expected = ALTERED[name]
    assert tuple(_outcome(message, rank) for rank in range(PARTIES)) == expected


@settings(max_examples=300)
@given(st.integers(0, 8 * len(MESSAGE) - 1))
def test_no_flipped_bit_passes_all_three(bit: int) -> None:
    altered = bytearray(MESSAGE)
    altered[bit // 8] ^= 1 << bit % 8
    outcomes = [_outcome(bytes(altered), rank) for rank in range(PARTIES)]
    assert any(outcomes)
    assert all(outcome is None or issubclass(outcome, ProtocolError) for outcome in outcomes)


@ALL_RANKS
@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("study_id", b"t" * 32, StaleError),
        ("round", 4, StaleError),
        ("attempt", 2, StaleError),
        ("attempt", 0, StaleError),
        ("hospital", 8, StaleError),
        ("base_hash", b"c" * 32, StaleError),
        ("length", D + 1, ShapeError),
        ("length", D - 1, ShapeError),
    ],
)
def test_a_replay_is_stale(rank: int, field: str, value: Any, error: type[MithridateError]) -> None:
    with pytest.raises(error):
        _open(MESSAGE, rank, expected=replace(CONTEXT, **{field: value}))


@ALL_RANKS
def test_an_earlier_submission_of_the_same_round_does_not_match_the_ledger(rank: int) -> None:
    other, _ = make_submission(SECRET, CONTEXT, SIGNER, PUBLIC)
    with pytest.raises(ShareMismatch, match="ledger"):
        _open(other, rank)


@ALL_RANKS
def test_another_key_than_the_enrolled_one_is_a_wrong_signature(rank: int) -> None:
    message, digest = make_submission(SECRET, CONTEXT, STRANGER, PUBLIC)
    with pytest.raises(SignatureInvalid):
        _open(message, rank, digest=digest)


@ALL_RANKS
def test_the_wrong_recipient_opens_nothing(rank: int) -> None:
    with pytest.raises(EnvelopeError):
        _open(MESSAGE, rank, key=STRANGER)


@ALL_RANKS
@pytest.mark.parametrize("field", ["hospital", "round", "attempt", "study_id", "base_hash"])
def test_envelopes_of_another_context_do_not_open_here(rank: int, field: str) -> None:
    # A hospital that copies another's, or its own earlier, envelopes under a header of its own.
    value: Any = b"x" * 32 if field in ("study_id", "base_hash") else 0
    elsewhere, _ = make_submission(SECRET, replace(CONTEXT, **{field: value}), SIGNER, PUBLIC)
    copied = _with(ENVELOPES, _items(elsewhere)[ENVELOPES])
    with pytest.raises(EnvelopeError):
        _open(copied, rank)


@pytest.mark.parametrize("rank", [1, 2])
def test_the_body_of_another_submission_does_not_open_here(rank: int) -> None:
    other, _ = make_submission(SECRET, CONTEXT, SIGNER, PUBLIC)
    with pytest.raises(EnvelopeError):
        _open(_with(BODY_AT, _items(other)[BODY_AT]), rank)


def test_a_part_goes_to_its_validator_only() -> None:
    part = parse_part(parse(MESSAGE, D).for_validator(1), D)
    with pytest.raises(MessageError, match="validator 1 came to validator 2"):
        open_submission(part, 2, VALIDATORS[2], CONTEXT, SIGNER.public_key(), DIGEST)


def test_what_validator_0_sees_does_not_determine_component_2() -> None:
    submission = parse(MESSAGE, D)
    part = parse_part(submission.for_validator(0), D)
    assert part.body == b""
    assert submission.body not in submission.for_validator(0)
    opened = envelope.open_sealed(VALIDATORS[0], part.envelope, CONTEXT.associated_data(0))
    seed0, nonce0, seed1, nonce1 = (opened[i : i + 32] for i in range(0, 128, 32))
    x2 = SECRET - expand(seed0, D) - expand(seed1, D)
    # Even with the right guess of the update, nothing it holds opens the third commitment.
    for nonce in (nonce0, nonce1, bytes(32)):
        with pytest.raises(ShareMismatch):
            commitment.verify(part.header.commitments[2], COMPONENTS[2], nonce, x2.tobytes())


@ALL_RANKS
def test_a_validator_is_given_two_components_and_no_other_opening(rank: int) -> None:
    submission = parse(MESSAGE, D)
    part = submission.for_validator(rank)
    assert submission.envelopes[rank] in part
    assert not [other for other in range(PARTIES) if other != rank and submission.envelopes[other] in part]
    opened = [
        envelope.open_sealed(VALIDATORS[r], submission.envelopes[r], CONTEXT.associated_data(r)) for r in range(PARTIES)
    ]
    third = opened[(rank + 1) % PARTIES][64:]
    assert third[:32] not in opened[rank]
    assert third[32:] not in opened[rank]


def test_secrets_do_not_show_in_a_repr() -> None:
    assert "envelope" not in repr(parse(MESSAGE, D))
    assert "body" not in repr(parse_part(parse(MESSAGE, D).for_validator(1), D))


msgpack_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.binary(max_size=40), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.binary(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@given(st.integers(0, 3), msgpack_values)
def test_any_value_in_any_place_is_parsed_or_refused(index: int, value: Any) -> None:
    message = _with(index, value)
    for rank in range(PARTIES):
        outcome = _outcome(message, rank)
        assert outcome is None or issubclass(outcome, ProtocolError)


@given(st.integers(0, 9), msgpack_values)
def test_any_value_in_any_field_of_the_header_is_refused(index: int, value: Any) -> None:
    header = msgpack.unpackb(_items()[HEADER])
    same = type(value) is type(header[index]) and value == header[index]
    header[index] = value
    outcome = _outcome(_with(HEADER, msgpack.packb(header)), 0)
    assert same or issubclass(outcome or type(None), ProtocolError)


def test_a_header_has_one_way_to_be_written() -> None:
    header = _items()[HEADER]
    # The round, 3, as two bytes instead of one.
    at = header.index(b"s" * 32) + 32
    longer = header[:at] + b"\xcc\x03" + header[at + 1 :]
    assert msgpack.unpackb(longer) == msgpack.unpackb(header)
    with pytest.raises(MessageError, match="shortest form"):
        parse(_with(HEADER, longer), D)


@pytest.mark.parametrize("index", range(3))
def test_a_message_and_a_part_have_one_way_to_be_written(index: int) -> None:
    submission = parse(MESSAGE, D)
    for message, reads in ((MESSAGE, parse), (submission.for_validator(1), parse_part)):
        items = _items(message)[:-1]
        packed = [msgpack.packb(item) for item in items]
        # The version as two bytes, and the sizes of header and signature as four, where one is enough.
        packed[index] = b"\xcc\x02" if index == 0 else b"\xc6" + len(items[index]).to_bytes(4, "big") + items[index]
        longer = bytes([0x90 + len(items)]) + b"".join(packed)
        assert msgpack.unpackb(longer) == items
        with pytest.raises(MessageError, match="shortest form"):
            reads(join(longer, submission.body), D)


def test_a_body_is_read_where_it_lies() -> None:
    buffer = bytearray(MESSAGE)
    submission = parse(buffer, D)
    buffer[-1] ^= 1
    assert submission.body[-1] == buffer[-1]


def test_validator_0_may_not_be_handed_the_body() -> None:
    submission = parse(MESSAGE, D)
    items = _items(submission.for_validator(0))
    items[-1] = submission.body
    with pytest.raises(MessageError, match="may not be handed"):
        parse_part(_made(items), D)


@pytest.mark.parametrize("rank", [-1, 3, True, None, 1.0, b"1"])
def test_a_rank_is_0_1_or_2(rank: Any) -> None:
    items = _items(parse(MESSAGE, D).for_validator(1))
    items[3] = rank
    with pytest.raises(MessageError, match="rank is 0, 1 or 2"):
        parse_part(_made(items), D)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("study_id", b"short"),
        ("study_id", "s" * 32),
        ("base_hash", None),
        ("round", -1),
        ("round", 2**32),
        ("attempt", True),
        ("hospital", 1.0),
        ("length", 0),
        ("length", 2**27 + 1),
    ],
)
def test_a_context_is_checked_when_made(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match=field):
        replace(CONTEXT, **{field: value})


def test_every_ciphertext_and_context_has_associated_data_of_its_own() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"study_id": b"t" * 32},
        {"round": 4},
        {"attempt": 2},
        {"hospital": 6},
        {"base_hash": b"c" * 32},
        {"length": D + 1},
        {"round": 1, "attempt": 3},
    ]
    data = [replace(CONTEXT, **change).associated_data(purpose) for change in changes for purpose in range(4)]
    assert len(set(data)) == len(data)


@pytest.mark.parametrize("secret", [SECRET[:-1], SECRET.astype(np.int64), SECRET.reshape(2, 3), SECRET.astype(float)])
def test_only_a_vector_of_the_rounds_length_is_submitted(secret: NDArray[Any]) -> None:
    with pytest.raises(ShapeError):
        make_submission(secret, CONTEXT, SIGNER, PUBLIC)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_submission_is_for_three_validators(count: int) -> None:
    with pytest.raises(ShapeError, match="3 validators"):
        make_submission(SECRET, CONTEXT, SIGNER, (PUBLIC * 2)[:count])


def test_a_parsed_submission_holds_the_context_that_was_signed() -> None:
    submission: Submission = parse(bytearray(MESSAGE), D)
    assert submission.header.context == CONTEXT
    assert submission.header.digest() == DIGEST
