"""The coordinator's desk: answers what sites ask, each according to its role, and keeps what they hand in."""

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mithridate.crypto.keys import PublicKey
from mithridate.errors import (
    MessageError,
    MithridateError,
    ModelAltered,
    ModelError,
    ProtocolError,
    SignatureInvalid,
)
from mithridate.federation.coordinator import Coordinator
from mithridate.federation.remote.wire import (
    MAX_PARTS,
    OVERHEAD,
    Item,
    Request,
    Topic,
    answer,
    open_request,
    pack_page,
    pack_reference,
    plain,
    refusal,
)
from mithridate.federation.seats import Seats, possible_seats, precedent, rank_in
from mithridate.federation.submission import MAX_OVERHEAD
from mithridate.ledger.interface import AttemptState, Ledger, Phase
from mithridate.ledger.store import ModelStore

LOG = logging.getLogger(__name__)
PAGE_BYTES = 64 * 2**20
"""A page of parts is at most this large, or one part."""
MODEL_OVERHEAD = 2**22
MAX_MODELS = 8
"""A validator hands in one model an attempt; an aggregator whose result is not exact gives another at each try."""


@dataclass(frozen=True)
class Roles:
    """Who may ask what, by name.

    Args:
        keys: every participant's signing key.
        hospitals: name to index in the ledger's roster.
        validators: name to place in the study.
        curator: the curator's name.
    """

    keys: Mapping[str, PublicKey]
    hospitals: Mapping[str, int]
    validators: Mapping[str, int]
    curator: str


@dataclass(frozen=True)
class Lengths:
    """Ring elements of a study's messages.

    Args:
        parameters: d; the curator's message of a round carries twice as many.
        reference: of the reference set.
        handover: of what one committee hands over to the next.
    """

    parameters: int
    reference: int
    handover: int

    @property
    def limit(self) -> int:
        """The most bytes of a request in the study, or of an answer that carries one message."""
        longest = max(2 * self.parameters, self.reference, self.handover)
        return 8 * longest + MAX_OVERHEAD + MODEL_OVERHEAD + OVERHEAD


