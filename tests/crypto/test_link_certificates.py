"""Certificates of links: made for one name, and believed for that name, today, in one form only."""

import base64
import datetime
import warnings
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.crypto.keys import generate, private_to_pem
from mithridate.crypto.link_certificates import LIFETIME, MAX_PEM_BYTES, make_link_certificate, read_link_certificate
from mithridate.errors import MessageError

KEY = generate()
PEM = make_link_certificate("validator-1", KEY)
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def certificate_of(
    names: Sequence[str], since: datetime.datetime = NOW - DAY, until: datetime.datetime = NOW + DAY
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), x509.random_serial_number(), since, until)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_certificate_holds_its_name_and_key_and_signs_itself() -> None:
    certificate = read_link_certificate(PEM, "validator-1")
    assert certificate.public_key() == KEY.public_key()
    certificate.verify_directly_issued_by(certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["validator-1"]
    # Nobody becomes an authority for others by it.
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    # Made with room for a clock that is behind.
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc - NOW <= LIFETIME + datetime.timedelta(minutes=1)


def test_two_certificates_of_one_key_differ() -> None:
    assert make_link_certificate("validator-1", KEY) != PEM


@pytest.mark.parametrize("name", ["", "v" * 65, "prüfer-1", "validator\u202e1"])
def test_a_name_that_no_certificate_bears_is_refused(name: str) -> None:
    with pytest.raises(MessageError, match="names its holder in 1 to 64 ASCII characters"):
        make_link_certificate(name, KEY)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (PEM, "the certificate of validator-2 names 'validator-1'"),
        (certificate_of([]), "names nobody"),
        (certificate_of(["validator-2", "validator-1"]), "names 'validator-2' and 'validator-1'"),
        (certificate_of(["validator-2\nWARNING forged"]), r"names 'validator-2\\nWARNING forged'"),
        (certificate_of(["Validator-2"]), "names 'Validator-2'"),
        (certificate_of(["validator-2 "]), "names 'validator-2 '"),
        (certificate_of(["validator-2"], NOW - 2 * DAY, NOW - DAY), "it must enrol a new one"),
        (certificate_of(["validator-2"], NOW + DAY, NOW + 2 * DAY), "it must enrol a new one"),
        (make_link_certificate("validator-2", KEY, datetime.timedelta(seconds=-1)), "valid from .* to .*enrol"),
        (b"", "cannot be read"),
        (b"no certificate", "cannot be read"),
        (private_to_pem(KEY, passphrase=None), "cannot be read"),
        (PEM[: len(PEM) // 2], "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "cannot be read"),
        (PEM + bytes(MAX_PEM_BYTES), f"bytes where at most {MAX_PEM_BYTES} are allowed"),
    ],
)
def test_what_is_not_the_certificate_is_refused_in_words(pem: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason) as caught:
        read_link_certificate(pem, "validator-2")
    assert str(caught.value).isprintable()


def test_no_error_shows_a_key_that_was_given_in_its_place() -> None:
    secret = private_to_pem(KEY, passphrase=None)
    with pytest.raises(MessageError) as caught:
        read_link_certificate(secret, "validator-1")
    assert not any(line.decode() in str(caught.value) for line in secret.splitlines()[1:-1])


def test_a_key_of_another_kind_is_read() -> None:
    # An authority of the consortium may use one; the link compares the certificate, not the kind.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "validator-1")])
    key = ed25519.Ed25519PrivateKey.generate()
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7, NOW - DAY, NOW + DAY)
    assert read_link_certificate(builder.sign(key, None).public_bytes(Encoding.PEM), "validator-1").serial_number == 7


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError, match="cannot be read"):
        read_link_certificate(data, "validator-1")


DER = x509.load_pem_x509_certificate(PEM).public_bytes(Encoding.DER)


@settings(deadline=None)
@given(st.data())
def test_an_altered_certificate_is_read_or_refused_and_no_more(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(DER) - 1))
    altered = bytearray(DER)
    altered[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bytes(altered)) + b"-----END CERTIFICATE-----\n"
    with warnings.catch_warnings():
        # Of the library, about forms that it will refuse one day.
        warnings.simplefilter("ignore")
        try:
            certificate = read_link_certificate(pem, "validator-1")
        except MessageError:
            return
    # Whatever else was altered, it is another certificate to whoever pinned the first.
    assert certificate.public_bytes(Encoding.DER) != DER or bytes(altered) == DER


def test_what_else_a_file_holds_is_not_part_of_the_certificate() -> None:
    stranger = make_link_certificate("stranger", generate())
    certificate = read_link_certificate(PEM + stranger, "validator-1")
    assert certificate.public_bytes(Encoding.PEM) == PEM
    with pytest.raises(MessageError, match="names 'stranger'"):
        read_link_certificate(stranger + PEM, "validator-1")
