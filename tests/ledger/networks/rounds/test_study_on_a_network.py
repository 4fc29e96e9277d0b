"""A whole study, training and MPC and all, on a real network of four sealers, one of which dies on the way."""

from pathlib import Path
from typing import Any

import pytest

from mithridate.evaluation.audit.procedure import audit
from mithridate.evaluation.networks.funds import fund
from mithridate.evaluation.networks.local import LocalNetwork
from mithridate.evaluation.records import RoundRecord, SilentObserver, read_records
from mithridate.federation.folder import RunFolder
from mithridate.federation.local import run_study
from mithridate.ledger.run_ledger import DEPLOYMENT_FILE, JOURNAL_FILE, ledger_of
from mithridate.ledger.verify import verify_run
from mithridate.study import Study

PARTIES = ("administrator", "coordinator", "auditor", *(f"validator-{rank}" for rank in range(3)))
TABLES: dict[str, Any] = {
    "name": "networked",
    "seed": 3,
    "data": {"max_records": 300, "reference_per_class": 10},
    "hospitals": {"count": 4},
    "model": {"name": "logistic"},
    "training": {"rounds": 2, "local_epochs": 1, "batch_size": 8, "learning_rate": 0.05},
    "defence": {"detectors": ["range"]},
}


class Killer(SilentObserver):
    """Kills a sealer when the first round is over."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network

    def round_done(self, record: RoundRecord) -> None:
        if record.round == 1:
            self.network.sealers[-1].kill()


@pytest.mark.timeout(600)
def test_a_study_ends_with_the_model_of_the_embedded_ledger_though_a_sealer_dies(
    network: LocalNetwork, tmp_path: Path
) -> None:
    if not network.nodes:
        pytest.skip("a node of this network cannot be killed: it runs elsewhere")
    run_study(Study.model_validate(TABLES), tmp_path / "embedded")
    run = tmp_path / "networked"
    accounts = [RunFolder(run).party(name).account() for name in (*PARTIES, *(f"hospital-{i}" for i in range(4)))]
    nodes = (*network.followers[:1], network.sealers[0])
    with_funds = network.connect(*nodes)
    fund(network, with_funds, accounts)
    with_funds.close()
    ledger = {"endpoints": [node.url for node in nodes], "finality": network.finality, "agreement": 2}
    run_study(Study.model_validate(TABLES | {"ledger": ledger}), run, observer=Killer(network))
    assert (run / DEPLOYMENT_FILE).exists()
    assert not (run / JOURNAL_FILE).exists()
    expected, found = read_records(tmp_path / "embedded"), read_records(run)
    assert [record.status for record in found] == ["initial", "released", "released"]
    assert [record.model_hash for record in found] == [record.model_hash for record in expected]
    opened = ledger_of(run)
    assert opened.current_model().hex() == found[-1].model_hash
    opened.close()
    assert any("network" in line for line in verify_run(run))
    audited = audit(str(run))
    assert [str(finding) for finding in audited.chain.findings] == []
    assert "2 must tell the same" in audited.chain.source
    assert audited.chain.sealed is not None
    assert audited.chain.sealed.consensus == network.kind
