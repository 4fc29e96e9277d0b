"""A hospital's own node, started from its kit by one command, on a network that runs: it follows and seals nothing."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from mithridate.evaluation.networks.local import LocalNetwork, binary
from mithridate.evaluation.networks.process import free_ports
from mithridate.ledger import keystore as accounts
from mithridate.ledger.accounts import new_account
from mithridate.ledger.chronicle_network import NetworkChronicle
from mithridate.ledger.deployment import CONTRACTS, StudyTerms, deploy
from mithridate.ledger.endpoint import Endpoint, EndpointFailed
from mithridate.ledger.node.terms import FollowedNetwork, followed_network
from mithridate.operation.preflight.ledger_checks import contracts, ledger_nodes
from mithridate.operation.site import Site
from mithridate.provisioning import keystore
from mithridate.provisioning.authority import Authority, new_authority
from mithridate.provisioning.enrolment import enrol
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.ledger_terms import LedgerTerms
from mithridate.provisioning.request import read_request
from mithridate.provisioning.settings import SETTINGS_FILE

pytestmark = pytest.mark.slow
WORDS = "a password for tests"
PATIENCE_S = 120.0
CONSORTIUM = """\
consortium: own-nodes
participants:
  - {{name: coordinator, role: coordinator, organisation: university, host: localhost, port: 18402}}
  - {{name: validator-1, role: validator, organisation: university, host: localhost, port: 19001}}
  - {{name: validator-2, role: validator, organisation: ministry, host: localhost, port: 19002}}
  - {{name: validator-3, role: validator, organisation: patients, host: localhost, port: 19003}}
  - {{name: hospital-1, role: hospital, organisation: clinic_1, node: "{url}"}}
"""


class Command:
    """`mithridate hospital node KIT` as a process."""

    def __init__(self, kit: Path) -> None:
        self.log = kit.parent / "node.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "mithridate",
                    "hospital",
                    "node",
                    str(kit),
                    "--programs",
                    str(binary("geth").parent),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def told(self, pattern: str) -> re.Match[str]:
        """Returns once a line matches."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.said)) is None:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)
        return found

    def node(self) -> psutil.Process:
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@dataclass
class Hospital:
    """A hospital with keys, and an authority that writes it kits."""

    folder: Path
    authority: Authority
    network: LocalNetwork
    url: str

    def kit(self, name: str, followed: FollowedNetwork, terms: LedgerTerms | None = None) -> Path:
        """Its kit, under a name of its own beside the same keys and state."""
        written = write_kits(self.authority, self.folder / f"{name}-kits", Contents(terms, network=followed))
        kit = written["hospital-1"].rename(self.folder / name)
        file = kit / SETTINGS_FILE
        text = file.read_text(encoding="utf-8")
        assert f'endpoints = ["{self.url}"]' in text
        nodes = [self.url, *(node.url for node in self.network.sealers[:2])]
        text = text.replace(f'endpoints = ["{self.url}"]', f"endpoints = {json.dumps(nodes)}")
        text = text.replace("finality = 0", f"finality = {self.network.finality}")
        file.write_text(text, encoding="utf-8")
        return kit


def genesis_of(network: LocalNetwork) -> FollowedNetwork:
    assert network.genesis
    told: Any = [node.request("admin_nodeInfo") for node in network.sealers[:2]] if network.kind == "clique" else []
    return followed_network(network.genesis.read_bytes(), [str(each["enode"]) for each in told])


def another(followed: FollowedNetwork) -> FollowedNetwork:
    """The same network, had it begun a second later."""
    document = json.loads(followed.genesis)
    document.get("genesis", document)["timestamp"] = "0x1"
    return FollowedNetwork(json.dumps(document).encode(), followed.terms)


