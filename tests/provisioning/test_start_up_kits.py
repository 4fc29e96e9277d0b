import json
import shutil
import stat
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mithridate.errors import CertificateRefused, EnrolmentError
from mithridate.ledger.node.terms import followed_network
from mithridate.provisioning.authority import Authority, new_authority
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.opened_kit import open_kit, unlocked
from mithridate.provisioning.revocation import LIST_FILE, Reason
from mithridate.provisioning.settings import SETTINGS_FILE, read_settings

Keys = dict[str, ParticipantKeys]
Kits = dict[str, Path]
WORDS = "a password for tests"


def secrets_of(keys: ParticipantKeys) -> Iterator[bytes]:
    """Every private key in each form in which it might have been written."""
    plain = NoEncryption()
    for key in (keys.tls, keys.signing, keys.envelope):
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            yield key.private_bytes(Encoding.DER, form, plain)
            lines = key.private_bytes(Encoding.PEM, form, plain).splitlines()
            # An RSA key's first lines hold the modulus, which certificates hold, too; its last hold secrets alone.
            yield lines[-3] if key is keys.tls else lines[1]
    numbers = [keys.signing.private_numbers().private_value, keys.envelope.private_numbers().private_value]
    numbers += [keys.tls.private_numbers().p, keys.tls.private_numbers().q, keys.tls.private_numbers().d]
    for raw in [*(number.to_bytes(384, "big").lstrip(b"\0") for number in numbers), keys.account.key]:
        yield from (raw, raw.hex().encode(), raw.hex().upper().encode())


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_everyone_gets_a_kit_that_opens(authority: Authority, kits: Kits) -> None:
    assert list(kits) == [participant.name for participant in authority.consortium.participants]
    for name, folder in kits.items():
        kit = open_kit(folder, authority.fingerprint)
        assert kit.member.participant.name == name
        assert [member.participant.name for member in kit.roster.members] == list(kits)
        assert kit.terms is None
        assert kit.study is None
        assert kit.network is None


def test_no_kit_holds_a_secret_of_anyone(authority: Authority, kits: Kits, keys: Keys) -> None:
    written = everything(next(iter(kits.values())).parent)
    root = authority.key.private_numbers().private_value.to_bytes(32, "big")
    found = [name for name, held in keys.items() if any(secret in written for secret in secrets_of(held))]
    assert found == []
    assert root not in written
    assert root.hex().encode() not in written.lower()
    assert b"PRIVATE KEY" not in written
    assert WORDS.encode() not in written
    assert not [path for folder in kits.values() for path in folder.rglob("*") if path.suffix in (".key", ".p12")]


def test_the_search_for_secrets_finds_one(keys: Keys, tmp_path: Path) -> None:
    pem = keys["hospital-1"].signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "left.txt").write_bytes(b"x" + pem)
    assert any(secret in everything(tmp_path) for secret in secrets_of(keys["hospital-1"]))
    assert not any(secret in everything(tmp_path) for secret in secrets_of(keys["hospital-2"]))


def test_the_roster_has_the_keys_that_each_proved(authority: Authority, kits: Kits, keys: Keys) -> None:
    roster = open_kit(kits["hospital-1"], authority.fingerprint).roster
    for name, mine in keys.items():
        member = roster.member(name)
        assert member.signing_key.public_numbers() == mine.signing.public_key().public_numbers()
        assert member.envelope_key.public_numbers() == mine.envelope.public_key().public_numbers()
        assert member.keys.account == mine.account.address
    with pytest.raises(EnrolmentError, match="'hospital-9' is not on the roster of breast-cancer"):
        roster.member("hospital-9")


def test_the_engine_is_told_to_listen_on_loopback_and_to_ask_for_certificates(kits: Kits) -> None:
    start = json.loads((kits["coordinator"] / "startup/fed_server.json").read_text(encoding="utf-8"))
    assert start["servers"][0]["service"] == {"target": "localhost:18402", "scheme": "grpc"}
    assert start["servers"][0]["connection_security"] == "mtls"
    for name in ("hospital-1", "validator-1", "curator"):
        site = json.loads((kits[name] / "startup/fed_client.json").read_text(encoding="utf-8"))
        assert site["servers"][0]["service"] == {"target": "localhost:18402", "scheme": "grpc"}
        assert site["servers"][0]["identity"] == "coordinator"
        assert site["require_signed_jobs"] is True
        assert site["client"]["connection_security"] == "mtls"


def test_a_site_sends_no_logs_and_runs_no_code_from_elsewhere(kits: Kits) -> None:
    for name in ("coordinator", "hospital-1", "validator-1", "curator"):
        local = kits[name] / "local"
        resources = json.loads((local / "resources.json").read_text(encoding="utf-8"))
        assert not [part for part in resources["components"] if "log_" in part["id"]]
        assert resources["class_list_enforcement_mode"] == "enforce"
        rights = json.loads((local / "authorization.json").read_text(encoding="utf-8"))["permissions"]
        assert rights["project_admin"]["byoc"] == "none"
        assert rights["project_admin"]["shell_commands"] == "none"
        assert set(rights) == {"project_admin"}
    assert not [path for path in kits["coordinator"].parent.rglob("*") if path.name in ("sub_start.sh", "stop_fl.sh")]


