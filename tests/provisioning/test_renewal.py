"""A participant of a running study gets a new certificate; nobody else can have one in its place."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey

from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import generate
from mithridate.crypto.signing import sign
from mithridate.errors import CertificateRefused, EnrolmentError, InputError
from mithridate.ledger import keystore as accounts
from mithridate.ledger.accounts import new_account
from mithridate.provisioning import authority as authorities
from mithridate.provisioning import keystore, request
from mithridate.provisioning.admission import Admission
from mithridate.provisioning.authority import Authority, open_authority, register_of
from mithridate.provisioning.certificates import examine
from mithridate.provisioning.enrolment import ENROLMENT_FILE, Enrolment
from mithridate.provisioning.keys import (
    ACCOUNT_FILE,
    SIGNING_FILE,
    TLS_FILE,
    ParticipantKeys,
    Replaceable,
    new_keys,
    read_keys,
    write_keys,
)
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.opened_kit import open_kit, unlocked
from mithridate.provisioning.private_files import write_new
from mithridate.provisioning.renewal import renew
from mithridate.provisioning.renewal_rules import news
from mithridate.provisioning.request import EnrolmentRequest, make_renewal, make_request, read_request
from mithridate.provisioning.revocation import LIST_FILE, Reason, read_revocations

WORDS = "a password for tests"
Keys = dict[str, ParticipantKeys]
Kits = dict[str, Path]


class Clock(datetime):
    """Goes an hour ahead at each look, so that no two requests are of one moment."""

    shift = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        cls.shift += timedelta(hours=1)
        return datetime.now(UTC) + cls.shift


@pytest.fixture(autouse=True)
def later_requests_and_cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "KDF_ROUNDS", 1_000)
    monkeypatch.setattr(accounts, "SCRYPT_N", 1 << 10)
    monkeypatch.setattr(Clock, "shift", timedelta())
    monkeypatch.setattr(request, "datetime", Clock)
    monkeypatch.setattr(authorities, "SLACK_S", 10**7)


@pytest.fixture
def site(authority: Authority, kits: Kits, keys: Keys, tmp_path: Path) -> Callable[[str], Path]:
    """A participant's kit with its keys beside it, as they lie where it runs."""

    def settle(name: str) -> Path:
        place = tmp_path / "sites" / name
        shutil.copytree(kits[name], place / "kit")
        write_keys(place / "keys", keys[name], name, WORDS)
        enrolment = Enrolment(consortium="breast-cancer", participant=name, authority=authority.fingerprint)
        write_new(place / "keys" / ENROLMENT_FILE, enrolment.model_dump_json().encode())
        return place / "kit"

    return settle


def renewal(kit: Path, *replaced: Replaceable) -> EnrolmentRequest:
    """What the participant asks for; its next keys lie in `new-keys` beside the kit."""
    file = kit.parent / "renewal.json"
    told = renew(kit, kit.parent / "new-keys", file, WORDS, replaced)
    asked = read_request(file.read_bytes())
    assert asked.fingerprint == told
    return asked


def serial(authority: Authority, name: str) -> str:
    entry = authority.register.current(name)
    assert entry is not None
    return entry.serial


def certificate(authority: Authority, number: str) -> bytes:
    return next(entry.certificate for entry in authority.register.entries if entry.serial == number).encode()


def taken_over(kit: Path, new: Path) -> None:
    """As docs/provisioning.md says: the new kit's startup folder, and the new keys, in place of those before."""
    shutil.copytree(new / "startup", kit / "startup", dirs_exist_ok=True)
    (kit.parent / "keys").rename(kit.parent / "old-keys")
    (kit.parent / "new-keys").rename(kit.parent / "keys")


def test_a_renewed_participant_goes_on_with_its_account(
    authority: Authority, site: Callable[[str], Path], keys: Keys, tmp_path: Path
) -> None:
    kit, before = site("hospital-1"), authority.register.current("hospital-1")
    assert before is not None
    settings = (kit / "local/participant.toml").read_text(encoding="utf-8") + "# mine\n"
    (kit / "local/participant.toml").write_text(settings, encoding="utf-8")
    after, entry = authority.sign(renewal(kit))
    assert entry.keys == before.keys
    assert entry.serial != before.serial
    new = write_kits(after, tmp_path / "next", Contents())
    taken_over(kit, new["hospital-1"])
    opened = open_kit(kit, authority.fingerprint)
    assert opened.member.serial == entry.serial
    held = read_keys(kit.parent / "keys", WORDS)
    assert held.account == keys["hospital-1"].account
    assert held.signing.private_numbers() == keys["hospital-1"].signing.private_numbers()
    with unlocked(opened, held.tls):
        pass
    with pytest.raises(EnrolmentError, match="the keys are not those"), unlocked(opened, keys["hospital-1"].tls):
        pass
    assert (kit / "local/participant.toml").read_text(encoding="utf-8") == settings


