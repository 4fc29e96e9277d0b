"""The cascade in the clear on real training: each detector fires on its attack, and on no honest hospital."""

from dataclasses import replace

import numpy as np
import pytest

from mithridate.verification.pipeline import Standing, curator_records
from mithridate.verification.schedule import due
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

EVERYONE = range(10)
BAD = (0, 3, 5, 8)
HONEST = tuple(index for index in EVERYONE if index not in BAD)
ACCEPTED = Rule.ACCEPTED


def seed_of(number):
    return bytes([number]) * 32


def judge(task, updates, pipeline=None, hospitals=EVERYONE, standing=None, direction=None, number=1):
    pipeline = pipeline or task.pipeline()
    direction = task.curated(number)[0] if direction is None else direction
    before = standing or Standing.of(len(pipeline.records))
    return pipeline.judge(hospitals, updates, task.base, direction, before, seed_of(number))


def only(judged, rule):
    """Whether exactly the bad hospitals got `rule`, and all others were accepted."""
    return judged.rules == tuple(rule if index in BAD else ACCEPTED for index in EVERYONE)


@pytest.fixture(scope="module")
def task(make_task):
    return make_task()


@pytest.fixture(scope="module")
def direction(task):
    return task.curated(1)[0]


@pytest.fixture(scope="module")
def honest(task):
    return task.trained(task.split.hospitals, 1)


@pytest.fixture(scope="module")
def study_of_flippers(task):
    """Five rounds of a study in which the bad hospitals flip their labels, and what was judged in each."""
    standing, history = task.standing(), []
    pipeline, records = task.pipeline(), np.array([len(each) for each in task.split.hospitals], dtype=float)
    for number in range(1, 6):
        present = [index for index in EVERYONE if not standing.suspended[index]]
        updates = task.trained(task.flipped(BAD), number)
        direction, own = task.curated(number)
        judged = judge(task, updates[present], pipeline, present, standing, direction, number)
        history.append((present, judged))
        standing = judged.standing
        kept = [index for index, rule in zip(present, judged.rules, strict=True) if rule is ACCEPTED]
        curator = curator_records(task.study.defence, int(records[kept].sum()), int(records.sum()))
        task = task.moved((records[kept] @ updates[kept] + curator * own[0]) / (records[kept].sum() + curator))
    return history


def test_the_verdicts_name_exactly_the_four_label_flippers_of_ten(study_of_flippers):
    _, first = study_of_flippers[0]
    assert only(first, Rule.GRADIENT)


def test_the_flippers_are_suspended_in_the_second_round_and_gone_in_the_third(study_of_flippers):
    _, second = study_of_flippers[1]
    assert only(second, Rule.SUSPENDED)
    assert second.standing.suspended == tuple(index in BAD for index in EVERYONE)
    for present, later in study_of_flippers[2:]:
        assert tuple(present) == HONEST
        assert later.rules == (ACCEPTED,) * 6
        assert later.standing.suspended == second.standing.suspended
        np.testing.assert_array_equal(later.standing.evidence[list(BAD)], second.standing.evidence[list(BAD)])


def test_without_an_attack_all_are_accepted_and_no_evidence_gathers(task, honest, direction):
    judged = judge(task, honest, direction=direction)
    assert judged.rules == (ACCEPTED,) * 10
    assert not judged.standing.evidence.any()


@pytest.mark.parametrize("factor", [-1.0, -5.0])
def test_sign_flips_are_caught(factor, task, honest, direction):
    updates = honest.copy()
    updates[list(BAD)] *= factor
    assert only(judge(task, updates, direction=direction), Rule.GRADIENT if factor == -1 else Rule.NORM)


def test_scaled_copied_and_random_updates_are_caught_each_by_its_rule(task, honest, direction):
    pipeline = replace(task.pipeline(), settings=DefenceSettings(noise_cosine=0.05))
    rng = np.random.default_rng(0)
    noise = rng.normal(size=honest[:4].shape)
    norms = np.linalg.norm(honest[list(BAD)], axis=1, keepdims=True)
    for bad, rule in (
        (6 * honest[list(BAD)], Rule.NORM),
        (np.repeat(honest[:1], 4, axis=0), Rule.SIMILARITY),
        (norms * noise / np.linalg.norm(noise, axis=1, keepdims=True), Rule.SIMILARITY),
    ):
        updates = honest.copy()
        updates[list(BAD)] = bad
        assert only(judge(task, updates, pipeline, direction=direction), rule)


SURE = {"standard_errors": 4.0, "margin_cap": 5.0}


def of_inference(task, inference="all", **changes):
    """A pipeline in which only encrypted inference can tell harmful updates."""
    settings = DefenceSettings(detectors=("range", "inference"), inference=inference, **{**SURE, **changes})
    return replace(task.pipeline(), settings=settings)


