"""A study on real networks, each party on its own organisation's node, undisturbed and with a sealer at fault."""

import re
from typing import Any

import pytest

from mithridate.errors import RuleViolation
from mithridate.ledger.interface import Phase
from mithridate.ledger.rules import SENTENCES

pytestmark = pytest.mark.slow
Local = Any
Study = Any
MISSING = 3
"""The auditor's sealer: the validators' own nodes go on, as they must for them to take part."""


def refused(reason: str) -> Any:
    return pytest.raises(RuleViolation, match=re.escape(SENTENCES[reason]))


def next_round(study: Study) -> int:
    latest = study.coordinator.latest()
    return 1 if latest is None else latest.round + 1


def test_a_round_reads_the_same_on_every_node_whatever_a_minority_attests(study: Study) -> None:
    number = next_round(study)
    for step in (study.open, study.submit, study.draw, study.bind):
        step(number)
    study.attest(number, wrong=[2])
    study.release(number)
    current, stable, *attempts = study.same_everywhere()
    assert current == stable == study.model(number)
    right, wrong = study.model(number), study.model(10_000)
    assert attempts[-1].attestations == {0: right, 1: right, 2: wrong}
    assert attempts[-1].model_hash == right
    with refused("already begun"):
        study.administrator.begin(right, right)
    with refused("no such attempt"):
        study.reader.attempt(9_999, 0)


def test_a_round_ends_with_a_sealer_killed_restarted_and_paused(study: Study, local: Local) -> None:
    number, sealer = next_round(study), local.sealers[MISSING]
    study.open(number)
    sealer.kill()
    study.submit(number)
    study.draw(number)
    sealer.restart()
    study.bind(number)
    sealer.pause()
    study.attest(number)
    sealer.resume()
    study.release(number)
    current, _, *attempts = study.same_everywhere()
    assert current == study.model(number)
    assert [state.phase for state in attempts] == [Phase.RELEASED] * number
    assert [state.model_hash for state in attempts] == [study.model(each) for each in range(1, number + 1)]
