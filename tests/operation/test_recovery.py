"""What a participant gets back from a backup of its keys, and what it loses with its account."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mithridate.cli import main
from mithridate.operation.backup import back_up
from mithridate.operation.preflight.check import Outcome
from mithridate.operation.preflight.procedure import examine
from mithridate.operation.restore import restore
from mithridate.operation.site import Site
from mithridate.poc.consortium import ProvisionedConsortium
from mithridate.provisioning.renewal import renew
from mithridate.provisioning.request import read_request
from mithridate.provisioning.revocation import LIST_FILE

PASSWORD = "the password of all of them"  # noqa: S105
AWAY = {"way to the coordinator": "PROBLEM", "admission by the coordinator": "NOT RUN"}
"""The coordinator does not run here."""
Own = Callable[[str], Path]


def outcomes(kit: Path) -> dict[str, str]:
    """Check to outcome, of those that did not pass."""
    found = examine(Site(kit, lambda: PASSWORD))
    return {finding.check: finding.outcome.value for finding in found if finding.outcome is not Outcome.PASSED}


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(str(ended.value.code or 0)), out, err


def test_a_backup_brings_all_keys_back_and_the_account_renews(own: Own, tmp_path: Path) -> None:
    kit = own("hospital-3")
    account = Site(kit, lambda: PASSWORD).keys.account.address
    back_up(kit, tmp_path / "hospital-3.backup")
    shutil.rmtree(kit.parent)
    restore(tmp_path / "hospital-3.backup", kit.parent)
    assert outcomes(kit) == AWAY
    renew(kit, tmp_path / "new-keys", tmp_path / "renewal.json", PASSWORD)
    asked = read_request((tmp_path / "renewal.json").read_bytes())
    assert asked.body.keys.account == account
    assert asked.body.renews == Site(kit, lambda: PASSWORD).kit.member.serial


@pytest.mark.parametrize("name", ["hospital-3", "validator-1"])
def test_a_certificate_is_renewed_by_the_commands_of_the_page(
    consortium: ProvisionedConsortium,
    own: Own,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setenv("MITHRIDATE_PASSWORD", PASSWORD)
    kit, authority, file = own(name), tmp_path / "authority", str(consortium.folder / "consortium.yml")
    other = own("validator-2")
    shutil.copytree(consortium.folder / "authority", authority)
    monkeypatch.chdir(kit.parent)
    status, out, err = command(capsys, "renew", "kit", "--new", "signing", "--json")
    assert status == 0, err
    told = json.loads(out)["fingerprint"]
    signing = ("authority", "sign", str(authority), f"{name}.renewal.json", "--fingerprint", told)
    status, out, err = command(capsys, *signing)
    assert status == 0, err
    run, new = str(consortium.study), tmp_path / "next"
    status, _, err = command(capsys, "provision", file, "--authority", str(authority), "--run", run, "--out", str(new))
    assert status == 0, err
    subprocess.run(["cp", "-r", f"{new / name}/startup/.", "kit/startup/"], check=True)
    subprocess.run(["mv", "keys", "old-keys"], check=True)
    subprocess.run(["mv", "new-keys", "keys"], check=True)
    problems = outcomes(kit)
    assert problems == (AWAY if name == "hospital-3" else AWAY | {"peers": "PROBLEM"})
    subprocess.run(["cp", "-r", f"{new}/validator-2/startup/.", str(other / "startup/")], check=True)
    pinned = Site(other, lambda: PASSWORD).kit.roster.member(name)
    assert pinned.certificate == Site(kit, lambda: PASSWORD).kit.member.certificate
    shutil.copyfile(authority / LIST_FILE, other / "startup" / LIST_FILE)
    assert len(Site(other, lambda: PASSWORD).kit.revocations.reasons) == 1


def test_administrators_exclude_a_lost_account_for_good(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    (tmp_path / "password").chmod(0o600)
    given = ("--reason", "account lost", "--password-file", str(tmp_path / "password"))
    administrator, hospital = str(own("administrator")), own("hospital-4")
    status, _, err = command(capsys, "study", "revoke", str(own("auditor")), "hospital-4", *given)
    assert status == 2
    assert "is the kit of a auditor; an administrator's is needed" in err
    status, _, err = command(capsys, "study", "revoke", administrator, "hospital-9", *given)
    assert status == 2
    assert "'hospital-9' is not on the roster" in err
    status, out, _ = command(capsys, "study", "revoke", administrator, "hospital-4", *given, "--json")
    account = Site(hospital, lambda: PASSWORD).kit.member.keys.account
    assert (status, json.loads(out)) == (0, {"account": account, "revoked": True})
    assert outcomes(hospital)["membership"] == "PROBLEM"
    found = next(f.text for f in examine(Site(hospital, lambda: PASSWORD)) if f.check == "membership")
    assert found == (
        f"{account} is revoked on the ledger: its part in this study is over; enrol anew (`mithridate enrol`) for the"
        " next one"
    )
    for again in (account, account.lower()):
        status, _, err = command(capsys, "study", "revoke", administrator, again, *given)
        assert status == 1
        assert "this member was excluded for good" in err
    status, _, err = command(capsys, "study", "revoke", administrator, "0x12", *given)
    assert status == 2
    assert "0x12 is no account" in err
