import pytest

from mithridate.cli.progress import RoundProgress, round_line
from mithridate.evaluation.records import RoundRecord

HASH = "ab" * 32


def record(**fields: object) -> RoundRecord:
    common: dict[str, object] = {
        "round": 3,
        "model_hash": HASH,
        "status": "released",
        "hospitals": 10,
        "trained": 10,
        "submitted": 10,
        "accuracy": 0.9581,
        "attested": 3,
        "validators": 3,
        "height": 41,
        "verdicts": {"hospital-0": "accepted", "hospital-2": "norm", "hospital-7": "validation loss"},
    }
    return RoundRecord.model_validate({**common, **fields})


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            record(),
            "[ROUND 3/10] train 10/10 | verify: 1 accepted, 2 rejected (hospital-2: norm; hospital-7: validation loss)"
            " | accuracy 0.958 | attested 3/3, block 41",
        ),
        (
            record(verdicts={"hospital-0": "accepted", "hospital-1": "absent"}, trained=9),
            "[ROUND 3/10] train 9/10 | verify: 1 accepted, 1 absent | accuracy 0.958 | attested 3/3, block 41",
        ),
        (
            record(status="rolled_back", reason="loss 0.9 is beyond 0.2"),
            "[ROUND 3/10] train 10/10 | verify: 1 accepted, 2 rejected (hospital-2: norm; hospital-7: validation loss)"
            " | rolled back: loss 0.9 is beyond 0.2 | accuracy 0.958 | attested 3/3, block 41",
        ),
        (
            record(status="void", attempt=1, reason="quorum", verdicts={}, accuracy=None, attested=0, model_hash=None),
            "[ROUND 3/10, attempt 2] train 10/10 | void: quorum | attested 0/3, block 41",
        ),
        (
            record(validators=0, attested=0, height=None, verdicts={"hospital-0": "accepted"}),
            "[ROUND 3/10] train 10/10 | accuracy 0.958",
        ),
        (
            RoundRecord(round=0, model_hash=HASH, status="initial", accuracy=0.5, loss=1.0, worst_class_recall=0.0),
            "[ROUND 0/10] initial model | accuracy 0.500",
        ),
    ],
)
def test_the_line_of_a_round(given: RoundRecord, line: str) -> None:
    assert round_line(given, 10) == line


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = {f"hospital-{index}": "similarity" for index in range(100)}
    with RoundProgress(10, 100) as progress:
        progress.phase(3, "train")
        progress.round_done(record(verdicts=verdicts))
    output = capsys.readouterr()
    assert output.out == round_line(record(verdicts=verdicts), 10) + "\n"
    assert output.err == ""


def test_without_lines_stdout_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    with RoundProgress(10, 10, lines=False) as progress:
        progress.round_done(record())
    assert capsys.readouterr().out == ""