def test_the_certificate_before_is_superseded_in_register_and_list(
    authority: Authority, site: Callable[[str], Path]
) -> None:
    kit, old = site("hospital-1"), serial(authority, "hospital-1")
    after, entry = authority.sign(renewal(kit))
    listed = read_revocations((authority.folder / LIST_FILE).read_bytes(), authority.root)
    assert listed.reasons == {int(old, 16): "superseded"}
    assert [found.serial for found in after.register.counting("hospital-1")] == [entry.serial]
    assert open_authority(authority.folder, WORDS).register == after.register
    shutil.copyfile(authority.folder / LIST_FILE, kit / "startup" / LIST_FILE)
    with pytest.raises(CertificateRefused, match=r"\(superseded\): it was renewed, use the newest kit with its keys"):
        open_kit(kit, authority.fingerprint)


def test_the_running_coordinator_needs_the_list_alone(
    authority: Authority, kits: Kits, site: Callable[[str], Path]
) -> None:
    kit, old = site("hospital-1"), serial(authority, "hospital-1")
    coordinator = open_kit(kits["coordinator"], authority.fingerprint)
    file = kits["coordinator"] / "startup" / LIST_FILE
    admission = Admission(coordinator.root, coordinator.roster, file, coordinator.revocations)
    after, entry = authority.sign(renewal(kit))
    before, renewed = certificate(after, old), certificate(after, entry.serial)
    assert admission.admit(before) == admission.admit(renewed) == "hospital-1"
    shutil.copyfile(authority.folder / LIST_FILE, file)
    assert admission.admit(renewed) == "hospital-1"
    with pytest.raises(CertificateRefused, match=r"hospital-1 .* \(superseded\)"):
        admission.admit(before)


def test_the_certificate_before_may_stay_until_it_expires(
    authority: Authority, kits: Kits, site: Callable[[str], Path], tmp_path: Path
) -> None:
    old, asked = serial(authority, "hospital-1"), renewal(site("hospital-1"))
    after, entry = authority.sign(asked, None)
    assert [found.serial for found in after.register.counting("hospital-1")] == [old, entry.serial]
    assert after.register.current("hospital-1") == entry
    assert not list(after.register.revoked())
    assert open_kit(kits["hospital-1"], authority.fingerprint).member.serial == old
    new = write_kits(after, tmp_path / "next", Contents())
    assert open_kit(new["hospital-1"], authority.fingerprint).member.serial == entry.serial
    last, _ = after.revoke("hospital-1", Reason.KEY_COMPROMISE, old)
    assert last.register.current("hospital-1") == entry


def test_a_stolen_key_is_replaced_and_called_so(authority: Authority, site: Callable[[str], Path]) -> None:
    old = serial(authority, "hospital-1")
    authority.sign(renewal(site("hospital-1")), Reason.KEY_COMPROMISE)
    listed = read_revocations((authority.folder / LIST_FILE).read_bytes(), authority.root)
    assert listed.reasons == {int(old, 16): "keyCompromise"}


def test_lost_keys_are_made_anew_where_the_account_is_left(
    authority: Authority, site: Callable[[str], Path], keys: Keys
) -> None:
    kit = site("hospital-1")
    for name in (TLS_FILE, SIGNING_FILE):
        (kit.parent / "keys" / name).unlink()
    with pytest.raises(EnrolmentError, match=r"signing\.p12 cannot be read"):
        renewal(kit)
    _, entry = authority.sign(renewal(kit, Replaceable.SIGNING))
    held, before = read_keys(kit.parent / "new-keys", WORDS), keys["hospital-1"]
    assert held.account == before.account
    assert held.envelope.private_numbers() == before.envelope.private_numbers()
    assert held.signing.private_numbers() != before.signing.private_numbers()
    member = authority.register.current("hospital-1")
    assert member is not None
    assert (entry.keys.envelope_key, entry.keys.account) == (member.keys.envelope_key, member.keys.account)
    assert entry.keys.signing_key != member.keys.signing_key


def test_nothing_is_renewed_without_the_accounts_key(site: Callable[[str], Path]) -> None:
    kit = site("hospital-1")
    (kit.parent / "keys" / ACCOUNT_FILE).unlink()
    with pytest.raises(InputError, match=r"account\.json"):
        renewal(kit)
    assert not (kit.parent / "new-keys").exists()
    assert not (kit.parent / "renewal.json").exists()


