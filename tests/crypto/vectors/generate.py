"""Writes the vectors of the crypto folder's formats, good and forged, from the slow reference: python generate.py"""

import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

from blake3 import blake3

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import reference as ref  # noqa: E402 - found beside this file

RECIPIENT, OTHER, EPHEMERAL, NONCE_SCALAR = 0xA11CE, 0xB0B, 0xE9E, 0x5EED
KEY = hashlib.sha256(b"vector key").digest()
MASK64 = 2**64 - 1


def flip(data: bytes, index: int) -> bytes:
    """One bit of one byte turned."""
    index %= len(data)
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def envelope() -> dict[str, Any]:
    """Every region of an envelope altered once, and what belongs to others."""
    plaintext, context = b"two openings", b"study, round, attempt, hospital, rank 1"
    recipient, other = (ref.compress(ref.multiply(k, ref.G)) for k in (RECIPIENT, OTHER))
    nonce = bytes(range(12))
    good = ref.seal(recipient, EPHEMERAL, nonce, plaintext, context)
    off_curve = next(x for x in range(1, 99) if not _on_curve(x))
    forged = {
        "another version": b"\x02" + good[1:],
        "negated ephemeral point": flip(good, 1),
        "ephemeral point off the curve": good[:1] + b"\x02" + off_curve.to_bytes(32, "big") + good[34:],
        "ephemeral coordinate above the prime": good[:1] + b"\x02" + b"\xff" * 32 + good[34:],
        "uncompressed point's prefix": good[:1] + b"\x04" + good[2:],
        "nonce flipped": flip(good, 34),
        "ciphertext flipped": flip(good, 46),
        "tag flipped": flip(good, -1),
        "tag cut short": good[:-1],
        "one byte more": good + b"\0",
        "empty": b"",
        "header only": good[:46],
        "sealed for another recipient": ref.seal(other, EPHEMERAL, nonce, plaintext, context),
        "sealed for another round": ref.seal(recipient, EPHEMERAL, nonce, plaintext, context + b"'"),
    }
    return {
        "private": f"{RECIPIENT:064x}",
        "public": recipient.hex(),
        "associated_data": context.hex(),
        "plaintext": plaintext.hex(),
        "sealed": good.hex(),
        "forged": {name: sealed.hex() for name, sealed in forged.items()},
    }


def _on_curve(x: int) -> bool:
    try:
        ref.decompress(b"\x02" + x.to_bytes(32, "big"))
    except ValueError:
        return False
    return True


def body() -> dict[str, Any]:
    """A body, altered or under another key or context."""
    plaintext, context = bytes(range(40)), b"study, round, attempt, hospital, body"
    good = ref.body(KEY, plaintext, context)
    forged = {
        "ciphertext flipped": flip(good, 0),
        "tag flipped": flip(good, -1),
        "cut short": good[:-1],
        "one byte more": good + b"\0",
        "shorter than a tag": good[:15],
        "under another key": ref.body(flip(KEY, 0), plaintext, context),
        "of another attempt": ref.body(KEY, plaintext, context + b"'"),
    }
    return {
        "key": KEY.hex(),
        "associated_data": context.hex(),
        "plaintext": plaintext.hex(),
        "sealed": good.hex(),
        "forged": {name: sealed.hex() for name, sealed in forged.items()},
    }


def signature() -> dict[str, Any]:
    """Signatures of one header; `accepted` says which count."""
    tag, message = b"mithridate/submission-signature/1", b"a header"
    public = ref.compress(ref.multiply(RECIPIENT, ref.G))
    good = ref.sign(RECIPIENT, NONCE_SCALAR, tag + message)
    r, s = good[:32], good[32:]
    negated = (ref.N - int.from_bytes(s, "big")).to_bytes(32, "big")
    cases = {
        "good": (good, True),
        "good with s negated": (r + negated, True),
        "r flipped": (flip(good, 0), False),
        "s flipped": (flip(good, -1), False),
        "halves exchanged": (s + r, False),
        "all zero": (bytes(64), False),
        "r zero": (bytes(32) + s, False),
        "s zero": (r + bytes(32), False),
        "s the group order": (r + ref.N.to_bytes(32, "big"), False),
        "cut short": (good[:-1], False),
        "one byte more": (good + b"\0", False),
        "empty": (b"", False),
        "of another message": (ref.sign(RECIPIENT, NONCE_SCALAR, tag + b"a footer"), False),
        "of another domain": (ref.sign(RECIPIENT, NONCE_SCALAR, b"mithridate/submission-digest/1" + message), False),
        "without a domain": (ref.sign(RECIPIENT, NONCE_SCALAR, message), False),
        "under another key": (ref.sign(OTHER, NONCE_SCALAR, tag + message), False),
    }
    return {
        "public": public.hex(),
        "domain": tag.decode(),
        "message": message.hex(),
        "cases": {name: {"signature": value.hex(), "accepted": accepted} for name, (value, accepted) in cases.items()},
    }


def commitment() -> dict[str, Any]:
    """A commitment to component 2, and commitments to what is nearly the same."""
    tag, nonce, payload = b"mithridate/component-2/2", bytes(range(32)), struct.pack("<3Q", 0, 2**63, MASK64)
    good = blake3(tag + nonce + payload).digest()
    forged = {
        "flipped": flip(good, 5),
        "another component": blake3(b"mithridate/component-1/2" + nonce + payload).digest(),
        "another hash": hashlib.sha256(tag + nonce + payload).digest(),
        "another nonce": blake3(tag + flip(nonce, 0) + payload).digest(),
        "another payload": blake3(tag + nonce + flip(payload, 0)).digest(),
        "no nonce": blake3(tag + payload).digest(),
        "no domain": blake3(nonce + payload).digest(),
        "cut short": good[:-1],
        "empty": b"",
    }
    seed_tag = b"mithridate/component-0/2"
    return {
        "domain": tag.decode(),
        "nonce": nonce.hex(),
        "payload": payload.hex(),
        "commitment": good.hex(),
        "forged": {name: value.hex() for name, value in forged.items()},
        "seed": {
            "domain": seed_tag.decode(),
            "payload": KEY.hex(),
            "commitment": hashlib.sha256(seed_tag + nonce + KEY).hexdigest(),
        },
        "randomness": {
            "value": nonce.hex(),
            "commitment": hashlib.sha256(b"mithridate/randomness/1" + nonce).hexdigest(),
        },
    }


def sharing() -> dict[str, Any]:
    """Seeds, a secret of the ring's extremes, and its third component."""
    secret = [0, 1, MASK64, 2**63, 2**63 - 1, 1 << 18, MASK64 - (1 << 18) + 1]
    seeds = [hashlib.sha256(bytes([index])).digest() for index in range(2)]
    x0, x1 = (struct.unpack(f"<{len(secret)}Q", ref.keystream(seed, 8 * len(secret))) for seed in seeds)
    x2 = [(x - a - b) & MASK64 for x, a, b in zip(secret, x0, x1, strict=True)]
    return {"secret": secret, "seed0": seeds[0].hex(), "seed1": seeds[1].hex(), "x0": x0, "x1": x1, "x2": x2}


def everything() -> dict[str, str]:
    """File name to content."""
    made = (envelope, body, signature, commitment, sharing)
    return {f"{make.__name__}.json": json.dumps(make(), indent=2) + "\n" for make in made}


if __name__ == "__main__":
    for name, content in everything().items():
        (HERE / name).write_text(content)
