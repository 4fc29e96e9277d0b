"""The files with which an administrator runs a participant as a service agree with what the program does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from mithridate.cli.participants import ROLES
from mithridate.ledger.keystore import read_password
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.kit import START_FILE, STARTED, _start

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "mithridate@.service"
COMPOSE = ROOT / "deploy" / "compose.yml"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def unit() -> dict[str, list[str]]:
    lines = re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    found: dict[str, list[str]] = {}
    for key, value in lines:
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "mithridate@hospital-0.service"
    shutil.copy(UNIT, copy)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert copy.name not in done.stderr


def test_the_unit_starts_what_a_kit_holds_with_the_credential_it_loads() -> None:
    keys = unit()
    (start,) = keys["ExecStart"]
    assert start == f"/bin/sh %S/mithridate/%i/kit/{START_FILE} --password-file %d/password"
    assert keys["LoadCredential"] == ["password:/etc/mithridate/%i.password"]
    assert keys["Restart"] == ["on-failure"]
    assert keys["StateDirectory"] == ["mithridate/%i"]
    assert keys["NoNewPrivileges"] == ["yes"]
    assert keys["CapabilityBoundingSet"] == [""]
    assert keys["LimitCORE"] == ["0"]


def test_every_started_role_has_a_command_that_the_kit_calls() -> None:
    assert {role.value for role in STARTED} == set(ROLES)
    person = Participant(name="hospital-0", role=Role.HOSPITAL, organisation="one", records=5)
    assert 'exec mithridate hospital start "$(dirname "$0")" "$@"' in _start(person)


def test_a_credential_of_systemd_is_read_though_its_mode_shows_an_access_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    file = folder / "password"
    file.write_text("twelve characters\n", encoding="utf-8")
    file.chmod(0o440)
    with pytest.raises(Exception, match="open to other users"):
        read_password(file)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert read_password(file) == "twelve characters"
    file.chmod(0o444)
    with pytest.raises(Exception, match="open to other users"):
        read_password(file)


def test_the_container_has_no_more_than_it_needs() -> None:
    document = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    (service,) = document["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "ports", "pid", "ipc", "devices"}.intersection(service)
    assert service["restart"] == "on-failure"
    assert [mount["target"] for mount in service["volumes"]] == ["/participant"]
    assert service["secrets"] == ["password"]
    assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_compose_and_image_agree() -> None:
    document = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    (service,) = document["services"].values()
    user = service["user"]
    assert f"USER {user}" in DOCKERFILE
    assert f"/participant/kit/{START_FILE}" in DOCKERFILE
    assert "/run/secrets/password" in DOCKERFILE
    memory = re.search(r"XDG_RUNTIME_DIR=(\S+)", DOCKERFILE)
    assert memory
    assert any(mount.startswith(f"{memory[1]}:") for mount in service["tmpfs"])
    for copied in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
