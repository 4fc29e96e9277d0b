"""Validators that meet for one section after another, are killed in the middle of one, and come back."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.crypto.keys import generate, private_to_pem
from mithridate.crypto.link_certificates import make_link_certificate
from mithridate.errors import MessageError, RoundVoid, RuleViolation
from mithridate.evaluation.networks.process import free_ports
from mithridate.federation.remote import meetings as module
from mithridate.federation.remote.meetings import MAX_FAILURES, RemoteMeetings, folders_of, private_folder, sweep
from mithridate.federation.remote.validator_agent import NotMet
from mithridate.mpc.peers import HungUp
from mithridate.mpc.remote_peers import PeerService, Seat
from mithridate.mpc.shares import ReplicatedShare, reconstruct, share_locally

PATIENCE = 130.0
VALIDATOR = """
import sys, time
from pathlib import Path
import numpy as np
from mithridate.federation.opened import exchange
from mithridate.federation.remote.meetings import RemoteMeetings, restart_process
from mithridate.federation.remote.validator_agent import NotMet
from mithridate.mpc.peers import HungUp
from mithridate.mpc.remote_peers import PeerService, Seat
from mithridate.mpc.shares import ReplicatedShare

folder, rank, addresses = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
with open(folder / f"starts-{rank}", "a") as starts:
    starts.write("started\\n")
seats = tuple(Seat(f"validator-{r}", addresses[r], (folder / f"{r}.pem").read_bytes()) for r in range(3))
service = PeerService(rank, seats, (folder / f"{rank}.key").read_bytes(), 100, 60.0)
state = folder / f"failures-{rank}.json"
meetings = RemoteMeetings(lambda seats: service, addresses[3:], state, 60.0, restart_process)
meetings.sit((0, 1, 2))

def square(x):
    return x * x

def action(member):
    first, second = np.load(folder / f"share-{rank}.npy")
    shares = [ReplicatedShare(rank, first, second)]
    (out,) = member.run(square, shares)
    if section == "first":
        if rank == 2 and not (folder / "computing").exists():
            # As `run` begins: then the others are in a program, which they cannot end without this one.
            exchange(b"", member.peers)
            (folder / "computing").touch()
            time.sleep(600)
        member.run(square, shares)
    np.save(folder / f"{section}-{rank}.npy", np.stack([out.first, out.second]))

for section in ("first", "second"):
    # One may be done with its part when another is killed, and must hold the section again all the same.
    while not (folder / f"{section}-{rank}.held").exists():
        try:
            meetings.hold(section, 30.0, action)
            (folder / f"{section}-{rank}.held").touch()
        except (NotMet, HungUp) as error:
            with open(folder / f"reasons-{rank}", "a") as reasons:
                reasons.write(f"{error}\\n")
        finally:
            meetings.mend()
meetings.close()
"""


class Validators:
    """Three processes that hold two sections, and what they leave in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(6)]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        (folder / "temporary").mkdir()
        keys = [generate() for _ in range(3)]
        for rank, (key, share) in enumerate(zip(keys, share_locally(encoded()), strict=True)):
            (folder / f"{rank}.pem").write_bytes(make_link_certificate(f"validator-{rank}", key))
            (folder / f"{rank}.key").write_bytes(private_to_pem(key, passphrase=None))
            np.save(folder / f"share-{rank}.npy", np.stack([share.first, share.second]))

    def start(self, rank: int) -> None:
        command = [sys.executable, "-c", VALIDATOR, str(self.folder), str(rank), *self.addresses]
        # Whatever they leave behind lies here.
        environment = {**os.environ, "TMPDIR": str(self.folder / "temporary")}
        self.processes[rank] = subprocess.Popen(command, env=environment)

    def starts(self, rank: int) -> int:
        return len((self.folder / f"starts-{rank}").read_text().splitlines())

    def result(self, section: str) -> list[float]:
        shares = [np.load(self.folder / f"{section}-{rank}.npy") for rank in range(3)]
        opened = reconstruct([ReplicatedShare(rank, *share) for rank, share in enumerate(shares)])
        return (opened.view(np.int64) / 2**18).round(3).tolist()


def encoded() -> Any:
    return (np.arange(5) * 2**18).astype(np.uint64)


@pytest.fixture
def validators(tmp_path: Path) -> Iterator[Validators]:
    made = Validators(tmp_path)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()


