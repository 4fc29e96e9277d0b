from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.evaluation.calibration.check import outcomes
from mithridate.evaluation.calibration.recording import Recording, first_flagged, joined, record
from mithridate.evaluation.calibration.replay import flagged_by, harmful, proofs, replayed
from mithridate.evaluation.calibration.studies import SHARE
from mithridate.evaluation.calibration.thresholds import WATCHED
from mithridate.evaluation.detection.cells import NO_ATTACK, OURS, Cell, malicious
from mithridate.verification.settings import DefenceSettings

HOSPITALS = 6
ATTACKS = ("sleeper", "gaussian x4")
CELLS = (
    Cell("breast_cancer", "dirichlet-0.5", HOSPITALS, 0.0, NO_ATTACK, OURS, 3),
    *(Cell("breast_cancer", "dirichlet-0.5", HOSPITALS, SHARE, attack, OURS, 3) for attack in ATTACKS),
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record(CELLS)


def test_a_replay_under_the_studys_own_settings_is_what_the_pipeline_came_to(recording: Recording) -> None:
    # All kinds of evidence are in it, or nothing is compared.
    assert proofs(recording, DefenceSettings()).any()
    assert harmful(recording, DefenceSettings(standard_errors=2.0)).any()
    again = replayed(recording, DefenceSettings(suspension=WATCHED))
    assert again.max() > 4
    np.testing.assert_allclose(again, recording["evidence"], atol=1e-9)


def test_a_replay_suspends_whom_the_pipeline_suspends_first(recording: Recording) -> None:
    default = DefenceSettings()
    over = replayed(recording, default) >= default.suspension
    left = [one.suspended for one in outcomes(CELLS, default)]
    assert any(left)
    for study, suspended in enumerate(left):
        rounds = np.flatnonzero(over[study].any(axis=1))
        # Until somebody has left, both studies are one.
        first = set(np.flatnonzero(over[study, rounds[0]]).tolist()) if len(rounds) else set()
        assert first <= suspended
        assert bool(first) == bool(suspended)


def test_stricter_settings_give_more_evidence(recording: Recording) -> None:
    default = DefenceSettings()
    before = replayed(recording, default)
    for changed in ({"score_floor": 0.1}, {"forgiveness": 0.0}, {"noise_cosine": 0.15}):
        assert (replayed(recording, default.model_copy(update=changed)) >= before - 1e-9).all()
    assert replayed(recording, default.model_copy(update={"score_floor": 0.1})).sum() > before.sum() + 1


def test_attackers_are_marked_and_only_while_they_attack(recording: Recording) -> None:
    for study, cell in enumerate(CELLS):
        assert tuple(np.flatnonzero(recording["malicious"][study])) == malicious(cell)
        assert not recording["attacking"][study][:, ~recording["malicious"][study]].any()
    sleeping = recording["attacking"][1][:, list(malicious(CELLS[1]))]
    assert not sleeping[:3].any()
    assert sleeping[3:].all()


def test_what_an_attack_costs_is_measured_undefended(recording: Recording) -> None:
    assert recording["lost"][0] == 0
    assert recording["lost"][1] > 2


def test_a_recording_survives_its_file(recording: Recording, tmp_path: Path) -> None:
    recording.save(tmp_path / "new" / "one.npz")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one.npz"]
    loaded = Recording.load(CELLS, tmp_path / "new" / "one.npz")
    assert loaded.arrays.keys() == recording.arrays.keys()
    assert all((loaded[name] == recording[name]).all() for name in recording.arrays)


def test_studies_of_equal_size_are_joined(make_recording) -> None:
    parts = [make_recording(10), make_recording(12), make_recording(10, seed=2)]
    small, large = joined(parts)
    assert (small.cells, large.cells) == ((*parts[0].cells, *parts[2].cells), parts[1].cells)
    assert small["scores"].shape == (2, 10, 10)
    assert small["lost"].shape == (2,)


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=8),
    st.lists(st.floats(0, 30), min_size=2, max_size=9, unique=True).map(sorted),
    st.booleans(),
)
def test_updates_are_flagged_by_every_threshold_as_by_the_detector(
    measured: list[float], values: list[float], upper: bool
) -> None:
    def flags(threshold: float) -> np.ndarray:
        return np.array(measured) > threshold if upper else np.array(measured) < threshold

    loosest_first = tuple(values[::-1] if upper else values)
    first = first_flagged(flags, loosest_first, len(measured))
    for value in values:
        assert (flagged_by(first, loosest_first, value) == flags(value)).all()
    beyond = max(values) + 1 if upper else min(values) - 1
    assert not flagged_by(first, loosest_first, beyond).any()
