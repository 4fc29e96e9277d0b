"""Certificates by which the validators know each other on their links: pinned, whoever signed them.

A link accepts the very certificates of the two other validators, so that no other participant of the consortium can
take a validator's place. Those of a link for the joint computation are made for that link alone.
"""

import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mithridate.crypto.keys import PrivateKey
from mithridate.errors import MessageError

MAX_PEM_BYTES = 4096
LIFETIME = datetime.timedelta(days=30)
"""Of a link's own certificate: longer than any study keeps one link."""
_MAX_NAME = 64
_UNREADABLE = (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
_CLOCK_SKEW = datetime.timedelta(minutes=5)


def make_link_certificate(name: str, key: PrivateKey, lifetime: datetime.timedelta = LIFETIME) -> bytes:
    """A self-signed certificate for one end of one link, PEM.

    Args:
        name: of the participant, which stands in the certificate as its DNS name.
        key: P-256, made for this link.
        lifetime: from now.

    Raises:
        MessageError: the name does not fit in a certificate.
    """
    if not name.isascii() or not 0 < len(name) <= _MAX_NAME:
        raise MessageError(f"a certificate names its holder in 1 to {_MAX_NAME} ASCII characters, got {name!r:.80}")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def read_link_certificate(pem: bytes, name: str) -> x509.Certificate:
    """The certificate of `name`, checked for form, name and date.

    Args:
        pem: from the roster, or from that participant.
        name: whom it should name.

    Raises:
        MessageError: it is no certificate, too large, another's, or not valid today; the message says which.
    """
    if len(pem) > MAX_PEM_BYTES:
        raise MessageError(f"{name}'s certificate has {len(pem)} bytes where at most {MAX_PEM_BYTES} are allowed")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        certificate.public_key()
        _ = certificate.extensions
    except (ValueError, UnsupportedAlgorithm, *_UNREADABLE) as error:
        raise MessageError(f"{name}'s certificate cannot be read: {error!s:.80}") from error
    if names != [name]:
        raise MessageError(f"the certificate of {name} names {' and '.join(map(repr, names))[:80] or 'nobody'}")
    now = datetime.datetime.now(datetime.UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise MessageError(
            f"{name}'s certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}: it must enrol a new one"
        )
    return certificate
