import pytest

from mithridate.attacks import parse_attack
from mithridate.errors import InputError
from mithridate.evaluation.calibration.studies import ATTACKS, PROFILES, SHARE, Plan, profile, study_of
from mithridate.evaluation.calibration.thresholds import CALIBRATED, GATES, STANDARD_ERRORS, WATCHED, knobs
from mithridate.evaluation.detection import labels
from mithridate.evaluation.detection.cells import NO_ATTACK, OURS, Cell
from mithridate.evaluation.detection.labels import Scene, applies
from mithridate.evaluation.detection.profiles import DATASETS, FIRST_SEED
from mithridate.verification.settings import DefenceSettings

PLANS = [plan for plans in PROFILES.values() for plan in plans]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.dataset)
def test_nothing_of_the_benchmark_is_calibrated_on(plan: Plan) -> None:
    assert plan.dataset not in DATASETS
    assert max((*plan.seeds, *plan.fresh)) < FIRST_SEED


def test_no_study_is_checked_on_a_seed_that_it_was_calibrated_on() -> None:
    for plans in PROFILES.values():
        assert not {seed for plan in plans for seed in plan.seeds} & {seed for plan in plans for seed in plan.fresh}


@pytest.mark.parametrize("dataset", ["mnist", "pima_diabetes"])
def test_no_attack_has_the_parameters_of_one_that_is_reported(dataset: str) -> None:
    scene = Scene(dataset, 10, 10, (1, 4, 5, 7))
    reported = [
        [parse_attack(entry) for entry in entries(scene)]
        for name, entries in labels.ATTACKS.items()
        if applies(name, "digits")
    ]
    for name, entries in ATTACKS.items():
        assert [parse_attack(entry) for entry in entries(scene)] not in reported, name


def test_a_group_has_every_attack_and_first_a_study_without() -> None:
    plan = PROFILES["everyday"][-1]
    for group in plan.groups(plan.seeds):
        assert [cell.attack for cell in group] == [NO_ATTACK, *plan.attacks]
        assert len({(cell.dataset, cell.partition, cell.hospitals, cell.seed) for cell in group}) == 1


def test_a_study_has_the_settings_asked_for() -> None:
    settings = DefenceSettings(suspension=WATCHED, score_floor=-0.1)
    for attack in ATTACKS:
        study = study_of(Cell("pima_diabetes", "rare", 10, SHARE, attack, OURS, 7), settings)
        assert study.defence == settings
        assert (study.seed, study.hospitals.count, len(study.malicious)) == (7, 10, 4)
        # Not even evidence of both kinds in every round adds up to it.
        assert 2 * study.training.rounds < WATCHED


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(InputError, match="smoke, everyday"):
        profile("full")


def test_every_number_of_the_settings_is_calibrated_but_the_sign_of_a_score() -> None:
    assert set(knobs(DefenceSettings())) - {"least_score"} == set(CALIBRATED)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.setting)
def test_the_values_of_a_gate_are_settings_in_order_with_the_default_among_them(gate) -> None:
    assert getattr(DefenceSettings(), gate.setting) in gate.values
    for value in gate.values:
        assert getattr(DefenceSettings(**{gate.setting: value}), gate.setting) == value
    assert list(gate.values) in (sorted(gate.values), sorted(gate.values, reverse=True))


def test_the_default_standard_errors_are_among_the_values() -> None:
    assert DefenceSettings().standard_errors in STANDARD_ERRORS
