"""What parties do before the ledger holds a change for good: what does no harm if it was done in vain, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mithridate.federation.remote.agent import Agent, Pace, Step
from mithridate.federation.remote.coordinator_agent import CoordinatorAgent
from mithridate.federation.remote.curator_agent import CuratorAgent
from mithridate.federation.remote.hospital_agent import HospitalAgent
from mithridate.ledger.interface import AttemptState, Phase

ROUNDS = 3
PACE = Pace(poll=0.01)
BEGUN = AttemptState(
    round=2,
    attempt=0,
    generation=0,
    phase=Phase.SUBMITTING,
    base_hash=b"b" * 32,
    deadline=2**40,
    committee=(0, 1, 2),
    committed=frozenset({0, 1, 2}),
    revealed=frozenset(),
    submissions={},
    seed=None,
    verdicts=None,
    attestations={},
    votes={},
    model_hash=None,
    void_reason=None,
)
BEFORE = replace(BEGUN, round=1, phase=Phase.RELEASED)
OTHERWISE = [
    replace(BEGUN, base_hash=b"c" * 32),
    replace(BEGUN, generation=1),
    replace(BEGUN, attempt=1),
    replace(BEGUN, committee=(0, 1, 3)),
]


class TwoViews:
    """A ledger of which a thread may read what is there for good, `final`, or what may be taken back, `coming`."""

    def __init__(self, final: AttemptState | None, coming: AttemptState | None) -> None:
        self.final, self.coming = final, coming
        self.numbers_of_draws = 0
        self._ahead = False

    @contextmanager
    def unconfirmed(self) -> Iterator[None]:
        self._ahead = True
        yield
        self._ahead = False

    def latest(self) -> AttemptState | None:
        return self.coming if self._ahead else self.final

    def begun(self) -> bool:
        return True

    def suspended(self) -> frozenset[int]:
        return frozenset()

    def draws(self) -> int:
        return self.numbers_of_draws

    def now(self) -> int:
        return 0

    def both(self, final: AttemptState | None, coming: AttemptState | None) -> None:
        self.final, self.coming = final, coming


class Noting(Agent):
    """Takes note of what it would do."""

    def __init__(self, ledger: TwoViews) -> None:
        super().__init__("noting", ledger, ROUNDS, PACE)  # type: ignore[arg-type]
        self.steps: list[tuple[AttemptState, bool]] = []
        self.ended: list[AttemptState] = []

    def step(self, state: AttemptState, *, settled: bool) -> Step:
        self.steps.append((state, settled))
        return Step.ACTED

    def over(self, state: AttemptState) -> None:
        self.ended.append(state)


@pytest.mark.parametrize(
    ("final", "settled"),
    [(None, False), (BEFORE, False), *((other, False) for other in OTHERWISE), (BEGUN, True)],
    ids=["nothing", "the one before", "base", "generation", "attempt", "committee", "the same"],
)
def test_while_an_attempt_takes_submissions_a_party_goes_by_what_may_be_taken_back(
    final: AttemptState | None, settled: bool
) -> None:
    agent = Noting(TwoViews(final, replace(BEGUN, submissions={0: b"d" * 32})))
    assert agent.look() is Step.ACTED
    assert agent.steps == [(replace(BEGUN, submissions={0: b"d" * 32}), settled)]
    assert agent.ended == [state for state in [final] if state is BEFORE]


@pytest.mark.parametrize("coming", [phase for phase in Phase if phase > Phase.SUBMITTING])
def test_from_closing_on_a_party_waits_until_it_is_for_good(coming: Phase) -> None:
    ledger = TwoViews(BEGUN, replace(BEGUN, phase=coming))
    agent = Noting(ledger)
    assert agent.look() is Step.IDLE
    assert (agent.steps, agent.ended) == ([], [])
    ledger.both(replace(BEGUN, phase=Phase.CLOSED), replace(BEGUN, phase=coming))
    assert agent.look() is Step.ACTED
    assert agent.steps == [(ledger.final, True)]


def test_a_study_is_finished_once_its_last_round_is_over_for_good() -> None:
    last = replace(BEGUN, round=ROUNDS, phase=Phase.RELEASED)
    ledger = TwoViews(replace(last, phase=Phase.FINAL), last)
    agent = Noting(ledger)
    assert agent.look() is Step.ACTED
    assert agent.steps == [(ledger.final, True)]
    ledger.both(last, last)
    assert agent.look() is Step.FINISHED


class Hospital:
    """Notes what a hospital does."""

    def __init__(self, told: list[str]) -> None:
        self.name, self.site, self.told = "hospital-0", type("Site", (), {"index": 0})(), told

    def train(self, state: AttemptState) -> None:
        self.told.append(f"trains on {state.base_hash[:1].decode()} in generation {state.generation}")

    def seal(self, state: AttemptState) -> bytes:
        return b"sealed"

    def commit(self, state: AttemptState) -> None:
        self.told.append("commits")

    def forget(self) -> None:
        self.told.append("forgets")


class Desk:
    def __init__(self, told: list[str]) -> None:
        self.told = told

    def fetch_model(self, digest: bytes, store: Any) -> None:
        """It is there."""

    def hand_in(self, state: AttemptState, message: bytes) -> None:
        self.told.append("hands in")

    def hand_in_curated(self, state: AttemptState, message: bytes) -> None:
        self.told.append(f"hands {message.decode()} in")


def hospital_at(ledger: TwoViews) -> tuple[HospitalAgent, list[str]]:
    told: list[str] = []
    nothing: Any = None
    return HospitalAgent(Hospital(told), ledger, Desk(told), nothing, ROUNDS, PACE), told  # type: ignore[arg-type]


def test_a_hospital_trains_early_and_hands_in_once_the_attempt_is_open_for_good() -> None:
    ledger = TwoViews(replace(BEFORE, phase=Phase.FINAL), BEGUN)
    agent, told = hospital_at(ledger)
    assert [agent.look(), agent.look()] == [Step.ACTED, Step.IDLE]
    assert told == ["trains on b in generation 0"]
    # The end of the attempt before comes to be for good when this one has been trained for.
    ledger.final = BEFORE
    assert agent.look() is Step.IDLE
    assert told == ["trains on b in generation 0"]
    ledger.final = BEGUN
    assert agent.look() is Step.ACTED
    assert told[1:] == ["hands in", "commits"]
    over = replace(BEGUN, phase=Phase.RELEASED)
    ledger.both(over, over)
    agent.look()
    assert told[3:] == ["forgets"]


@pytest.mark.parametrize("instead", OTHERWISE, ids=["base", "generation", "attempt", "committee"])
def test_a_hospital_trains_anew_where_the_attempt_was_opened_otherwise(instead: AttemptState) -> None:
    ledger = TwoViews(BEFORE, BEGUN)
    agent, told = hospital_at(ledger)
    agent.look()
    ledger.both(instead, instead)
    agent.look()
    assert [line.split()[0] for line in told] == ["trains", "trains"]
    assert told[1] == f"trains on {instead.base_hash[:1].decode()} in generation {instead.generation}"


def test_the_curator_trains_early_and_hands_in_once_the_attempt_is_open_for_good() -> None:
    ledger, told = TwoViews(BEFORE, BEGUN), list[str]()

    def curate(state: AttemptState) -> bytes:
        told.append("trains")
        return state.base_hash[:1]

    curator: Any = type("Curator", (), {"store": None, "curate": staticmethod(curate)})()
    agent = CuratorAgent(curator, ledger, Desk(told), True, ROUNDS, PACE)  # type: ignore[arg-type]
    assert [agent.look(), agent.look()] == [Step.ACTED, Step.IDLE]
    ledger.both(OTHERWISE[0], OTHERWISE[0])
    assert [agent.look(), agent.look(), agent.look()] == [Step.ACTED, Step.ACTED, Step.IDLE]
    assert told == ["trains", "trains", "hands c in"]


class Coordinator:
    """Notes what a coordinator does."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def draw_under_way(self, seconds: int) -> None:
        """Three validators draw no committee."""

    def open_round(self, number: int, deadline: int) -> None:
        self.told.append(f"opens {number}")

    def discard(self, over: AttemptState) -> None:
        self.told.append(f"discards {over.round}.{over.attempt}")


