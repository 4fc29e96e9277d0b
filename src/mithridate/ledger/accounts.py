"""Accounts: the secp256k1 keys with which parties sign what they write on the ledger."""

from dataclasses import dataclass, field
from secrets import token_bytes

from coincurve import PrivateKey
from eth_keys.datatypes import PublicKey

from mithridate.errors import InputError

KEY_BYTES = 32
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class Account:
    """One party's account; the key stays out of `repr`.

    Attributes:
        address: checksummed hexadecimal address, derived from the key.
        key: the private key, 32 bytes; whoever holds it writes in the party's name.
    """

    address: str
    key: bytes = field(repr=False)


def new_account() -> Account:
    """An account with a fresh key from the operating system's randomness."""
    while True:
        key = token_bytes(KEY_BYTES)
        if 0 < int.from_bytes(key, "big") < CURVE_ORDER:
            return account_from_key(key)


def account_from_key(key: bytes) -> Account:
    """The account of a stored 32-byte private key.

    Raises:
        InputError: the key has another length or is no secp256k1 scalar.
    """
    if len(key) != KEY_BYTES:
        raise InputError(
            f"an account key has {KEY_BYTES} bytes, this one {len(key)}: use the file new_account() filled"
        )
    if not 0 < int.from_bytes(key, "big") < CURVE_ORDER:
        raise InputError("an account key must lie between 1 and the order of secp256k1: make a new one")
    point = PrivateKey(key).public_key.format(compressed=False)
    return Account(PublicKey(point[1:]).to_checksum_address(), key)
