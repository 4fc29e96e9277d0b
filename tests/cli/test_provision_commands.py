"""The way from a consortium file to start-up kits, as its participants and its authority go it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mithridate.cli import main
from mithridate.provisioning.enrolment import read_enrolment
from mithridate.provisioning.keys import read_tls_key
from mithridate.provisioning.opened_kit import open_kit, unlocked
from mithridate.provisioning.request import fingerprint

WORDS = "a password for tests"
FILE = """\
consortium: lungs
participants:
  - {name: coordinator, role: coordinator, organisation: university, host: localhost, port: 8002}
  - {name: validator-1, role: validator, organisation: university, host: localhost, port: 9001}
  - {name: validator-2, role: validator, organisation: ministry, host: localhost, port: 9002}
  - {name: validator-3, role: validator, organisation: patients, host: localhost, port: 9003}
  - {name: hospital-1, role: hospital, organisation: clinic}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mithridate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder that has the consortium's file: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MITHRIDATE_PASSWORD", WORDS)
    (tmp_path / "consortium.yml").write_text(FILE, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capfd.readouterr()
        return int(str(ended.value.code or 0)), out, err

    return run


@pytest.fixture
def authority(mithridate: Run) -> str:
    status, out, _ = mithridate("authority", "init", "consortium.yml", "authority", "--json")
    assert status == 0
    return str(json.loads(out)["authority"])


def certified(mithridate: Run, authority: str, *names: str) -> None:
    """Enrols participants and has their requests signed."""
    for name in names:
        told = enrol(mithridate, authority, name)
        command = ("authority", "sign", "authority", f"{name}.request.json", "--fingerprint", told)
        assert mithridate(*command)[0] == 0


def enrol(mithridate: Run, authority: str, name: str) -> str:
    """Enrols a participant; returns its request's fingerprint."""
    command = ("enrol", "consortium.yml", name, "--authority", authority, "--keys", f"keys/{name}", "--json")
    status, out, err = mithridate(*command)
    assert status == 0, err
    return str(json.loads(out)["fingerprint"])


def test_from_the_consortiums_file_to_a_kit_that_opens(mithridate: Run, authority: str) -> None:
    told = enrol(mithridate, authority, "hospital-1")
    status, out, err = mithridate("authority", "sign", "authority", "hospital-1.request.json", "--fingerprint", told)
    assert (status, err) == (0, "")
    assert out.startswith("hospital-1: certificate ")
    status, out, _ = mithridate("provision", "consortium.yml", "--authority", "authority", "--json")
    assert status == 0
    made = json.loads(out)
    assert made["kits"] == {"hospital-1": "kits/hospital-1"}
    assert made["missing"] == ["coordinator", "validator-1", "validator-2", "validator-3"]
    keys = Path("keys/hospital-1")
    kit = open_kit(Path("kits/hospital-1"), read_enrolment(keys).authority)
    with unlocked(kit, read_tls_key(keys, WORDS)) as file:
        assert file.exists()


def test_a_genesis_file_and_its_peers_come_into_the_kits_or_are_refused(mithridate: Run, authority: str) -> None:
    told = enrol(mithridate, authority, "hospital-1")
    mithridate("authority", "sign", "authority", "hospital-1.request.json", "--fingerprint", told)
    Path("genesis.json").write_text('{"config": {"chainId": 7, "clique": {}}}', encoding="utf-8")
    provision = ("provision", "consortium.yml", "--authority", "authority")
    peer = f"enode://{'ab' * 64}@node.a.example.org:30303"
    for options, message in (
        (("--peer", peer), "name it, too"),
        (("--genesis", "genesis.json"), "1 to 64 peers"),
        (("--genesis", "none.json", "--peer", peer), "none.json cannot be read"),
    ):
        status, _, err = mithridate(*provision, *options)
        assert status == 2
        assert message in err
        assert not Path("kits").exists()
    assert mithridate(*provision, "--genesis", "genesis.json", "--peer", peer)[0] == 0
    network = open_kit(Path("kits/hospital-1"), authority).network
    assert network is not None
    assert (network.chain_id, network.peers) == (7, (peer,))


def test_a_request_that_was_exchanged_on_its_way_is_not_signed(mithridate: Run, authority: str) -> None:
    enrol(mithridate, authority, "hospital-1")
    status, out, err = mithridate(
        "authority", "sign", "authority", "hospital-1.request.json", "--fingerprint", "00" * 32
    )
    assert (status, out) == (2, "")
    assert "somebody may have exchanged the request" in err
    assert mithridate("authority", "show", "authority")[1] == "no certificate was signed yet\n"


def test_revoking_is_told_and_shown(mithridate: Run, authority: str) -> None:
    told = enrol(mithridate, authority, "hospital-1")
    mithridate("authority", "sign", "authority", "hospital-1.request.json", "--fingerprint", told)
    status, out, _ = mithridate("authority", "revoke", "authority", "hospital-1", "--reason", "keyCompromise")
    assert status == 0
    assert "authority/revoked.crl: put it into the startup folder of every kit" in out
    shown = json.loads(mithridate("authority", "show", "authority", "--json")[1])["certificates"]
    assert [(entry["participant"], entry["revoked"]) for entry in shown] == [("hospital-1", "keyCompromise")]
    status, _, err = mithridate("authority", "revoke", "authority", "hospital-1", "--reason", "theft")
    assert status == 2
    assert "one of keyCompromise, cessationOfOperation" in err


def test_the_consortium_changes_by_an_amendment_only(mithridate: Run, authority: str) -> None:
    Path("consortium.yml").write_text(FILE.replace("hospital-1", "hospital-7"), encoding="utf-8")
    status, _, err = mithridate("provision", "consortium.yml", "--authority", "authority")
    assert status == 2
    assert "run `mithridate authority amend`" in err
    status, out, _ = mithridate("authority", "amend", "authority", "consortium.yml")
    assert status == 0
    assert "hospital-1: its certificates are revoked" in out


def test_nothing_is_made_where_the_fingerprint_or_the_name_is_wrong(mithridate: Run, authority: str) -> None:
    status, _, err = mithridate("enrol", "consortium.yml", "hospital-1", "--authority", "abc")
    assert status == 2
    assert "64 hexadecimal digits" in err
    status, _, err = mithridate("enrol", "consortium.yml", "hospital-9", "--authority", authority)
    assert status == 2
    assert "no participant 'hospital-9'" in err
    assert sorted(os.listdir()) == ["authority", "consortium.yml"]


def test_the_password_is_required_and_may_come_from_a_file(
    mithridate: Run, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MITHRIDATE_PASSWORD")
    command = ("authority", "amend", "authority", "consortium.yml")
    status, _, err = mithridate(*command)
    assert status == 2
    assert "there is no password in the environment variable MITHRIDATE_PASSWORD" in err
    Path("words").write_text(WORDS + "\n", encoding="utf-8")
    Path("words").chmod(0o600)
    assert mithridate(*command, "--password-file", "words")[0] == 0


def test_from_a_certificate_that_ends_to_the_next(mithridate: Run, authority: str) -> None:
    certified(mithridate, authority, "hospital-1")
    mithridate("provision", "consortium.yml", "--authority", "authority")
    shutil.copytree("kits/hospital-1", "site/kit")
    Path("keys/hospital-1").rename("site/keys")
    status, out, err = mithridate("renew", "site/kit", "--new", "signing", "--keys", "site/new-keys", "--json")
    assert status == 0, err
    made = json.loads(out)
    assert made["request"] == "hospital-1.renewal.json"
    command = ("authority", "sign", "authority", made["request"], "--fingerprint", made["fingerprint"])
    status, out, _ = mithridate(*command)
    assert status == 0
    lines = out.splitlines()
    assert "which is revoked (superseded); now run `mithridate provision`, and then:" in lines[1]
    assert [line.split(":")[0] for line in lines[2:]] == ["hospital-1", "coordinator"]
    mithridate("provision", "consortium.yml", "--authority", "authority", "--out", "next")
    shutil.copytree("next/hospital-1/startup", "site/kit/startup", dirs_exist_ok=True)
    shutil.move("site/keys", "site/old-keys")
    shutil.move("site/new-keys", "site/keys")
    kit = open_kit(Path("site/kit"), authority)
    with unlocked(kit, read_tls_key(Path("site/keys"), WORDS)):
        pass
    status, _, err = mithridate(*command)
    assert status == 2
    assert "is its newest: the request may be an old one, sent again" in err
    shown = json.loads(mithridate("authority", "show", "authority", "--json")[1])["certificates"]
    assert [entry["revoked"] for entry in shown] == ["superseded", None]


def test_the_certificate_before_is_kept_where_the_operator_says_so(mithridate: Run, authority: str) -> None:
    certified(mithridate, authority, "validator-1")
    mithridate("provision", "consortium.yml", "--authority", "authority")
    Path("keys/validator-1").rename("kits/keys")
    mithridate("renew", "kits/validator-1", "--out", "again.json")
    told = fingerprint(Path("again.json").read_bytes())
    command = ("authority", "sign", "authority", "again.json", "--fingerprint", told, "--json")
    status, _, err = mithridate(*command, "--earlier", "theft")
    assert status == 2
    assert "one of keep, superseded, keyCompromise" in err
    status, out, _ = mithridate(*command, "--earlier", "keep")
    assert status == 0
    assert [line["participant"] for line in json.loads(out)["news"]] == ["validator-1", "validator-2", "validator-3"]
    shown = json.loads(mithridate("authority", "show", "authority", "--json")[1])["certificates"]
    assert [entry["revoked"] for entry in shown] == [None, None]


def test_the_account_is_no_key_to_renew(mithridate: Run, authority: str) -> None:
    certified(mithridate, authority, "hospital-1")
    mithridate("provision", "consortium.yml", "--authority", "authority")
    Path("keys/hospital-1").rename("kits/keys")
    status, _, err = mithridate("renew", "kits/hospital-1", "--new", "account")
    assert status == 2
    assert "one of signing, envelope; the account is always kept" in err
