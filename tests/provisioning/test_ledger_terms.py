import hashlib
from pathlib import Path

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import new_account
from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import CONTRACTS, StudyTerms
from mithridate.ledger.run_ledger import ledger_of, new_ledger
from mithridate.ledger.settings import LedgerSettings
from mithridate.provisioning.authority import Authority
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.ledger_terms import deployed, nodes_of
from mithridate.provisioning.opened_kit import open_kit
from mithridate.study import Study

OWN, OTHERS = "http://127.0.0.1:1", ("http://127.0.0.1:2", "http://127.0.0.1:3")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a study whose contracts lie in an embedded ledger."""
    folder = tmp_path / "run"
    folder.mkdir()
    study = Study.model_validate({"name": "kits"})
    (folder / "study.json").write_text(study.to_json(), encoding="utf-8")
    validators = [new_account().address for _ in range(3)]
    terms = StudyTerms(study.configuration_hash(), new_account().address, validators, quorum=2, min_accepted=2)
    new_ledger(folder, LedgerSettings(), new_account(), terms).close()
    return folder


def test_kits_name_the_contracts_that_are_deployed(run: Path, authority: Authority, tmp_path: Path) -> None:
    terms, study = deployed(run)
    kits = write_kits(authority, tmp_path / "kits", Contents(terms, study))
    held = open_kit(kits["hospital-1"], authority.fingerprint)
    assert held.terms == terms
    assert held.study == study
    assert terms.study == study.configuration_hash().hex()
    assert list(terms.addresses) == list(CONTRACTS)
    assert len(set(terms.code.values())) == len(CONTRACTS)


def test_the_hashes_are_of_the_code_that_lies_there(run: Path) -> None:
    terms, _ = deployed(run)
    assert terms.published == {name: contract(name).sha256 for name in CONTRACTS}
    ledger = ledger_of(run)
    codes = {name: ledger.code(name) for name in CONTRACTS}
    ledger.close()
    assert all(code.startswith(contract(name).runtime_code) for name, code in codes.items())
    assert terms.code == {name: hashlib.sha256(code).hexdigest() for name, code in codes.items()}


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="is no folder of a secure run"):
        deployed(tmp_path)


def test_the_own_node_comes_first_and_is_believed_alone() -> None:
    settings = nodes_of(OWN, OTHERS, LedgerSettings(finality=2))
    assert settings == LedgerSettings(endpoints=(OWN, *OTHERS), finality=2, agreement=1)


def test_without_an_own_node_two_have_to_agree() -> None:
    assert nodes_of(None, OTHERS, LedgerSettings()).agreement == 2
    assert nodes_of(None, OTHERS[:1], LedgerSettings()).agreement == 1
    assert nodes_of(None, (), LedgerSettings()) == LedgerSettings()
