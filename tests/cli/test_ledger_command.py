"""`mithridate ledger show` and `verify` on journals made by hand: whole, and damaged at some block."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mithridate.evaluation.ledger.cast import Cast, Stage
from mithridate.evaluation.ledger.long_study import BLOCKS_A_ROUND, long_study, one_round
from mithridate.ledger.embedded import EmbeddedLedger

Command = Callable[..., int]
FIRST_BLOCKS = 3
"""Deployment, enrolment with keys, begin."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "study.json").write_text("{}")
    long_study(folder / "ledger.sqlite", 3, 2)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def damage(folder: Path, number: int) -> None:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as database:
        assert database.execute("UPDATE blocks SET header = zeroblob(9) WHERE number = ?", (number,)).rowcount == 1
        database.commit()


def test_a_whole_ledger_has_nothing_altered(
    folder: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("ledger", "show", folder, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["altered"] is None
    assert document["height"] == FIRST_BLOCKS + 3 * BLOCKS_A_ROUND


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one round in which two hospitals had something to say."""
    folder = tmp_path_factory.mktemp("spoken")
    (folder / "study.json").write_text("{}")
    cast = Cast.of(2)
    chain = EmbeddedLedger.create(folder / "ledger.sqlite", cast.administrator, cast.terms())
    stage = Stage(chain, cast)
    stage.begin()
    one_round(stage, 1)
    first, second = stage.hospitals
    first.complain(1, 0, "not what I sent")
    for hospital in (first, second):
        hospital.refuse_study("clip above 1.0")
    first.withdraw_refusal("policy 2")
    chain.close()
    return folder


def test_complaints_and_refusals_are_shown_by_name_with_their_reasons(
    spoken: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("ledger", "show", spoken) == 0
    *_, complaint, refusal = capsys.readouterr().out.splitlines()
    date = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"round 1, attempt 0: hospital-0 complained on {date}: not what I sent", complaint)
    assert re.fullmatch(rf"hospital-1 refuses the study since {date}: clip above 1\.0", refusal)
    assert mithridate("ledger", "show", spoken, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    (complained,), (refused,) = document["complaints"], document["refusals"]
    assert complained.pop("time") <= refused.pop("time")
    assert complained == {"round": 1, "attempt": 0, "hospital": "hospital-0", "reason": "not what I sent"}
    assert refused == {"hospital": "hospital-1", "reason": "clip above 1.0"}


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_a_damaged_ledger_shows_what_is_readable_then_the_damage(
    folder: Path, mithridate: Command, capsys: pytest.CaptureFixture[str], rounds: int
) -> None:
    number = FIRST_BLOCKS + rounds * BLOCKS_A_ROUND + 1
    damage(folder, number)
    assert mithridate("ledger", "show", folder) == 1
    output = capsys.readouterr()
    assert output.out.count("attempt 0: released") == rounds
    assert f"height   {number - 1}" in output.out
    assert f"block {number}" in output.err
    assert mithridate("ledger", "show", folder, "--json") == 1
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert document["altered"].startswith(f"block {number}")
    assert len(document["attempts"]) == rounds
    assert f"block {number}" in output.err


def test_a_ledger_damaged_before_it_began_has_no_model(
    folder: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder, 2)
    assert mithridate("ledger", "show", folder) == 1
    output = capsys.readouterr()
    assert "current  none yet" in output.out
    assert "block 2" in output.err


def test_a_ledger_without_a_readable_block_shows_nothing(
    folder: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder, 1)
    assert mithridate("ledger", "show", folder, "--json") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "block 1" in output.err


def test_verify_stops_at_the_damage(folder: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    damage(folder, 9)
    assert mithridate("ledger", "verify", folder) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "block 9" in output.err
