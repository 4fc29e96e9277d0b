"""Products and openings of replicated shares: the part of the protocol that needs no circuit.

Source: Araki, Furukawa, Lindell, Nof, Ohara, "High-Throughput Semi-Honest Secure Three-Party Computation with an Honest
Majority", ACM CCS 2016, sections 2.2 (multiplication) and 2.3 (zero sharing by pairwise keys).
"""

import hmac
import secrets

import numpy as np
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mithridate.errors import MessageError, TamperingDetected
from mithridate.mpc.peers import Peers
from mithridate.mpc.shares import VALIDATORS, ReplicatedShare, RingArray

_KEY_BYTES = 32
_DIGEST_BYTES = 32


class ZeroSharing:
    """Fresh additive sharings of zero without communication: a_0 + a_1 + a_2 = 0, each a_i random to the other two.

    Validator i draws the key k_i and hands it to its predecessor; a_i = F(k_i) - F(k_{i+1}) with F an AES-256-CTR
    keystream that both holders read at the same pace.

    Args:
        peers: this validator's channel; the three make their `ZeroSharing` at the same time.
    """

    def __init__(self, peers: Peers) -> None:
        own = secrets.token_bytes(_KEY_BYTES)
        peers.send(_previous(peers.rank), own)
        following = _exactly(peers.receive(_next(peers.rank)), _KEY_BYTES, "zero-sharing key")
        self._streams = [Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor() for key in (own, following)]

    def draw(self, shape: tuple[int, ...]) -> RingArray:
        """This validator's summand of a sharing of zeros, uint64 of `shape`."""
        zeros = bytes(8 * int(np.prod(shape, dtype=np.int64)))
        own, following = (np.frombuffer(stream.update(zeros), dtype="<u8") for stream in self._streams)
        return np.subtract(own, following).astype(np.uint64).reshape(shape)


def gram(share: ReplicatedShare) -> RingArray:
    """This validator's summand of the Gram matrix X X^T: exact, local, not yet masked.

    Args:
        share: of X, shape (n, d).

    Returns:
        uint64 (n, n); the three validators' summands add up to the products, with the fractional bits doubled.
    """
    return products(share, share)


def products(left: ReplicatedShare, right: ReplicatedShare) -> RingArray:
    """This validator's summand of X Y^T, uint64 (n, m): exact, local, not yet masked.

    Args:
        left: of X, shape (n, d).
        right: of Y, shape (m, d).
    """
    first, second = left.first.view(np.int64), left.second.view(np.int64)
    third, fourth = right.first.view(np.int64), right.second.view(np.int64)
    summand = first @ (third + fourth).T + second @ third.T
    return np.asarray(summand).view(np.uint64)


def reshare(summand: RingArray, zeros: ZeroSharing, peers: Peers) -> ReplicatedShare:
    """A replicated share of the sum of the three validators' summands; one ring element sent for each entry."""
    component = np.add(summand, zeros.draw(summand.shape))
    peers.send(_previous(peers.rank), _to_bytes(component))
    following = _from_bytes(peers.receive(_next(peers.rank)), summand.shape)
    return ReplicatedShare(peers.rank, component, following)


def open_share(share: ReplicatedShare, peers: Peers) -> RingArray:
    """The secret itself, to all three validators at once.

    The component that a validator lacks comes from one holder, its BLAKE3 hash from the other: one validator that
    alters what it holds is noticed.

    Raises:
        TamperingDetected: the two holders of the missing component disagree.
        MessageError: a peer's message has the wrong size.
    """
    before, after = _previous(share.rank), _next(share.rank)
    peers.send(after, _to_bytes(share.first))
    peers.send(before, blake3(_octets(share.second)).digest())
    component = peers.receive(before)
    digest = _exactly(peers.receive(after), _DIGEST_BYTES, "digest of a component")
    missing = _entries(component, share.shape)
    if not hmac.compare_digest(blake3(component).digest(), digest):
        raise TamperingDetected(
            f"validators {before} and {after} hold different components {before} of the value to be opened: "
            "one of them altered it, so nothing is opened"
        )
    opened = np.empty(share.shape, dtype=np.uint64)
    np.add(share.first, share.second, out=opened)
    return np.add(opened, missing, out=opened)


def _previous(rank: int) -> int:
    return (rank - 1) % VALIDATORS


def _next(rank: int) -> int:
    return (rank + 1) % VALIDATORS


def _to_bytes(component: RingArray) -> bytes:
    return _octets(component).tobytes()


def _octets(component: RingArray) -> memoryview:
    """A component as it is sent; of one that lies in one piece no copy is made."""
    return np.ascontiguousarray(component, dtype="<u8").reshape(-1).view(np.uint8).data


def _from_bytes(message: bytes, shape: tuple[int, ...]) -> RingArray:
    return _entries(message, shape).astype(np.uint64)


def _entries(message: bytes, shape: tuple[int, ...]) -> RingArray:
    """A component as it lies in the message, read only."""
    size = 8 * int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(_exactly(message, size, "component"), dtype="<u8").reshape(shape)


def _exactly(message: bytes, size: int, what: str) -> bytes:
    if len(message) != size:
        raise MessageError(f"a validator's {what} has {len(message)} bytes instead of {size}")
    return message
