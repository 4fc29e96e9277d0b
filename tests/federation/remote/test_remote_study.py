"""A study played by agents that know each other only by the ledger and by sealed messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mithridate.federation.local import run_study
from mithridate.ledger.interface import Phase
from mithridate.study import load_study

STUDY = Path(__file__).parents[3] / "studies" / "breast_cancer.toml"


def test_agents_and_the_local_runtime_come_to_the_same_model_and_verdicts(
    remote: Callable[..., Any], tmp_path: Path
) -> None:
    study = load_study(STUDY, ["training.rounds=2", "training.local_epochs=2"])
    summary = run_study(study, tmp_path / "local")
    federation = remote(study)
    federation.run()
    state = federation.chain.reader.latest()
    assert (state.round, state.attempt, state.phase) == (2, 0, Phase.RELEASED)
    assert summary is not None
    from mithridate.ledger.run_ledger import ledger_of

    chain = ledger_of(tmp_path / "local")
    try:
        for number in (1, 2):
            mine, locally = federation.chain.reader.attempt(number, 0), chain.reader.attempt(number, 0)
            assert mine.verdicts == locally.verdicts
            assert mine.model_hash == locally.model_hash
    finally:
        chain.close()
    assert sum(code != 0 for code in state.verdicts) > 0
