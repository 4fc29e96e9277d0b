"""The real engine behind real TLS: a coordinator and a hospital as processes, each from its kit."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import create_connection, create_server

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nvflare.lighter.utils import Identity, generate_cert

from mithridate.errors import CertificateRefused
from mithridate.provisioning.authority import Authority, new_authority
from mithridate.provisioning.certificates import certificate_from_pem
from mithridate.provisioning.engine_driver import ask_admission
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.keystore import write_key
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.opened_kit import Kit, open_kit
from mithridate.provisioning.request import make_request, read_request
from mithridate.provisioning.revocation import LIST_FILE, Reason

WORDS = "a password for tests"
PATIENCE_S = 120
Keys = dict[str, ParticipantKeys]
RUN = """
import sys
from pathlib import Path
from mithridate.provisioning.engine_process import run_engine
from mithridate.provisioning.keystore import read_rsa_key
from mithridate.provisioning.opened_kit import open_kit
kit = open_kit(Path(sys.argv[1]), sys.argv[2])
raise SystemExit(run_engine(kit, read_rsa_key(Path(sys.argv[3]), sys.argv[4])))
"""
# What a participant might run that keeps to no kit: the engine as it comes, under a name of its choice.
POSE = """
import sys
from argparse import Namespace
from nvflare.private.fed.app.client import client_train
settings = ["secure_train=true", "config_folder=", "uid=" + sys.argv[2], "org=clinic_1"]
client_train.main(Namespace(workspace=sys.argv[1], fed_client="fed_client.json", set=settings, local_rank=0))
"""
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engine")]


class Site:
    """A participant's engine as a process of its own."""

    def __init__(self, log: Path, *command: str) -> None:
        self.log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-c", *command], stdout=stream, stderr=stream, start_new_session=True
            )

    @classmethod
    def of(cls, folder: Path, authority: str, key: rsa.RSAPrivateKey) -> "Site":
        """The participant with this kit."""
        file = folder.with_suffix(".p12")
        write_key(file, key, folder.name, WORDS)
        return cls(folder.with_suffix(".log"), RUN, str(folder), authority, str(file), WORDS)

    def told(self, text: str, *, after: int = 0) -> None:
        """Returns once the log says it."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.log.read_text(errors="replace")[after:]:
            assert self._process.poll() is None, self.log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, f"{text!r} was not said: {self.log.read_text(errors='replace')[-2000:]}"
            time.sleep(0.1)

    def answers(self, port: int) -> None:
        """Returns once the process accepts connections there."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log.read_text(errors="replace")[-2000:]
                assert time.monotonic() < end, self.log.read_text(errors="replace")[-2000:]
                time.sleep(0.1)

    def listens(self) -> list[str]:
        """The addresses on which the process accepts connections."""
        open_now = psutil.Process(self._process.pid).net_connections("inet")
        return [place.laddr.ip for place in open_now if place.status == psutil.CONN_LISTEN]

    def end(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        finally:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGKILL)
                self._process.wait(20)


@dataclass
class Network:
    """What runs, and what its participants hold."""

    authority: Authority
    kits: dict[str, Path]
    coordinator: Site

    def kit(self, name: str) -> Kit:
        return open_kit(self.kits[name], self.authority.fingerprint)

    def revoke(self, name: str) -> None:
        """Takes a participant's certificate back and brings the news to the coordinator."""
        self.authority, _ = self.authority.revoke(name, Reason.KEY_COMPROMISE)
        new = self.kits["coordinator"] / "startup" / f"{LIST_FILE}.new"
        shutil.copyfile(self.authority.folder / LIST_FILE, new)
        new.replace(new.with_name(LIST_FILE))


def enrolled(folder: Path, text: str, keys: Keys) -> Authority:
    folder.mkdir()
    (folder / "consortium.yml").write_text(text, encoding="utf-8")
    authority = new_authority(folder / "authority", folder / "consortium.yml", WORDS)
    for participant in authority.consortium.participants:
        request = make_request(authority.consortium, participant, keys[participant.name])
        authority, _ = authority.sign(read_request(request))
    return authority


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, consortium_text: str, keys: Keys) -> Iterator[Network]:
    place = tmp_path_factory.mktemp("engine")
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    authority = enrolled(place / "consortium", consortium_text.replace("18402", str(port)), keys)
    kits = write_kits(authority, place / "kits", Contents())
    coordinator = Site.of(kits["coordinator"], authority.fingerprint, keys["coordinator"].tls)
    try:
        coordinator.answers(port)
        yield Network(authority, kits, coordinator)
    finally:
        coordinator.end()


