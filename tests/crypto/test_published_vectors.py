"""The library's primitives, in the modes in which the package calls them, against the vectors of their standards."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mithridate.crypto import keys, signing
from mithridate.crypto.sharing import expand
from mithridate.errors import SignatureInvalid

FOLDER = Path(__file__).parent / "vectors"
VECTORS = json.loads((FOLDER / "published.json").read_text())
hexed = bytes.fromhex


def _private(scalar: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(scalar, 16), ec.SECP256R1())


def test_aes256_ctr() -> None:
    vector = VECTORS["aes256_ctr"]
    cipher = Cipher(algorithms.AES(hexed(vector["key"])), modes.CTR(hexed(vector["counter"])))
    assert cipher.encryptor().update(hexed(vector["plaintext"])) == hexed(vector["ciphertext"])


@pytest.mark.parametrize("vector", VECTORS["aes256_of_zero_block"], ids=lambda v: v["source"])
def test_aes256_of_zero_block(vector: dict[str, str], reference: ModuleType) -> None:
    assert reference.aes(hexed(vector["key"]), bytes(16)) == hexed(vector["ciphertext"])


def test_expansion_is_what_gcm_makes_of_zeros(reference: ModuleType) -> None:
    vector = next(each for each in VECTORS["aes256_gcm"] if each["plaintext"] == "00" * 16)
    assert expand(hexed(vector["key"]), 2).tobytes() == hexed(vector["sealed"])[:16]
    assert reference.keystream(hexed(vector["key"]), 16) == hexed(vector["sealed"])[:16]


@pytest.mark.parametrize("vector", VECTORS["blake3"], ids=lambda v: v["source"])
def test_blake3(vector: dict[str, Any]) -> None:
    message = bytes(index % 251 for index in range(vector["length"]))
    assert blake3(message).hexdigest() == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS["aes256_gcm"], ids=lambda v: v["source"])
def test_aes256_gcm(vector: dict[str, str], reference: ModuleType) -> None:
    key, nonce, plaintext, data = (hexed(vector[k]) for k in ("key", "nonce", "plaintext", "associated_data"))
    assert AESGCM(key).encrypt(nonce, plaintext, data) == hexed(vector["sealed"])
    assert reference.gcm(key, nonce, plaintext, data) == hexed(vector["sealed"])


@pytest.mark.parametrize("vector", VECTORS["hkdf_sha256"], ids=lambda v: v["source"])
def test_hkdf_sha256(vector: dict[str, str], reference: ModuleType) -> None:
    salt, info, secret = (hexed(vector[k]) for k in ("salt", "info", "secret"))
    derived = HKDF(algorithm=hashes.SHA256(), length=int(vector["length"]), salt=salt or None, info=info).derive(secret)
    assert derived == hexed(vector["output"])
    assert salt or reference.hkdf(secret, info) == derived[:32]


@pytest.mark.parametrize("case", VECTORS["ecdsa_p256_sha256"]["signatures"], ids=lambda c: c["message"])
def test_ecdsa_p256_sha256_is_deterministic_as_in_rfc_6979(case: dict[str, str], reference: ModuleType) -> None:
    vector = VECTORS["ecdsa_p256_sha256"]
    public = keys.public_from_bytes(hexed(vector["public"]))
    message, signature = case["message"].encode(), hexed(case["signature"])
    assert signing._sign_bytes(_private(vector["private"]), message) == signature
    assert reference.signs(hexed(vector["public"]), message, signature)
    signing._verify_bytes(public, message, signature)
    with pytest.raises(SignatureInvalid):
        signing._verify_bytes(public, message + b"'", signature)


def test_ecdh_p256(reference: ModuleType) -> None:
    vector = VECTORS["ecdh_p256"]
    for own, peer in (("initiator", "responder"), ("responder", "initiator")):
        point = hexed(vector[f"{peer}_public"])
        shared = _private(vector[own]).exchange(ec.ECDH(), keys.public_from_bytes(point))
        assert shared == hexed(vector["shared"]) == reference.shared_secret(int(vector[own], 16), point)


def test_own_vectors_are_what_the_generator_writes(generator: ModuleType) -> None:
    for name, content in generator.everything().items():
        assert (FOLDER / name).read_text() == content, f"run tests/crypto/vectors/generate.py: {name} is out of date"


def test_expansion_counts_blocks_as_the_reference(reference: ModuleType) -> None:
    seed = bytes(range(32))
    # 256 blocks carry into the counter's second byte.
    assert expand(seed, 600).tobytes() == reference.keystream(seed, 4800)
    assert np.array_equal(expand(seed, 600)[:7], expand(seed, 7))