def waited_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_validator_killed_in_the_midst_of_a_program_costs_its_section_another_try(validators: Validators) -> None:
    for rank in range(3):
        validators.start(rank)
    assert waited_for((validators.folder / "computing").exists)
    time.sleep(0.5)
    victim = validators.processes[2]
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    validators.start(2)
    assert [process.wait(timeout=130) for _, process in sorted(validators.processes.items())] == [0, 0, 0]
    assert validators.result("first") == validators.result("second") == [0, 1, 4, 9, 16]
    # The two others started anew by themselves, in the same process.
    assert all(validators.starts(rank) > 1 for rank in range(3))
    reasons = [(validators.folder / f"reasons-{rank}").read_text() for rank in range(2)]
    assert any("validator-2 left while this one was computing with it" in reason for reason in reasons)
    for rank in range(3):
        prefix = folders_of(validators.folder / f"failures-{rank}.json")
        assert list(module._memory().glob(f"{prefix}*")) == []
    # The one that was killed could not clear away its log.
    assert len(list((validators.folder / "temporary").iterdir())) == 1


class Room:
    """Three validators in threads, with doors on loopback and no SPU."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        keys = [generate() for _ in range(3)]
        seats: Any = tuple(
            Seat(f"validator-{rank}", f"127.0.0.1:{port}", make_link_certificate(f"validator-{rank}", keys[rank]))
            for rank, port in enumerate(free_ports(3))
        )
        self.services = [
            PeerService(rank, seats, private_to_pem(keys[rank], passphrase=None), 10, PATIENCE) for rank in range(3)
        ]
        self.restarted: list[int] = []
        self.meetings = [self.fresh(rank) for rank in range(3)]

    def fresh(self, rank: int) -> RemoteMeetings:
        """A validator's meetings as they are after its process began anew."""
        state, addresses = self.folder / f"{rank}.json", ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
        meetings = RemoteMeetings(
            lambda seats: self.services[rank], addresses, state, PATIENCE, lambda: self.restarted.append(rank)
        )
        meetings.sit((0, 1, 2))
        return meetings

    def hold(self, section: str, action: Callable[[int, Any], None]) -> list[BaseException | None]:
        """What each was told, None if the section came to its end."""

        def work(rank: int) -> BaseException | None:
            try:
                self.meetings[rank].hold(section, PATIENCE, lambda member: action(rank, member))
            except Exception as error:
                return error
            return None

        with ThreadPoolExecutor(3) as threads:
            return list(threads.map(work, range(3)))

    def mend(self) -> list[int]:
        """Who started anew."""
        self.restarted = []
        for meeting in self.meetings:
            meeting.mend()
        for rank in self.restarted:
            self.meetings[rank] = self.fresh(rank)
        return self.restarted


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr(RemoteMeetings, "_new_session", lambda self, peers: object())
    made = Room(tmp_path)
    yield made
    for meeting in made.meetings:
        meeting.close()


def nothing(rank: int, member: Any) -> None:
    """A section with nothing to do."""


def test_all_keep_one_link_until_one_of_them_has_lost_it(room: Room) -> None:
    assert room.hold("a", nothing) == [None] * 3
    sessions = [meeting._session for meeting in room.meetings]
    assert len({meeting._link for meeting in room.meetings}) == 1
    assert room.hold("b", nothing) == [None] * 3
    assert [meeting._session for meeting in room.meetings] == sessions
    room.meetings[1] = room.fresh(1)
    assert [type(error) for error in room.hold("c", nothing)] == [HungUp] * 3
    assert room.mend() == [0, 2]
    assert room.hold("c", nothing) == [None] * 3
    assert room.mend() == []
    assert len({meeting._link for meeting in room.meetings}) == 1


