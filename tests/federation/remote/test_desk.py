"""The coordinator's desk among hostile sites: each gets what its role may have, a refusal in words, or nothing more."""

import itertools
import logging
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mithridate.crypto.keys import generate
from mithridate.errors import LedgerError, StoreError
from mithridate.federation.coordinator import Coordinator
from mithridate.federation.remote import desk as module
from mithridate.federation.remote.desk import MAX_MODELS, Desk, Lengths, Roles
from mithridate.federation.remote.wire import (
    MAX_REASON,
    RelayRefused,
    Topic,
    make_request,
    read_answer,
    read_page,
    read_reference,
)
from mithridate.federation.seats import possible_seats
from mithridate.federation.submission import RoundContext, make_submission, parse, parse_part
from mithridate.ledger.interface import Phase
from mithridate.ledger.store import ModelStore

D, REFERENCE, HOSPITALS, HANDOVER = 6, 9, 3, 16
LENGTHS = Lengths(D, REFERENCE, HANDOVER)
PLACES = 4
"""The study's validators; those at 0, 1 and 3 are the attempt's committee, 0, 1 and 2 were the one before."""
COMMITTEE, BEFORE = (0, 1, 3), (0, 1, 2)
COMMITTEES = possible_seats(PLACES)
STUDY = b"s" * 32
NAMES = [
    *(f"hospital-{index}" for index in range(HOSPITALS)),
    *(f"validator-{place}" for place in range(PLACES)),
    "curator",
]
KEYS = {name: generate() for name in NAMES}
ENVELOPE_KEYS = [generate().public_key() for _ in range(3)]
CANARY = b"canary-of-a-share-or-key"
MODEL = save({"w": np.arange(D, dtype=np.float32)})


def message_of(hospital: int, length: int = D) -> bytes:
    context = RoundContext(STUDY, 2, 1, hospital, b"b" * 32, length)
    return make_submission(np.arange(length, dtype=np.uint64), context, KEYS["curator"], ENVELOPE_KEYS)[0]


MESSAGE, CURATED, SET = message_of(0), message_of(7, 2 * D), message_of(7, REFERENCE)
HANDED_OVER = message_of(8, HANDOVER)


class Ledger:
    """What the desk reads of a ledger."""

    def __init__(self) -> None:
        self.state: Any = SimpleNamespace(
            round=2, attempt=1, phase=Phase.SUBMITTING, submissions={}, committee=COMMITTEE
        )
        self.has_begun = False

    def study_id(self) -> bytes:
        return STUDY

    def latest(self) -> Any:
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def unconfirmed(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begun(self) -> bool:
        return self.has_begun

    def attempts(self, round_number: int) -> int:
        return 1

    def attempt(self, round_number: int, attempt: int) -> Any:
        return SimpleNamespace(round=round_number, attempt=attempt, phase=Phase.RELEASED, committee=BEFORE)

    def validators(self) -> list[Any]:
        return [SimpleNamespace(rank=place) for place in range(PLACES)]

    def hospitals(self) -> list[Any]:
        return [SimpleNamespace(index=index) for index in range(HOSPITALS)]


class Office:
    """A desk with a real mailbox and store, and the lines that it logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger: Any = Ledger()
        self.coordinator = Coordinator(self.ledger, folder / "mailbox", D)
        self.store = ModelStore(folder / "models")
        # All of one length on the wire.
        self._numbers = itertools.count(2**62)
        self.lines: list[str] = []
        self.reopen()

    def reopen(self) -> None:
        """As after a restart of the coordinator."""
        roles = Roles(
            keys={name: key.public_key() for name, key in KEYS.items()},
            hospitals={f"hospital-{index}": index for index in range(HOSPITALS)},
            validators={f"validator-{place}": place for place in range(PLACES)},
            curator="curator",
        )
        self.desk = Desk(self.coordinator, self.ledger, self.store, roles, LENGTHS)

    def request(self, sender: str, topic: Topic, *items: Any) -> bytes:
        return make_request(STUDY, sender, KEYS[sender], next(self._numbers), topic, items)

    def ask(self, sender: str, topic: Topic, *items: Any) -> bytes:
        return self.told(self.request(sender, topic, *items))

    def said(self, sender: str, topic: Topic, *items: Any) -> str:
        """Why a request is refused, empty if it is answered."""
        try:
            self.ask(sender, topic, *items)
        except RelayRefused as error:
            return str(error)
        return ""

    def told(self, request: bytes) -> bytes:
        """The payload of an answer, after checks that every answer must pass; raises RelayRefused for a refusal."""
        self.lines.clear()
        data = self.desk.answer(request)
        version, refused, payload = msgpack.unpackb(data)
        assert (version, type(refused), type(payload)) == (1, bool, bytes)
        assert len(self.lines) == refused
        for line in self.lines:
            assert line.isprintable()
            assert len(line) < 2 * MAX_REASON
        if refused:
            assert 0 < len(payload) <= 4 * MAX_REASON
            said = data + b"".join(line.encode() for line in self.lines)
            assert CANARY not in said
            assert CANARY.hex().encode() not in said
        return read_answer(data, 10**9)


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Callable[[], Office]]:
    with watched() as watch:
        yield lambda: watch(Office(tmp_path))


class watched:  # noqa: N801
    """Collects an office's log for as long as it lasts, also where Hypothesis runs one test many times."""

    def __enter__(self) -> Callable[[Office], Office]:
        self._logger = logging.getLogger("mithridate")
        self._handler = logging.Handler()
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self._handler)
        return self._watch

    def _watch(self, office: Office) -> Office:
        self._handler.emit = lambda record: office.lines.append(record.getMessage())  # type: ignore[method-assign]
        return office

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.setLevel(self._level)