@pytest.fixture
def key_of(tmp_path: Path, keys: Keys) -> Callable[[str], Path]:
    """A participant's private key in a file, in the clear."""

    def write(name: str) -> Path:
        file = tmp_path / f"{name}.key"
        file.write_bytes(keys[name].tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return file

    return write


def test_a_member_is_let_in_by_name(network: Network, key_of: Callable[[str], Path]) -> None:
    ask_admission(network.kit("validator-1"), key_of("validator-1"))
    network.coordinator.told("admitted: validator-1")


def test_the_engine_listens_on_the_loopback_interface_alone(network: Network) -> None:
    places = network.coordinator.listens()
    assert places
    assert all(ip_address(place.removeprefix("::ffff:")).is_loopback for place in places)


def test_whoever_has_no_certificate_is_turned_away_by_tls(network: Network, key_of: Callable[[str], Path]) -> None:
    startup = network.kits["hospital-1"] / "startup"
    context = ssl.create_default_context(cafile=startup / "rootCA.pem")
    context.set_alpn_protocols(["h2"])
    place = network.kit("hospital-1").roster.coordinator
    with pytest.raises((ssl.SSLError, ConnectionError)):
        first_answer(context, (place.host, place.port))
    context.load_cert_chain(startup / "client.crt", key_of("hospital-1"))
    assert first_answer(context, (place.host, place.port))


def first_answer(context: ssl.SSLContext, address: tuple[str | None, int | None]) -> bytes:
    """What the coordinator says to the first words of HTTP/2."""
    with (
        create_connection(address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        answer = tls.recv(1)
        if not answer:
            raise ConnectionError("closed without a word")
        return answer


def test_another_consortiums_certificate_is_turned_away_by_tls(
    network: Network, key_of: Callable[[str], Path], tmp_path: Path, consortium_text: str, keys: Keys
) -> None:
    other = enrolled(tmp_path / "other", consortium_text, keys).register.current("hospital-1")
    assert other is not None
    foreign = certificate_from_pem(other.certificate.encode(), "hospital-1")
    with pytest.raises(CertificateRefused, match="TLS refuses this participant's certificate"):
        ask_admission(replace(network.kit("hospital-1"), certificate=foreign), key_of("hospital-1"))


def test_an_expired_certificate_is_turned_away_by_tls(
    network: Network, key_of: Callable[[str], Path], keys: Keys
) -> None:
    authority, now = network.authority, datetime.now(UTC)
    expired = generate_cert(
        Identity("hospital-1", "clinic_1", "client"),
        Identity("breast-cancer"),
        authority.key,
        keys["hospital-1"].tls.public_key(),
        not_valid_before=now - timedelta(days=2),
        not_valid_after=now - timedelta(days=1),
    )
    with pytest.raises(CertificateRefused, match="TLS refuses this participant's certificate"):
        ask_admission(replace(network.kit("hospital-1"), certificate=expired), key_of("hospital-1"))


def test_a_revoked_certificate_is_turned_away_by_name(network: Network, key_of: Callable[[str], Path]) -> None:
    kit, key = network.kit("hospital-2"), key_of("hospital-2")
    ask_admission(kit, key)
    network.revoke("hospital-2")
    with pytest.raises(CertificateRefused, match=r"the coordinator says: hospital-2 .*revoked its certificate"):
        ask_admission(kit, key)
    network.coordinator.told("refused: hospital-2 (organisation clinic_2) is refused: the authority revoked")


def test_a_participant_cannot_take_anothers_name(
    network: Network, key_of: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copytree(network.kits["hospital-1"], tmp_path / "posing")
    startup = tmp_path / "posing" / "startup"
    shutil.copyfile(network.kits["curator"] / "startup" / "client.crt", startup / "client.crt")
    shutil.copyfile(key_of("curator"), startup / "client.key")
    posing = Site(tmp_path / "posing.log", POSE, str(tmp_path / "posing"), "hospital-1")
    try:
        network.coordinator.told("authenticated as 'curator' but claimed endpoint 'hospital-1'")
    finally:
        posing.end()


def test_a_site_joins_from_its_kit_and_is_cut_off_when_it_is_revoked(network: Network, keys: Keys) -> None:
    key_link = network.kit("hospital-1").key_link
    hospital = Site.of(network.kits["hospital-1"], network.authority.fingerprint, keys["hospital-1"].tls)
    try:
        hospital.told("Successfully registered client:hospital-1 for project breast-cancer")
        network.coordinator.told("admitted: hospital-1")
        unlocked = key_link.resolve()
        assert unlocked.exists()
        network.revoke("hospital-1")
        network.coordinator.told("refused: hospital-1 (organisation clinic_1) is refused: the authority revoked")
    finally:
        assert hospital.end() == 0
    assert not unlocked.exists()
    assert not key_link.is_symlink()
