"""Certificates as the engine's own provisioning makes them, and the examination of those that others show."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from nvflare.lighter.utils import Identity, generate_cert

from mithridate.errors import CertificateRefused
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.keystore import EllipticKey
from mithridate.provisioning.revocation import Reason, Revocations
from mithridate.provisioning.x509_errors import X509_ERRORS

ENGINE_ROLES = {Role.COORDINATOR: "server", Role.ADMINISTRATOR: "project_admin"}
"""What the engine reads in a certificate's unstructured name; everyone else is a client to it."""


_RENEW = "run `mithridate renew` where its keys lie"
_USE_NEWEST = "it was renewed, use the newest kit with its keys"
_ASK = "ask the key authority why"


def root_certificate(consortium: str, key: EllipticKey, days: int) -> x509.Certificate:
    """The authority's own certificate, for its P-256 key."""
    name = Identity(consortium)
    return _issued(generate_cert(name, name, key, key.public_key(), valid_days=days, ca=True))


def participant_certificate(
    participant: Participant, public: rsa.RSAPublicKey, root: x509.Certificate, key: EllipticKey, days: int
) -> x509.Certificate:
    """A participant's certificate for `days`, though never longer than the root's own, signed with the root's key.

    Only a participant that others dial may stand as a server: no hospital can pose as the coordinator.
    """
    now = datetime.now(UTC)
    subject = Identity(participant.subject, participant.organisation, ENGINE_ROLES.get(participant.role, "client"))
    return _issued(
        generate_cert(
            subject,
            Identity(common_name(root)),
            key,
            public,
            server_default_host=participant.host,
            not_valid_before=now,
            not_valid_after=min(now + timedelta(days=days), root.not_valid_after_utc),
            extra_extensions=list(_extensions(participant)),
        )
    )


def examine(
    certificate: x509.Certificate, root: x509.Certificate, revocations: Revocations | None, now: datetime
) -> str:
    """The name of the participant whose valid certificate this is.

    Args:
        certificate: shown by another, so hostile.
        root: the consortium's own.
        revocations: what the authority took back; None where there is no list, of the authority itself.
        now: with its time zone.

    Raises:
        CertificateRefused: it is another consortium's, expired, not valid yet or revoked; the message names its owner.
    """
    owner = f"{common_name(certificate)} (organisation {organisation(certificate)})"
    try:
        certificate.verify_directly_issued_by(root)
    except X509_ERRORS as error:
        raise CertificateRefused(
            f"{owner} is refused: {issuer_name(certificate)!r} issued its certificate, not this consortium's authority"
            f" ({common_name(root)!r}, SHA-256 {fingerprint(root)[:16]}...)"
        ) from error
    start, end = _span(certificate)
    if not start <= now <= end:
        first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (start, end))
        state, mend = ("expired", _RENEW) if now > end else ("not valid yet", "set this machine's clock right")
        raise CertificateRefused(
            f"{owner} is refused: its certificate is {state} (valid {first} to {last} UTC): {mend}"
        )
    reason = revocations.reason(certificate.serial_number) if revocations else None
    if reason is not None:
        mend = _USE_NEWEST if reason == Reason.SUPERSEDED else _ASK
        raise CertificateRefused(f"{owner} is refused: the authority revoked its certificate ({reason}): {mend}")
    return common_name(certificate)


def common_name(certificate: x509.Certificate) -> str:
    """Of its subject; "(nobody)" without one."""
    return _attribute(certificate.subject, NameOID.COMMON_NAME) or "(nobody)"


def organisation(certificate: x509.Certificate) -> str:
    """Of its subject; "(none)" without one."""
    return _attribute(certificate.subject, NameOID.ORGANIZATION_NAME) or "(none)"


def issuer_name(certificate: x509.Certificate) -> str:
    """Common name of who says to have issued it."""
    return _attribute(certificate.issuer, NameOID.COMMON_NAME) or "(nobody)"


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of its DER form, 64 hexadecimal digits."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def certificate_from_pem(pem: bytes, source: str) -> x509.Certificate:
    """One certificate in PEM.

    Raises:
        CertificateRefused: there is none, or it is malformed; `source` says whose it was to be.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        # The rest is parsed when it is asked for: here, where its errors are awaited.
        _ = common_name(certificate), organisation(certificate), issuer_name(certificate), _span(certificate)
    except X509_ERRORS as error:
        raise CertificateRefused(f"{source} is no certificate in PEM: restore it from the start-up kit") from error
    return certificate


def certificate_to_pem(certificate: x509.Certificate) -> bytes:
    """PEM, with its lines."""
    return certificate.public_bytes(Encoding.PEM)


def _span(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _issued(certificate: object) -> x509.Certificate:
    if not isinstance(certificate, x509.Certificate):
        raise TypeError("the engine's generate_cert returns no certificate any more")
    return certificate


def _extensions(participant: Participant) -> Iterator[tuple[x509.ExtensionType, bool]]:
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if participant.role.listens:
        uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
    allowed = dict.fromkeys(("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign"), False)
    allowed |= dict.fromkeys(("crl_sign", "encipher_only", "decipher_only"), False)
    # An administrator's certificate is to sign jobs only: the engine asks for exactly these.
    signs_jobs = participant.role is Role.ADMINISTRATOR
    allowed |= {"digital_signature": True, "content_commitment": signs_jobs, "key_encipherment": not signs_jobs}
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield x509.KeyUsage(**allowed), True
    yield x509.ExtendedKeyUsage(uses), False


def _attribute(name: x509.Name, kind: x509.ObjectIdentifier) -> str | None:
    found = name.get_attributes_for_oid(kind)
    return str(found[0].value) if found else None
