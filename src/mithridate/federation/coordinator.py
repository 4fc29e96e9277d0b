"""The coordinator's role: open rounds and relay sealed messages, none of which it can read."""

import os
import re
import shutil
import threading
from functools import cached_property
from pathlib import Path

from mithridate.crypto.sharing import MAX_LENGTH
from mithridate.errors import MessageError, RuleViolation
from mithridate.federation.reference import ReferencePart
from mithridate.federation.seats import Seats, possible_seats
from mithridate.federation.submission import parse
from mithridate.ledger.interface import COMMITTEE_SIZE, AttemptState, Draw, Ledger

_CURATED = "curator.curated"
_MESSAGE = ".msg"


class Coordinator:
    """Relays between hospitals and validators. It holds envelopes, commitments and verdicts, and no key to any of them.

    What it has accepted lies in its mailbox until the round is over, so that a restart loses nothing. Several threads
    may hand in and fetch at once.

    Args:
        ledger: the ledger, from the coordinator's account.
        mailbox: a folder of its own.
        parameters: d, which bounds the messages.
    """

    def __init__(self, ledger: Ledger, mailbox: Path, parameters: int) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._parameters = parameters
        # Two writers of one message, or one while its folder is cleared, would leave half of it or fail.
        self._writing = threading.Lock()
        mailbox.mkdir(parents=True, exist_ok=True)

    def open_round(self, round_number: int, deadline_seconds: int) -> AttemptState:
        """Opens a round, or its next attempt, on the current model."""
        deadline = self._ledger.now() + deadline_seconds
        attempt = self._ledger.open_round(round_number, self._ledger.current_model(), deadline)
        return self._ledger.attempt(round_number, attempt)

    def draw_under_way(self, seconds: int) -> Draw | None:
        """The draw of the next committee, opened wherever the contract lets; None where the last one serves on.

        Args:
            seconds: that validators have to commit, and again to reveal.
        """
        if self._validators == COMMITTEE_SIZE:
            return None
        number = self._ledger.draws()
        if number and not (draw := self._ledger.draw(number)).settled:
            return draw
        now = self._ledger.now()
        try:
            number = self._ledger.open_draw(now + seconds, now + 2 * seconds)
        except RuleViolation as error:
            if error.reason == "committee still serves":
                return None
            raise
        return self._ledger.draw(number)

    def settle(self, draw: Draw) -> bool:
        """Ends a draw that is over; False if it is not over yet."""
        closed = len(draw.commitments) == self._validators or self._ledger.now() >= draw.commit_deadline
        if not (closed and draw.revealed == set(draw.commitments)) and self._ledger.now() < draw.reveal_deadline:
            return False
        self._ledger.settle_draw(draw.number)
        return True

    def accept(self, state: AttemptState, sender: int, message: bytes) -> None:
        """Keeps the message of an enrolled hospital for this attempt.

        A hospital may replace its message until it commits to one on the ledger; then only that one is taken, once.

        Args:
            state: the open attempt, as the ledger has it now.
            sender: the hospital's index, as the channel authenticated it.
            message: sealed; checked for form and size only, as nothing more can be checked here.

        Raises:
            MessageError: the sender is not enrolled, committed to another message or handed this one in
                before, or the message is malformed or too large.
        """
        if sender not in self._enrolled:
            raise MessageError(f"a message of the unknown hospital {sender} was refused: it is not enrolled")
        digest, committed = parse(message, self._parameters).header.digest(), state.submissions.get(sender)
        if committed not in (None, digest):
            raise MessageError(f"hospital-{sender} committed to another message on the ledger than the one it sent")
        path = self._path(state, sender)
        with self._writing:
            if committed == digest and path.exists() and self._digest(path) == digest:
                raise MessageError(f"hospital-{sender} has handed in this message before")
            _write(path, message)

    def _digest(self, path: Path) -> bytes:
        return parse(path.read_bytes(), self._parameters).header.digest()

    def parts(self, state: AttemptState, rank: int) -> dict[int, bytes]:
        """What validator `rank` may have of each message: its own envelope and, unless it is rank 0, the body."""
        return {index: self.part(state, index, rank) for index in self.senders(state)}

    def senders(self, state: AttemptState) -> list[int]:
        """The hospitals whose messages of an attempt are here, ascending."""
        try:
            names = os.listdir(self._path(state, 0).parent)
        except FileNotFoundError:
            # Nothing was handed in yet, or the attempt is over.
            return []
        return sorted(int(name.removesuffix(_MESSAGE)) for name in names if name.endswith(_MESSAGE))

    def part(self, state: AttemptState, sender: int, rank: int) -> bytes:
        """What validator `rank` may have of one hospital's message; raises MessageError if it is not there."""
        return parse(_read(self._path(state, sender)), self._parameters).for_validator(rank)

    def accept_curated(self, state: AttemptState, message: bytes) -> None:
        """Keeps the curator's message for this attempt; checked for form and size only, and the first one counts.

        Raises:
            MessageError: it is malformed or too large, or there is one already.
        """
        parse(message, 2 * self._parameters)
        path = self._path(state, 0).with_name(_CURATED)
        with self._writing:
            if path.exists():
                raise MessageError("the curator has handed in a message for this attempt before")
            _write(path, message)

    def curated_part(self, state: AttemptState, rank: int) -> bytes | None:
        """Validator `rank`'s part of the curator's message for this attempt; None if there is none."""
        path = self._path(state, 0).with_name(_CURATED)
        return parse(_read(path), 2 * self._parameters).for_validator(rank) if path.exists() else None

    def accept_reference(self, seats: Seats, message: bytes, length: int) -> None:
        """Keeps the curator's message of `length` ring elements to a committee for the whole study.

        Raises:
            MessageError: no such committee can be drawn, or the message is malformed or too large.
        """
        if seats not in possible_seats(self._validators):
            raise MessageError(f"no committee {seats} can be drawn from {self._validators} validators")
        parse(message, length)
        with self._writing:
            _write(self._reference(seats), message)

    def reference_part(self, seats: Seats, rank: int, length: int) -> ReferencePart:
        """What validator `rank` of a committee may have of the reference set; raises MessageError as long as a message
        to some committee is missing."""
        every = possible_seats(self._validators)
        digests = tuple(parse(_read(self._reference(each)), length).header.digest() for each in every)
        return ReferencePart(digests, parse(_read(self._reference(seats)), length).for_validator(rank))

    def accept_handover(self, state: AttemptState, place: int, message: bytes) -> None:
        """Keeps what a validator of the last committee hands over to the attempt's; the first one counts.

        Args:
            state: the open attempt.
            place: the sender's in the study, as the channel authenticated it.
            message: sealed; checked for form and size only.

        Raises:
            MessageError: it is malformed or too large, or there is one already.
        """
        parse(message, MAX_LENGTH)
        path = self._handover(state, place)
        with self._writing:
            if path.exists():
                raise MessageError(f"validator-{place} has handed over to this attempt's committee before")
            _write(path, message)

    def handover_parts(self, state: AttemptState, rank: int) -> dict[int, bytes]:
        """Validator `rank`'s part of what each validator of the last committee handed over, by place in the study."""
        paths = {place: self._handover(state, place) for place in range(self._validators)}
        return {
            place: parse(_read(path), MAX_LENGTH).for_validator(rank) for place, path in paths.items() if path.exists()
        }

    def discard(self, over: AttemptState) -> None:
        """Deletes the messages of an attempt that is over and of those before it; the next may have some by now."""
        with self._writing:
            for folder in self._mailbox.iterdir():
                place = re.fullmatch(r"(\d+)-(\d+)", folder.name) if folder.is_dir() else None
                if place and (int(place[1]), int(place[2])) <= (over.round, over.attempt):
                    shutil.rmtree(folder)

    @cached_property
    def _enrolled(self) -> frozenset[int]:
        """The roster, which the contract freezes before the first round."""
        return frozenset(hospital.index for hospital in self._ledger.hospitals())

    @cached_property
    def _validators(self) -> int:
        return len(self._ledger.validators())

    def _reference(self, seats: Seats) -> Path:
        return self._mailbox / f"reference-{'-'.join(map(str, seats))}.msg"

    def _handover(self, state: AttemptState, place: int) -> Path:
        return self._path(state, 0).with_name(f"validator-{place}.handover")

    def _path(self, state: AttemptState, sender: int) -> Path:
        return self._mailbox / f"{state.round}-{state.attempt}" / f"{sender}{_MESSAGE}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MessageError(f"there is no such message here: {path.name} was not handed in, or is over") from None


def _write(path: Path, message: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(message)
    draft.replace(path)
