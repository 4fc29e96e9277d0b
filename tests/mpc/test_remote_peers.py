"""Three validators' doors on the loopback interface: who comes in, what arrives, and what one that misbehaves costs."""

import datetime
import logging
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mithridate.crypto.keys import PrivateKey, generate, private_to_pem
from mithridate.crypto.link_certificates import make_link_certificate
from mithridate.errors import InputError, MessageError, RoundVoid
from mithridate.evaluation.networks.process import free_ports
from mithridate.mpc import remote_peers
from mithridate.mpc.peers import HungUp
from mithridate.mpc.remote_peers import OVERHEAD_BYTES, PeerService, RemotePeers, Seat
from mithridate.mpc.remote_streams import MAX_UNREAD, Incoming

D = 100
LIMIT = 8 * D + OVERHEAD_BYTES
PATIENCE = 60.0
KEYS = [generate() for _ in range(3)]
NAMES = [f"validator-{rank}" for rank in range(3)]
CERTIFICATES = [make_link_certificate(name, key) for name, key in zip(NAMES, KEYS, strict=True)]


def pem(key: PrivateKey) -> bytes:
    return private_to_pem(key, passphrase=None)


def issued(name: str, key: PrivateKey, authority: PrivateKey, days: int = 30) -> bytes:
    """A certificate as a consortium's authority signs it: for a leaf, valid until `days` from now."""
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, until) - datetime.timedelta(days=1))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(authority, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


class Doors:
    """The three services, each of which can be closed and opened again at its address."""

    def __init__(self, ports: list[int], certificates: list[bytes], timeout: float) -> None:
        self.addresses = [f"127.0.0.1:{port}" for port in ports]
        self.seats: Any = tuple(map(Seat, NAMES, self.addresses, certificates))
        self.timeout = timeout
        self.services: dict[int, PeerService] = {}
        self.channels: list[grpc.Channel] = []

    def open(self, rank: int) -> PeerService:
        self.services[rank] = PeerService(rank, self.seats, pem(KEYS[rank]), D, self.timeout)
        return self.services[rank]

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        for service in self.services.values():
            service.close()

    def meet(self, section: str, patience: float = PATIENCE) -> list[RemotePeers]:
        return together(lambda rank: self.services[rank].meet(section, patience))

    def dial(self, certificate: bytes, key: PrivateKey, *, known: bool = True) -> Callable[..., Any]:
        """The way of somebody with this certificate to the first door, past all that `PeerService` would check."""
        credentials = grpc.ssl_channel_credentials(self.seats[0].certificate, pem(key), certificate)
        options = (("grpc.ssl_target_name_override", NAMES[0]), ("grpc.enable_http_proxy", 0))
        self.channels.append(grpc.secure_channel(self.addresses[0], credentials, options=options))
        deliver = self.channels[-1].stream_unary("/mithridate.Validators/Deliver")
        return partial(deliver.future, timeout=PATIENCE, wait_for_ready=known)


def together(work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(work, range(3)))


def waited_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def make_doors() -> Iterator[Callable[..., Doors]]:
    made: list[Doors] = []

    def make(*, certificates: list[bytes] = CERTIFICATES, timeout: float = PATIENCE, ranks: Any = range(3)) -> Doors:
        made.append(Doors(free_ports(3), certificates, timeout))
        for rank in ranks:
            made[-1].open(rank)
        return made[-1]

    yield make
    for doors in made:
        doors.close()


def test_messages_arrive_whole_in_order_and_are_counted(make_doors: Callable[..., Doors]) -> None:
    peers = make_doors().meet("study/1/0/verify")
    sizes = [0, 1, 3, LIMIT, 2, 0, 70_000]

    def work(rank: int) -> list[list[bytes]]:
        others = [other for other in range(3) if other != rank]
        for number, size in enumerate(sizes):
            for other in others:
                peers[rank].send(other, bytes([rank, other, number])[:size].ljust(size, b"x"))
        return [[peers[rank].receive(other) for _ in sizes] for other in others]

    for rank, found in enumerate(together(work)):
        for other, messages in zip([other for other in range(3) if other != rank], found, strict=True):
            expected = [bytes([other, rank, number])[:size].ljust(size, b"x") for number, size in enumerate(sizes)]
            assert messages == expected
    assert [each.sent_bytes for each in peers] == [2 * sum(sizes)] * 3


def test_certificates_that_the_consortium_signed_are_pinned_like_any_other(make_doors: Callable[..., Doors]) -> None:
    authority = generate()
    certificates = [issued(name, key, authority) for name, key in zip(NAMES, KEYS, strict=True)]
    peers = make_doors(certificates=certificates).meet("a")
    peers[0].send(1, b"hello")
    assert peers[1].receive(0) == b"hello"


def test_what_was_sent_before_one_hangs_up_still_arrives(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors()
    peers = doors.meet("a")
    for number in range(5):
        peers[2].send(0, bytes([number]))
    peers[2].hang_up()
    doors.services.pop(2).close()
    assert [peers[0].receive(2) for _ in range(5)] == [bytes([number]) for number in range(5)]
    for _ in range(2):
        with pytest.raises(HungUp, match="validator-2 left"):
            peers[0].receive(2)
    assert waited_for(lambda: peers[0].gone == (2,) and peers[1].gone == (2,))


def test_a_message_beyond_the_limit_is_not_sent(make_doors: Callable[..., Doors]) -> None:
    peers = make_doors().meet("a")
    with pytest.raises(MessageError, match=f"{LIMIT + 1} bytes to validator-1: at most {LIMIT}"):
        peers[0].send(1, bytes(LIMIT + 1))
    peers[0].send(1, b"small")
    assert peers[1].receive(0) == b"small"


def test_a_peer_that_is_silent_is_named(make_doors: Callable[..., Doors]) -> None:
    peers = make_doors(timeout=0.3).meet("a")
    with pytest.raises(RoundVoid, match=r"validator-1 sent nothing for 0\.3 s"):
        peers[0].receive(1)


def test_who_does_not_come_is_named_and_may_come_late(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0, 1))
    with ThreadPoolExecutor(2) as threads:
        tries = [threads.submit(doors.services[rank].meet, "a", 0.5) for rank in (0, 1)]
        for each in tries:
            with pytest.raises(RoundVoid, match=r"waited 0\.5 s for the others at a: validator-[012] did not come"):
                each.result()
    with ThreadPoolExecutor(3) as threads:
        early = [threads.submit(doors.services[rank].meet, "a", PATIENCE) for rank in (0, 1)]
        assert waited_for(lambda: len(doors.services[0]._waiting) == len(doors.services[1]._waiting) == 1)
        late = doors.open(2).meet("a", PATIENCE)
        late.send(0, b"here")
        assert early[0].result().receive(2) == b"here"


def test_meetings_of_one_section_follow_one_another(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors()

    def work(rank: int) -> list[bytes]:
        heard = []
        for number in range(6):
            peers = doors.services[rank].meet("again", PATIENCE)
            for other in range(3):
                if other != rank:
                    peers.send(other, bytes([number]))
            heard += [peers.receive(other) for other in range(3) if other != rank]
            # One leaves without reading what the next meeting must not find.
            peers.send((rank + 1) % 3, b"left over")
            peers.hang_up()
        return heard

    assert together(work) == [[bytes([number]) for number in range(6) for _ in range(2)]] * 3


def test_two_that_meet_at_different_sections_do_not_meet(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors()

    def work(rank: int) -> None:
        with pytest.raises(RoundVoid, match="did not come"):
            doors.services[rank].meet(f"section-{rank}", 1.0)

    together(work)


STRANGER = generate()
AUTHORITY = generate()


@pytest.mark.parametrize(
    "certificate",
    [
        make_link_certificate("validator-1", STRANGER),
        issued("validator-1", STRANGER, AUTHORITY),
        # Signed by a validator's own key, which TLS takes for an authority.
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "validator-2")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "validator-1")]))
        .public_key(STRANGER.public_key())
        .serial_number(7)
        .not_valid_before(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1))
        .not_valid_after(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1))
        .sign(KEYS[1], hashes.SHA256())
        .public_bytes(Encoding.PEM),
    ],
    ids=["self-signed", "another authority's", "signed by a validator"],
)
def test_a_stranger_is_refused(make_doors: Callable[..., Doors], certificate: bytes) -> None:
    doors = make_doors()
    call = doors.dial(certificate, STRANGER, known=False)(iter([b"nonce"]), metadata=(("section", "a"),))
    with pytest.raises(grpc.RpcError) as caught:
        call.result()
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)
    assert doors.services[0]._waiting == {}


