"""How three validators on different machines meet: fresh streams for each section, one SPU link while it works."""

import glob
import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from mithridate.crypto.keys import generate, private_to_pem
from mithridate.crypto.link_certificates import make_link_certificate, read_link_certificate
from mithridate.errors import RoundVoid, RuleViolation
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.opened import exchange
from mithridate.federation.remote.validator_agent import NotMet
from mithridate.federation.seats import Seats
from mithridate.mpc import spu_log
from mithridate.mpc.links import LinkFiles, remote_link
from mithridate.mpc.peers import HungUp
from mithridate.mpc.remote_peers import PeerService, RemotePeers
from mithridate.mpc.session import Session
from mithridate.mpc.shares import VALIDATORS

LOG = logging.getLogger(__name__)
MAX_FAILURES = 3
"""A section that broke off so often is given up."""
_LINK_PATIENCE_S = 20.0
_LOOK_S = 0.2
_GRACE_S = 3.0
_NONCE_BYTES = 16
_MAX_BYTES = 4096
_DONE = b"done"


class RemoteMeetings:
    """See `validator_agent.Meetings`.

    SPU neither notices at once that another validator is gone nor takes its link down safely then. So a section that
    fails leaves this process in need of `restart`, and everything that matters is on the ledger and the disk.

    Args:
        door: opens the door to the two others of a committee.
        addresses: "host:port" at which the study's validators link SPU, by place.
        state: a file that counts failures across restarts.
        timeout: seconds that one validator waits for a message of another.
        restart: ends this process and starts it anew.
    """

    def __init__(
        self,
        door: Callable[[Seats], PeerService],
        addresses: Sequence[str],
        state: Path,
        timeout: float,
        restart: Callable[[], None],
    ) -> None:
        self._door = door
        self._addresses = addresses
        self._seats: Seats | None = None
        self._service: PeerService | None = None
        self._state = state
        self._timeout = timeout
        self._restart = restart
        self._session: Session | None = None
        self._link = b""
        self._broken = False
        self._folders = folders_of(state)
        # A process that was killed while it linked left its key behind.
        sweep(self._folders)

    def sit(self, seats: Seats) -> None:
        """See `Meetings.sit`.

        Raises:
            InputError: the port is taken.
        """
        if self._seats != seats:
            self.leave()
            self._service, self._seats = self._door(seats), seats

    def leave(self) -> None:
        """See `Meetings.leave`: where SPU is linked, this process starts anew."""
        if self._service is not None:
            self._service.close()
        self._service, self._seats = None, None
        self._broken = bool(self._link)
        self.mend()

    def hold(self, section: str, patience: float, action: Callable[[CommitteeMember], None]) -> None:
        """See `Meetings.hold`."""
        service, _ = self._seated()
        failures = self._failures(section)
        if failures >= MAX_FAILURES:
            raise RoundVoid(f"the validators were parted {failures} times in this section")
        try:
            peers = service.meet(section, patience)
        except RoundVoid as error:
            raise NotMet(str(error)) from error
        try:
            acted = threading.Event()
            self._watched(peers, lambda: self._together(peers, action, acted), acted)
        except RuleViolation:
            # The ledger went on without this vote; the section itself was held to its end.
            raise
        except HungUp:
            self._broken = bool(self._link)
            self._count(section, failures + 1)
            raise
        except BaseException:
            self._broken = bool(self._link)
            raise
        finally:
            peers.hang_up()

    def _together(self, peers: RemotePeers, action: Callable[[CommitteeMember], None], acted: threading.Event) -> None:
        overruled: RuleViolation | None = None
        try:
            action(CommitteeMember(peers, self._linked(peers)))
        except RuleViolation as error:
            overruled = error
        acted.set()
        # Nobody leaves before all are done: who hangs up in between has failed.
        exchange(_DONE, peers)
        if overruled is not None:
            raise overruled

    def mend(self) -> None:
        """See `Meetings.mend`: starts the process anew if its link for the joint computation is of no use any more."""
        if self._broken:
            LOG.warning("starting anew: the link for the joint computation is of no use any more")
            sweep(self._folders)
            self._restart()

    def close(self) -> None:
        """Leaves the others."""
        if self._service is not None:
            self._service.close()

    def _watched(self, peers: RemotePeers, work: Callable[[], None], acted: threading.Event) -> None:
        """Does `work` in a thread of its own; until `acted`, leaves it behind where it waits for one that is gone."""
        failures: list[BaseException] = []

        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, name="section", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_S)
            if (gone := peers.gone) and not acted.is_set():
                thread.join(_GRACE_S)
                if thread.is_alive() and not acted.is_set():
                    raise HungUp(f"validator-{gone[0]} left while this one was computing with it")
        if failures:
            raise failures[0]

    def _linked(self, peers: RemotePeers) -> Session:
        """The session that all three still have, or one on a new link."""
        own = self._link or secrets.token_bytes(_NONCE_BYTES)
        held = sorted([own, *exchange(own, peers)])
        if self._session is not None and held[0] == held[2]:
            return self._session
        if self._session is not None:
            raise HungUp("another validator has lost its link for the joint computation")
        if held[0] == held[1] or held[1] == held[2]:
            raise HungUp("another validator still has a link for the joint computation, and must give it up")
        self._link = hashlib.sha256(b"".join(held)).digest()[:_NONCE_BYTES]
        self._session = self._new_session(peers)
        return self._session

    def _new_session(self, peers: RemotePeers) -> Session:
        rank = peers.rank
        _, seats = self._seated()
        # Made for this link alone, and told to the other two over a channel that knows them.
        key = generate()
        mine = make_link_certificate(_name(rank), key)
        told = dict(zip((other for other in range(VALIDATORS) if other != rank), exchange(mine, peers), strict=True))
        # Written anew: what else was told besides the certificate must not be trusted with it.
        trusted = [read_link_certificate(pem, _name(other)).public_bytes(Encoding.PEM) for other, pem in told.items()]
        with private_folder(self._folders) as folder:
            files = LinkFiles(folder / "link.pem", folder / "link.key", folder / "trusted.pem")
            files.certificate.write_bytes(mine)
            files.key.write_bytes(private_to_pem(key, passphrase=None))
            files.trusted.write_bytes(b"".join([mine, *trusted]))
            link = remote_link(
                rank,
                (self._addresses[seats[0]], self._addresses[seats[1]], self._addresses[seats[2]]),
                files,
                self._link.hex(),
                receive_timeout_s=self._timeout,
                patience_s=_LINK_PATIENCE_S,
            )
            # All have read their files once all are linked.
            exchange(b"linked", peers)
        return Session(link)

    def _seated(self) -> tuple[PeerService, Seats]:
        if self._service is None or self._seats is None:
            raise RoundVoid("this validator sits in no committee")
        return self._service, self._seats

    def _failures(self, section: str) -> int:
        try:
            known = json.loads(self._state.read_bytes()[:_MAX_BYTES])
            return int(known[1]) if known[0] == section else 0
        except (OSError, ValueError, LookupError, TypeError):
            return 0

    def _count(self, section: str, failures: int) -> None:
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps([section, failures]), encoding="utf-8")
        draft.replace(self._state)


def _name(rank: int) -> str:
    return f"validator-{rank}"


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """A folder in memory where there is one, for this user alone, gone afterwards.

    Args:
        prefix: of its name, by which `sweep` finds it should this process be killed.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_memory()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def folders_of(state: Path) -> str:
    """The prefix of the private folders of the validator whose failures a file counts."""
    return f"mithridate-{hashlib.sha256(bytes(state.resolve())).hexdigest()[:16]}-"


def sweep(prefix: str) -> None:
    """Removes the folders of a prefix that belong to this user."""
    for folder in _memory().glob(glob.escape(prefix) + "*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - the folders made in it are private
    return memory if memory.is_dir() else Path(tempfile.gettempdir())


def restart_process() -> None:
    """Replaces this process by a fresh one of the same interpreter with the same command line."""
    spu_log.remove()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what this process was started with
