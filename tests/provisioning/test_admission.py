import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mithridate.errors import CertificateRefused
from mithridate.provisioning.admission import Admission
from mithridate.provisioning.authority import Authority
from mithridate.provisioning.opened_kit import open_kit
from mithridate.provisioning.revocation import LIST_FILE, Reason
from mithridate.provisioning.roster import Roster


def shown(authority: Authority, name: str) -> bytes:
    entry = authority.register.current(name)
    assert entry is not None
    return entry.certificate.encode()


def guarding(authority: Authority, folder: Path) -> Admission:
    kit = open_kit(folder, authority.fingerprint)
    return Admission(kit.root, kit.roster, folder / "startup" / LIST_FILE, kit.revocations)


@pytest.fixture
def admission(authority: Authority, kits: dict[str, Path]) -> Admission:
    return guarding(authority, kits["coordinator"])


def test_members_are_admitted_under_their_certificates_name(authority: Authority, admission: Admission) -> None:
    assert admission.admit(shown(authority, "hospital-1")) == "hospital-1"
    assert admission.admit(shown(authority, "registrar")) == "registrar@university.example"


@pytest.mark.parametrize(
    "pem", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_whoever_shows_no_certificate_is_refused(admission: Admission, pem: bytes | None) -> None:
    with pytest.raises(CertificateRefused):
        admission.admit(pem)


def test_an_expired_certificate_is_refused_by_name(authority: Authority, admission: Admission) -> None:
    later = datetime.now(UTC) + timedelta(days=authority.consortium.certificates.days + 1)
    with pytest.raises(CertificateRefused, match=r"hospital-1 .* expired"):
        admission.admit(shown(authority, "hospital-1"), later)


def test_whoever_is_not_on_the_roster_is_refused_by_name(authority: Authority, kits: dict[str, Path]) -> None:
    kit = open_kit(kits["coordinator"], authority.fingerprint)
    members = tuple(member for member in kit.roster.members if member.participant.name != "hospital-1")
    roster = Roster(consortium=kit.roster.consortium, coordinator=kit.roster.coordinator, members=members)
    admission = Admission(kit.root, roster, kits["coordinator"] / "startup" / LIST_FILE, kit.revocations)
    with pytest.raises(CertificateRefused, match="hospital-1 is refused: it is not on the roster"):
        admission.admit(shown(authority, "hospital-1"))


def test_a_new_list_counts_at_once(authority: Authority, kits: dict[str, Path], admission: Admission) -> None:
    pem = shown(authority, "hospital-2")
    assert admission.admit(pem) == "hospital-2"
    authority.revoke("hospital-2", Reason.KEY_COMPROMISE)
    shutil.copyfile(authority.folder / LIST_FILE, kits["coordinator"] / "startup" / LIST_FILE)
    with pytest.raises(CertificateRefused, match=r"hospital-2 .* revoked"):
        admission.admit(pem)


def test_neither_an_older_list_nor_a_spoilt_one_nor_none_brings_a_certificate_back(
    authority: Authority, kits: dict[str, Path], admission: Admission
) -> None:
    file, pem = kits["coordinator"] / "startup" / LIST_FILE, shown(authority, "hospital-2")
    old = file.read_bytes()
    authority.revoke("hospital-2", Reason.KEY_COMPROMISE)
    shutil.copyfile(authority.folder / LIST_FILE, file)
    for spoilt in (None, b"", old):
        with pytest.raises(CertificateRefused, match="revoked its certificate"):
            admission.admit(pem)
        file.unlink(missing_ok=True)
        if spoilt is not None:
            file.write_bytes(spoilt)
        with pytest.raises(CertificateRefused, match="revoked its certificate"):
            admission.admit(pem)
