import json
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from mithridate.crypto import envelope, keys
from mithridate.errors import EnvelopeError

FOLDER = Path(__file__).parent / "vectors"
ENVELOPE = json.loads((FOLDER / "envelope.json").read_text())
BODY = json.loads((FOLDER / "body.json").read_text())
CONTEXT = bytes.fromhex(ENVELOPE["associated_data"])
SCALAR = int(ENVELOPE["private"], 16)
PRIVATE = ec.derive_private_key(SCALAR, ec.SECP256R1())
PUBLIC = PRIVATE.public_key()


def test_an_envelope_of_the_reference_opens() -> None:
    opened = envelope.open_sealed(PRIVATE, bytes.fromhex(ENVELOPE["sealed"]), CONTEXT)
    assert opened == bytes.fromhex(ENVELOPE["plaintext"])


def test_the_reference_opens_an_envelope(reference: ModuleType) -> None:
    assert keys.public_to_bytes(PUBLIC).hex() == ENVELOPE["public"]
    sealed = envelope.seal(PUBLIC, b"sealed here", CONTEXT)
    assert reference.unseal(SCALAR, sealed, CONTEXT) == b"sealed here"


@pytest.mark.parametrize("name", ENVELOPE["forged"])
def test_a_forged_envelope_is_refused(name: str) -> None:
    with pytest.raises(EnvelopeError):
        envelope.open_sealed(PRIVATE, bytes.fromhex(ENVELOPE["forged"][name]), CONTEXT)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_what_was_sealed_opens_with_its_context_only(plaintext: bytes, context: bytes) -> None:
    sealed = envelope.seal(PUBLIC, plaintext, context)
    assert len(sealed) == len(plaintext) + envelope.OVERHEAD
    assert envelope.open_sealed(PRIVATE, sealed, context) == plaintext
    with pytest.raises(EnvelopeError):
        envelope.open_sealed(PRIVATE, sealed, context + b"\0")


@given(st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    sealed = bytearray(bytes.fromhex(ENVELOPE["sealed"]))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EnvelopeError):
        envelope.open_sealed(PRIVATE, bytes(sealed), CONTEXT)


@given(st.binary(max_size=200))
def test_noise_is_no_envelope(noise: bytes) -> None:
    with pytest.raises(EnvelopeError):
        envelope.open_sealed(PRIVATE, noise, CONTEXT)


def test_two_envelopes_of_one_plaintext_share_nothing_but_the_version() -> None:
    first, second = (envelope.seal(PUBLIC, b"same", CONTEXT) for _ in range(2))
    for part in (slice(1, 34), slice(34, 46), slice(46, None)):
        assert first[part] != second[part]


def test_sizes_are_bounded() -> None:
    most = bytes(envelope.MAX_PLAINTEXT)
    sealed = envelope.seal(PUBLIC, most, CONTEXT)
    assert envelope.open_sealed(PRIVATE, sealed, CONTEXT) == most
    with pytest.raises(EnvelopeError, match="seal a body"):
        envelope.seal(PUBLIC, most + b"\0", CONTEXT)
    with pytest.raises(EnvelopeError, match="this is none"):
        envelope.open_sealed(PRIVATE, sealed + b"\0", CONTEXT)


def _open_body(key: bytes, sealed: bytes, context: bytes) -> bytes:
    out = bytearray(max(0, len(sealed) - envelope.TAG_BYTES))
    envelope.open_body(key, memoryview(sealed), context, out)
    return bytes(out)


def test_a_body_of_the_reference_opens() -> None:
    key, sealed, context = (bytes.fromhex(BODY[k]) for k in ("key", "sealed", "associated_data"))
    assert _open_body(key, sealed, context) == bytes.fromhex(BODY["plaintext"])


@pytest.mark.parametrize("name", BODY["forged"])
def test_a_forged_body_is_refused(name: str) -> None:
    key, context = bytes.fromhex(BODY["key"]), bytes.fromhex(BODY["associated_data"])
    with pytest.raises(EnvelopeError):
        _open_body(key, bytes.fromhex(BODY["forged"][name]), context)


def test_a_body_is_sealed_as_the_reference_does_under_a_key_of_its_own(reference: ModuleType) -> None:
    plaintext = bytes(range(100))
    key, sealed = envelope.seal_body(memoryview(plaintext), CONTEXT)
    other_key, _ = envelope.seal_body(plaintext, CONTEXT)
    assert key != other_key
    assert sealed == reference.body(key, plaintext, CONTEXT)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_body_key_has_32_bytes(size: int) -> None:
    with pytest.raises(EnvelopeError, match="this is none"):
        _open_body(bytes(size), bytes(40), CONTEXT)


def test_a_body_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "MAX_BODY", 64)
    key, sealed = envelope.seal_body(bytes(64), CONTEXT)
    assert _open_body(key, sealed, CONTEXT) == bytes(64)
    with pytest.raises(EnvelopeError, match="not 65"):
        envelope.seal_body(bytes(65), CONTEXT)
    with pytest.raises(EnvelopeError, match="this is none"):
        _open_body(key, sealed + b"\0", CONTEXT)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_room_of_another_size_than_the_body_is_refused(size: int) -> None:
    key, sealed = envelope.seal_body(bytes(64), CONTEXT)
    with pytest.raises(EnvelopeError, match="this is none"):
        envelope.open_body(key, sealed, CONTEXT, bytearray(size))