def test_components_reach_those_whose_role_they_are_for(authority: Authority, tmp_path: Path) -> None:
    components = {Role.COORDINATOR: "mithridate.example.Hub", Role.HOSPITAL: "mithridate.example.Link"}
    kits = write_kits(authority, tmp_path / "others", Contents(components=components))
    for name, path in (("coordinator", "mithridate.example.Hub"), ("hospital-1", "mithridate.example.Link")):
        resources = json.loads((kits[name] / "local/resources.json").read_text(encoding="utf-8"))
        assert {"id": "mithridate", "path": path, "args": {}} in resources["components"]
        assert path in resources["class_allow_list"]
    assert "mithridate.example" not in (kits["validator-1"] / "local/resources.json").read_text(encoding="utf-8")


def test_the_ledgers_network_is_in_every_kit_and_signed(authority: Authority, tmp_path: Path) -> None:
    genesis = b'{"config": {"chainId": 7, "clique": {}},  "extradata": "0x00"}'
    network = followed_network(genesis, [f"enode://{'ab' * 64}@node.example.org:30303"])
    kits = write_kits(authority, tmp_path / "others", Contents(network=network))
    for name in ("hospital-1", "auditor"):
        assert open_kit(kits[name], authority.fingerprint).network == network.terms
        file = kits[name] / "startup" / "genesis.json"
        assert file.read_bytes() == genesis
        file.write_bytes(genesis.replace(b"7", b"8"))
        with pytest.raises(EnrolmentError, match=r"genesis\.json is not as the authority signed it"):
            open_kit(kits[name], authority.fingerprint)


def test_whoever_was_revoked_or_has_not_enrolled_gets_no_kit(authority: Authority, tmp_path: Path) -> None:
    authority, _ = authority.revoke("hospital-2", Reason.LEFT)
    kits = write_kits(authority, tmp_path / "others", Contents())
    assert "hospital-2" not in kits
    assert not (tmp_path / "others" / "hospital-2").exists()
    roster = open_kit(kits["validator-1"], authority.fingerprint).roster
    assert "hospital-2" not in [member.participant.name for member in roster.members]


def test_kits_are_written_whole_or_not_at_all(authority: Authority, tmp_path: Path, empty_authority: Authority) -> None:
    with pytest.raises(EnrolmentError, match="nobody has a certificate yet"):
        write_kits(empty_authority, tmp_path / "none", Contents())
    (tmp_path / "there").mkdir()
    with pytest.raises(EnrolmentError, match="there exists"):
        write_kits(authority, tmp_path / "there", Contents())
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize("file", ["roster.json", "member.json", "fed_client.json", "client.crt", "manifest.json"])
def test_an_altered_file_is_named(authority: Authority, kits: Kits, file: str) -> None:
    path = kits["hospital-1"] / "startup" / file
    path.write_bytes(path.read_bytes().replace(b"hospital", b"hospitex", 1) + b" ")
    with pytest.raises(EnrolmentError, match=file.replace(".", r"\.")):
        open_kit(kits["hospital-1"], authority.fingerprint)


