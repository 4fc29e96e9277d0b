"""A block's header by its fields (yellow paper, section 4.3), and whose key made a seal."""

from typing import Any, Protocol

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from mithridate.errors import LedgerError, SealRefused
from mithridate.ledger.bounded_rlp import decode

PARENT, MINER, DIFFICULTY, NUMBER, TIMESTAMP, EXTRA, MIX, NONCE = 0, 2, 7, 8, 11, 12, 13, 14
FIELDS = 15
"""Without the base fee and what came after it."""
ADDRESS_BYTES, VANITY_BYTES, SEAL_BYTES = 20, 32, 65
NOBODY, NO_VOTE, NO_MIX = bytes(ADDRESS_BYTES), bytes(8), bytes(32)
_S, _PARITY = slice(32, 64), 64
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Of secp256k1: with a larger s, a second signature is made from a first without the key."""

Fields = list[Any]
"""Byte strings, in a header's order."""


class Seals(Protocol):
    """The rules by which the blocks of a chain are sealed; holds what they need of the blocks before.

    Only the sealers of the genesis block are known: a block that votes on who may seal is refused.
    """

    consensus: str
    sealers: tuple[bytes, ...]
    """Addresses of 20 bytes, in order."""

    def bound(self, header: bytes) -> bytes:
        """The header without fields at its end that neither hash nor rules bind, which a node could set at will."""
        ...

    def identity(self, header: bytes) -> bytes:
        """The block's hash; raises LedgerError where the header is none of this consensus."""
        ...

    def check(self, header: bytes) -> bytes:
        """Who sealed the block that follows the one checked before; raises SealRefused unless by the rules."""
        ...


def read_fields(header: bytes) -> Fields:
    """The fields of a header; raises LedgerError if it is none."""
    fields = decode(header, 1)
    if not isinstance(fields, list) or len(fields) < FIELDS or not all(isinstance(field, bytes) for field in fields):
        raise LedgerError("not a header: fields are missing")
    return fields


def signer_of(seal: Any, digest: bytes) -> bytes:
    """The address whose key signed a digest of 32 bytes.

    Args:
        seal: r, s and the parity of R, 65 bytes; of the two signatures that a third party can make of one, that with
            the smaller s.

    Raises:
        SealRefused: it is no such signature.
    """
    if not isinstance(seal, bytes) or len(seal) != SEAL_BYTES or seal[_PARITY] > 1:
        raise SealRefused("its seal is no signature")
    if int.from_bytes(seal[_S]) > _HALF_ORDER:
        raise SealRefused("its seal is a signature that another was altered into")
    try:
        return bytes(Signature(seal).recover_public_key_from_msg_hash(digest).to_canonical_address())
    except (BadSignature, ValidationError, ValueError) as error:
        raise SealRefused(f"its seal is no signature: {error}") from error


def refuse_votes(fields: Fields) -> None:
    """Raises SealRefused where a header names somebody to be taken among the sealers, or to be put out."""
    if fields[MINER] != NOBODY or fields[NONCE] != NO_VOTE:
        raise SealRefused("it votes on who may seal: only the sealers of the genesis block are known here")
