import numpy as np
import pytest

from mithridate.errors import BenchmarkError
from mithridate.evaluation.calibration import choice
from mithridate.evaluation.calibration.choice import Caught, evidence, gates, highest, points, quarantined, rounds_lost
from mithridate.evaluation.calibration.rates import People
from mithridate.evaluation.calibration.recording import inference_at
from mithridate.evaluation.calibration.thresholds import EVIDENCE, GATES, STANDARD_ERRORS
from mithridate.verification.settings import DefenceSettings


@pytest.fixture(autouse=True)
def _small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    small = dict.fromkeys(EVIDENCE, (0.2,)) | {"score_floor": (-0.2, 0.0), "score_slope": (1.0, 4.0)}
    monkeypatch.setattr(choice, "EVIDENCE", small)
    monkeypatch.setattr(choice, "SUSPENSIONS", (1.0, 2.0, 4.0))


def test_an_attack_that_can_be_told_apart_is_told_apart(make_recording) -> None:
    recordings = [make_recording(500, malicious=200), make_recording(500, malicious=0)]
    best, grid = evidence(recordings, People.of(recordings), DefenceSettings(), 0.01)
    assert best.caught.allowed(0.01)
    assert (best.caught.everywhere.value, best.caught.mean) == (0.0, 1.0)
    assert len(grid) == 12


def test_honest_hospitals_limit_the_choice(make_recording) -> None:
    # A tenth of the honest score a little below zero; the attackers score as badly as they.
    scores = np.full((1, 10, 1000), 0.5)
    scores[..., 300:400], scores[..., :200] = -0.1, -0.1
    recordings = [make_recording(1000, malicious=200, scores=scores)]
    people = People.of(recordings)
    best, grid = evidence(recordings, people, DefenceSettings(), 0.01)
    assert best.caught.allowed(0.01)
    assert best.caught.mean == 0
    caught = [each for each in grid if each.caught.mean]
    assert caught
    assert {each.caught.everywhere.value for each in caught} == {100 / 800}
    # Where that many may be suspended, they are.
    assert evidence(recordings, people, DefenceSettings(), 0.2)[0].caught.mean == 1


def test_too_few_hospitals_choose_the_fewest_suspended_and_say_so(make_recording) -> None:
    recordings = [make_recording(10)]
    best, _ = evidence(recordings, People.of(recordings), DefenceSettings(), 0.01)
    assert not best.caught.allowed(0.01)
    assert (best.caught.everywhere.value, best.caught.mean) == (0.0, 1.0)


def test_one_dataset_may_not_make_up_for_another(make_recording) -> None:
    many, few = make_recording(2000, malicious=0), make_recording(100, malicious=0, good=-1.0, dataset="pima_diabetes")
    people = People.of([many, few])
    out = highest([many, few], DefenceSettings(score_slope=4.0)) >= 4
    out[2000 + 2 :] = False
    caught = Caught.of(people, out)
    assert caught.everywhere.high < 0.01
    assert caught.honest["pima_diabetes"].value == 0.02
    assert not caught.allowed(0.01)


def test_harmless_attacks_do_not_count(make_recording) -> None:
    recordings = [make_recording(lost=1.9)]
    with pytest.raises(BenchmarkError, match="no attack"):
        evidence(recordings, People.of(recordings), DefenceSettings(), 0.01)


def test_a_gate_takes_the_strictest_value_that_spares_the_honest(make_recording) -> None:
    # With the fifth value one of 1000 honest hospitals is flagged in one round, with the seventh 50 are.
    norms = np.full((1, 10, 1000), len(GATES[0].values))
    norms[0, 3, 999], norms[0, 5, 940:990], norms[0, :, 0] = 4, 6, 2
    recordings = [make_recording(1000, malicious=0), make_recording(1000, norm_multiple=norms, malicious=400)]
    found = gates(recordings, People.of(recordings), 0.01)
    value, caught = found["norm_multiple"]
    assert value == GATES[0].values[5]
    # One of its two studies.
    assert caught.everywhere.value == pytest.approx(0.5 / 1000)
    assert caught.mean == pytest.approx(1 / 400)
    assert gates(recordings, People.of(recordings), 0.0)["norm_multiple"][0] == GATES[0].values[3]