def test_a_hospital_of_the_same_consortium_is_refused(make_doors: Callable[..., Doors]) -> None:
    certificates = [issued(name, key, AUTHORITY) for name, key in zip(NAMES, KEYS, strict=True)]
    doors = make_doors(certificates=certificates)
    call = doors.dial(issued("hospital-1", STRANGER, AUTHORITY), STRANGER, known=False)
    with pytest.raises(grpc.RpcError):
        call(iter([b"n"]), metadata=(("section", "a"),)).result()
    assert doors.services[0]._waiting == {}


def test_nobody_listens_to_a_door_that_shows_another_certificate(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0, 1))
    false = Seat("validator-2", doors.addresses[2], make_link_certificate("validator-2", STRANGER))
    impostor = PeerService(2, (*doors.seats[:2], false), pem(STRANGER), D, PATIENCE)
    doors.services[2] = impostor

    def work(rank: int) -> None:
        with pytest.raises(RoundVoid, match="did not come"):
            doors.services[rank].meet("a", 1.5)

    together(work)


def test_a_validator_speaks_with_its_own_rank_only(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0,))
    more: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    metadata = (("section", "a"), ("rank", "1"), ("x-rank", "1"), ("sender", "validator-1"))
    # gRPC cancels a call that nobody holds.
    call = doors.dial(CERTIFICATES[2], KEYS[2])(iter(more.get, None), metadata=metadata)
    assert waited_for(lambda: list(doors.services[0]._waiting) == [("a", 2)])
    more.put(None)
    assert call.result() == b""


