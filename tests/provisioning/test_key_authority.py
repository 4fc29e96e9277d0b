from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mithridate.errors import ConsortiumError, EnrolmentError
from mithridate.provisioning import request as requests
from mithridate.provisioning.authority import Authority, new_authority, open_authority
from mithridate.provisioning.certificates import certificate_from_pem
from mithridate.provisioning.consortium import Consortium, parse_consortium
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.request import EnrolmentRequest, make_renewal, make_request, read_request
from mithridate.provisioning.revocation import LIST_FILE, Reason, read_revocations

WORDS = "a password for tests"
Keys = dict[str, ParticipantKeys]


def request_of(consortium: Consortium, name: str, keys: ParticipantKeys) -> EnrolmentRequest:
    return read_request(make_request(consortium, consortium.participant(name), keys))


class Later(datetime):
    """A clock that goes an hour ahead."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + timedelta(hours=1)


def test_an_authority_is_found_again_under_its_password(authority: Authority) -> None:
    again = open_authority(authority.folder, WORDS)
    assert again.fingerprint == authority.fingerprint
    assert again.register == authority.register
    assert len(again.register.entries) == len(authority.consortium.participants)
    with pytest.raises(EnrolmentError, match="the password is another's"):
        open_authority(authority.folder, WORDS + "!")


def test_an_authority_is_never_made_over_another(authority: Authority, consortium_file: Path) -> None:
    with pytest.raises(EnrolmentError, match="keys are never overwritten"):
        new_authority(authority.folder, consortium_file, WORDS)


def test_a_key_and_a_certificate_of_two_authorities_are_refused(
    authority: Authority, consortium_file: Path, tmp_path: Path
) -> None:
    other = new_authority(tmp_path / "other", consortium_file, WORDS)
    (authority.folder / "rootCA.pem").write_bytes((other.folder / "rootCA.pem").read_bytes())
    with pytest.raises(EnrolmentError, match="of two authorities"):
        open_authority(authority.folder, WORDS)


def test_a_certificate_says_who_where_and_as_what(authority: Authority) -> None:
    entry = authority.register.current("validator-1")
    assert entry is not None
    certificate = certificate_from_pem(entry.certificate.encode(), "validator-1")
    names = {attribute.oid._name: attribute.value for attribute in certificate.subject}
    assert names == {"commonName": "validator-1", "organizationName": "university", "unstructuredName": "client"}
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life == timedelta(days=authority.consortium.certificates.days)


def test_no_certificate_outlives_the_authoritys(consortium_file: Path, consortium: Consortium, keys: Keys) -> None:
    file = consortium_file.with_name("short.yml")
    file.write_text(consortium_file.read_text(encoding="utf-8") + "certificates: {root_days: 2}\n", encoding="utf-8")
    authority = new_authority(file.parent / "short", file, WORDS)
    _, entry = authority.sign(request_of(consortium, "hospital-1", keys["hospital-1"]))
    assert entry.expires == int(authority.root.not_valid_after_utc.timestamp())


def test_a_request_is_signed_once(empty_authority: Authority, consortium: Consortium, keys: Keys) -> None:
    request = request_of(consortium, "hospital-1", keys["hospital-1"])
    authority, _ = empty_authority.sign(request)
    with pytest.raises(EnrolmentError, match=r"'hospital-1' has certificate .* already"):
        authority.sign(request)
    authority, _ = authority.revoke("hospital-1", Reason.SUPERSEDED)
    with pytest.raises(EnrolmentError, match="it may be an old one, sent again"):
        authority.sign(request)


def test_a_request_from_the_future_is_refused(
    empty_authority: Authority, consortium: Consortium, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "datetime", Later)
    early = request_of(consortium, "hospital-1", keys["hospital-1"])
    with pytest.raises(EnrolmentError, match="is from the future: set the clocks right"):
        empty_authority.sign(early)


def test_nobody_enrols_with_a_key_of_another(empty_authority: Authority, consortium: Consortium, keys: Keys) -> None:
    authority, _ = empty_authority.sign(request_of(consortium, "hospital-1", keys["hospital-1"]))
    theirs, mine = keys["hospital-1"], keys["hospital-2"]
    for borrowed in (
        ParticipantKeys(mine.tls, mine.signing, theirs.envelope, mine.account),
        ParticipantKeys(mine.tls, mine.signing, mine.envelope, theirs.account),
        ParticipantKeys(mine.tls, theirs.signing, mine.envelope, mine.account),
    ):
        with pytest.raises(EnrolmentError, match="asks with a key or account of 'hospital-1'"):
            authority.sign(request_of(consortium, "hospital-2", borrowed))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "consortium: breast-cancer",
            "consortium: lung-cancer",
            "'lung-cancer', but this is 'breast-cancer'",
        ),
        ("name: hospital-1, role: hospital", "name: hospital-1, role: curator", "asks as curator of clinic_1"),
        ("organisation: clinic_1", "organisation: clinic_9", "asks as hospital of clinic_9"),
    ],
)
def test_a_request_for_something_else_is_refused(
    empty_authority: Authority, consortium_file: Path, keys: Keys, old: str, new: str, told: str
) -> None:
    text = consortium_file.read_text(encoding="utf-8").replace(old, new)
    other = parse_consortium(text.encode(), "other.yml")
    with pytest.raises(EnrolmentError, match=told):
        empty_authority.sign(request_of(other, "hospital-1", keys["hospital-1"]))


def test_a_participant_that_is_not_listed_gets_nothing(
    empty_authority: Authority, consortium_file: Path, keys: Keys
) -> None:
    text = consortium_file.read_text(encoding="utf-8").replace("name: hospital-2", "name: hospital-9")
    other = parse_consortium(text.encode(), "other.yml")
    with pytest.raises(ConsortiumError, match="no participant 'hospital-9'"):
        empty_authority.sign(request_of(other, "hospital-9", keys["hospital-2"]))


def test_revoking_leaves_the_others_and_reaches_the_list(authority: Authority) -> None:
    after, entries = authority.revoke("hospital-1", Reason.KEY_COMPROMISE)
    content = (authority.folder / LIST_FILE).read_bytes()
    revocations = read_revocations(content, authority.root)
    assert revocations.reasons == {int(entries[0].serial, 16): "keyCompromise"}
    assert after.register.current("hospital-1") is None
    assert after.register.current("hospital-2") is not None
    assert open_authority(authority.folder, WORDS).register == after.register
    with pytest.raises(EnrolmentError, match="'hospital-1' has no certificate that counts"):
        after.revoke("hospital-1", Reason.KEY_COMPROMISE)


def test_one_of_several_certificates_is_revoked_by_its_number(
    authority: Authority, consortium: Consortium, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = authority.register.current("hospital-1")
    assert first is not None
    monkeypatch.setattr("mithridate.provisioning.authority.SLACK_S", 7200)
    monkeypatch.setattr(requests, "datetime", Later)
    renewed = replace(keys["hospital-1"], tls=keys["hospital-2"].tls)
    person = consortium.participant("hospital-1")
    again = make_renewal(consortium.consortium, person, renewed, renews=first.serial)
    authority, second = authority.sign(read_request(again), None)
    assert authority.register.current("hospital-1") == second
    authority, _ = authority.revoke("hospital-1", Reason.SUPERSEDED, first.serial)
    assert authority.register.current("hospital-1") == second
    with pytest.raises(EnrolmentError, match=f"has no certificate {first.serial}"):
        authority.revoke("hospital-1", Reason.SUPERSEDED, first.serial)


def test_whoever_is_struck_from_the_file_or_changes_its_part_is_revoked(
    authority: Authority, consortium_file: Path
) -> None:
    lines = consortium_file.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if "hospital-2" not in line).replace("clinic_1", "clinic_7")
    after, gone = authority.amend(text.encode(), "next.yml")
    assert gone == ["hospital-1", "hospital-2"]
    assert after.register.current("hospital-1") is None
    assert len(read_revocations((authority.folder / LIST_FILE).read_bytes(), authority.root).reasons) == 2
    assert open_authority(authority.folder, WORDS).consortium == after.consortium
    with pytest.raises(EnrolmentError, match="run `mithridate authority amend`"):
        after.refuse_other(consortium_file)


def test_another_consortiums_file_is_not_taken(authority: Authority, consortium_file: Path) -> None:
    text = consortium_file.read_text(encoding="utf-8").replace("breast-cancer", "lung-cancer")
    with pytest.raises(EnrolmentError, match="is of 'lung-cancer', not of 'breast-cancer'"):
        authority.amend(text.encode(), "next.yml")
    authority.refuse_other(consortium_file)


def test_a_damaged_register_is_refused(authority: Authority) -> None:
    (authority.folder / "register.json").write_text('{"entries": [{}]}', encoding="utf-8")
    with pytest.raises(EnrolmentError, match=r"register\.json is damaged"):
        open_authority(authority.folder, WORDS)
