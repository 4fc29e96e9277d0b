"""A hospital's process while its coordinator is not up, and after: it ends when it is told; its way through a proxy."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mithridate.provisioning.settings import SETTINGS_FILE

PASSWORD = "the password of all of them"  # noqa: S105
PATIENCE_S = 120.0
HOSPITAL = "hospital-2"
Own = Callable[[str], Path]
# A hospital whose agent is done, or gives up, once the engine dials.
DONE = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from mithridate.cli.participants import opened
from mithridate.errors import RunError
from mithridate.federation.flare.connection import SiteConnection
from mithridate.federation.remote.agent import Agent, Pace, Step
from mithridate.federation.remote.process import _run
kit, keys = opened(Path(sys.argv[1]), None)

class Done(Agent):
    def look(self):
        while not kit.key_link.exists():
            time.sleep(0.05)
        if sys.argv[2] == "1":
            raise RunError("the records are gone")
        return Step.FINISHED

agent = Done("hospital-2", None, 1, Pace(1.0, 1.0))
raise SystemExit(_run(SimpleNamespace(kit=kit), keys, agent, SiteConnection(1.0), dict, False))
"""


class Participant:
    """`mithridate ROLE start KIT` as a process, or another program."""

    def __init__(self, role: str, kit: Path, program: tuple[str, ...] = ()) -> None:
        self.kit, self.log = kit, kit.parent / "stderr"
        environment = {**os.environ, "MITHRIDATE_PASSWORD": PASSWORD, "OMP_NUM_THREADS": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(program or ("-m", "mithridate", role, "start", str(kit)))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        files = [self.log, *self.kit.glob("log*.json*")]
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)

    def until(self, reached: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"{what}: {self.said}"
            time.sleep(0.1)

    def told_to_end(self) -> None:
        """Ends within seconds, with 0 and without a stack trace."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.said
        assert "Traceback" not in self.said
        assert not list((self.kit / "startup").glob("*.key"))


@pytest.fixture
def start() -> Iterator[Callable[..., Participant]]:
    made: list[Participant] = []

    def run(role: str, kit: Path, *program: str) -> Participant:
        made.append(Participant(role, kit, program))
        return made[-1]

    yield run
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait(20)


def setting(kit: Path, key: str, value: str) -> None:
    file = kit / SETTINGS_FILE
    text, count = re.subn(rf"^{key} = .*$", lambda _: f"{key} = {value}", file.read_text("utf-8"), flags=re.MULTILINE)
    assert count == 1
    file.write_text(text, encoding="utf-8")


def coordinators_port(kit: Path) -> int:
    start = json.loads((kit / "startup" / "fed_client.json").read_text(encoding="utf-8"))
    return int(start["servers"][0]["service"]["target"].rpartition(":")[2])


def test_a_hospital_whose_coordinator_is_not_up_ends_when_told(own: Own, start: Callable[..., Participant]) -> None:
    kit = own(HOSPITAL)
    with socket.create_server(("127.0.0.1", coordinators_port(kit))) as silent:
        hospital = start("hospital", kit)
        silent.settimeout(PATIENCE_S)
        silent.accept()[0].close()
    # It dialled, and will in vain from now on.
    unlocked = (kit / "startup" / "client.key").resolve()
    assert unlocked.exists()
    hospital.told_to_end()
    assert not unlocked.parent.exists()


@pytest.mark.parametrize("status", [0, 1], ids=["done", "given up"])
def test_a_hospital_with_nothing_left_to_do_waits_for_no_coordinator(
    own: Own, start: Callable[..., Participant], status: int
) -> None:
    kit = own(HOSPITAL)
    hospital = start("hospital", kit, "-c", DONE, str(kit), str(status))
    assert hospital.process.wait(PATIENCE_S) == status, hospital.said
    assert not list((kit / "startup").glob("*.key"))


def test_a_hospital_whose_node_does_not_answer_ends_when_told(own: Own, start: Callable[..., Participant]) -> None:
    kit = own(HOSPITAL)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        setting(kit, "endpoints", f'["http://127.0.0.1:{silent.getsockname()[1]}"]')
        hospital = start("hospital", kit)
        silent.settimeout(PATIENCE_S)
        asked, _ = silent.accept()
        with asked:
            hospital.told_to_end()


def test_a_hospital_reaches_its_coordinator_through_a_proxy_that_sees_ciphertext_only(
    own: Own, start: Callable[..., Participant], connect_proxy: Callable[[], Any], monkeypatch: Any
) -> None:
    proxy, kit = connect_proxy(), own(HOSPITAL)
    setting(kit, "proxy", f'"{proxy.url}"')
    # The coordinator of this test is on this machine, which is an exception where none is named.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    coordinator = start("coordinator", own("coordinator"))
    hospital = start("hospital", kit)
    hospital.until(lambda: f"Successfully registered client:{HOSPITAL}" in hospital.said, "the hospital registers")
    coordinator.until(lambda: f"admitted: {HOSPITAL}" in coordinator.said, "the coordinator admits it")
    assert {place.partition(":")[0] for place in proxy.asked} == {"CONNECT localhost"}
    assert proxy.turned_away == 0
    assert len(proxy.relayed) > 5000
    assert b"localhost" in proxy.relayed, "a name that TLS shows is found"
    # What the other two know by these names: the engine's registration and heartbeats, certificates, our requests.
    for planted in (HOSPITAL, "hospital_2", "proof-of-concept", "coordinator", "register", "mithridate", "BEGIN CERT"):
        assert planted.encode() not in proxy.relayed
    hospital.told_to_end()
    for word in ("a%20word%40for", "a word@for"):
        assert word not in hospital.said
    coordinator.told_to_end()


def test_a_hospital_whose_coordinator_went_away_ends_when_told(own: Own, start: Callable[..., Participant]) -> None:
    coordinator = start("coordinator", own("coordinator"))
    hospital = start("hospital", own(HOSPITAL))
    hospital.until(lambda: f"Successfully registered client:{HOSPITAL}" in hospital.said, "the hospital registers")
    coordinator.process.kill()
    coordinator.process.wait(20)
    hospital.told_to_end()