def test_a_certificate_that_expired_is_refused_by_name(make_doors: Callable[..., Doors]) -> None:
    old = make_link_certificate("validator-2", KEYS[2], datetime.timedelta(seconds=-1))
    for rank in range(3):
        doors = make_doors(certificates=[*CERTIFICATES[:2], old], ranks=())
        with pytest.raises(MessageError, match=r"validator-2's certificate is valid from .*: it must enrol a new one"):
            doors.open(rank)


def test_a_certificate_that_expires_while_the_study_runs_is_named(
    make_doors: Callable[..., Doors], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_doors(ranks=(0,)).services[0]

    def expired(certificate: bytes, name: str) -> None:
        raise MessageError(f"{name}'s certificate is not valid today")

    monkeypatch.setattr(remote_peers, "read_link_certificate", expired)
    with pytest.raises(RoundVoid, match="validator-1's certificate is not valid today"):
        service.meet("a", 0.3)


def test_an_expired_certificate_is_not_let_in(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0,))
    old = make_link_certificate("validator-2", KEYS[2], datetime.timedelta(seconds=-1))
    with pytest.raises(grpc.RpcError):
        doors.dial(old, KEYS[2], known=False)(iter([b"n"]), metadata=(("section", "a"),)).result()
    assert doors.services[0]._waiting == {}


def test_a_key_of_another_certificate_or_none_at_all_is_refused_at_the_start(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=())
    with pytest.raises(InputError, match="validator-0's key is not the one of its certificate"):
        PeerService(0, doors.seats, pem(KEYS[1]), D, PATIENCE)
    with pytest.raises(InputError, match="validator-0's key cannot be read"):
        PeerService(0, doors.seats, b"no key", D, PATIENCE)


def test_a_taken_port_is_an_error_in_words(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0,))
    with pytest.raises(InputError, match=r"validator-0 cannot listen on .*: is another process using it"):
        PeerService(0, doors.seats, pem(KEYS[0]), D, PATIENCE)


@pytest.mark.parametrize("metadata", [(), (("section", ""),), (("section", "x" * 129),)])
def test_a_stream_without_a_section_is_refused(make_doors: Callable[..., Doors], metadata: Any) -> None:
    doors = make_doors(ranks=(0,))
    with pytest.raises(grpc.RpcError) as caught:
        doors.dial(CERTIFICATES[1], KEYS[1])(iter([b"n"]), metadata=metadata).result()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_other_methods_are_not_there(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0,))
    credentials = grpc.ssl_channel_credentials(CERTIFICATES[0], pem(KEYS[1]), CERTIFICATES[1])
    options = (("grpc.ssl_target_name_override", NAMES[0]), ("grpc.enable_http_proxy", 0))
    with grpc.secure_channel(doors.addresses[0], credentials, options=options) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/mithridate.Validators/Other")(b"", timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_streams_that_one_validator_opens_do_not_shut_the_third_out(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors()
    dial = doors.dial(CERTIFICATES[1], KEYS[1])
    silent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    calls = [dial(iter(silent.get, None), metadata=(("section", f"unknown-{number}"),)) for number in range(80)]
    most = remote_peers._MAX_WAITING
    assert waited_for(lambda: sum(not call.done() for call in calls) <= most)
    service = doors.services[0]
    assert len(service._waiting) <= most
    assert len(service._open) <= most
    peers = doors.meet("a")
    peers[2].send(0, b"through")
    assert peers[0].receive(2) == b"through"
    for _ in calls:
        silent.put(None)


