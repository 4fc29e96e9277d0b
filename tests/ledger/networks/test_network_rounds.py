"""A study on real networks, each party on its own organisation's node."""

import re
from typing import Any

import pytest

from mithridate.errors import RuleViolation
from mithridate.ledger.interface import Phase
from mithridate.ledger.rules import SENTENCES

pytestmark = pytest.mark.slow
Study = Any


def refused(reason: str) -> Any:
    return pytest.raises(RuleViolation, match=re.escape(SENTENCES[reason]))


def test_a_round_from_opening_to_release_reads_the_same_on_every_node(study: Study) -> None:
    number = study.coordinator.latest().round + 1
    study.play(number)
    current, stable, *attempts = study.same_everywhere()
    assert current == stable == study.model(number)
    assert [state.model_hash for state in attempts] == [study.model(each) for each in range(1, number + 1)]
    assert all(state.phase == Phase.RELEASED and state.attestations for state in attempts)


def test_the_contracts_reason_comes_with_a_refusal(study: Study) -> None:
    with refused("already begun"):
        study.administrator.begin(study.model(0), study.model(0))
    with refused("no such attempt"):
        study.reader.attempt(9_999, 0)


def test_a_minority_validator_that_attests_a_wrong_hash_changes_nothing(study: Study) -> None:
    number = study.coordinator.latest().round + 1
    for step in (study.open, study.submit, study.draw, study.bind):
        step(number)
    study.phase(study.validators[2], number, lambda state: state.phase == Phase.BOUND)
    study.validators[2].attest_model(number, 0, study.model(10_000))
    study.attest(number)
    study.release(number)
    current, _, *attempts = study.same_everywhere()
    assert current == study.model(number)
    assert attempts[-1].attestations == {0: study.model(number), 1: study.model(number), 2: study.model(10_000)}