@pytest.fixture
def office(make_office: Callable[[], Office]) -> Office:
    return make_office()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One office for many requests, in the middle of a round."""
    with watched() as watch:
        made = watch(Office(tmp_path_factory.mktemp("office")))
        for number in range(len(COMMITTEES)):
            made.ask("curator", Topic.KEEP_REFERENCE, number, SET)
        made.ledger.has_begun = True
        made.store.put(MODEL)
        for index in range(HOSPITALS):
            made.ask(f"hospital-{index}", Topic.SUBMISSION, 2, 1, message_of(index))
        made.ask("curator", Topic.CURATED, 2, 1, CURATED)
        made.ask("validator-2", Topic.HAND_OVER, 2, 1, HANDED_OVER)
        yield made


RIGHTFUL: dict[Topic, tuple[str, tuple[Any, ...]]] = {
    Topic.MODEL: ("hospital-0", (b"\0" * 32,)),
    Topic.KEEP_MODEL: ("validator-0", (MODEL,)),
    Topic.SUBMISSION: ("hospital-0", (2, 1, MESSAGE)),
    Topic.CURATED: ("curator", (2, 1, CURATED)),
    Topic.IS_CURATED: ("validator-0", (2, 1)),
    Topic.PARTS: ("validator-1", (2, 1, 0)),
    Topic.CURATED_PART: ("validator-3", (2, 1)),
    Topic.REFERENCE: ("validator-0", (1,)),
    Topic.KEEP_REFERENCE: ("curator", (0, SET)),
    Topic.HAND_OVER: ("validator-2", (2, 1, HANDED_OVER)),
    Topic.HANDED_OVER: ("validator-3", (2, 1, 2)),
}
numbers = st.one_of(st.integers(0, 3), st.integers(-(2**63), 2**64 - 1))
contents = st.one_of(
    st.binary(max_size=60),
    st.just(CANARY),
    st.sampled_from([MESSAGE, CURATED, SET, MODEL, b"\x91" * 1000, b"\x85" + b"\x90" * 500, b"\0" * 32]),
)
oddities = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=10), st.lists(st.integers(0, 9), max_size=3)
)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_refused(fuzzed: Office, data: bytes) -> None:
    with pytest.raises(RelayRefused):
        fuzzed.told(data)


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(Topic), st.lists(numbers | contents, max_size=4))
def test_whatever_a_participant_signs_is_answered_or_refused(
    fuzzed: Office, sender: str, topic: Topic, items: list[Any]
) -> None:
    assert "log says why" not in fuzzed.said(sender, topic, *items)


@settings(deadline=None)
@given(st.sampled_from(Topic), st.lists(numbers | contents | oddities, max_size=4))
def test_so_is_what_its_own_role_may_ask(fuzzed: Office, topic: Topic, items: list[Any]) -> None:
    assert "log says why" not in fuzzed.said(RIGHTFUL[topic][0], topic, *items)


@settings(deadline=None)
@given(st.sampled_from(Topic), st.data())
def test_a_rightful_request_that_was_altered_on_its_way_is_refused(
    fuzzed: Office, topic: Topic, data: st.DataObject
) -> None:
    sender, items = RIGHTFUL[topic]
    request = fuzzed.request(sender, topic, *items)
    start = data.draw(st.integers(0, len(request)))
    end = data.draw(st.integers(start, len(request)))
    altered = request[:start] + data.draw(st.binary(max_size=4)) + request[end:]
    if altered != request:
        with pytest.raises(RelayRefused):
            fuzzed.told(altered)


@settings(deadline=None)
@given(st.data())
def test_an_altered_message_is_kept_as_it_is_or_refused(fuzzed: Office, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(MESSAGE)))
    end = data.draw(st.integers(start, len(MESSAGE)))
    altered = MESSAGE[:start] + data.draw(st.sampled_from([b"", CANARY, b"\x91" * 900, b"\xc0"])) + MESSAGE[end:]
    assert "log says why" not in fuzzed.said("hospital-0", Topic.SUBMISSION, 2, 1, altered)
    # Whatever one hospital does, the others' messages reach the validators.
    for rank, place in enumerate(COMMITTEE):
        page, following = read_page(fuzzed.ask(f"validator-{place}", Topic.PARTS, 2, 1, 1), 10**6, 1)
        assert (set(page), following) == ({1, 2}, 0)
        assert {parse_part(part, D).rank for part in page.values()} == {rank}


NOBODY_ELSE = {
    Topic.KEEP_MODEL: ("validator", "is no validator of this study"),
    Topic.SUBMISSION: ("hospital", "is no hospital of this study"),
    Topic.CURATED: ("curator", "is not the curator"),
    Topic.IS_CURATED: ("validator", "is no validator of this study"),
    Topic.PARTS: ("validator", "is no validator of this study"),
    Topic.CURATED_PART: ("validator", "is no validator of this study"),
    Topic.REFERENCE: ("validator", "is no validator of this study"),
    Topic.KEEP_REFERENCE: ("curator", "is not the curator"),
    Topic.HAND_OVER: ("validator", "is no validator of this study"),
    Topic.HANDED_OVER: ("validator", "is no validator of this study"),
}


@pytest.mark.parametrize("topic", NOBODY_ELSE)
@pytest.mark.parametrize("sender", ["hospital-1", "validator-1", "curator"])
def test_every_other_role_is_refused_by_name(fuzzed: Office, topic: Topic, sender: str) -> None:
    role, reason = NOBODY_ELSE[topic]
    if not sender.startswith(role):
        with pytest.raises(RelayRefused, match=f"{sender} {reason}"):
            fuzzed.ask(sender, topic, *RIGHTFUL[topic][1])
        (line,) = fuzzed.lines
        assert line.startswith(f"refused a request of {sender}: {sender} {reason}")


def test_each_role_is_answered(office: Office) -> None:
    for number in range(len(COMMITTEES)):
        office.ask("curator", Topic.KEEP_REFERENCE, number, SET)
    office.ask("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE)
    assert office.ask("validator-1", Topic.IS_CURATED, 2, 1) == b"\0"
    assert office.ask("validator-1", Topic.CURATED_PART, 2, 1) == b""
    office.ask("curator", Topic.CURATED, 2, 1, CURATED)
    assert office.ask("validator-1", Topic.IS_CURATED, 2, 1) == b"\1"
    for rank, place in enumerate(COMMITTEE):
        given = read_reference(office.ask(f"validator-{place}", Topic.REFERENCE, 1), 10**6)
        assert parse_part(given.part, REFERENCE).rank == rank
        assert given.digests == (parse(SET, REFERENCE).header.digest(),) * len(COMMITTEES)
        assert parse_part(office.ask(f"validator-{place}", Topic.CURATED_PART, 2, 1), 2 * D).rank == rank
        assert office.ask(f"validator-{place}", Topic.HANDED_OVER, 2, 1, 2) == b""
    office.ask("validator-2", Topic.HAND_OVER, 2, 1, HANDED_OVER)
    for rank, place in enumerate(COMMITTEE):
        assert parse_part(office.ask(f"validator-{place}", Topic.HANDED_OVER, 2, 1, 2), HANDOVER).rank == rank
    digest = office.store.put(MODEL)
    assert office.ask("hospital-1", Topic.MODEL, bytes.fromhex(digest)) == MODEL
    answered = {"keep-reference": 4, "submission": 1, "is-curated": 2, "curated-part": 4, "curated": 1, "reference": 3}
    assert office.desk.requests == {**answered, "hand-over": 1, "handed-over": 6, "model": 1}


ONLY_THE_COMMITTEE = [Topic.IS_CURATED, Topic.PARTS, Topic.CURATED_PART, Topic.HANDED_OVER]


@pytest.mark.parametrize("topic", ONLY_THE_COMMITTEE)
def test_a_validator_that_does_not_serve_is_given_nothing(fuzzed: Office, topic: Topic) -> None:
    with pytest.raises(RelayRefused, match="validator-2 is not of this attempt's committee"):
        fuzzed.ask("validator-2", topic, *RIGHTFUL[topic][1])


def test_nobody_is_given_a_reference_set_of_a_committee_without_it(fuzzed: Office) -> None:
    with pytest.raises(RelayRefused, match="validator-3 is not of that committee"):
        fuzzed.ask("validator-3", Topic.REFERENCE, COMMITTEES.index((0, 1, 2)))
    with pytest.raises(RelayRefused, match="no committee has the number 4"):
        fuzzed.ask("validator-3", Topic.REFERENCE, 4)


def test_only_the_last_committee_hands_over_each_once_and_in_time(office: Office) -> None:
    with pytest.raises(RelayRefused, match="validator-3 has nothing to hand over"):
        office.ask("validator-3", Topic.HAND_OVER, 2, 1, HANDED_OVER)
    office.ask("validator-1", Topic.HAND_OVER, 2, 1, HANDED_OVER)
    with pytest.raises(RelayRefused, match="validator-1 has handed over to this attempt's committee before"):
        office.ask("validator-1", Topic.HAND_OVER, 2, 1, HANDED_OVER)
    office.ledger.state.phase = Phase.FINAL
    with pytest.raises(RelayRefused, match="validator-2 has nothing to hand over"):
        office.ask("validator-2", Topic.HAND_OVER, 2, 1, HANDED_OVER)


@pytest.mark.parametrize("place", [(1, 1), (2, 0), (2, 2), (3, 1), (0, 0), (2**63 - 1, 1)])
@pytest.mark.parametrize("topic", [t for t, (_, items) in RIGHTFUL.items() if items[:2] == (2, 1)])
def test_another_round_or_attempt_is_not_open(fuzzed: Office, topic: Topic, place: tuple[int, int]) -> None:
    sender, items = RIGHTFUL[topic]
    with pytest.raises(RelayRefused, match=f"asks about round {place[0]} attempt {place[1]}, which is not open"):
        fuzzed.ask(sender, topic, *place, *items[2:])


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SUBMITTING])
def test_messages_are_taken_while_submissions_are_open_only(office: Office, phase: Phase) -> None:
    office.ledger.state.phase = phase
    for topic in (Topic.SUBMISSION, Topic.CURATED):
        with pytest.raises(RelayRefused, match="round 2 attempt 1 takes no messages any more"):
            office.ask(RIGHTFUL[topic][0], topic, *RIGHTFUL[topic][1])
    assert not list((office.folder / "mailbox").rglob("*.*"))


def test_before_the_first_round_nothing_is_open(office: Office) -> None:
    office.ledger.state = None
    for topic, (sender, items) in RIGHTFUL.items():
        if topic not in (Topic.KEEP_REFERENCE,):
            with pytest.raises(RelayRefused, match=r"not open|not handed in|can have been attested|does not hold"):
                office.ask(sender, topic, *items)


def test_the_reference_set_is_fixed_once_the_study_has_begun(office: Office) -> None:
    for number in range(1, len(COMMITTEES)):
        office.ask("curator", Topic.KEEP_REFERENCE, number, SET)
    with pytest.raises(RelayRefused, match=r"reference-0-1-2\.msg was not handed in"):
        office.ask("validator-0", Topic.REFERENCE, 1)
    office.ask("curator", Topic.KEEP_REFERENCE, 0, SET)
    office.ledger.has_begun = True
    with pytest.raises(RelayRefused, match="the study has begun: its reference set is fixed"):
        office.ask("curator", Topic.KEEP_REFERENCE, 0, SET)


def test_a_replay_is_refused_and_so_is_what_comes_out_of_order(office: Office) -> None:
    first, second, third = (office.request("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE) for _ in range(3))
    foreign = office.request("hospital-1", Topic.SUBMISSION, 2, 1, message_of(1))
    office.told(second)
    for stale in (second, first, second):
        with pytest.raises(RelayRefused, match="a request of hospital-0 came twice or out of order"):
            office.told(stale)
    office.told(third)
    # Numbers are each participant's own.
    office.told(foreign)
    assert office.desk.requests == {"submission": 3, "refused": 3}


def test_a_refused_request_is_spent_too(office: Office) -> None:
    request = office.request("hospital-0", Topic.SUBMISSION, 9, 1, MESSAGE)
    with pytest.raises(RelayRefused, match="not open"):
        office.told(request)
    with pytest.raises(RelayRefused, match="came twice"):
        office.told(request)


def test_who_cannot_sign_spends_nobodys_numbers(office: Office) -> None:
    forged = make_request(STUDY, "hospital-0", KEYS["hospital-1"], 2**63 - 1, Topic.SUBMISSION, [2, 1, MESSAGE])
    other = make_request(b"t" * 32, "hospital-0", KEYS["hospital-0"], 2**63 - 1, Topic.SUBMISSION, [2, 1, MESSAGE])
    for request in (forged, other):
        with pytest.raises(RelayRefused, match="does not verify"):
            office.told(request)
        assert office.lines == [f"refused a request of somebody: {_reason(office, request)}"]
    office.ask("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE)


def _reason(office: Office, request: bytes) -> str:
    with pytest.raises(RelayRefused) as caught:
        office.told(request)
    return str(caught.value)


def test_a_participants_later_request_never_ends_before_an_earlier_one(office: Office) -> None:
    accept, order = office.coordinator.accept, []
    began, overtaken = threading.Event(), threading.Event()

    def slow(state: Any, sender: int, message: bytes) -> None:
        number = len(order) // 2 if len(order) != 1 else 1
        order.append(f"began {number}")
        began.set()
        if number == 0:
            overtaken.wait(0.5)
        else:
            overtaken.set()
        accept(state, sender, message)
        order.append(f"ended {number}")

    office.coordinator.accept = slow  # type: ignore[method-assign]
    requests = [office.request("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(office.desk.answer, requests[0])
        assert began.wait(30)
        second = threads.submit(office.desk.answer, requests[1])
        for each in (first, second):
            assert read_answer(each.result(), 1000) == b""
    assert order == ["began 0", "ended 0", "began 1", "ended 1"]


def test_the_mailbox_may_be_cleared_under_everybodys_hands(office: Office) -> None:
    over = threading.Event()
    requests = {
        **{f"hospital-{index}": (Topic.SUBMISSION, (2, 1, message_of(index))) for index in range(HOSPITALS)},
        "curator": (Topic.CURATED, (2, 1, CURATED)),
        "validator-0": (Topic.PARTS, (2, 1, 0)),
        "validator-1": (Topic.CURATED_PART, (2, 1)),
    }
    answers: list[bytes] = []

    def ask(sender: str) -> None:
        topic, items = requests[sender]
        while not over.is_set():
            answers.append(office.desk.answer(office.request(sender, topic, *items)))

    with ThreadPoolExecutor(len(requests)) as threads:
        asked = [threads.submit(ask, sender) for sender in requests]
        for _ in range(150):
            office.coordinator.discard(office.ledger.latest())
        over.set()
        for each in asked:
            each.result()
    unexpected = [line for line in office.lines if "could not answer" in line]
    assert unexpected == []
    assert any(not msgpack.unpackb(data)[1] for data in answers)


def model(value: int) -> bytes:
    return save({"w": np.full(D, value, dtype=np.float32)})


def test_a_validator_cannot_fill_the_store(office: Office) -> None:
    with pytest.raises(RelayRefused, match="validator-0 hands in a model where none can have been attested"):
        office.ask("validator-0", Topic.KEEP_MODEL, MODEL)
    office.ledger.state.phase = Phase.BOUND
    for value in range(MAX_MODELS):
        office.ask("validator-0", Topic.KEEP_MODEL, model(value))
    for _ in range(2):
        with pytest.raises(RelayRefused, match=f"validator-0 has handed in {MAX_MODELS} models for this attempt"):
            office.ask("validator-0", Topic.KEEP_MODEL, model(99))
    office.ask("validator-0", Topic.KEEP_MODEL, model(0))
    office.ask("validator-1", Topic.KEEP_MODEL, model(99))
    assert len(list(office.store.entries())) == MAX_MODELS + 1
    office.ledger.state.round = 3
    office.ask("validator-0", Topic.KEEP_MODEL, model(100))
    assert set(office.desk._models) == {("validator-0", 3, 1)}


@pytest.mark.parametrize("file", [b"", CANARY, MODEL[:-1], MODEL + b"\0", b"\xff" * 8 + CANARY])
def test_what_is_no_model_is_not_stored(office: Office, file: bytes) -> None:
    office.ledger.state.phase = Phase.BOUND
    with pytest.raises(RelayRefused, match="only safetensors files are stored"):
        office.ask("validator-0", Topic.KEEP_MODEL, file)
    assert list(office.store.entries()) == []


def test_a_model_that_is_not_here_is_refused_without_telling_where_models_lie(office: Office) -> None:
    for digest in (b"\1" * 32, b"", b"..", b"\1" * 5000):
        with pytest.raises(RelayRefused, match="the coordinator does not hold that model") as caught:
            office.ask("hospital-0", Topic.MODEL, digest)
        assert str(office.folder) not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        LedgerError("http://user:canary-of-a-share-or-key@node is down"),
        StoreError("s3://canary-of-a-share-or-key"),
        OSError(28, "no space left on /canary-of-a-share-or-key"),
    ],
)
def test_trouble_of_the_coordinators_own_is_told_to_nobody(office: Office, error: Exception) -> None:
    office.ledger.state = error
    office.desk.answer(office.request("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE))
    (line,) = office.lines
    assert line.startswith("could not answer hospital-0: ")
    data = office.desk.answer(office.request("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE))
    with pytest.raises(RelayRefused, match=r"^the coordinator cannot answer now: its log says why$"):
        read_answer(data, 1000)


def test_whatever_goes_wrong_the_desk_stays_open_and_its_log_holds_no_value(office: Office) -> None:
    office.ledger.state = KeyError(CANARY)
    with pytest.raises(RelayRefused, match="cannot answer now"):
        office.ask("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE)
    assert office.lines == ["could not answer hospital-0: an unexpected KeyError"]
    assert office.desk.requests == {"refused": 1}


def test_pages_hold_so_many_parts_or_bytes_at_most(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(HOSPITALS):
        office.ask(f"hospital-{index}", Topic.SUBMISSION, 2, 1, message_of(index))

    def pages(first: int = 0) -> list[list[int]]:
        page, following = read_page(office.ask("validator-1", Topic.PARTS, 2, 1, first), 10**6, first)
        return [list(page), *(pages(following) if following else [])]

    assert pages() == [[0, 1, 2]]
    assert pages(3) == [[]]
    monkeypatch.setattr(module, "MAX_PARTS", 2)
    assert pages() == [[0, 1], [2]]
    monkeypatch.setattr(module, "PAGE_BYTES", 1)
    assert pages() == [[0], [1], [2]]


def test_a_request_beyond_the_limit_is_not_read(office: Office) -> None:
    limit = LENGTHS.limit
    for size in (limit, 2 * limit):
        request = office.request("hospital-0", Topic.SUBMISSION, 2, 1, bytes(size))
        with pytest.raises(RelayRefused, match=f"bytes where at most {limit} are allowed"):
            office.told(request)
    with pytest.raises(RelayRefused, match="at most"):
        office.ask("hospital-0", Topic.SUBMISSION, 2, 1, bytes(limit - 300))


@pytest.mark.parametrize(
    "message",
    [
        b"\x95" + b"\x90" * 1_000_000,
        b"\x9a" * 1_000_000,
        b"\x95\x01\xc6\xff\xff\xff\xff",
        (b"\x9a" + b"\x90" * 10) * 90_000,
        bytes(3_000_000),
    ],
    ids=["arrays", "tree", "claims 4 GiB", "wide", "zeros"],
)
def test_no_message_takes_much_more_memory_than_its_bytes(office: Office, message: bytes) -> None:
    office.coordinator._parameters = 500_000
    request = office.request("hospital-0", Topic.SUBMISSION, 2, 1, message)
    tracemalloc.start()
    try:
        with pytest.raises(RelayRefused):
            office.told(request)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(message) + 2_000_000


def test_after_a_restart_the_coordinator_has_what_was_handed_in(office: Office) -> None:
    office.ask("hospital-0", Topic.SUBMISSION, 2, 1, MESSAGE)
    office.reopen()
    page, _ = read_page(office.ask("validator-3", Topic.PARTS, 2, 1, 0), 10**6, 0)
    assert list(page) == [0]