def test_an_expired_certificate_is_renewed(authority: Authority, site: Callable[[str], Path]) -> None:
    kit = site("hospital-1")
    end = open_kit(kit, authority.fingerprint).certificate.not_valid_after_utc
    with pytest.raises(CertificateRefused, match=r"expired .*: run `mithridate renew` where its keys lie"):
        examine(open_kit(kit, authority.fingerprint).certificate, authority.root, None, end + timedelta(days=1))
    over = replace(authority, register=expired(authority))
    after, entry = over.sign(renewal(kit))
    assert after.register.current("hospital-1") == entry


def expired(authority: Authority) -> Any:
    """The register as it looks once everybody's certificate has ended."""
    register = authority.register
    entries = tuple(entry.model_copy(update={"expires": 1}) for entry in register.entries)
    return register.model_copy(update={"entries": entries})


def test_what_lies_there_is_not_overwritten(site: Callable[[str], Path]) -> None:
    kit = site("hospital-1")
    renewal(kit)
    with pytest.raises(EnrolmentError, match=r"renewal\.json exists and is never overwritten"):
        renewal(kit)
    (kit.parent / "renewal.json").unlink()
    with pytest.raises(EnrolmentError, match="keys are never overwritten"):
        renewal(kit)


def test_keys_of_another_participant_renew_no_kit(site: Callable[[str], Path]) -> None:
    kit, other = site("hospital-1"), site("hospital-2")
    shutil.copyfile(other.parent / "keys" / ACCOUNT_FILE, kit.parent / "keys" / ACCOUNT_FILE)
    with pytest.raises(EnrolmentError, match="use the folder of keys that belongs to this kit"):
        renewal(kit)


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("validator-1", Replaceable.ENVELOPE, "the reference set is sealed to it"),
        ("curator", Replaceable.SIGNING, "the reference set is signed with it"),
        ("coordinator", Replaceable.SIGNING, "nobody would learn of a new one"),
        ("auditor", Replaceable.ENVELOPE, "nobody would learn of a new one"),
    ],
)
def test_keys_that_the_study_stands_on_are_kept(
    authority: Authority, site: Callable[[str], Path], keys: Keys, name: str, key: Replaceable, why: str
) -> None:
    kit = site(name)
    with pytest.raises(EnrolmentError, match=f"{name}, a .*, keeps its {key} key in a renewal: {why}"):
        renewal(kit, key)
    # The authority does not rely on what a participant's own program refuses.
    forced = replace(keys[name], tls=new_keys().tls, **{key.value: generate()})
    with pytest.raises(EnrolmentError, match=f"keeps its {key} key in a renewal: {why}"):
        authority.sign(asking(authority, name, forced))


def asking(authority: Authority, name: str, keys: ParticipantKeys, renews: str | None = None) -> EnrolmentRequest:
    """A renewal whose every signature holds, of whoever has these keys, for this name."""
    consortium, person = authority.consortium, authority.consortium.participant(name)
    number = serial(authority, name) if renews is None else renews
    return read_request(make_renewal(consortium.consortium, person, keys, renews=number))


def test_another_account_renews_nothing(authority: Authority, keys: Keys) -> None:
    stranger = replace(new_keys(), account=new_account())
    with pytest.raises(EnrolmentError, match="asks to renew with the account 0x") as told:
        authority.sign(asking(authority, "hospital-1", stranger))
    assert stranger.account.address in str(told.value)
    assert keys["hospital-1"].account.address in str(told.value)
    assert "`mithridate authority revoke`" in str(told.value)
    assert open_authority(authority.folder, WORDS).register == authority.register


def test_a_member_renews_nobody_elses_certificate(authority: Authority, keys: Keys) -> None:
    theirs = replace(keys["hospital-2"], tls=new_keys().tls)
    with pytest.raises(EnrolmentError, match="'hospital-1' asks to renew with the account 0x"):
        authority.sign(asking(authority, "hospital-1", theirs))
    mine = replace(keys["hospital-1"], tls=new_keys().tls)
    other, own = serial(authority, "hospital-2"), serial(authority, "hospital-1")
    with pytest.raises(EnrolmentError, match=f"asks to renew certificate {other}, but {own} is its newest"):
        authority.sign(asking(authority, "hospital-1", mine, other))


def altered(content: bytes, change: Callable[[dict[str, Any]], None], keys: ParticipantKeys, account: bytes) -> bytes:
    """A request with another body, signed anew with a signing key and an account's key."""
    outer = json.loads(content)
    body = json.loads(outer["body"])
    change(body)
    outer["body"] = json.dumps(body)
    outer["signature"] = sign(keys.signing, Domain.ENROLMENT_REQUEST, outer["body"].encode()).hex()
    message = Domain.ENROLMENT_ACCOUNT.tag + outer["body"].encode()
    outer["account_signature"] = PrivateKey(account).sign_recoverable(message).hex()
    return json.dumps(outer).encode()