@pytest.fixture(scope="module")
def flipped(task):
    return task.trained(task.flipped(BAD), 1)


def test_encrypted_inference_alone_names_the_label_flippers(task, flipped, direction):
    judged = judge(task, flipped, of_inference(task), direction=direction)
    assert only(judged, Rule.INFERENCE)
    assert judged.standing.evidence.tolist() == [float(index in BAD) for index in EVERYONE]
    assert set(judged.stages) == set(EVERYONE)
    assert judged.standing.waited == (0,) * 10


def test_without_inference_and_gradient_the_flippers_pass(task, flipped, direction):
    blind = replace(task.pipeline(), settings=DefenceSettings(detectors=("range", "norm")))
    assert judge(task, flipped, blind, direction=direction).rules == (ACCEPTED,) * 10


def test_the_first_stage_decides_the_clear_cases_and_all_samples_the_others(task, flipped, honest, direction):
    clear = judge(task, flipped, of_inference(task), direction=direction)
    assert 1 in clear.stages.values()
    updates = honest.copy()
    updates[0] = 0
    judged = judge(task, updates, of_inference(task), direction=direction)
    assert judged.stages[0] == 2
    assert judged.rules[0] is ACCEPTED


def test_only_who_is_due_or_undecided_is_checked(task, flipped, direction):
    settings = DefenceSettings(least_score=-2.0, score_floor=-2.0, score_share=0.0, **SURE)
    pipeline = replace(task.pipeline(), settings=settings)
    waited = (0, 2, 1, 0, 1, 0, 0, 0, 2, 0)
    evidence = np.zeros(10)
    # Hospital 3 keeps some evidence after the round's forgiveness: it is undecided.
    evidence[3] = 0.8
    standing = Standing(evidence, waited, (False,) * 10)
    judged = judge(task, flipped, pipeline, standing=standing, direction=direction, number=4)
    drawn = {index for index, chosen in enumerate(due(settings, waited, seed_of(4))) if chosen}
    assert {1, 8} <= drawn != set(EVERYONE)
    assert set(judged.stages) == drawn | {3}
    for index in EVERYONE:
        assert judged.standing.waited[index] == (0 if index in judged.stages else waited[index] + 1)
        assert judged.rules[index] is (Rule.INFERENCE if index in BAD and index in judged.stages else ACCEPTED)


def test_an_audit_of_none_checks_none(task, flipped, direction):
    judged = judge(task, flipped, of_inference(task, "audit:0"), direction=direction)
    assert judged.rules == (ACCEPTED,) * 10
    assert judged.stages == {}
    assert judged.standing.waited == (1,) * 10


def test_a_finding_of_inference_puts_a_hospital_in_quarantine_in_the_next_round(task, flipped, honest, direction):
    pipeline = replace(
        task.pipeline(),
        settings=DefenceSettings(
            least_score=-2.0, score_floor=-2.0, score_share=0.0, quarantine=0.4, inference="all", **SURE
        ),
    )
    first = judge(task, flipped, pipeline, direction=direction)
    assert only(first, Rule.INFERENCE)
    second = judge(task, honest, pipeline, standing=first.standing, direction=direction)
    assert only(second, Rule.GRADIENT)
    assert second.standing.evidence.tolist() == pytest.approx([0.5 * (index in BAD) for index in EVERYONE])


def test_absent_hospitals_keep_their_standing(task, honest, direction):
    evidence = np.linspace(0, 3, 10)
    before = Standing(evidence, tuple(range(10)), (False,) * 9 + (True,))
    judged = judge(task, honest[:4], hospitals=(1, 2, 4, 7), standing=before, direction=direction)
    assert len(judged.rules) == 4
    for index in (0, 3, 5, 6, 8, 9):
        assert judged.standing.evidence[index] == evidence[index]
        assert judged.standing.waited[index] == index
    assert judged.standing.suspended[9]


def test_judging_changes_nothing_that_it_was_given(task, flipped, direction):
    before = task.standing()
    updates, base, towards = flipped.copy(), task.base.copy(), direction.copy()
    judge(task, flipped, standing=before, direction=direction)
    np.testing.assert_array_equal(before.evidence, np.zeros(10))
    for now, then in ((flipped, updates), (task.base, base), (direction, towards)):
        np.testing.assert_array_equal(now, then)


def test_the_range_check_reads_projections_of_the_rounds_seed(task, honest, direction):
    updates = honest.copy()
    updates[list(BAD), 0] = 2.0**14
    assert only(judge(task, updates, direction=direction), Rule.RANGE)


@pytest.mark.parametrize(("accepted", "enrolled", "expected"), [(100, 100, 30), (60, 100, 58), (0, 100, 100)])
def test_the_curator_stands_in_for_those_left_out(accepted, enrolled, expected):
    assert curator_records(DefenceSettings(curator_weight=0.3), accepted, enrolled) == expected
