import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mithridate.errors import CertificateRefused
from mithridate.provisioning.authority import Authority, new_authority
from mithridate.provisioning.certificates import certificate_from_pem, examine
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.request import make_request, read_request
from mithridate.provisioning.revocation import LIST_FILE, Reason, Revocations, read_revocations

WORDS = "a password for tests"
# Later than any certificate is made in this run, and well before the shortest of them ends.
NOW = datetime.now(UTC) + timedelta(hours=2)


def certificate(authority: Authority, name: str) -> x509.Certificate:
    entry = authority.register.current(name)
    assert entry is not None
    return certificate_from_pem(entry.certificate.encode(), name)


def revocations(authority: Authority) -> Revocations:
    return read_revocations((authority.folder / LIST_FILE).read_bytes(), authority.root)


@pytest.fixture
def other(tmp_path: Path, consortium_file: Path, keys: dict[str, ParticipantKeys]) -> Authority:
    """Another consortium of the same name, in which hospital-1 enrolled, too."""
    made = new_authority(tmp_path / "other", consortium_file, WORDS)
    request = make_request(made.consortium, made.consortium.participant("hospital-1"), keys["hospital-1"])
    return made.sign(read_request(request))[0]


def test_every_participants_certificate_is_believed(authority: Authority) -> None:
    for participant in authority.consortium.participants:
        shown = certificate(authority, participant.name)
        assert examine(shown, authority.root, revocations(authority), NOW) == participant.subject


def test_another_consortiums_certificate_is_refused_by_name(authority: Authority, other: Authority) -> None:
    with pytest.raises(CertificateRefused, match=r"hospital-1 \(organisation clinic_1\) is refused: .*not this cons"):
        examine(certificate(other, "hospital-1"), authority.root, revocations(authority), NOW)


def test_a_certificate_that_only_claims_the_authority_is_refused(
    authority: Authority, keys: dict[str, ParticipantKeys]
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital-1")])
    builder = x509.CertificateBuilder(authority.root.subject, name)
    forged = (
        builder.public_key(keys["hospital-1"].tls.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    with pytest.raises(CertificateRefused, match="not this consortium's authority"):
        examine(forged, authority.root, revocations(authority), NOW)


@pytest.mark.parametrize(("days", "state"), [(366, "expired"), (-1, "not valid yet")])
def test_a_certificate_out_of_its_time_is_refused_by_name(authority: Authority, days: int, state: str) -> None:
    shown = certificate(authority, "validator-2")
    with pytest.raises(CertificateRefused, match=rf"validator-2 .* its certificate is {state} \(valid 20"):
        examine(shown, authority.root, None, NOW + timedelta(days=days))


def test_a_revoked_certificate_is_refused_by_name_and_reason(authority: Authority) -> None:
    shown = certificate(authority, "hospital-2")
    authority, _ = authority.revoke("hospital-2", Reason.WITHDRAWN)
    with pytest.raises(CertificateRefused, match=r"hospital-2 .*revoked its certificate \(privilegeWithdrawn\)"):
        examine(shown, authority.root, revocations(authority), NOW)
    assert examine(certificate(authority, "hospital-1"), authority.root, revocations(authority), NOW) == "hospital-1"


def test_only_those_that_are_dialled_can_stand_as_servers(authority: Authority) -> None:
    servers = []
    for participant in authority.consortium.participants:
        uses = certificate(authority, participant.name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert ExtendedKeyUsageOID.CLIENT_AUTH in uses
        if ExtendedKeyUsageOID.SERVER_AUTH in uses:
            servers.append(participant.name)
    assert servers == ["coordinator", "validator-1", "validator-2", "validator-3"]


def test_a_list_of_another_authority_or_an_altered_one_is_refused(authority: Authority, other: Authority) -> None:
    mine = (authority.folder / LIST_FILE).read_bytes()
    with pytest.raises(CertificateRefused, match="is not this consortium's authority's"):
        read_revocations((other.folder / LIST_FILE).read_bytes(), authority.root)
    for content in (b"", b"x" * 100, mine[:-60], b"-" * ((1 << 20) + 1)):
        with pytest.raises(CertificateRefused, match="list of revoked certificates"):
            read_revocations(content, authority.root)


def test_a_list_is_believed_for_its_time_only(authority: Authority) -> None:
    held = revocations(authority)
    held.refuse_stale(NOW)
    with pytest.raises(CertificateRefused, match=r"ask the key authority for a new revoked\.crl"):
        held.refuse_stale(NOW + timedelta(days=authority.consortium.certificates.revocation_days))


changes = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=3)


def altered(der: bytes, changed: list[tuple[int, int]], name: str) -> bytes:
    """A document with other bytes at some places, in PEM."""
    content = bytearray(der)
    for place, value in changed:
        content[place % len(der)] = value
    return f"-----BEGIN {name}-----\n{base64.encodebytes(bytes(content)).decode()}-----END {name}-----\n".encode()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=changes)
def test_no_altered_certificate_is_believed_or_breaks_the_examination(
    authority: Authority, changed: list[tuple[int, int]]
) -> None:
    genuine = certificate(authority, "hospital-1")
    pem = altered(genuine.public_bytes(Encoding.DER), changed, "CERTIFICATE")
    try:
        shown = certificate_from_pem(pem, "a peer")
        examine(shown, authority.root, revocations(authority), NOW)
    except CertificateRefused:
        return
    assert shown == genuine


@pytest.fixture
def taken_back(authority: Authority) -> bytes:
    """A list that names hospital-1, in DER."""
    authority, _ = authority.revoke("hospital-1", Reason.WITHDRAWN)
    return x509.load_pem_x509_crl(authority.revocations()).public_bytes(Encoding.DER)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=changes)
def test_no_altered_list_is_believed_or_breaks_the_reader(
    authority: Authority, taken_back: bytes, changed: list[tuple[int, int]]
) -> None:
    try:
        read = read_revocations(altered(taken_back, changed, "X509 CRL"), authority.root)
    except CertificateRefused:
        return
    assert list(read.reasons.values()) == ["privilegeWithdrawn"]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_survives_the_list(authority: Authority, reason: Reason) -> None:
    authority, entries = authority.revoke("hospital-1", reason)
    assert revocations(authority).reason(int(entries[0].serial, 16)) == reason.value
