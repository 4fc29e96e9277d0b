"""`mithridate audit`, `ledger export` and `ledger watch` on a real secure run."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer

from mithridate.cli import main
from mithridate.evaluation.records import read_records, rewrite_records
from mithridate.ledger.embedded import EmbeddedLedger

Captured = pytest.CaptureFixture[str]
STUDY = """
name = "audited"
[hospitals]
count = 4
[model]
name = "logistic"
[training]
rounds = 2
local_epochs = 2
learning_rate = 0.05
[standards]
accuracy = 0.8
worst_class = 0.6
"""


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_of:
        main([str(word) for word in words])
    return int(exit_of.value.code or 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited")
    (folder / "study.toml").write_text(STUDY)
    assert command("run", folder / "study.toml", "--out", folder / "run", "--json") == 0
    return folder / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may alter."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def own_records(path: Path, *, wrong: float = 0.0) -> Path:
    """The auditor's records with the labels of this share of them swapped."""
    data = load_breast_cancer()
    swapped = int(wrong * len(data.data))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "label"])
        for number, (values, label) in enumerate(zip(data.data, data.target, strict=True)):
            writer.writerow([*values.tolist(), data.target_names[1 - label if number < swapped else label]])
    return path


def told(capsys: Captured) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def topics(answer: dict[str, Any]) -> set[str]:
    return {finding["topic"] for finding in answer["findings"]}


def key(run: Path) -> Path:
    return run / "parties" / "auditor" / "account.key"


def said(run: Path) -> Any:
    ledger = EmbeddedLedger.open(run / "ledger.sqlite")
    try:
        view = ledger.reader
        auditor = view.members(3)[0].address  # type: ignore[arg-type]
        return view.statement(view.current_model(), auditor), view.model_record(view.current_model())
    finally:
        ledger.close()


def test_a_clean_run_has_no_findings_and_two_reports(run: Path, capsys: Captured) -> None:
    assert command("audit", run) == 0
    output = capsys.readouterr().out
    assert "nothing was found" in output
    assert "FINDING" not in output
    document = json.loads((run / "audit" / "audit.json").read_text())
    assert document["clean"] is True
    assert document["model"] == json.loads((run / "summary.json").read_text())["model_hash"]
    assert {"records", "model files", "study file", "rules", "reputation"} <= set(document["compared"])
    assert any("cannot" in limit or "nobody can" in limit for limit in document["limits"])
    page = (run / "audit" / "audit.html").read_text()
    assert "Nothing was found" in page
    assert page.count("<svg") == 1
    assert "hospital-3" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://matplotlib.org", "")


def test_a_certificate_names_the_report_and_the_audit_stays_clean(run: Path, tmp_path: Path, capsys: Captured) -> None:
    own = own_records(tmp_path / "own.csv")
    assert command("audit", run, "--data", own, "--certify", key(run), "--json") == 0
    answer = told(capsys)
    statement, record = said(run)
    assert statement.certified
    assert statement.report == hashlib.sha256((run / "audit" / "audit.json").read_bytes()).digest()
    assert (record.certificates, record.findings) == (1, 0)
    assert statement.report.hex() in answer["filed"]
    assert answer["measured"]["records"] == 569
    assert answer["measured"]["accuracy"] > 0.8
    assert 0 < answer["measured"]["probes"] <= 1
    assert answer["data_sha256"] == hashlib.sha256(own.read_bytes()).hexdigest()
    assert [standard["met"] for standard in answer["standards"]] == [True, True, True]
    assert command("audit", run, "--json") == 0
    assert any("certified" in change["what"] for change in told(capsys)["transitions"])


def test_standards_that_are_missed_become_a_finding_on_the_ledger(run: Path, tmp_path: Path, capsys: Captured) -> None:
    own = own_records(tmp_path / "own.csv", wrong=0.5)
    assert command("audit", run, "--data", own, "--certify", key(run), "--json") == 1
    answer = told(capsys)
    assert topics(answer) == {"standards"}
    assert any(finding["where"] == "accuracy" for finding in answer["findings"])
    statement, record = said(run)
    assert not statement.certified
    assert (record.certificates, record.findings) == (0, 1)
    ledger = EmbeddedLedger.open(run / "ledger.sqlite")
    assert not ledger.reader.may_deploy(ledger.current_model())
    ledger.close()


def test_a_key_that_is_no_auditors_certifies_nothing(run: Path, capsys: Captured) -> None:
    for party in ("coordinator", "validator-0"):
        assert command("audit", run, "--certify", run / "parties" / party / "account.key") == 2
        assert "no active auditor" in capsys.readouterr().err
    assert command("audit", run, "--certify", run / "study.json") == 2
    assert said(run)[0] is None


