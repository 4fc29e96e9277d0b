"""The files with which an administrator runs a participant as a service agree with what the program does."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from mithridate.cli import app
from mithridate.cli.participants import ROLES
from mithridate.federation.remote.agent import Status
from mithridate.federation.remote.monitoring import Monitor, Told
from mithridate.ledger.keystore import read_password
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.kit import START_FILE, STARTED, _start

ROOT = Path(__file__).parents[2]
UNIT, NODE_UNIT = (ROOT / "deploy" / "systemd" / f"{name}@.service" for name in ("mithridate", "mithridate-node"))
COMPOSE = ROOT / "deploy" / "compose.yml"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def unit(file: Path = UNIT) -> dict[str, list[str]]:
    lines = re.findall(r"^(\w+)=(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    found: dict[str, list[str]] = {}
    for key, value in lines:
        found.setdefault(key, []).append(value)
    return found


def options(command: str) -> list[str]:
    """What a command line of deploy/ is taken for by the program's own parser, a missing file included."""
    from typer.main import get_command

    words = command.split()
    group: Any = get_command(app)
    context = group.make_context("mithridate", list(words), resilient_parsing=True)
    while hasattr(group, "commands"):
        group = group.commands[words.pop(0)]
    return list(group.make_context("mithridate", words, parent=context).params)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("file", [UNIT, NODE_UNIT], ids=lambda file: file.name)
def test_systemd_takes_the_unit(tmp_path: Path, file: Path) -> None:
    copy = tmp_path / file.name.replace("@", "@hospital-0")
    shutil.copy(file, copy)
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


def test_the_nodes_unit_runs_the_command_as_confined_as_the_participants() -> None:
    participant, node = unit(), unit(NODE_UNIT)
    (start,) = node["ExecStart"]
    program, _, rest = start.partition(" ")
    assert program == "/usr/bin/env"
    assert rest == "mithridate hospital node %S/mithridate/%i/kit"
    assert "kit" in options(rest.removeprefix("mithridate "))
    assert node["Before"] == ["mithridate@%i.service"]
    assert participant.keys() - node.keys() == {"LoadCredential", "RuntimeDirectory", "RuntimeDirectoryMode"}
    own = {"Description", "Before", "Environment", "ExecStart", "KillMode"}
    for key in node.keys() - own:
        assert node[key] == participant[key], key


def test_the_start_command_takes_what_unit_and_image_give_it() -> None:
    (start,) = unit()["ExecStart"]
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[0])
    person = Participant(name="hospital-0", role=Role.HOSPITAL, organisation="one", records=5)
    (line,) = re.findall(r'^exec mithridate (\w+ start) "\$\(dirname "\$0"\)" "\$@"$', _start(person), re.MULTILINE)
    for given in (start.split(START_FILE)[1].split(), entry[2:]):
        assert "password_file" in options(f"{line} kit {' '.join(given)}")
    with pytest.raises(Exception, match="No such option"):
        options(f"{line} kit --passwort-file x")


def test_the_image_installs_what_exists_on_the_python_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", DOCKERFILE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    images = re.findall(r"^FROM python:(\d+\.\d+)-", DOCKERFILE, re.MULTILINE)
    assert len(images) == 2
    assert all(Version(each) in SpecifierSet(project["requires-python"]) for each in images)
    (built,) = re.findall(r"^RUN python -m venv (\S+)", DOCKERFILE, re.MULTILINE)
    assert f"COPY --from=build {built} {built}" in DOCKERFILE
    assert f"ENV PATH={built}/bin:" in DOCKERFILE
    # What pyproject.toml packs has to be in the build's context.
    packed = project_files()
    copied = " ".join(re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE)).split()
    assert {name.split("/")[0] for name in packed} <= set(copied)


def project_files() -> set[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = document["tool"]["hatch"]["build"]["targets"]["wheel"]
    return {"pyproject.toml", document["project"]["readme"], *wheel["packages"], *wheel["force-include"]}


def test_the_health_check_asks_where_the_participant_tells_how_it_is() -> None:
    (service,) = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"].values()
    (code,) = [part for part in service["healthcheck"]["test"] if "urlopen" in part]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = Told("hospital-0", "hospital", Status())
    monitor = Monitor(told, port)
    probe = [sys.executable, "-c", re.sub(r"\$\{MONITORING_PORT:-\d+\}", str(port), code)]
    try:
        assert subprocess.run(probe, check=False, capture_output=True).returncode == 0
    finally:
        monitor.close()
    assert subprocess.run(probe, check=False, capture_output=True).returncode != 0


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
