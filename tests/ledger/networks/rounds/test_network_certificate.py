"""The commands on a real network: an audit through two nodes, the auditor's word on the chain, an export."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mithridate.cli import main
from mithridate.evaluation.networks.funds import fund
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.interface import Role

pytestmark = pytest.mark.slow
Captured = pytest.CaptureFixture[str]
Study = Any
Local = Any


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_of:
        main([str(word) for word in words])
    return int(exit_of.value.code or 0)


def nodes(study: Study, local: Local) -> list[object]:
    """Target and options: a hospital's node compared with a sealer's."""
    url, other = local.followers[0].url, local.sealers[0].url
    address = study.deployment.addresses["Study"]
    return [url, "--rpc", other, "--finality", local.finality, "--contract", address, "--json"]


@pytest.fixture
def auditor(study: Study, local: Local) -> Account:
    account = new_account()
    fund(local, study.hospital_view, [account])
    study.administrator.enrol(account.address, Role.AUDITOR)
    if study.coordinator.latest() is None:
        for step in (study.open, study.submit, study.draw, study.bind, study.attest, study.release):
            step(1)
    study.same_everywhere()
    return account


def key_file(folder: Path, account: Account) -> Path:
    (folder / "auditor.key").write_bytes(account.key)
    return folder / "auditor.key"


def told(capsys: Captured) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_a_certificate_is_filed_on_a_network(
    study: Study, local: Local, auditor: Account, tmp_path: Path, capsys: Captured
) -> None:
    words = ["--certify", key_file(tmp_path, auditor), "--out", tmp_path / "audit"]
    assert command("audit", *nodes(study, local), *words) == 0
    answer, model = told(capsys), study.coordinator.current_model()
    assert answer["sealed"]["consensus"] == local.kind
    assert sum(answer["sealed"]["blocks"].values()) == answer["height"]
    study.same_everywhere()
    statement = study.coordinator.statement(model, auditor.address)
    assert statement.certified
    assert statement.report == hashlib.sha256((tmp_path / "audit" / "audit.json").read_bytes()).digest()
    assert statement.report.hex() in answer["filed"]
    assert command("audit", *nodes(study, local), "--out", tmp_path / "again") == 0
    assert any("certified" in change["what"] for change in told(capsys)["transitions"])
    page = (tmp_path / "again" / "audit.html").read_text(encoding="utf-8")
    assert all(sealer in page for sealer in answer["sealed"]["blocks"])
    assert answer["sealed"]["genesis"] in page


def test_a_finding_is_filed_on_a_network(
    study: Study, local: Local, auditor: Account, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.json").write_text("{}")
    words = ["--run", tmp_path / "run", "--certify", key_file(tmp_path, auditor), "--out", tmp_path / "audit"]
    assert command("audit", *nodes(study, local), *words) == 1
    assert "study file" in {finding["topic"] for finding in told(capsys)["findings"]}
    study.same_everywhere()
    model = study.coordinator.current_model()
    assert not study.coordinator.statement(model, auditor.address).certified
    assert not study.coordinator.may_train(model)
    # The study goes on for the other tests of this network.
    study.at(study.hospital_view, auditor).withdraw_statement(model, "a test")
    study.same_everywhere()


def test_a_strangers_key_certifies_nothing(
    study: Study, local: Local, auditor: Account, tmp_path: Path, capsys: Captured
) -> None:
    stranger = new_account()
    words = ["--certify", key_file(tmp_path, stranger), "--out", tmp_path / "audit"]
    assert command("audit", *nodes(study, local), *words) == 2
    assert "no active auditor" in capsys.readouterr().err
    assert study.coordinator.statement(study.coordinator.current_model(), stranger.address) is None


def test_an_export_through_two_nodes_is_audited_without_any(
    study: Study, local: Local, auditor: Account, tmp_path: Path, capsys: Captured
) -> None:
    url, other = local.followers[0].url, local.sealers[0].url
    where = ["--rpc", other, "--finality", local.finality, "--out", tmp_path / "study.mlx"]
    assert command("ledger", "export", url, *where, "--json") == 0
    capsys.readouterr()
    study_address = study.deployment.addresses["Study"]
    words = ["--contract", study_address, "--out", tmp_path / "audit", "--json"]
    assert command("audit", tmp_path / "study.mlx", *words) in (0, 1)
    answer = told(capsys)
    assert {finding["topic"] for finding in answer["findings"]} <= {"study file"}
    assert answer["sealed"]["consensus"] == local.kind
    assert command("audit", tmp_path / "study.mlx", "--rpc", other) == 2
