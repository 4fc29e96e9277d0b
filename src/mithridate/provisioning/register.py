"""The authority's register: every certificate it signed, for whom, on which request, and whether it counts.

The file bears the authority's signature: by the register a renewal is known, so an altered one would let in a stranger.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cryptography import x509
from pydantic import Field, ValidationError

from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import PublicKey
from mithridate.crypto.signing import sign, verify
from mithridate.errors import EnrolmentError, SignatureInvalid
from mithridate.provisioning.keystore import EllipticKey
from mithridate.provisioning.private_files import read_bounded, write_whole
from mithridate.provisioning.request import PublicKeys
from mithridate.provisioning.revocation import Reason
from mithridate.section import Section

MAX_BYTES = 1 << 26


class Revoked(Section):
    """When and why a certificate was taken back."""

    at: int = Field(ge=0)
    """Seconds since 1970."""
    reason: Annotated[Reason, Field(strict=False)]
    """Why."""


class Entry(Section):
    """One certificate."""

    participant: str
    """Whose."""
    serial: str = Field(pattern=r"^[0-9a-f]{1,40}$")
    """Its number, in hexadecimal."""
    expires: int = Field(ge=0)
    """Seconds since 1970."""
    made: int = Field(ge=0)
    """When the request was made, in seconds since 1970."""
    request: str = Field(pattern=r"^[0-9a-f]{64}$")
    """The request's fingerprint."""
    keys: PublicKeys
    """Those that the request proved."""
    certificate: str
    """In PEM."""
    revoked: Revoked | None = None
    """None while it counts."""


class Register(Section):
    """All entries in the order of their signing; a change is a new register."""

    entries: Annotated[tuple[Entry, ...], Field(strict=False)] = ()
    """One a certificate."""

    def current(self, participant: str) -> Entry | None:
        """The newest certificate of a participant that counts; None without one."""
        return next(reversed(self.counting(participant)), None)

    def of(self, participant: str) -> tuple[Entry, ...]:
        """All certificates that a participant ever had."""
        return tuple(entry for entry in self.entries if entry.participant == participant)

    def with_entry(self, entry: Entry) -> "Register":
        """The register with one more certificate."""
        return Register(entries=(*self.entries, entry))

    def revoking(self, serials: set[str], reason: Reason) -> "Register":
        """The register in which these certificates no longer count."""
        mark = Revoked(at=int(datetime.now(UTC).timestamp()), reason=reason)
        changed = [
            entry.model_copy(update={"revoked": mark}) if entry.serial in serials and not entry.revoked else entry
            for entry in self.entries
        ]
        return Register(entries=tuple(changed))

    def counting(self, participant: str) -> tuple[Entry, ...]:
        """A participant's certificates that count, the newest last."""
        return tuple(entry for entry in self.entries if _counts(entry, participant))

    def revoked(self) -> Iterator[tuple[int, datetime, Reason]]:
        """Serial number, moment and reason of each certificate that was taken back."""
        for entry in self.entries:
            if entry.revoked:
                yield int(entry.serial, 16), datetime.fromtimestamp(entry.revoked.at, UTC), entry.revoked.reason


class _SignedRegister(Section):
    content: Register
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


def read_register(path: Path, root: x509.Certificate) -> Register:
    """The register in a file, checked to be as the authority with this certificate wrote it.

    Raises:
        EnrolmentError: the file is missing, damaged or altered.
    """
    content, key = read_bounded(path, MAX_BYTES, "the authority's register"), root.public_key()
    try:
        signed = _SignedRegister.model_validate_json(content)
    except ValidationError as error:
        raise EnrolmentError(f"{path} is damaged: restore the authority's folder from its copy") from error
    try:
        if not isinstance(key, PublicKey):
            raise SignatureInvalid("the authority's key is none of P-256")
        verify(key, Domain.REGISTER, _message(signed.content), bytes.fromhex(signed.signature))
    except SignatureInvalid as error:
        raise EnrolmentError(
            f"{path} is not as the authority wrote it: somebody altered it, so restore the authority's folder from its"
            " copy, and compare what was signed since with the requests"
        ) from error
    return signed.content


def write_register(path: Path, register: Register, key: EllipticKey) -> None:
    """Signs and replaces the register in one step; raises EnrolmentError where the file cannot be written."""
    signature = sign(key, Domain.REGISTER, _message(register)).hex()
    write_whole(path, _SignedRegister(content=register, signature=signature).model_dump_json(indent=1).encode())


def _message(register: Register) -> bytes:
    return register.model_dump_json().encode()


def _counts(entry: Entry, participant: str) -> bool:
    return entry.participant == participant and entry.revoked is None