def test_a_renewal_under_the_members_account_needs_its_key(authority: Authority, keys: Keys) -> None:
    thief, person = new_keys(), authority.consortium.participant("hospital-1")
    own = make_renewal("breast-cancer", person, thief, renews=serial(authority, "hospital-1"))

    def take(body: dict[str, Any]) -> None:
        body["keys"]["account"] = keys["hospital-1"].account.address

    with pytest.raises(EnrolmentError, match="the ledger account's key did not sign it"):
        read_request(altered(own, take, thief, thief.account.key))


def test_an_enrolment_becomes_no_renewal_on_its_way(authority: Authority, keys: Keys) -> None:
    first = make_request(authority.consortium, authority.consortium.participant("hospital-1"), keys["hospital-1"])
    outer = json.loads(first)
    outer["body"] = json.dumps({**json.loads(outer["body"]), "renews": serial(authority, "hospital-1")})
    with pytest.raises(EnrolmentError, match="the signature does not verify"):
        read_request(json.dumps(outer).encode())


def test_a_renewal_is_signed_once(authority: Authority, site: Callable[[str], Path]) -> None:
    asked = renewal(site("hospital-1"))
    after, entry = authority.sign(asked)
    with pytest.raises(EnrolmentError, match=f"but {entry.serial} is its newest: the request may be an old one, sent"):
        after.sign(asked)


def test_a_revoked_member_renews_nothing(authority: Authority, site: Callable[[str], Path]) -> None:
    asked = renewal(site("hospital-1"))
    after, _ = authority.revoke("hospital-1", Reason.KEY_COMPROMISE)
    with pytest.raises(EnrolmentError, match=r"its last was revoked \(keyCompromise\): nothing of it can be renewed"):
        after.sign(asked)


def test_who_was_never_signed_renews_nothing(empty_authority: Authority, keys: Keys) -> None:
    with pytest.raises(EnrolmentError, match="its last was never signed: nothing of it can be renewed"):
        empty_authority.sign(asking(empty_authority, "hospital-1", keys["hospital-1"], "ab"))


def test_the_certificates_key_has_to_be_a_new_one(authority: Authority, keys: Keys) -> None:
    with pytest.raises(EnrolmentError, match="the key of its certificate as it is"):
        authority.sign(asking(authority, "hospital-1", keys["hospital-1"]))


def test_a_second_enrolment_needs_the_first_revoked(authority: Authority, consortium: Any) -> None:
    person = consortium.participant("hospital-1")
    anew = read_request(make_request(consortium, person, new_keys()))
    with pytest.raises(EnrolmentError, match=r"already: `mithridate renew` renews it .* `mithridate authority revoke`"):
        authority.sign(anew)
    after, entry = authority.revoke("hospital-1", Reason.KEY_COMPROMISE)[0].sign(anew)
    assert after.register.current("hospital-1") == entry


def test_an_altered_register_is_refused(authority: Authority) -> None:
    file = authority.folder / "register.json"
    text = file.read_text(encoding="utf-8")
    entry = authority.register.current("hospital-1")
    assert entry is not None
    file.write_text(text.replace(entry.keys.account, new_account().address), encoding="utf-8")
    for read in (lambda: open_authority(authority.folder, WORDS), lambda: register_of(authority.folder)):
        with pytest.raises(EnrolmentError, match=r"register\.json is not as the authority wrote it"):
            read()


def test_a_register_of_before_a_revocation_is_refused(authority: Authority) -> None:
    file = authority.folder / "register.json"
    before = file.read_bytes()
    authority.revoke("hospital-1", Reason.KEY_COMPROMISE)
    file.write_bytes(before)
    with pytest.raises(EnrolmentError, match=r"is older than revoked\.crl, which has 1 revoked certificates"):
        open_authority(authority.folder, WORDS)


def test_the_news_name_everybody_who_has_to_act(authority: Authority) -> None:
    def told(name: str, *, revoked: bool = True) -> list[str]:
        consortium = authority.consortium
        return [who for who, _ in news(consortium, consortium.participant(name), revoked=revoked)]

    assert told("hospital-1") == ["hospital-1", "coordinator"]
    assert told("hospital-1", revoked=False) == ["hospital-1"]
    assert told("validator-2") == ["validator-2", "validator-1", "validator-3", "coordinator"]
    assert told("coordinator") == ["coordinator"]


def test_a_renewed_validator_is_the_one_that_the_others_new_kits_pin(
    authority: Authority, site: Callable[[str], Path], tmp_path: Path
) -> None:
    old = serial(authority, "validator-1")
    after, entry = authority.sign(renewal(site("validator-1"), Replaceable.SIGNING))
    new = write_kits(after, tmp_path / "next", Contents())
    pinned = open_kit(new["validator-2"], authority.fingerprint).roster.member("validator-1").pem
    assert pinned.encode() == certificate(after, entry.serial) != certificate(after, old)
