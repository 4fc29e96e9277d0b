"""A site's side of the coordinator's desk: what the parties' processes ask, in the protocol's words."""

import hashlib
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from mithridate.crypto.keys import PrivateKey
from mithridate.errors import MessageError, ModelAltered, ModelError
from mithridate.federation.reference import ReferencePart
from mithridate.federation.remote.desk import PAGE_BYTES, Lengths
from mithridate.federation.remote.wire import (
    OVERHEAD,
    Item,
    RelayRefused,
    Topic,
    make_request,
    read_answer,
    read_page,
    read_reference,
)
from mithridate.federation.submission import MAX_OVERHEAD
from mithridate.ledger.interface import AttemptState
from mithridate.ledger.store import ModelStore


class Transport(Protocol):
    """Carries a request to the coordinator and its answer back; only the site dials."""

    def ask(self, request: bytes) -> bytes:
        """The coordinator's answer.

        Raises:
            Unreachable: it did not come.
        """
        ...


class CoordinatorDesk:
    """The coordinator as one participant sees it.

    Args:
        transport: to the coordinator.
        study_id: of the ledger.
        name: the participant's.
        key: its signing key.
        lengths: of the study's messages.
    """

    def __init__(self, transport: Transport, study_id: bytes, name: str, key: PrivateKey, lengths: Lengths) -> None:
        self._transport = transport
        self._study_id = study_id
        self._name = name
        self._key = key
        self._limit = max(PAGE_BYTES + MAX_OVERHEAD + OVERHEAD, lengths.limit)
        self._most_part = 8 * lengths.parameters + MAX_OVERHEAD
        self._number = 0
        self._lock = threading.Lock()
        self.sent_bytes = 0
        self.received_bytes = 0

    def fetch_model(self, digest: bytes, store: ModelStore) -> None:
        """Makes sure that `store` holds the model of a hash.

        Raises:
            RelayRefused, Unreachable: the coordinator does not have it, or does not answer.
            MessageError: it sent another one.
        """
        try:
            store.get(digest.hex())
        except ModelAltered:
            file = self._ask(Topic.MODEL, digest)
            # Before it is stored: others would fill the disk.
            if hashlib.sha256(file).digest() != digest:
                raise MessageError(f"the coordinator sent another model than {digest.hex()}") from None
            _put(file, store)

    def keep_model(self, digest: bytes, store: ModelStore) -> None:
        """Hands in a model, for others to fetch."""
        self._ask(Topic.KEEP_MODEL, store.get(digest.hex()))

    def hand_in(self, state: AttemptState, message: bytes) -> None:
        """Hands in a hospital's message.

        Raises:
            RelayRefused: the coordinator does not take it, and says why.
        """
        self._ask(Topic.SUBMISSION, state.round, state.attempt, message)

    def hand_in_curated(self, state: AttemptState, message: bytes) -> None:
        """Hands in the curator's message of an attempt."""
        self._ask(Topic.CURATED, state.round, state.attempt, message)

    def is_curated(self, state: AttemptState) -> bool:
        """Whether the coordinator says that it holds the curator's message of an attempt."""
        return self._ask(Topic.IS_CURATED, state.round, state.attempt) == b"\1"

    def parts(self, state: AttemptState) -> dict[int, bytes]:
        """A validator's part of the message of each hospital that committed to one; hostile bytes by hospital.

        Raises:
            MessageError: the coordinator's pages are malformed, or do not go on from one to the next.
        """
        parts: dict[int, bytes] = {}
        last, following = max(state.submissions, default=-1), 0
        while following <= last:
            page, after = read_page(
                self._ask(Topic.PARTS, state.round, state.attempt, following), self._limit, following
            )
            # Nothing else is kept, so that no coordinator fills the memory.
            parts |= {index: part for index, part in page.items() if self._expected(state, index, part)}
            if not after:
                break
            following = after
        return parts

    def _expected(self, state: AttemptState, index: int, part: bytes) -> bool:
        return index in state.submissions and len(part) <= self._most_part

    def curated_part(self, state: AttemptState) -> bytes | None:
        """A validator's part of the curator's message of an attempt, None if there is none."""
        return self._ask(Topic.CURATED_PART, state.round, state.attempt) or None

    def reference_part(self, committee: int) -> ReferencePart:
        """A validator's part of the reference set, as a committee holds it.

        Args:
            committee: its number among `possible_seats`.

        Raises:
            MessageError: the answer is malformed.
        """
        return read_reference(self._ask(Topic.REFERENCE, committee), self._limit)

    def keep_reference(self, committee: int, message: bytes) -> None:
        """Hands in the reference set, sealed to a committee."""
        self._ask(Topic.KEEP_REFERENCE, committee, message)

    def hand_over(self, state: AttemptState, message: bytes) -> None:
        """Hands over what a validator of the last committee keeps, sealed to the attempt's."""
        self._ask(Topic.HAND_OVER, state.round, state.attempt, message)

    def handed_over(self, state: AttemptState, places: Sequence[int]) -> dict[int, bytes]:
        """A validator's parts of what those of the last committee handed over, by their places; hostile bytes."""
        parts = {place: self._ask(Topic.HANDED_OVER, state.round, state.attempt, place) for place in places}
        return {place: part for place, part in parts.items() if part}

    def _ask(self, topic: Topic, *items: Item) -> bytes:
        # One request at a time, so that they arrive in the order of their numbers.
        with self._lock:
            self._number = max(self._number + 1, time.time_ns())
            request = make_request(self._study_id, self._name, self._key, self._number, topic, items)
            data = self._transport.ask(request)
            self.sent_bytes += len(request)
            self.received_bytes += len(data)
        try:
            return read_answer(data, self._limit)
        except RelayRefused as error:
            raise RelayRefused(f"the coordinator refuses {topic}: {error}") from None


def _put(file: bytes, store: ModelStore) -> None:
    try:
        store.put(file)
    except ModelError as error:
        raise MessageError(f"what was attested as a model is none: {error}") from error