def coordinator_at(ledger: TwoViews) -> tuple[CoordinatorAgent, list[str]]:
    role = Coordinator()
    agent = CoordinatorAgent(role, ledger, 10, 10, 1, ROUNDS, PACE)  # type: ignore[arg-type]
    return agent, role.told


def test_the_next_round_opens_early_and_messages_are_kept_until_the_last_is_over_for_good() -> None:
    ledger = TwoViews(replace(BEFORE, phase=Phase.FINAL), BEFORE)
    agent, told = coordinator_at(ledger)
    assert agent.look() is Step.ACTED
    assert told == ["opens 2"]
    ledger.coming = BEGUN
    assert agent.look() is Step.IDLE
    assert told == ["opens 2"]
    # The end of the first may never be seen as the latest that is there for good.
    ledger.final = BEGUN
    assert agent.look() is Step.IDLE
    assert told == ["opens 2", "discards 1.0"]


@pytest.mark.parametrize("phase", [Phase.VOID, Phase.ROLLED_BACK])
def test_after_any_other_end_the_coordinator_waits_until_it_is_for_good(phase: Phase) -> None:
    agent, told = coordinator_at(TwoViews(replace(BEFORE, phase=Phase.DRAWN), replace(BEFORE, phase=phase)))
    assert agent.look() is Step.IDLE
    assert told == []


def test_where_committees_are_drawn_the_coordinator_waits_until_a_round_is_over_for_good() -> None:
    ledger = TwoViews(replace(BEFORE, phase=Phase.FINAL), BEFORE)
    ledger.numbers_of_draws = 1
    agent, told = coordinator_at(ledger)
    assert agent.look() is Step.IDLE
    ledger.final = BEFORE
    assert agent.look() is Step.ACTED
    assert told == ["discards 1.0", "opens 2"]


def test_the_coordinator_stays_until_the_last_round_is_over_for_good() -> None:
    last = replace(BEGUN, round=ROUNDS, phase=Phase.RELEASED)
    ledger = TwoViews(replace(last, phase=Phase.FINAL), last)
    agent, told = coordinator_at(ledger)
    assert agent.look() is Step.IDLE
    ledger.final = last
    assert agent.look() is Step.FINISHED
    assert told == ["discards 3.0"]
