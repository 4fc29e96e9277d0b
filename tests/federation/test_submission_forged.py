"""A malicious hospital that follows the message's format and lies inside."""

import secrets

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mithridate.crypto import commitment, envelope, keys, signing
from mithridate.crypto.domains import COMPONENTS, Domain
from mithridate.crypto.sharing import PARTIES, share
from mithridate.errors import EnvelopeError, MithridateError, ShapeError, ShareMismatch
from mithridate.federation.packing import join
from mithridate.federation.submission import BODY, VERSION, RoundContext, open_submission, parse, parse_part

D = 6
SIGNER = keys.generate()
VALIDATORS = [keys.generate() for _ in range(PARTIES)]
CONTEXT = RoundContext(b"s" * 32, 3, 1, 7, b"b" * 32, D)
SECRET = np.array([0, 1, 2**63, 2**63 - 1, 2**64 - 1, 12345], dtype=np.uint64)


def _flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def _outcome(message: bytes, rank: int, digest: bytes) -> type[MithridateError] | None:
    part = parse_part(parse(message, 2 * D).for_validator(rank), 2 * D)
    try:
        open_submission(part, rank, VALIDATORS[rank], CONTEXT, SIGNER.public_key(), digest)
    except MithridateError as error:
        return type(error)
    return None


class Forger:
    """Makes a submission piece by piece; every default is the honest choice."""

    def __init__(self, length: int = D) -> None:
        self.shared = share(np.resize(SECRET, length))
        self.nonces = [bytes([i]) * 32 for i in range(3)]
        self.x2_bytes = self.shared.x2.tobytes()
        self.body_key, self.body = envelope.seal_body(self.x2_bytes, CONTEXT.associated_data(BODY))
        self.payloads = [self.shared.seed0, self.shared.seed1, self.x2_bytes]
        self.openings = [
            [material + nonce for material, nonce in zip(self._materials(), self.nonces, strict=True)]
            for _ in range(PARTIES)
        ]

    def _materials(self) -> list[bytes]:
        return [self.shared.seed0, self.shared.seed1, self.body_key]

    def outcomes(self) -> list[type[MithridateError] | None]:
        commitments = [commitment.commit(*each) for each in zip(COMPONENTS, self.nonces, self.payloads, strict=True)]
        header = msgpack.packb([VERSION, *CONTEXT.fields(), *commitments])
        signature = signing.sign(SIGNER, Domain.SUBMISSION_SIGNATURE, header)
        envelopes = [
            envelope.seal(VALIDATORS[rank].public_key(), own[rank] + own[(rank + 1) % 3], CONTEXT.associated_data(rank))
            for rank, own in enumerate(self.openings)
        ]
        message = join(msgpack.packb([VERSION, header, signature, envelopes]), self.body)
        digest = parse(message, 2 * D).header.digest()
        return [_outcome(message, rank, digest) for rank in range(PARTIES)]


def test_the_forger_is_honest_by_default() -> None:
    assert Forger().outcomes() == [None, None, None]


@pytest.mark.parametrize("component", range(PARTIES))
def test_two_holders_of_one_component_cannot_be_told_two_things(component: int) -> None:
    forger = Forger()
    holder = component
    forger.openings[holder][component] = _flip(forger.openings[holder][component])
    expected: list[type[MithridateError] | None] = [None, None, None]
    # Another body key opens nothing; another seed opens and differs from its commitment.
    expected[holder] = EnvelopeError if component == 2 else ShareMismatch
    assert forger.outcomes() == expected


def _multiply(x: int, y: int) -> int:
    """In GCM's field GF(2^128), bits reflected."""
    z = 0
    for bit in range(127, -1, -1):
        z ^= x if y >> bit & 1 else 0
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return z


def _inverse(x: int) -> int:
    result, exponent = 1 << 127, 2**128 - 2
    while exponent:
        result = _multiply(result, x) if exponent & 1 else result
        x, exponent = _multiply(x, x), exponent >> 1
    return result


def _body_of_two_keys(keys_: tuple[bytes, bytes], associated_data: bytes, size: int) -> bytes:
    """A ciphertext with one tag that verifies under both keys (Dodis, Grubbs, Ristenpart, Woodage: CRYPTO 2018).

    The last block is free, and is solved for: each tag is linear in it over GF(2^128).
    """
    ciphertext = secrets.token_bytes(size - 16) + bytes(16)
    tags, coefficients = [], []
    for key in keys_:
        stream = AESGCM(key).encrypt(bytes(12), bytes(size), None)[:size]
        plaintext = bytes(a ^ b for a, b in zip(ciphertext, stream, strict=True))
        tags.append(int.from_bytes(AESGCM(key).encrypt(bytes(12), plaintext, associated_data)[size:], "big"))
        h = int.from_bytes(_ecb_zero(key), "big")
        coefficients.append(_multiply(h, h))
    block = _multiply(tags[0] ^ tags[1], _inverse(coefficients[0] ^ coefficients[1]))
    tag = tags[0] ^ _multiply(block, coefficients[0])
    return ciphertext[:-16] + block.to_bytes(16, "big") + tag.to_bytes(16, "big")


def _ecb_zero(key: bytes) -> bytes:
    """AES of the zero block, GCM's key of its tags."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(bytes(16))  # noqa: S305 - one block


def test_a_body_that_two_keys_open_to_two_vectors_is_caught_by_the_commitment() -> None:
    forger = Forger()
    pair = secrets.token_bytes(32), secrets.token_bytes(32)
    context = CONTEXT.associated_data(BODY)
    forger.body = _body_of_two_keys(pair, envelope.VERSION + context, 8 * D)
    opened = [bytearray(8 * D) for _ in pair]
    for key, plaintext in zip(pair, opened, strict=True):
        envelope.open_body(key, forger.body, context, plaintext)
    assert opened[0] != opened[1]
    forger.payloads[2] = bytes(opened[0])
    for rank, key in ((1, pair[0]), (2, pair[1])):
        forger.openings[rank][2] = key + forger.nonces[2]
    assert forger.outcomes() == [None, None, ShareMismatch]


@pytest.mark.parametrize("component", range(PARTIES))
def test_what_is_not_what_was_committed_to_is_refused_by_both_holders(component: int) -> None:
    forger = Forger()
    forger.payloads[component] = _flip(forger.payloads[component])
    refused = [rank for rank, outcome in enumerate(forger.outcomes()) if outcome is ShareMismatch]
    assert refused == sorted([component, (component - 1) % PARTIES])


@pytest.mark.parametrize("length", [D - 1, D + 1])
def test_a_body_of_another_length_than_the_header_claims_is_a_wrong_shape(length: int) -> None:
    assert Forger(length).outcomes() == [None, ShapeError, ShapeError]