def test_nobody_is_taken_for_gone_who_is_done_before_the_others(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    monkeypatch.setattr(module, "_LOOK_S", 0.01)
    done = [threading.Event(), threading.Event()]

    def action(rank: int, member: Any) -> None:
        if rank < 2:
            done[rank].set()
            return
        for each in done:
            assert each.wait(PATIENCE)
        # A vote takes its time.
        time.sleep(0.5)

    assert room.hold("a", action) == [None] * 3
    assert room.mend() == []


def test_a_vote_that_was_not_needed_spoils_nothing(room: Room) -> None:
    def action(rank: int, member: Any) -> None:
        if rank == 1:
            raise RuleViolation("wrong phase")

    first, second, third = room.hold("a", action)
    assert isinstance(second, RuleViolation)
    assert first is third is None
    assert room.mend() == []


def test_what_one_fails_at_parts_all_and_is_said_by_itself_alone(room: Room) -> None:
    def action(rank: int, member: Any) -> None:
        if rank == 1:
            raise MessageError("what the coordinator sent is malformed")

    first, second, third = room.hold("a", action)
    assert isinstance(second, MessageError)
    assert isinstance(first, HungUp)
    assert isinstance(third, HungUp)
    assert room.mend() == [0, 1, 2]


def test_one_that_waits_for_a_validator_that_left_is_let_go(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    released = threading.Event()

    def action(rank: int, member: Any) -> None:
        if rank == 2:
            raise MessageError("gives up")
        # As SPU waits: deaf to everything but its own link.
        released.wait(PATIENCE)

    first, second, _ = room.hold("a", action)
    released.set()
    for error in (first, second):
        assert isinstance(error, HungUp)
        assert "left while this one was computing" in str(error)


def test_a_section_that_breaks_off_too_often_is_given_up_across_restarts(room: Room) -> None:
    def leave(rank: int, member: Any) -> None:
        raise HungUp("validator-1 left the computation")

    for _ in range(MAX_FAILURES):
        assert all(isinstance(error, HungUp) for error in room.hold("a", leave))
        room.mend()
        room.meetings = [room.fresh(rank) for rank in range(3)]
    for error in room.hold("a", leave):
        assert type(error) is RoundVoid
        assert str(error) == f"the validators were parted {MAX_FAILURES} times in this section"
    assert room.hold("b", nothing) == [None] * 3


@pytest.mark.parametrize("content", [b"", b"[", b'["a"]', b"[3, 3]", b'["a", "x"]', b"\xff\xfe", b"[" * 5000, b"1"])
def test_a_damaged_count_of_failures_counts_none(room: Room, content: bytes) -> None:
    for rank in range(3):
        (room.folder / f"{rank}.json").write_bytes(content)
    assert room.hold("a", nothing) == [None] * 3


def test_who_is_alone_is_told_so(room: Room) -> None:
    with pytest.raises(NotMet, match="did not come"):
        room.meetings[0].hold("a", 0.3, lambda member: None)
    assert room.mend() == []


def test_who_sits_in_another_committee_starts_anew_if_it_was_linked(room: Room) -> None:
    room.meetings[1].sit((0, 1, 2))
    assert room.restarted == []
    room.meetings[1].leave()
    assert room.restarted == []
    with pytest.raises(RoundVoid, match="sits in no committee"):
        room.meetings[1].hold("a", 0.1, lambda member: None)


@pytest.mark.parametrize("leave", [lambda meetings: meetings.leave(), lambda meetings: meetings.sit((0, 1, 3))])
def test_a_link_to_others_is_given_up_by_starting_anew(room: Room, leave: Callable[[RemoteMeetings], None]) -> None:
    assert room.hold("a", nothing) == [None] * 3
    leave(room.meetings[2])
    assert room.restarted[:1] == [2]


def test_a_private_folder_is_private_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), private_folder("mithridate-test-") as folder:  # noqa: PT012
        (folder / "key").write_bytes(b"secret")
        assert folder.stat().st_mode & 0o077 == 0
        raise ValueError("stop")
    assert not folder.exists()


def test_what_a_killed_process_left_is_swept_at_its_next_start_and_nothing_else(room: Room, tmp_path: Path) -> None:
    mine, other = (private_folder(room.meetings[rank]._folders) for rank in (0, 1))
    with mine as left, other as kept:
        (left / "link.key").write_bytes(b"secret")
        room.fresh(0)
        assert not left.exists()
        assert kept.exists()


def test_sweeping_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    link = module._memory() / f"mithridate-test-{os.getpid()}-link"
    link.symlink_to(tmp_path)
    try:
        sweep(f"mithridate-test-{os.getpid()}-")
        assert (tmp_path / "kept").exists()
    finally:
        link.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    for folder in module._memory().glob("mithridate-test-*"):
        shutil.rmtree(folder, ignore_errors=True)