def test_what_ended_before_anybody_joined_it_is_not_kept(make_doors: Callable[..., Doors]) -> None:
    service = (doors := make_doors(ranks=(0,))).services[0]
    dial = doors.dial(CERTIFICATES[1], KEYS[1])
    for number in range(30):
        assert dial(iter([b"x", b"y"]), metadata=(("section", f"unknown-{number}"),)).result() == b""
    assert waited_for(lambda: service._waiting == {} and service._open == [])


def test_a_peer_that_sends_without_end_is_broken_off(
    make_doors: Callable[..., Doors], caplog: pytest.LogCaptureFixture
) -> None:
    doors = make_doors()
    peers = doors.meet("a")
    with caplog.at_level(logging.WARNING):
        for _ in range(MAX_UNREAD + 2):
            peers[1].send(0, b"canary-of-a-share")
        assert waited_for(lambda: peers[0].gone == (1,))
    for _ in range(MAX_UNREAD):
        assert peers[0].receive(1) == b"canary-of-a-share"
    with pytest.raises(HungUp):
        peers[0].receive(1)
    (line,) = [record.getMessage() for record in caplog.records if record.name == remote_peers.__name__]
    assert line == f"broke off a stream of validator-1 in a: more than {MAX_UNREAD} messages wait to be read"
    assert peers[0].gone == (1,)
    peers[2].send(0, b"unharmed")
    assert peers[0].receive(2) == b"unharmed"


def test_a_message_beyond_the_limit_is_not_taken(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors()
    peers = doors.meet("a")
    outgoing = peers[1]._outgoing[0]
    call = doors.dial(CERTIFICATES[1], KEYS[1])(iter([bytes(LIMIT + 1)]), metadata=(("section", "b"),))
    with pytest.raises(grpc.RpcError) as caught:
        call.result()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    outgoing.put(bytes(LIMIT + 1))
    with pytest.raises(HungUp):
        peers[0].receive(1)


def test_an_unread_message_is_counted_by_stream_alone() -> None:
    stream = Incoming(1)
    for _ in range(MAX_UNREAD):
        stream.put(b"")
    with pytest.raises(MessageError, match="wait to be read"):
        stream.put(b"")
    stream.end()
    for _ in range(MAX_UNREAD):
        assert stream.get(0) == b""
    assert stream.get(0) is stream.get(0) is None


VICTIM = """
import sys
from pathlib import Path
from mithridate.mpc.remote_peers import PeerService, Seat
folder, addresses = Path(sys.argv[1]), sys.argv[2:]
seats = tuple(Seat(f"validator-{r}", addresses[r], (folder / f"{r}.pem").read_bytes()) for r in range(3))
service = PeerService(2, seats, (folder / "2.key").read_bytes(), 100, 60.0)
peers = service.meet("a", 60.0)
peers.send(0, b"alive")
peers.receive(0)
"""


def test_a_peer_that_is_killed_has_hung_up(make_doors: Callable[..., Doors], tmp_path: Path) -> None:
    doors = make_doors(ranks=(0, 1))
    for rank, certificate in enumerate(CERTIFICATES):
        (tmp_path / f"{rank}.pem").write_bytes(certificate)
    (tmp_path / "2.key").write_bytes(pem(KEYS[2]))
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(tmp_path), *doors.addresses])
    try:
        with ThreadPoolExecutor(2) as threads:
            peers = list(threads.map(lambda rank: doors.services[rank].meet("a", PATIENCE), (0, 1)))
        assert peers[0].receive(2) == b"alive"
        assert peers[0].gone == ()
        victim.send_signal(signal.SIGKILL)
        for each in peers:
            # Well before the timeout of a silent peer, which would be another error.
            with pytest.raises(HungUp, match="validator-2 left"):
                each.receive(2)
        assert peers[0].gone == peers[1].gone == (2,)
        peers[0].send(1, b"still here")
        assert peers[1].receive(0) == b"still here"
    finally:
        victim.kill()
        victim.wait()


def test_no_thread_is_left_behind(make_doors: Callable[..., Doors]) -> None:
    def ours() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread is not threading.main_thread()}

    before = ours()
    doors = make_doors()
    for rank in (0, 1):
        with pytest.raises(RoundVoid):
            doors.services[rank].meet("nobody comes", 0.4)
    # One leaves properly, two are in the middle of the section.
    doors.meet("a")[0].hang_up()
    doors.close()
    doors.services.clear()
    assert waited_for(lambda: ours() <= before), ours() - before


def test_nobody_meets_through_a_closed_door(make_doors: Callable[..., Doors]) -> None:
    doors = make_doors(ranks=(0,))
    service = doors.services.pop(0)
    service.close()
    with pytest.raises(RoundVoid, match="validator-0 has left the computation"):
        service.meet("a", 1.0)
