"""A site and a coordinator that answers whatever it likes: nothing is believed, kept or waited for beyond bounds."""

import hashlib
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from mithridate.errors import LedgerError, MessageError
from mithridate.federation.remote.agent import Agent, Pace, Step
from mithridate.federation.remote.desk import Lengths
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.wire import RelayRefused, Request, Topic, Unreachable, answer, open_request, pack_page
from mithridate.federation.submission import MAX_OVERHEAD
from mithridate.ledger.store import ModelStore

D, REFERENCE = 6, 9
LENGTHS = Lengths(D, REFERENCE, 16)
PART = 8 * D + MAX_OVERHEAD
STUDY, KEY = b"s" * 32, generate()
MODEL = save({"w": np.arange(D, dtype=np.float32)})
OTHER = save({"w": np.ones(D, dtype=np.float32)})
DIGEST = hashlib.sha256(MODEL).digest()


class Line:
    """A way to a coordinator that answers by `reply`; what it was asked is kept."""

    def __init__(self, reply: Callable[[Request], bytes]) -> None:
        self.reply = reply
        self.asked: list[Request] = []

    def ask(self, request: bytes) -> bytes:
        self.asked.append(open_request(request, STUDY, {"validator-1": KEY.public_key()}, 10**7))
        return self.reply(self.asked[-1])


def desk_to(reply: Callable[[Request], bytes]) -> tuple[CoordinatorDesk, Line]:
    line = Line(reply)
    return CoordinatorDesk(line, STUDY, "validator-1", KEY, LENGTHS), line


def state_of(*hospitals: int) -> Any:
    return SimpleNamespace(round=2, attempt=1, submissions=dict.fromkeys(hospitals, b"d" * 32))


STATE = state_of(0, 1, 2)
QUESTIONS: Mapping[str, Callable[[CoordinatorDesk, ModelStore], Any]] = {
    "fetch_model": lambda desk, store: desk.fetch_model(DIGEST, store),
    "hand_in": lambda desk, store: desk.hand_in(STATE, b"message"),
    "hand_in_curated": lambda desk, store: desk.hand_in_curated(STATE, b"message"),
    "is_curated": lambda desk, store: desk.is_curated(STATE),
    "parts": lambda desk, store: desk.parts(STATE),
    "curated_part": lambda desk, store: desk.curated_part(STATE),
    "reference_part": lambda desk, store: desk.reference_part(0),
    "keep_reference": lambda desk, store: desk.keep_reference(0, b"message"),
    "hand_over": lambda desk, store: desk.hand_over(STATE, b"message"),
    "handed_over": lambda desk, store: desk.handed_over(STATE, (0, 2)),
}
garbage = st.one_of(
    st.binary(max_size=100),
    st.binary(max_size=100).map(answer),
    st.lists(st.integers() | st.binary(max_size=9), max_size=7).map(lambda page: answer(msgpack.packb(_small(page)))),
    st.sampled_from([b"\x93" + b"\x90" * 900, b"\x93\x01\xc2\xc6\xff\xff\xff\xff", b"\x91" * 1025, b"\x80", b"\xc0"]),
)


def _small(page: list[Any]) -> list[Any]:
    return [each % 2**63 if isinstance(each, int) else each for each in page]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("site"))


@settings(deadline=None)
@given(st.sampled_from(sorted(QUESTIONS)), st.lists(garbage, min_size=1, max_size=5))
def test_whatever_the_coordinator_answers_is_taken_for_what_it_is(
    store: ModelStore, question: str, answers: list[bytes]
) -> None:
    left = list(answers)
    desk, line = desk_to(lambda request: left.pop(0) if left else b"")
    with suppress(MessageError, RelayRefused):
        QUESTIONS[question](desk, store)
    assert len(line.asked) <= len(STATE.submissions)
    assert list(store.entries()) == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_beyond_the_limit_is_not_read(store: ModelStore, question: str) -> None:
    huge = answer(bytes(desk_to(lambda request: b"")[0]._limit))
    desk, _ = desk_to(lambda request: huge)
    with pytest.raises(MessageError, match="are allowed"):
        QUESTIONS[question](desk, store)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_refusal_names_what_was_refused(store: ModelStore, question: str) -> None:
    desk, line = desk_to(lambda request: msgpack.packb([1, True, b"no\n[31mforged line"]))
    with pytest.raises(RelayRefused) as caught:
        QUESTIONS[question](desk, store)
    assert str(caught.value) == f"the coordinator refuses {line.asked[0].topic}: no?[31mforged line"


@pytest.mark.parametrize("sent", [OTHER, b"", b"no model", MODEL[:-1], MODEL + b"\0"])
def test_another_model_is_neither_kept_nor_used(tmp_path: Path, sent: bytes) -> None:
    desk, _ = desk_to(lambda request: answer(sent))
    models = ModelStore(tmp_path)
    with pytest.raises(MessageError, match=f"the coordinator sent another model than {DIGEST.hex()}"):
        desk.fetch_model(DIGEST, models)
    assert list(models.entries()) == []


def test_what_was_attested_and_is_no_model_is_an_error_of_the_protocol(tmp_path: Path) -> None:
    desk, _ = desk_to(lambda request: answer(b"attested junk"))
    with pytest.raises(MessageError, match="what was attested as a model is none"):
        desk.fetch_model(hashlib.sha256(b"attested junk").digest(), ModelStore(tmp_path))


