"""What a validator fetches before it meets the others: of this attempt, and all of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from mithridate.federation.remote.agent import Pace, Step
from mithridate.federation.remote.validator_agent import ValidatorAgent
from mithridate.ledger.interface import Phase


class Coordinator:
    """The desk, and what was asked of it."""

    def __init__(self) -> None:
        self.handed: dict[int, bytes] = {}
        self.asked: list[str] = []

    def fetch_model(self, digest: bytes, store: Any) -> None:
        self.asked.append("model")

    def parts(self, state: Any) -> dict[int, bytes]:
        self.asked.append("parts")
        return {0: f"{state.round}.{state.attempt}".encode()}

    def curated_part(self, state: Any) -> bytes | None:
        return None

    def handed_over(self, state: Any, places: Any) -> dict[int, bytes]:
        self.asked.append(f"handed over by {places}")
        return dict(self.handed)


def state_of(round_number: int, attempt: int = 0, committee: tuple[int, int, int] = (0, 1, 2)) -> Any:
    return SimpleNamespace(
        round=round_number, attempt=attempt, committee=committee, base_hash=b"b" * 32, phase=Phase.DRAWN
    )


@pytest.fixture
def desk() -> Coordinator:
    return Coordinator()


@pytest.fixture
def agent(desk: Coordinator) -> ValidatorAgent:
    ledger: Any = SimpleNamespace(attempts=lambda number: 1, attempt=lambda number, attempt: state_of(number, attempt))
    validator: Any = SimpleNamespace(name="validator-0", place=0, vote_void=lambda state, text: None)
    nothing: Any = None
    return ValidatorAgent(validator, ledger, desk, nothing, nothing, False, 3, Pace(poll=0.01, patience=0.05))  # type: ignore[arg-type]


def test_it_is_fetched_once_an_attempt(agent: ValidatorAgent, desk: Coordinator) -> None:
    first = agent._collect(state_of(1))
    assert agent._collect(state_of(1)) is first
    assert desk.asked == ["model", "parts"]


@pytest.mark.parametrize("following", [(1, 1), (2, 0)])
def test_what_was_of_an_attempt_that_ended_unseen_is_not_taken_for_the_next_one(
    agent: ValidatorAgent, following: tuple[int, int]
) -> None:
    agent._collect(state_of(1))
    assert agent._collect(state_of(*following)).parts == {0: "{}.{}".format(*following).encode()}


def test_a_committee_that_follows_on_another_waits_for_two_of_it(agent: ValidatorAgent, desk: Coordinator) -> None:
    state = state_of(2, 0, (0, 1, 3))
    desk.handed = {1: b"part"}
    assert not agent._collect(state).whole
    desk.handed = {1: b"part", 2: b"part"}
    assert agent._collect(state).whole
    assert desk.asked == ["model", "parts", *["handed over by (0, 1, 2)"] * 2]


def test_it_does_not_wait_for_ever(agent: ValidatorAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(agent._validator, "vote_void", lambda state, text: said.append(text))
    state = state_of(2, 0, (0, 1, 3))
    assert agent._drawn(state) is Step.IDLE
    began = agent.status.since
    assert agent._drawn(state) is Step.IDLE
    assert (agent.status.doing, agent.status.since, said) == ("waiting for the last committee", began, [])
    agent.status.since -= 1
    agent._drawn(state)
    assert said == ["the last committee did not hand over"]
