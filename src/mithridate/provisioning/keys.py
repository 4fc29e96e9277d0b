"""A participant's own keys: made where they are used, kept encrypted, sent to nobody.

Four keys, since each is for one purpose. The engine's handshake signs with RSA, so the certificate's key is RSA; the
protocol signs and opens with P-256; the ledger's accounts are secp256k1.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from mithridate.crypto.keys import generate
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.keystore import read_keystore, write_keystore
from mithridate.provisioning.keystore import EllipticKey, RsaKey, read_elliptic_key, read_rsa_key, write_key
from mithridate.provisioning.private_files import new_private_folder

RSA_BITS = 3072
TLS_FILE, SIGNING_FILE, ENVELOPE_FILE, ACCOUNT_FILE = "tls.p12", "signing.p12", "envelope.p12", "account.json"


class Replaceable(StrEnum):
    """Keys that a renewal may replace besides the certificate's; the ledger account stays."""

    SIGNING = "signing"
    ENVELOPE = "envelope"


@dataclass(frozen=True)
class ParticipantKeys:
    """One participant's private keys; none of them is in `repr`.

    Attributes:
        tls: of its certificate, RSA of 3072 bits.
        signing: signs what it sends, P-256.
        envelope: opens what is sealed to it, P-256.
        account: writes in its name on the ledger.
    """

    tls: RsaKey = field(repr=False)
    signing: EllipticKey = field(repr=False)
    envelope: EllipticKey = field(repr=False)
    account: Account


def new_keys() -> ParticipantKeys:
    """Fresh keys from the operating system's randomness; a third of a second, for the RSA key."""
    return ParticipantKeys(_new_tls_key(), generate(), generate(), new_account())


def renewed_keys(folder: Path, password: str, replaced: Collection[Replaceable]) -> ParticipantKeys:
    """A participant's keys with a new one for its certificate, others new as asked for, and the rest as they are.

    What is replaced is not read: it may be lost.

    Raises:
        EnrolmentError, InputError: a file that is kept cannot be read; see `read_keys`.
    """
    account = read_keystore(folder / ACCOUNT_FILE, password)
    signing, envelope = (
        generate() if key in replaced else read_elliptic_key(folder / file, password)
        for key, file in ((Replaceable.SIGNING, SIGNING_FILE), (Replaceable.ENVELOPE, ENVELOPE_FILE))
    )
    return ParticipantKeys(_new_tls_key(), signing, envelope, account)


def write_keys(folder: Path, keys: ParticipantKeys, name: str, password: str) -> None:
    """Writes a participant's keys, encrypted, into a new folder; four seconds, which each guess at the password costs.

    Raises:
        EnrolmentError: the folder holds something or cannot be written, or the password is short.
    """
    new_private_folder(folder)
    write_key(folder / TLS_FILE, keys.tls, name, password)
    write_key(folder / SIGNING_FILE, keys.signing, name, password)
    write_key(folder / ENVELOPE_FILE, keys.envelope, name, password)
    write_keystore(folder / ACCOUNT_FILE, keys.account, password)


def read_keys(folder: Path, password: str) -> ParticipantKeys:
    """The keys that `write_keys` wrote.

    Raises:
        EnrolmentError: a file is missing or damaged, or the password is not theirs.
        InputError: the account's is, or one is open to other users.
    """
    return ParticipantKeys(
        read_tls_key(folder, password),
        read_elliptic_key(folder / SIGNING_FILE, password),
        read_elliptic_key(folder / ENVELOPE_FILE, password),
        read_keystore(folder / ACCOUNT_FILE, password),
    )


def read_tls_key(folder: Path, password: str) -> RsaKey:
    """The certificate's key alone; raises what `read_keys` does."""
    return read_rsa_key(folder / TLS_FILE, password)


def _new_tls_key() -> RsaKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
