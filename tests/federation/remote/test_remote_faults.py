"""Agents among faults: each attempt ends in an attested model or in a reason on the ledger, and none waits for ever."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithridate.evaluation.records import read_records
from mithridate.federation.dropout import drops
from mithridate.federation.local import run_study
from mithridate.federation.remote import coordinator_agent
from mithridate.federation.remote.agent import Pace
from mithridate.ledger.interface import Phase
from mithridate.mpc.peers import HungUp
from mithridate.study import Study, load_study
from mithridate.verification.verdict import Rule

STUDY = Path(__file__).parents[3] / "studies" / "breast_cancer.toml"
TABLES: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "data": {"max_records": 300, "reference_per_class": 10},
    "hospitals": {"count": 4},
    "model": {"name": "logistic"},
    "training": {"rounds": 1, "local_epochs": 1, "batch_size": 8, "learning_rate": 0.05},
    "defence": {"name": "none"},
    "runtime": {"deadline_seconds": 86_400},
}
LENIENT: dict[str, Any] = {
    "name": "mithridate",
    "least_score": -2.0,
    "score_floor": -2.0,
    "score_share": 0.0,
    "noise_cosine": 0.0,
    "norm_multiple": 10.0,
    "standard_errors": 10.0,
}
Make = Callable[..., Any]


def small(**tables: Any) -> Study:
    document = dict(TABLES)
    for key, value in tables.items():
        document[key] = {**document.get(key, {}), **value}
    return Study.model_validate(document)


def attempts(federation: Any) -> list[Any]:
    ledger = federation.chain.reader
    return [ledger.attempt(1, attempt) for attempt in range(ledger.attempts(1))]


@pytest.mark.parametrize("section", ["verify", "aggregate", "release"])
def test_a_section_that_one_validator_leaves_is_tried_again(remote: Make, section: str) -> None:
    federation = remote(small())
    left: list[str] = []

    def leave_once(name: str) -> None:
        if name.endswith(section) and not left:
            left.append(name)
            raise HungUp("validator-0 left the computation")

    federation.meetings[1].before = leave_once
    federation.run()
    (state,) = attempts(federation)
    assert state.phase is Phase.RELEASED
    assert len(left) == 1


def test_a_validator_that_lost_what_it_kept_of_the_verdicts_costs_an_attempt_only(remote: Make) -> None:
    federation = remote(small())

    def lose(name: str) -> None:
        if name.endswith("1/0/aggregate"):
            file = federation.folder.party("validator-2").path / "standings.sqlite"
            with sqlite3.connect(file) as database:
                database.execute("DELETE FROM standings")

    federation.meetings[2].before = lose
    federation.run()
    first, second = attempts(federation)
    assert (first.phase, second.phase) == (Phase.VOID, Phase.RELEASED)
    assert first.void_reason == "a validator lost what it kept of this attempt's verdicts"
    assert second.generation == 1


@pytest.fixture(scope="module")
def honest_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the study of the next test comes to."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    run_study(small(defence=LENIENT), folder)
    return str(read_records(folder)[-1].model_hash)


@pytest.mark.parametrize(("section", "size"), [("aggregate", 32), ("aggregate", 8 * 62), ("verify", 8 * 4)])
def test_what_a_validator_alters_of_what_is_opened_is_noticed_and_never_becomes_a_model(
    remote: Make, honest_model: str, caplog: pytest.LogCaptureFixture, section: str, size: int
) -> None:
    federation = remote(small(defence=LENIENT))
    lies: list[str] = []

    def alter(name: str, message: bytes) -> bytes:
        if lies or not name.endswith(f"1/0/{section}") or len(message) != size:
            return message
        lies.append(name)
        return bytes([message[0] ^ 1]) + message[1:]

    federation.meetings[1].alter = alter
    federation.run()
    assert lies
    # The one that was deceived gives up; the study goes on with the two others' word or with another attempt.
    assert re.search("gives round 1 attempt 0 up: .*(different components|different things)", caplog.text)
    *_, last = attempts(federation)
    assert last.phase is Phase.RELEASED
    if last.attempt == 0:
        assert last.model_hash.hex() == honest_model


def test_one_validator_that_attests_another_model_changes_nothing(remote: Make) -> None:
    federation = remote(small())
    lying = federation.validators[2]._validator
    lying._ledger, honest = _Lying(lying._ledger), lying._ledger
    federation.run()
    (state,) = attempts(federation)
    assert state.phase is Phase.RELEASED
    assert state.attestations[2] == bytes(32)[:-1] + b"\1"
    assert state.model_hash == state.attestations[0] == state.attestations[1]
    assert honest.current_model() == state.model_hash


class _Lying:
    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def attest_model(self, round_number: int, attempt: int, model_hash: bytes) -> None:
        self._ledger.attest_model(round_number, attempt, bytes(32)[:-1] + b"\1")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def test_a_coordinator_that_loses_a_message_is_seen_by_its_hospital(remote: Make) -> None:
    federation = remote(small())
    accept = federation.parties.coordinator.accept

    def lose(state: Any, sender: int, message: bytes) -> None:
        accept(state, sender, message)
        if sender == 1:
            federation.parties.coordinator._path(state, sender).unlink()

    federation.parties.coordinator.accept = lose
    federation.run()
    (state,) = attempts(federation)
    assert Rule(state.verdicts[1]) is Rule.ENVELOPE
    (complaint,) = federation.chain.reader.complaints()
    assert (complaint.round, complaint.attempt, complaint.hospital) == (1, 0, 1)
    assert complaint.reason == "the coordinator took it, the validators found it envelope"


def test_hospitals_that_drop_out_hold_up_nobody_beyond_the_deadline(remote: Make) -> None:
    federation = remote(small(runtime={"deadline_seconds": 8}, aggregation={"quorum": 0.5}))
    federation.run(without=(federation.hospitals[2],))
    (state,) = attempts(federation)
    assert state.phase is Phase.RELEASED
    assert Rule(state.verdicts[2]) is Rule.ABSENT


def test_without_one_validator_the_study_stops_and_the_ledger_says_why(
    remote: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator_agent, "MAX_VOIDS", 2)
    federation = remote(small(runtime={"deadline_seconds": 2}), pace=Pace(poll=0.05, patience=2.0))
    federation.run(without=(federation.validators[2],))
    states = attempts(federation)
    assert [state.phase for state in states] == [Phase.VOID, Phase.VOID]
    assert {state.void_reason for state in states} == {"validator-2 did not commit its randomness in time"}
    assert federation.coordinator.gave_up


def test_of_four_validators_one_may_be_gone_for_good(remote: Make) -> None:
    validators = {"count": 4, "rotation": 1, "draw_seconds": 1}
    tables = {"training": {"rounds": 3}, "defence": LENIENT, "validators": validators}
    federation = remote(small(**tables), pace=Pace(poll=0.02, patience=3.0))
    gone = federation.validators[1]
    over = gone.over

    def vanish(state: Any) -> None:
        over(state)
        gone.stop()

    # It serves in the first round or not; what it then keeps it hands to nobody.
    gone.over = vanish
    federation.run()
    ledger = federation.chain.reader
    first, second, third = (ledger.attempt(number, ledger.attempts(number) - 1) for number in range(1, 4))
    assert [state.phase for state in (first, second, third)] == [Phase.RELEASED] * 3
    assert second.committee == third.committee == (0, 2, 3)
    assert federation.desk.requests.get("hand-over", 0) == (2 if 1 in first.committee else 0)


def test_who_vanishes_in_an_attempt_costs_that_attempt_and_others_are_drawn(remote: Make) -> None:
    validators = {"count": 4, "rotation": 100, "draw_seconds": 1}
    federation = remote(small(validators=validators), pace=Pace(poll=0.02, patience=2.0))
    gone: list[int] = []

    def vanish(place: int) -> Callable[[str], None]:
        def before(section: str) -> None:
            if section.endswith("verify") and gone in ([], [place]):
                gone[:] = [place]
                federation.validators[place].stop()
                raise HungUp(f"validator-{place} left the computation")

        return before

    for place, meetings in enumerate(federation.meetings):
        meetings.before = vanish(place)
    federation.run()
    first, *_, last = attempts(federation)
    assert (first.phase, last.phase) == (Phase.VOID, Phase.RELEASED)
    assert gone[0] in first.committee
    assert gone[0] not in last.committee


def test_a_validator_that_comes_late_is_waited_for(remote: Make) -> None:
    federation = remote(small())
    missing = federation.validators[1]
    left: list[str] = []

    def go_away(name: str) -> None:
        if name.endswith("verify") and not left:
            left.append(name)
            # Like a restart: nothing that it opened is left.
            missing._ready = False
            missing._validator.forget()
            raise HungUp("validator-1 was killed")

    federation.meetings[1].before = go_away
    federation.run()
    (state,) = attempts(federation)
    assert state.phase is Phase.RELEASED


def test_a_third_of_the_honest_gone_while_two_in_five_are_malicious(remote: Make) -> None:
    study = load_study(
        STUDY,
        ["training.rounds=1", "training.local_epochs=2", "runtime.deadline_seconds=15", "aggregation.quorum=0.5"],
    )
    federation = remote(study)
    gone = (federation.hospitals[0], federation.hospitals[1])
    assert study.malicious == {2, 5, 7, 8}
    federation.run(without=gone)
    (state,) = attempts(federation)
    verdicts = [Rule(code) for code in state.verdicts]
    assert state.phase is Phase.RELEASED
    assert [verdicts[0], verdicts[1]] == [Rule.ABSENT, Rule.ABSENT]
    assert all(verdicts[index] not in (Rule.ACCEPTED, Rule.ABSENT) for index in study.malicious)
    assert sum(verdict is Rule.ACCEPTED for verdict in verdicts) >= 3


def test_hospitals_that_vanish_before_or_after_committing_cost_themselves_the_round(remote: Make) -> None:
    federation = remote(
        small(
            hospitals={"count": 8, "drop_before": 0.2, "drop_after": 0.3},
            runtime={"deadline_seconds": 8},
            aggregation={"quorum": 0.4},
        )
    )
    federation.run()
    (state,) = attempts(federation)
    expected = [
        Rule.ABSENT
        if drops(federation.prepared.study, "before", index, 1, 0)
        else Rule.ENVELOPE
        if drops(federation.prepared.study, "after", index, 1, 0)
        else Rule.ACCEPTED
        for index in range(8)
    ]
    assert state.phase is Phase.RELEASED
    assert [Rule(code) for code in state.verdicts] == expected
    assert {Rule.ABSENT, Rule.ENVELOPE} & set(expected)
    assert federation.chain.reader.complaints() == []