def test_a_model_is_fetched_once_and_again_where_its_file_was_altered(tmp_path: Path) -> None:
    desk, line = desk_to(lambda request: answer(MODEL))
    models = ModelStore(tmp_path)
    for _ in range(3):
        desk.fetch_model(DIGEST, models)
    assert [request.items for request in line.asked] == [(DIGEST,)]
    (tmp_path / f"{DIGEST.hex()}.safetensors").write_bytes(b"altered")
    desk.fetch_model(DIGEST, models)
    assert models.get(DIGEST.hex()) == MODEL
    assert len(line.asked) == 2


def test_pages_are_put_together_and_hold_who_committed_alone() -> None:
    pages = {0: ({0: b"a", 1: b"b"}, 2), 2: ({2: b"c", 5: b"uncommitted"}, 7), 7: ({7: b"d", 8: b"e"}, 0)}
    desk, line = desk_to(lambda request: answer(pack_page(*pages[request.items[2]])))  # type: ignore[index]
    assert desk.parts(state_of(0, 2, 3, 7)) == {0: b"a", 2: b"c", 7: b"d"}
    assert [request.items for request in line.asked] == [(2, 1, first) for first in pages]


def test_pages_in_a_circle_end() -> None:
    circles: list[list[tuple[dict[int, bytes], int]]] = [
        [({0: b"a"}, 1), ({0: b"a"}, 1)],
        [({0: b"a"}, 1), ({1: b"b"}, 2), ({0: b"a"}, 1)],
        [({1: b"a"}, 2), ({1: b"a"}, 2)],
        [({}, 1)],
        [({}, 2**62)],
    ]
    for circle in circles:
        pages = list(circle)
        desk, line = desk_to(lambda request, left=pages: answer(pack_page(*left.pop(0))))
        with pytest.raises(MessageError, match="a page of parts"):
            desk.parts(state_of(0, 1, 2, 9))
        assert len(line.asked) == len(circle)


def test_pages_without_end_end_with_the_last_that_committed() -> None:
    def onwards(request: Request) -> bytes:
        first = int(request.items[2])
        return answer(pack_page({first: b"x" * PART}, first + 1))

    desk, line = desk_to(onwards)
    assert set(desk.parts(state_of(1, 3))) == {1, 3}
    assert len(line.asked) == 4
    desk, line = desk_to(onwards)
    assert desk.parts(state_of()) == {}
    assert line.asked == []


def test_parts_take_no_more_memory_than_those_who_committed_may_send() -> None:
    page = {index: bytes(PART + 1) for index in range(1, 1000)} | {0: bytes(PART)}

    desk, _ = desk_to(lambda request: answer(pack_page(page, 0)))
    data = len(answer(pack_page(page, 0)))
    tracemalloc.start()
    try:
        parts = desk.parts(state_of(*range(1000)))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(parts) == [0]
    # In passing the page is held as it was made, packed, sent and read.
    assert held < 100_000
    assert peak < 6 * data


def test_numbers_grow_within_a_process_and_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, line = desk_to(lambda request: answer(b""))
    # A clock that stands still, and one that goes back.
    for now in (10, 10, 10, 5, 1, 30):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        desk.is_curated(STATE)
    assert [request.number for request in line.asked] == [10, 11, 12, 13, 14, 30]
    monkeypatch.undo()
    again = CoordinatorDesk(line, STUDY, "validator-1", KEY, LENGTHS)
    again.is_curated(STATE)
    assert line.asked[-1].number > 30


def test_what_was_sent_and_received_is_counted() -> None:
    desk, _ = desk_to(lambda request: answer(bytes(1000)))
    desk.handed_over(STATE, (0,))
    assert desk.received_bytes == len(answer(bytes(1000)))
    assert 100 < desk.sent_bytes < 200


def test_the_limit_admits_what_the_desk_may_answer() -> None:
    desk, _ = desk_to(lambda request: answer(pack_page({0: bytes(64 * 2**20)}, 0)))
    assert desk.parts(state_of(0)) == {}


class Failing(Agent):
    """A party whose every look fails, without a pause."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__("failing", None, 1, Pace(0.5))  # type: ignore[arg-type]
        self.errors = errors
        self.pauses: list[float] = []
        self._stop.wait = lambda timeout=None: bool(self.pauses.append(timeout))  # type: ignore[method-assign, func-returns-value]

    def look(self) -> Step:
        if not self.errors:
            return Step.FINISHED
        raise self.errors.pop(0)


@pytest.mark.parametrize("error", [Unreachable("down"), RelayRefused("no"), MessageError("malformed"), LedgerError("")])
def test_a_coordinator_that_is_down_for_days_ends_no_process(error: Exception) -> None:
    agent = Failing([error] * 3000)
    agent.run()
    assert len(agent.pauses) == 3000
    assert agent.pauses[:3] == [1.0, 2.0, 4.0]
    assert max(agent.pauses) == agent.pauses[-1] == 5.0
    assert agent.status.failures == 3000


def test_every_topic_has_a_question(store: ModelStore) -> None:
    asked = set()
    for question in QUESTIONS.values():
        desk, line = desk_to(lambda request: answer(b""))
        with suppress(MessageError):
            question(desk, store)
        asked |= {request.topic for request in line.asked}
    assert asked | {Topic.KEEP_MODEL} == set(Topic)