@pytest.fixture
def hospital(local: LocalNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    # Guessing these passwords may be cheap.
    monkeypatch.setattr(keystore, "KDF_ROUNDS", 1_000)
    monkeypatch.setattr(accounts, "SCRYPT_N", 1 << 10)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    file = tmp_path / "consortium.yml"
    file.write_text(CONSORTIUM.format(url=url), encoding="utf-8")
    authority = new_authority(tmp_path / "authority", file, WORDS)
    enrol(file, "hospital-1", authority.fingerprint, tmp_path / "keys", tmp_path / "request.json", WORDS)
    authority, _ = authority.sign(read_request((tmp_path / "request.json").read_bytes()))
    return Hospital(tmp_path, authority, local, url)


def deployed(board: Any) -> LedgerTerms:
    """A study's contracts on the network, as kits name them."""
    validators = [new_account().address for _ in range(3)]
    study = StudyTerms(hashlib.sha256(b"study").digest(), new_account().address, validators, 2, 2, 100)
    with board.view.block():
        deployment = deploy(board.view, board.writer, study)
    code = {name: hashlib.sha256(board.view.code(deployment.addresses[name])).hexdigest() for name in CONTRACTS}
    return LedgerTerms(addresses=dict(deployment.addresses), code=code, published=code, study="00" * 32)


@pytest.fixture
def start() -> Iterator[Callable[[Path], Command]]:
    made: list[Command] = []

    def run(kit: Path) -> Command:
        made.append(Command(kit))
        return made[-1]

    yield run
    for command in made:
        if command.process.poll() is None:
            command.end(signal.SIGTERM)


def site(kit: Path) -> Site:
    return Site(kit, lambda: WORDS)


def silent(url: str) -> bool:
    try:
        Endpoint(url, 2.0).head()
    except EndpointFailed:
        return True
    return False


def noted(network: LocalNetwork, board: Any, url: str, *notes: bytes) -> None:
    """Returns once a node, alone, tells these notes."""
    from mithridate.ledger.evm import EvmNetwork

    view = EvmNetwork([url], finality=network.finality)
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not set(notes) <= set(board.notes(view)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        view.close()


def test_a_node_from_the_kit_follows_through_restarts_and_seals_nothing(
    local: LocalNetwork, board: Any, hospital: Hospital, start: Callable[[Path], Command]
) -> None:
    kit = hospital.kit("kit", genesis_of(local), deployed(board))
    notes = [board.note() for _ in range(3)]
    board.write(board.view, board.writer, notes[0])
    command = start(kit)
    command.told(rf"JSON-RPC for this machine alone: {hospital.url}")
    command.told(r"chain \d+ from block 0x[0-9a-f]{64} on, as http://\S+ and http://\S+ tell")
    command.told(rf"block \d+: each is sealed as {local.kind} asks, by [2-4] sealers")
    noted(local, board, hospital.url, notes[0])
    assert "7 have the kit's code" in contracts(site(kit))
    assert "3 of 3 answer and agree" in ledger_nodes(site(kit))
    # What it says of seals, the audit's own reading of the same node says, too.
    chronicle = NetworkChronicle([hospital.url], local.finality)
    try:
        last = [block.number for block in chronicle.blocks()][-1]
        assert chronicle.sealed
        assert chronicle.sealed.sealed.total() == last
    finally:
        chronicle.close()

    listening = [each for each in command.node().net_connections("inet") if each.status == psutil.CONN_LISTEN]
    assert {each.laddr.ip.removeprefix("::ffff:") for each in listening} == {"127.0.0.1"}
    local.sealers[0].restart()
    board.write(board.view, board.writer, notes[1])
    noted(local, board, hospital.url, *notes[:2])

    node = command.node()
    assert command.end(signal.SIGTERM) == 0, command.said
    assert not node.is_running()
    assert "Traceback" not in command.said
    board.write(board.view, board.writer, notes[2])
    command = start(kit)
    noted(local, board, hospital.url, *notes)
    # Killed, it leaves no node behind that nobody minds.
    node = command.node()
    os.kill(command.process.pid, signal.SIGKILL)
    command.process.wait(10)
    with contextlib.suppress(psutil.NoSuchProcess):
        node.wait(60)
    assert silent(hospital.url)


def test_a_node_of_another_genesis_block_is_refused(
    local: LocalNetwork, hospital: Hospital, start: Callable[[Path], Command]
) -> None:
    followed = genesis_of(local)
    wrong = start(hospital.kit("wrong", another(followed)))
    assert wrong.process.wait(PATIENCE_S) == 1
    assert "ask the key authority for a kit with the network's genesis file" in wrong.said
    assert all(node.url in wrong.said for node in local.sealers[:2])
    assert silent(hospital.url)
    # The right kit finds the wrong chain in the folder.
    right = start(hospital.kit("right", followed))
    assert right.process.wait(PATIENCE_S) == 1
    assert "holds the chain of another genesis block than the kit's" in right.said
    assert "move the folder away" in right.said
