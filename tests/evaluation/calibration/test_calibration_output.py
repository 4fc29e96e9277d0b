import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from mithridate.cli import main
from mithridate.errors import BenchmarkError
from mithridate.evaluation.calibration import choice, procedure, tables
from mithridate.evaluation.calibration.check import Outcome
from mithridate.evaluation.calibration.figure import write_figure
from mithridate.evaluation.calibration.procedure import Calibration, Workers, calibrate
from mithridate.evaluation.calibration.recording import Recording
from mithridate.evaluation.calibration.studies import PROFILES, Plan
from mithridate.evaluation.calibration.thresholds import CALIBRATED, CURATOR_WEIGHTS, EVIDENCE
from mithridate.evaluation.detection.cells import Cell, malicious
from mithridate.verification.settings import DefenceSettings

PLAN = Plan("mnist", (1,), (501,), (10,), ("iid",), ("sign flip 2", "alie z=1"))


class Playing(Workers):
    """Workers that make up what studies come to: attackers score badly, and only the code's settings miss them."""

    make: Callable[..., Recording]

    def recorded(self, groups) -> list[Recording]:
        return [self.make(500, malicious=200), self.make(500, malicious=0)]

    def played(self, title, groups, settings) -> list[list[Outcome]]:
        # The curator's weight gains up to 0.3 and a little beyond.
        return [
            [
                Outcome(cell, 0.5 + min(each.curator_weight, 0.301), _out(cell, each))
                for group in groups
                for cell in group
            ]
            for each in settings
        ]


def _out(cell: Cell, settings: DefenceSettings) -> frozenset[int]:
    return frozenset() if settings == DefenceSettings() or not cell.share else frozenset(malicious(cell))


@pytest.fixture(scope="module")
def found(make_recording: Callable[..., Recording], tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    workers = Playing(1, tmp_path_factory.mktemp("recordings"), Console(quiet=True))
    object.__setattr__(workers, "make", make_recording)
    with pytest.MonkeyPatch.context() as patch:
        small = dict.fromkeys(EVIDENCE, (0.2,)) | {"score_floor": (-0.6, 0.0), "score_slope": (4.0,)}
        patch.setattr(choice, "EVIDENCE", small)
        return calibrate([PLAN], 0.01, workers)


def test_the_least_weight_that_is_good_enough_is_chosen(found: Calibration) -> None:
    assert tuple(found.weights) == CURATOR_WEIGHTS
    assert found.chosen.settings.curator_weight == 0.3


def test_the_snippet_is_a_defence_that_a_study_takes(found: Calibration) -> None:
    section = tomllib.loads(tables.toml(found))["defence"]
    assert tuple(section) == CALIBRATED
    assert DefenceSettings.model_validate(section) == found.chosen.settings


def test_the_answer_names_every_threshold_with_its_default_and_what_it_was_chosen_by(found: Calibration) -> None:
    answer = json.loads(json.dumps(tables.answer(found), allow_nan=False))
    default = DefenceSettings()
    assert [each["setting"] for each in answer["thresholds"]] == list(CALIBRATED)
    for each in answer["thresholds"]:
        assert each["default"] == getattr(default, each["setting"])
        assert each["basis"]
    assert answer["allowed"]
    assert answer["studies"]["plans"][0]["attacks"] == ["sign flip 2", "alie z=1"]
    assert answer["studies"]["plans"][0]["fresh_seeds"] == [501]
    assert answer["replayed"]["calibrated"]["harmful_attackers"]["mnist"]["share"] == 1.0


def test_the_check_compares_the_settings_by_partition(found: Calibration) -> None:
    rows = tables.checked(found)
    assert [(row["settings"], row["partition"]) for row in rows] == [
        ("default", "iid"),
        ("default", "all"),
        ("calibrated", "iid"),
        ("calibrated", "all"),
    ]
    # Of the fresh studies' attacks none has a key of a harmful recorded study: those have 500 hospitals.
    assert rows[0]["harmful_attackers_suspended"] is None
    harmful = replace(found, harms=frozenset(one.cell.study for one in found.checked["default"]))
    shares = [row["harmful_attackers_suspended"]["share"] for row in tables.checked(harmful)]
    assert shares == [0.0, 0.0, 1.0, 1.0]
    assert {row["honest_suspended"]["share"] for row in rows} == {0.0}


def test_no_setting_of_the_grid_beats_the_frontier(found: Calibration) -> None:
    best = tables.frontier(found.grid)
    assert best
    for left, right in pairwise(best):
        assert left.caught.everywhere.value < right.caught.everywhere.value
        assert left.caught.mean < right.caught.mean
    for each in found.grid:
        assert any(
            p.caught.everywhere.value <= each.caught.everywhere.value and p.caught.mean >= each.caught.mean
            for p in best
        )


def test_the_figure_is_a_png(found: Calibration, tmp_path: Path) -> None:
    write_figure(found, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("json_wanted", [False, True])
def test_the_command_writes_its_files_and_prints_what_was_chosen(
    json_wanted: bool,
    found: Calibration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []
    monkeypatch.setattr(procedure, "calibrate", lambda *given: asked.append(given) or found)
    out = tmp_path / "out"
    given = ["--profile", "smoke", "--out", str(out), "--honest-error", "0.02", "--workers", "1"]
    with pytest.raises(SystemExit) as end:
        main(["calibrate", *given, *(["--json"] if json_wanted else [])])
    assert end.value.code == 0
    plans, error, workers = asked[0]
    assert (plans, error, workers.count, workers.folder) == (PROFILES["smoke"], 0.02, 1, out / "recordings")
    printed = capsys.readouterr().out
    if json_wanted:
        answer = json.loads(printed)
        assert sorted(map(Path, answer["files"])) == sorted(out.iterdir())
        assert json.loads((out / "calibration.json").read_text())["thresholds"] == answer["thresholds"]
    else:
        assert tables.toml(found) in printed
        assert (out / "defence.toml").read_text() == tables.toml(found)


def test_an_unknown_profile_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["calibrate", "--profile", "full"])
    assert end.value.code == 2
    assert "smoke, everyday" in capsys.readouterr().err


def test_only_studies_that_the_folder_lacks_are_played(
    make_recording: Callable[..., Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = []

    def each(self: Workers, title: str, function: object, jobs: list[tuple[object, ...]]) -> list[None]:
        for group, path in jobs:
            played.append(group)
            make_recording().save(path)
        return []

    monkeypatch.setattr(Workers, "each", each)
    workers = Workers(1, tmp_path, Console(quiet=True))
    groups = PLAN.groups((1,))
    workers.recorded(groups)
    more = PLAN.groups((1, 2))
    assert len(workers.recorded(more)) == 2
    assert played == [groups[0], more[1]]
    # Other attacks are another recording, even of the same seed.
    workers.recorded([groups[0][:2]])
    assert played[-1] == groups[0][:2]


def test_a_dead_worker_is_an_error_with_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures.process import BrokenProcessPool

    class Dead:
        def __init__(self, *_: object, **__: object) -> None: ...

        def submit(self, *_: object) -> object:
            raise BrokenProcessPool

        def shutdown(self, **_: object) -> None: ...

    monkeypatch.setattr(procedure, "ProcessPoolExecutor", Dead)
    with pytest.raises(BenchmarkError, match="worker process died"):
        Workers(1, tmp_path, Console(quiet=True)).each("studies", len, [("one",)])