class Desk:
    """Answers requests, from several threads at once. Nothing that a site sends makes it raise.

    Args:
        coordinator: keeps and divides the messages.
        ledger: tells which attempt is open.
        store: where global models lie.
        roles: who may ask what.
        lengths: of the study's messages.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        ledger: Ledger,
        store: ModelStore,
        roles: Roles,
        lengths: Lengths,
    ) -> None:
        self._coordinator = coordinator
        self._ledger = ledger
        self._store = store
        self._roles = roles
        self._lengths = lengths
        self._committees = possible_seats(len(roles.validators))
        self._study_id = ledger.study_id()
        self._numbers: dict[str, int] = {}
        self._turns = {name: threading.Lock() for name in roles.keys}
        self._models: dict[tuple[str, int, int], set[str]] = {}
        self._lock = threading.Lock()
        self.requests: dict[str, int] = {}
        """Requests answered, by topic, and those refused under "refused"."""

    def answer(self, data: bytes) -> bytes:
        """The answer to a request.

        Args:
            data: hostile.
        """
        sender = "somebody"
        try:
            request = open_request(data, self._study_id, self._roles.keys, self._lengths.limit)
            sender = request.sender
            # One request of a participant at a time: a later one never ends before an earlier one.
            # What is not there for good counts here: a site may know of it for good a block before the coordinator.
            with self._turns[sender], self._ledger.unconfirmed():
                self._in_order(request)
                payload = _ANSWERS[request.topic](self, request)
        except ProtocolError as error:
            LOG.warning("refused a request of %s: %s", sender, plain(str(error)))
            return self._refused(str(error))
        except (MithridateError, OSError) as error:
            # What went wrong here names folders and nodes of the coordinator's, which are nobody else's business.
            LOG.error("could not answer %s: %s", sender, plain(str(error)))
            return self._refused("the coordinator cannot answer now: its log says why")
        except Exception as error:
            # Whatever a site sends, the desk stays open.
            LOG.error("could not answer %s: an unexpected %s", sender, type(error).__name__)
            return self._refused("the coordinator cannot answer now: its log says why")
        self._count(request.topic.value)
        return answer(payload)

    def _refused(self, reason: str) -> bytes:
        self._count("refused")
        return refusal(reason)

    def _count(self, topic: str) -> None:
        with self._lock:
            self.requests[topic] = self.requests.get(topic, 0) + 1

    def _in_order(self, request: Request) -> None:
        with self._lock:
            if request.number <= self._numbers.get(request.sender, 0):
                raise SignatureInvalid(
                    f"a request of {request.sender} came twice or out of order: a replay, or its clock was set back"
                )
            self._numbers[request.sender] = request.number

    def _model(self, request: Request) -> bytes:
        (digest,) = _bytes(request, 1)
        try:
            return self._store.get(digest.hex())
        except ModelAltered:
            # Its own message names the folder, and repeats what was sent for a hash.
            raise MessageError("the coordinator does not hold that model, or not as it was") from None

    def _keep_model(self, request: Request) -> bytes:
        (file,) = _bytes(request, 1)
        handed_in = self._handed_in(request)
        digest = hashlib.sha256(file).hexdigest()
        if len(handed_in) >= MAX_MODELS and digest not in handed_in:
            raise MessageError(f"{request.sender} has handed in {MAX_MODELS} models for this attempt before")
        try:
            self._store.put(file)
        except ModelError as error:
            raise MessageError(str(error)) from error
        handed_in.add(digest)
        return b""

    def _handed_in(self, request: Request) -> set[str]:
        """The models that a validator has handed in for the latest attempt, so that it cannot fill the store."""
        self._place(request)
        validator, latest = request.sender, self._ledger.latest()
        if latest is None or latest.phase < Phase.BOUND or latest.phase is Phase.VOID:
            raise MessageError(f"{validator} hands in a model where none can have been attested")
        self._rank(request, latest)
        with self._lock:
            place = (validator, latest.round, latest.attempt)
            if place not in self._models:
                self._models = {key: kept for key, kept in self._models.items() if key[1:] == place[1:]}
            return self._models.setdefault(place, set())

    def _submission(self, request: Request) -> bytes:
        index = self._roles.hospitals.get(request.sender)
        if index is None:
            raise MessageError(f"{request.sender} is no hospital of this study")
        state, message = self._open_attempt(request)
        self._coordinator.accept(state, index, message)
        return b""

    def _curated(self, request: Request) -> bytes:
        self._only_curator(request)
        state, message = self._open_attempt(request)
        self._coordinator.accept_curated(state, message)
        return b""

    def _is_curated(self, request: Request) -> bytes:
        state = self._attempt(request, *_integers(request, 2))
        return bytes([self._coordinator.curated_part(state, self._rank(request, state)) is not None])

    def _parts(self, request: Request) -> bytes:
        round_number, attempt, first = _integers(request, 3)
        state = self._attempt(request, round_number, attempt)
        return self._page(state, self._rank(request, state), first)

    def _page(self, state: AttemptState, rank: int, first: int) -> bytes:
        page: dict[int, bytes] = {}
        size = 0
        for index in self._coordinator.senders(state):
            if index < first:
                continue
            part = self._coordinator.part(state, index, rank)
            if page and (size + len(part) > PAGE_BYTES or len(page) == MAX_PARTS):
                return pack_page(page, index)
            page[index] = part
            size += len(part)
        return pack_page(page, 0)

    def _curated_part(self, request: Request) -> bytes:
        state = self._attempt(request, *_integers(request, 2))
        return self._coordinator.curated_part(state, self._rank(request, state)) or b""

    def _reference_part(self, request: Request) -> bytes:
        place, seats = self._place(request), self._seats(*_integers(request, 1))
        rank = rank_in(seats, place)
        if rank is None:
            raise MessageError(f"{request.sender} is not of that committee")
        return pack_reference(self._coordinator.reference_part(seats, rank, self._lengths.reference))

    def _keep_reference(self, request: Request) -> bytes:
        self._only_curator(request)
        if self._ledger.begun():
            raise MessageError("the study has begun: its reference set is fixed")
        number, message = request.items if len(request.items) == 2 else (b"", 0)
        if type(message) is not bytes:
            raise MessageError(f"a {request.topic} holds a committee and a message")
        self._coordinator.accept_reference(self._seats(*_checked(request, [number])), message, self._lengths.reference)
        return b""

    def _hand_over(self, request: Request) -> bytes:
        place = self._place(request)
        state, message = self._attempt_with_message(request)
        before = precedent(self._ledger, state)
        if before is None or place not in before.committee or state.phase >= Phase.FINAL:
            raise MessageError(f"{request.sender} has nothing to hand over to this attempt's committee")
        self._coordinator.accept_handover(state, place, message)
        return b""

    def _handed_over(self, request: Request) -> bytes:
        round_number, attempt, place = _integers(request, 3)
        state = self._attempt(request, round_number, attempt)
        return self._coordinator.handover_parts(state, self._rank(request, state)).get(place, b"")

    def _seats(self, number: int) -> Seats:
        if number >= len(self._committees):
            raise MessageError(f"no committee has the number {number}: {len(self._committees)} can be drawn")
        return self._committees[number]

    def _attempt_with_message(self, request: Request) -> tuple[AttemptState, bytes]:
        *numbers, message = request.items if len(request.items) == 3 else [b""]
        if len(numbers) != 2 or type(message) is not bytes:
            raise MessageError(f"a {request.topic} holds round, attempt and message")
        return self._attempt(request, *_checked(request, numbers)), message

    def _open_attempt(self, request: Request) -> tuple[AttemptState, bytes]:
        state, message = self._attempt_with_message(request)
        if state.phase is not Phase.SUBMITTING:
            raise MessageError(f"round {state.round} attempt {state.attempt} takes no messages any more")
        return state, message

    def _attempt(self, request: Request, round_number: int, attempt: int) -> AttemptState:
        latest = self._ledger.latest()
        if latest is None or (latest.round, latest.attempt) != (round_number, attempt):
            raise MessageError(f"{request.sender} asks about round {round_number} attempt {attempt}, which is not open")
        return latest

    def _place(self, request: Request) -> int:
        place = self._roles.validators.get(request.sender)
        if place is None:
            raise MessageError(f"{request.sender} is no validator of this study")
        return place

    def _rank(self, request: Request, state: AttemptState) -> int:
        rank = rank_in(state.committee, self._place(request))
        if rank is None:
            raise MessageError(f"{request.sender} is not of this attempt's committee")
        return rank

    def _only_curator(self, request: Request) -> None:
        if request.sender != self._roles.curator:
            raise MessageError(f"{request.sender} is not the curator of this study")


_ANSWERS: dict[Topic, Callable[[Desk, Request], bytes]] = {
    Topic.MODEL: Desk._model,
    Topic.KEEP_MODEL: Desk._keep_model,
    Topic.SUBMISSION: Desk._submission,
    Topic.CURATED: Desk._curated,
    Topic.IS_CURATED: Desk._is_curated,
    Topic.PARTS: Desk._parts,
    Topic.CURATED_PART: Desk._curated_part,
    Topic.REFERENCE: Desk._reference_part,
    Topic.KEEP_REFERENCE: Desk._keep_reference,
    Topic.HAND_OVER: Desk._hand_over,
    Topic.HANDED_OVER: Desk._handed_over,
}


def _integers(request: Request, size: int) -> list[int]:
    if len(request.items) != size:
        raise MessageError(f"a request for {request.topic} holds {size} integers")
    return _checked(request, request.items)


def _checked(request: Request, items: Sequence[Item]) -> list[int]:
    numbers = [item for item in items if type(item) is int and 0 <= item < 2**63]
    if len(numbers) != len(items):
        raise MessageError(f"a request for {request.topic} holds other things than integers from zero on")
    return numbers


def _bytes(request: Request, size: int) -> list[bytes]:
    items = [item for item in request.items if type(item) is bytes]
    if len(request.items) != size or len(items) != size:
        raise MessageError(f"a request for {request.topic} holds {size} item of bytes")
    return items