def test_the_cap_is_the_one_that_finds_most(make_recording) -> None:
    found = np.full((1, 10, 1000), len(STANDARD_ERRORS))
    found[..., :200] = 4
    recordings = [make_recording(1000, malicious=400, **{inference_at(5.0): found})]
    chosen = gates(recordings, People.of(recordings), 0.01)
    assert chosen["margin_cap"][0] == 5.0
    assert chosen["margin_cap"][1].mean == 0.5


def test_the_quarantine_is_the_lowest_that_the_honest_can_bear(make_recording) -> None:
    # 4 of 40 honest score -0.1 throughout: evidence 0.4, 0.8, ... 4.0 at slope 4.
    scores = np.full((1, 10, 40), 0.5)
    scores[..., :4] = -0.1
    recordings = [make_recording(40, malicious=0, scores=scores)]
    people = People.of(recordings)
    alone = DefenceSettings(score_floor=0.0, score_share=0.0, score_slope=4.0, suspension=8.0)
    settings = quarantined(recordings, people, alone, 0.01)
    # They lose the rounds above the level: five of ten are 5 %.
    assert settings.quarantine == 2.0
    assert rounds_lost(recordings, people, settings)["mnist"] == pytest.approx(0.05)
    lower = settings.model_copy(update={"quarantine": 1.9})
    assert rounds_lost(recordings, people, lower)["mnist"] > 0.05


def test_a_quarantine_stays_below_the_suspension(make_recording) -> None:
    recordings = [make_recording(10, malicious=0, good=-1.0)]
    settings = DefenceSettings(quarantine=0.1, suspension=1.0)
    assert quarantined(recordings, People.of(recordings), settings, 0.01).quarantine == 0.9


def test_a_quarantine_that_keeps_attackers_from_being_checked_is_not_chosen(make_recording) -> None:
    # Attackers gather 0.4 a round by their scores alone; encrypted inference, if it may look, finds them harmful.
    found = np.full((1, 10, 10), len(STANDARD_ERRORS))
    found[..., :4] = 0
    recordings = [make_recording(bad=-0.1, **{inference_at(10.0): found})]
    settings = DefenceSettings(least_score=-2.0, score_floor=0.0, score_share=0.0, score_slope=4.0, suspension=5.0)
    chosen = quarantined(recordings, People.of(recordings), settings, 0.2)
    people = People.of(recordings)
    assert chosen.quarantine >= 0.4
    assert choice.replay_of(recordings, people, chosen).caught.mean == 1
    low = choice.replay_of(recordings, people, settings.model_copy(update={"quarantine": 0.1}))
    assert low.caught.mean == 0


def test_a_cap_at_which_honest_hospitals_are_spared_is_preferred(make_recording) -> None:
    none, all_flagged = np.full((1, 10, 10), len(STANDARD_ERRORS)), np.zeros((1, 10, 10), dtype=int)
    some = none.copy()
    some[..., 0] = 3
    recordings = [
        make_recording(**{inference_at(2.0): all_flagged, inference_at(5.0): some, inference_at(10.0): all_flagged})
    ]
    chosen = gates(recordings, People.of(recordings), 0.01)
    assert (chosen["margin_cap"][0], chosen["margin_cap"][1].mean) == (5.0, 0.25)


def test_every_point_has_settings_that_a_study_takes(make_recording) -> None:
    recordings = [make_recording()]
    for each in points(recordings, People.of(recordings), DefenceSettings()):
        assert DefenceSettings.model_validate(each.settings.model_dump()) == each.settings