def test_an_altered_study_is_found(run: Path, capsys: Captured) -> None:
    text = (run / "study.json").read_text()
    (run / "study.json").write_text(text.replace('"rounds":2', '"rounds":3'))
    assert command("audit", run, "--json") == 1
    assert topics(told(capsys)) == {"study file"}
    (run / "study.json").unlink()
    assert command("audit", run, "--json") == 1
    assert topics(told(capsys)) == {"study file"}


@pytest.mark.parametrize("change", ["alter", "remove"])
def test_an_altered_or_missing_model_is_found(run: Path, capsys: Captured, change: str) -> None:
    for model in sorted((run / "models").iterdir()):
        data = model.read_bytes()
        model.unlink()
        if change == "alter":
            model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert command("audit", run, "--json") == 1
        answer = told(capsys)
        assert topics(answer) == {"model files"}
        assert model.stem in answer["findings"][0]["what"]
        model.write_bytes(data)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "rolled_back"},
        {"model_hash": "ab" * 32},
        {"base_hash": "cd" * 32},
        {"submitted": 3},
        {"attested": 9},
        {"reason": "because"},
        {"verdicts": {f"hospital-{index}": "accepted" if index else "norm" for index in range(4)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_altered_records_are_found(run: Path, capsys: Captured, change: dict[str, Any]) -> None:
    first, second, *rest = read_records(run)
    rewrite_records(run, [first, second.model_copy(update=change), *rest])
    assert command("audit", run, "--json") == 1
    answer = told(capsys)
    assert topics(answer) == {"records"}
    assert answer["findings"][0]["where"] == "round 1, attempt 0"


def test_records_that_are_missing_or_of_no_attempt_are_found(run: Path, capsys: Captured) -> None:
    records = read_records(run)
    rewrite_records(run, [records[0], records[2]])
    assert command("audit", run, "--json") == 1
    assert "does not tell of it" in told(capsys)["findings"][0]["what"]
    rewrite_records(run, [*records, records[-1].model_copy(update={"round": 3})])
    assert command("audit", run, "--json") == 1
    assert "no such attempt" in told(capsys)["findings"][0]["what"]


def test_an_export_is_audited_without_the_ledger(run: Path, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "study.mlx"
    assert command("ledger", "export", run, "--out", file, "--json") == 0
    written = told(capsys)
    assert written["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    (run / "ledger.sqlite").unlink()
    assert command("audit", file, "--out", tmp_path / "out", "--json") == 0
    answer = told(capsys)
    assert (answer["head"], answer["clean"]) == (written["head"], True)
    assert answer["compared"]["study file"] == 1
    own = own_records(tmp_path / "own.csv")
    assert command("audit", file, "--out", tmp_path / "out", "--run", run, "--data", own, "--json") == 0
    answer = told(capsys)
    assert {"model files", "records", "standards"} <= set(answer["compared"])
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    assert command("audit", file, "--out", tmp_path / "out") == 1
    assert "altered" in capsys.readouterr().err


def test_what_cannot_be_audited_is_said(run: Path, tmp_path: Path, capsys: Captured) -> None:
    assert command("audit", tmp_path / "nothing") == 2
    assert command("audit", run / "study.json") == 2
    assert "neither" in capsys.readouterr().err
    assert command("audit", run, "--data", tmp_path / "nothing.csv") == 2
    own = own_records(tmp_path / "own.csv")
    own.write_text(own.read_text().replace("malignant", "strange", 1))
    assert command("audit", run, "--data", own) == 2
    assert "'strange' is none of the classes: malignant, benign" in capsys.readouterr().err
    assert command("ledger", "export", run, "--out", tmp_path / "study.mlx") == 0
    assert command("audit", tmp_path / "study.mlx", "--certify", key(run)) == 2


def test_watch_tells_events_until_interrupted(run: Path) -> None:
    # A test run in the background of a shell ignores interrupts, and would hand that on.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    words = [sys.executable, "-c", f"{heed}; from mithridate.cli import main; main()", "ledger", "watch", str(run)]
    process = subprocess.Popen([*words, "--json", "--from-block", "1"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ledger = EmbeddedLedger.open(run / "ledger.sqlite")
    try:
        first = json.loads(process.stdout.readline())
        assert first["block"] == 1
        line = first
        while line["event"] != "Counted":
            line = json.loads(process.stdout.readline())
        administrator = (run / "parties" / "administrator" / "account.key").read_bytes()
        _enrol_somebody(ledger, administrator)
        while line["event"] != "Enrolled" or line["block"] < ledger.height():
            line = json.loads(process.stdout.readline())
        assert "was enrolled as physician 0" in line["words"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        ledger.close()
    assert process.returncode == 130


def _enrol_somebody(ledger: EmbeddedLedger, key: bytes) -> None:
    from mithridate.ledger.accounts import account_from_key, new_account
    from mithridate.ledger.interface import Role

    enrol: Callable[..., None] = ledger.as_party(account_from_key(key)).enrol
    enrol(new_account().address, Role.PHYSICIAN)
