"""What the prediction is given: a real round's bytes and rounds of communication."""

from pathlib import Path

import pytest

from mithridate.evaluation.emulated.local_round import _play
from mithridate.federation.folder import RunFolder
from mithridate.federation.parties import seat
from mithridate.federation.prepared import Prepared
from mithridate.mpc.shares import VALIDATORS
from mithridate.poc.study import poc_study

pytestmark = pytest.mark.slow


def test_every_byte_and_round_of_communication_belongs_to_a_phase(tmp_path: Path) -> None:
    study = poc_study(None, 5, ["attacks=[]", "training.rounds=1", "training.local_epochs=1"])
    prepared = Prepared.of(study)
    run = RunFolder(tmp_path / "run")
    run.begin(study, resume=False)
    parties = seat(prepared, run)
    try:
        record, meter = _play(prepared, parties, 1)
        rounds = parties.committee.rounds
    finally:
        parties.close()
    assert record.status == "released"
    assert VALIDATORS * sum(meter.sent.values()) == pytest.approx(record.bytes["validators"] + record.bytes["mpc"])
    assert rounds <= sum(meter.rounds.values())
    # Opening the aggregate is one exchange; the gates are hundreds of messages, SPU's.
    assert meter.rounds["aggregate"] == 1
    assert meter.rounds["verify"] > 100
    assert meter.sent["train"] == meter.sent["share"] == 0
