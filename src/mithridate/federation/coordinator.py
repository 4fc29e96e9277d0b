"""The coordinator's role: open rounds and relay sealed messages, none of which it can read."""

import re
import shutil
import threading
from functools import cached_property
from pathlib import Path

from mithridate.errors import MessageError
from mithridate.federation.submission import parse
from mithridate.ledger.interface import AttemptState, Ledger

_REFERENCE = "reference.msg"
_CURATED = "curator.curated"


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
        return sorted(int(path.stem) for path in self._path(state, 0).parent.glob("*.msg"))

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

    def accept_reference(self, message: bytes, length: int) -> None:
        """Keeps the curator's message of `length` ring elements for the whole study."""
        parse(message, length)
        with self._writing:
            _write(self._mailbox / _REFERENCE, message)

    def reference_part(self, rank: int, length: int) -> bytes:
        """Validator `rank`'s part of the curator's message; raises MessageError as long as there is none."""
        return parse(_read(self._mailbox / _REFERENCE), length).for_validator(rank)

    def discard(self) -> None:
        """Deletes the messages of all attempts: none of them is needed once a round is over."""
        with self._writing:
            for folder in self._mailbox.iterdir():
                if folder.is_dir() and re.fullmatch(r"\d+-\d+", folder.name):
                    shutil.rmtree(folder)

    @cached_property
    def _enrolled(self) -> frozenset[int]:
        """The roster, which the contract freezes before the first round."""
        return frozenset(hospital.index for hospital in self._ledger.hospitals())

    def _path(self, state: AttemptState, sender: int) -> Path:
        return self._mailbox / f"{state.round}-{state.attempt}" / f"{sender}.msg"


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
