"""The formats of the crypto folder once more, slow and plain: P-256 in integers, HKDF from HMAC, AES block by block.

Shares no code with the package, only AES itself and the hashes.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

Point = tuple[int, int] | None


def add(p: Point, q: Point) -> Point:
    """p + q on y^2 = x^3 - 3 x + b; None is the point at infinity."""
    if p is None or q is None:
        return q if p is None else p
    (x1, y1), (x2, y2) = p, q
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) if p == q else (y2 - y1) * pow(x2 - x1, -1, P)
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def multiply(k: int, p: Point) -> Point:
    """k p by double and add."""
    total: Point = None
    while k:
        total = add(total, p) if k & 1 else total
        p, k = add(p, p), k >> 1
    return total


def compress(p: Point) -> bytes:
    """SEC 1, 2.3.3."""
    if p is None:
        raise ValueError("infinity has no compressed form here")
    return bytes([2 + (p[1] & 1)]) + p[0].to_bytes(32, "big")


def decompress(raw: bytes) -> Point:
    """SEC 1, 2.3.4; ValueError off the curve."""
    x = int.from_bytes(raw[1:], "big")
    square = (x**3 - 3 * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        raise ValueError("not on the curve")
    return x, y if y & 1 == raw[0] & 1 else P - y


def shared_secret(scalar: int, point: bytes) -> bytes:
    """The x coordinate of scalar * point."""
    product = multiply(scalar, decompress(point))
    if product is None:
        raise ValueError("infinity")
    return product[0].to_bytes(32, "big")


def hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, no salt, one block of output."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def aes(key: bytes, block: bytes) -> bytes:
    """One block of AES."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 - a block cipher by itself


def keystream(key: bytes, length: int) -> bytes:
    """AES-CTR over zeros, counter block from two, big-endian, where GCM with a nonce of zeros begins."""
    blocks = (aes(key, counter.to_bytes(16, "big")) for counter in range(2, 2 + -(-length // 16)))
    return b"".join(blocks)[:length]


def _times(x: int, y: int) -> int:
    """The product in GCM's field, bits reflected (SP 800-38D, algorithm 1)."""
    z = 0
    for bit in range(127, -1, -1):
        z ^= x if y >> bit & 1 else 0
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return z


def gcm(key: bytes, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    """Ciphertext || tag of AES-GCM with a nonce of 96 bits (SP 800-38D, algorithm 4)."""
    counters = range(2, 2 + -(-len(plaintext) // 16))
    stream = b"".join(aes(key, nonce + counter.to_bytes(4, "big")) for counter in counters)
    ciphertext = bytes(a ^ b for a, b in zip(plaintext, stream, strict=False))
    padded = b"".join(part + bytes(-len(part) % 16) for part in (associated_data, ciphertext))
    padded += (8 * len(associated_data)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    h, y = int.from_bytes(aes(key, bytes(16)), "big"), 0
    for start in range(0, len(padded), 16):
        y = _times(y ^ int.from_bytes(padded[start : start + 16], "big"), h)
    mask = int.from_bytes(aes(key, nonce + b"\0\0\0\1"), "big")
    return ciphertext + (y ^ mask).to_bytes(16, "big")


def seal(recipient: bytes, scalar: int, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    """An envelope with a given ephemeral scalar and nonce."""
    ephemeral = compress(multiply(scalar, G))
    key = hkdf(shared_secret(scalar, recipient), b"mithridate/envelope-key/1" + ephemeral + recipient)
    return b"\x01" + ephemeral + nonce + gcm(key, nonce, plaintext, b"\x01" + associated_data)


def unseal(scalar: int, sealed: bytes, associated_data: bytes) -> bytes:
    """The plaintext of a good envelope; ValueError for any other."""
    point, nonce, rest = sealed[1:34], sealed[34:46], sealed[46:]
    key = hkdf(shared_secret(scalar, point), b"mithridate/envelope-key/1" + point + compress(multiply(scalar, G)))
    plaintext = gcm(key, nonce, rest[:-16], b"")[:-16]
    if gcm(key, nonce, plaintext, b"\x01" + associated_data) != rest:
        raise ValueError("the tag differs")
    return plaintext


def body(key: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    """A body under a given key."""
    return gcm(key, bytes(12), plaintext, b"\x01" + associated_data)


def signs(public: bytes, data: bytes, signature: bytes) -> bool:
    """ECDSA verification (FIPS 186-5, 6.4.2)."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not (0 < r < N and 0 < s < N):
        return False
    e, inverse = int.from_bytes(hashlib.sha256(data).digest(), "big"), pow(s, -1, N)
    point = add(multiply(e * inverse % N, G), multiply(r * inverse % N, decompress(public)))
    return point is not None and point[0] % N == r


def sign(scalar: int, k: int, data: bytes) -> bytes:
    """ECDSA with a given nonce k."""
    point = multiply(k, G)
    if point is None:
        raise ValueError("k is a multiple of the order")
    r, e = point[0] % N, int.from_bytes(hashlib.sha256(data).digest(), "big")
    return r.to_bytes(32, "big") + (pow(k, -1, N) * (e + r * scalar) % N).to_bytes(32, "big")
