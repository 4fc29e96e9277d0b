"""Certificates that the authority took back: a list in X.509's own form (RFC 5280), signed by the authority."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mithridate.errors import CertificateRefused
from mithridate.provisioning.keystore import EllipticKey
from mithridate.provisioning.x509_errors import X509_ERRORS

LIST_FILE = "revoked.crl"
MAX_BYTES = 1 << 20


class Reason(StrEnum):
    """Why a certificate is taken back, in the words of RFC 5280."""

    KEY_COMPROMISE = "keyCompromise"
    LEFT = "cessationOfOperation"
    SUPERSEDED = "superseded"
    WITHDRAWN = "privilegeWithdrawn"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True)
class Revocations:
    """A list as its reader holds it.

    Attributes:
        reasons: serial number to why it was taken back.
        issued: when the authority made the list.
        until: after this moment a newer list must be had.
        number: how many certificates were ever revoked: of two lists the one with more is the newer, whatever its date.
    """

    reasons: Mapping[int, str]
    issued: datetime
    until: datetime
    number: int

    def older_than(self, other: "Revocations") -> bool:
        """Whether the authority made this list before another."""
        return (self.number, self.issued) < (other.number, other.issued)

    def reason(self, serial: int) -> str | None:
        """Why the certificate of this serial number was taken back; None if it was not."""
        return self.reasons.get(serial)

    def refuse_stale(self, now: datetime) -> None:
        """Returns if the list is not too old to be believed at a moment with its time zone.

        Raises:
            CertificateRefused: it is.
        """
        if now > self.until:
            raise CertificateRefused(
                f"the list of revoked certificates of {self.issued:%Y-%m-%d} served until {self.until:%Y-%m-%d}: ask"
                f" the key authority for a new {LIST_FILE}"
            )


def revocation_list(
    revoked: Iterable[tuple[int, datetime, Reason]], root: x509.Certificate, key: EllipticKey, days: int
) -> bytes:
    """The signed list in PEM, believed for `days`; an entry is serial number, when it was revoked, and why."""
    now, entries = datetime.now(UTC), list(revoked)
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(now)
    builder = builder.next_update(now + timedelta(days=days))
    for serial, when, reason in entries:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        if reason is not Reason.UNSPECIFIED:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags(reason.value)), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    builder = builder.add_extension(x509.CRLNumber(len(entries)), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def read_revocations(content: bytes, root: x509.Certificate) -> Revocations:
    """The list in a PEM file's bytes, checked to be the authority's.

    Raises:
        CertificateRefused: it is malformed, too large, another authority's or altered.
    """
    if len(content) > MAX_BYTES:
        raise CertificateRefused(f"the list of revoked certificates has more than {MAX_BYTES} bytes")
    try:
        document = x509.load_pem_x509_crl(content)
        genuine = document.issuer == root.subject and document.is_signature_valid(root.public_key())  # type: ignore[arg-type]
        until, reasons = document.next_update_utc, {entry.serial_number: _reason(entry) for entry in document}
        number = document.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except X509_ERRORS as error:
        raise CertificateRefused("the list of revoked certificates is malformed: ask the key authority anew") from error
    if not genuine or until is None:
        raise CertificateRefused("the list of revoked certificates is not this consortium's authority's")
    return Revocations(reasons, document.last_update_utc, until, number)


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return str(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)
    except x509.ExtensionNotFound:
        return Reason.UNSPECIFIED.value