def test_a_missing_and_an_added_file_are_named(authority: Authority, kits: Kits) -> None:
    startup = kits["hospital-1"] / "startup"
    (startup / "more.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EnrolmentError, match=r"more\.json was added"):
        open_kit(kits["hospital-1"], authority.fingerprint)
    (startup / "more.json").unlink()
    (startup / "roster.json").unlink()
    with pytest.raises(EnrolmentError, match=r"roster\.json is missing"):
        open_kit(kits["hospital-1"], authority.fingerprint)


def test_a_link_in_place_of_a_file_is_refused(authority: Authority, kits: Kits) -> None:
    roster = kits["hospital-1"] / "startup" / "roster.json"
    roster.unlink()
    roster.symlink_to(kits["hospital-2"] / "startup" / "roster.json")
    with pytest.raises(EnrolmentError, match=r"roster\.json is not as the authority signed it"):
        open_kit(kits["hospital-1"], authority.fingerprint)


def test_a_kit_of_another_authority_is_refused(
    authority: Authority, kits: Kits, tmp_path: Path, consortium_file: Path
) -> None:
    other = new_authority(tmp_path / "other", consortium_file, WORDS)
    with pytest.raises(EnrolmentError, match=rf"but this participant enrolled with {other.fingerprint[:16]}"):
        open_kit(kits["hospital-1"], other.fingerprint)


def test_another_authoritys_certificate_does_not_make_a_kit_believed(
    authority: Authority, kits: Kits, tmp_path: Path, consortium_file: Path
) -> None:
    other = new_authority(tmp_path / "other", consortium_file, WORDS)
    shutil.copyfile(other.folder / "rootCA.pem", kits["hospital-1"] / "startup" / "rootCA.pem")
    with pytest.raises(EnrolmentError, match="was not signed by the authority"):
        open_kit(kits["hospital-1"], other.fingerprint)


def test_a_list_that_is_too_old_is_refused(authority: Authority, kits: Kits) -> None:
    later = datetime.now(UTC) + timedelta(days=authority.consortium.certificates.revocation_days + 1)
    with pytest.raises(CertificateRefused, match="list of revoked certificates"):
        open_kit(kits["hospital-1"], authority.fingerprint, now=later)


def test_a_participant_learns_of_its_own_revocation(authority: Authority, kits: Kits) -> None:
    authority.revoke("hospital-1", Reason.KEY_COMPROMISE)
    shutil.copyfile(authority.folder / LIST_FILE, kits["hospital-1"] / "startup" / LIST_FILE)
    with pytest.raises(CertificateRefused, match=r"hospital-1 .* revoked its certificate \(keyCompromise\)"):
        open_kit(kits["hospital-1"], authority.fingerprint)


def test_settings_are_explained_and_the_participants_own(authority: Authority, kits: Kits) -> None:
    own = tomllib.loads((kits["hospital-1"] / SETTINGS_FILE).read_text(encoding="utf-8"))
    assert own["ledger"]["endpoints"][0] == "http://127.0.0.1:8545"
    assert own["ledger"]["agreement"] == 1
    without = read_settings(kits["hospital-2"])
    assert without.ledger.endpoints == ("http://127.0.0.1:8541", "http://127.0.0.1:8542")
    assert without.ledger.agreement == 2
    lines = (kits["hospital-1"] / SETTINGS_FILE).read_text(encoding="utf-8").splitlines()
    keys = [index for index, line in enumerate(lines) if " = " in line]
    assert keys
    assert all(lines[index - 1].startswith("# ") for index in keys)
    file = kits["hospital-2"] / SETTINGS_FILE
    file.write_text('data = "records"\nkeyz = "x"\n', encoding="utf-8")
    with pytest.raises(EnrolmentError, match=r"keyz: unknown key; did you mean keys\?"):
        open_kit(kits["hospital-2"], authority.fingerprint)


def test_those_that_run_all_the_time_have_a_start_command(kits: Kits) -> None:
    started = [name for name, folder in kits.items() if (folder / "start.sh").exists()]
    assert started == [
        "coordinator",
        "validator-1",
        "validator-2",
        "validator-3",
        "hospital-1",
        "hospital-2",
        "curator",
    ]
    text = (kits["hospital-1"] / "start.sh").read_text(encoding="utf-8")
    assert 'exec mithridate hospital start "$(dirname "$0")" "$@"' in text
    assert (kits["hospital-1"] / "start.sh").stat().st_mode & stat.S_IXUSR


def test_the_unlocked_key_lies_in_memory_for_its_owner_and_goes(authority: Authority, kits: Kits, keys: Keys) -> None:
    kit = open_kit(kits["hospital-1"], authority.fingerprint)
    with unlocked(kit, keys["hospital-1"].tls) as file:
        assert b"PRIVATE KEY" in kit.key_link.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
        assert file.parent.stat().st_mode & 0o077 == 0
        assert not file.is_relative_to(kit.folder)
        with pytest.raises(EnrolmentError, match="its participant runs already"), unlocked(kit, keys["hospital-1"].tls):
            pass
        assert file.exists()
    assert not file.parent.exists()
    assert not kit.key_link.is_symlink()


def test_what_a_killed_process_left_is_removed(authority: Authority, kits: Kits, keys: Keys) -> None:
    kit = open_kit(kits["hospital-1"], authority.fingerprint)
    with unlocked(kit, keys["hospital-1"].tls) as file:
        left = file.parent.parent / "mithridate-left-by-a-test"
        left.mkdir(mode=0o700)
        (left / file.name).write_text("old", encoding="utf-8")
    kit.key_link.symlink_to(left / file.name)
    open_kit(kits["hospital-1"], authority.fingerprint)
    with unlocked(kit, keys["hospital-1"].tls):
        assert not left.exists()


def test_another_participants_key_opens_no_kit(authority: Authority, kits: Kits, keys: Keys) -> None:
    kit = open_kit(kits["hospital-1"], authority.fingerprint)
    with pytest.raises(EnrolmentError, match="the keys are not those"), unlocked(kit, keys["hospital-2"].tls):
        pass


def test_a_key_in_the_clear_inside_the_kit_is_refused(authority: Authority, kits: Kits, keys: Keys) -> None:
    kit = open_kit(kits["hospital-1"], authority.fingerprint)
    kit.key_link.write_text("key", encoding="utf-8")
    with pytest.raises(EnrolmentError, match="a private key in the clear"), unlocked(kit, keys["hospital-1"].tls):
        pass
