"""A consortium of processes with FLARE, TLS and a served ledger: one of each role is killed, and nothing is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mithridate.evaluation.records import SilentObserver, read_records
from mithridate.federation.local import run_study
from mithridate.ledger.interface import Phase
from mithridate.ledger.run_ledger import ledger_of
from mithridate.poc.run import Poc
from mithridate.poc.study import poc_study
from mithridate.study import Study
from mithridate.verification.verdict import Rule

ROUNDS = 2
LIMIT_S = 900.0
pytestmark = [pytest.mark.xdist_group("poc"), pytest.mark.timeout(1500)]


@dataclass
class Kills:
    """Kills one of each role once, at its point of the study, and loses one validator for good."""

    poc: Poc
    done: dict[str, str] = field(default_factory=dict)
    lost: str = ""

    def look(self) -> None:
        state = self.poc.chain.reader.latest()
        if state is None:
            return
        serving = [f"validator-{place}" for place in state.committee]
        coordinator = self.done.get("coordinator")
        points = {
            "hospital": ("hospital-3", state.round == 1 and state.phase is Phase.SUBMITTING),
            "validator": (serving[1], state.round == 1 and state.phase is Phase.DRAWN),
            "coordinator": ("coordinator", state.round == 2 and state.phase is Phase.SUBMITTING),
            "curator": ("curator", coordinator is not None and self.poc.processes[coordinator].starts > 1),
        }
        if not self.lost and state.round == 1 and state.phase is Phase.RELEASED:
            self.lost = serving[2]
            self.poc.lose(self.lost)
            return
        for role, (name, reached) in points.items():
            if reached and role not in self.done:
                self.done[role] = name
                self.poc.processes[name].kill()
                return


@pytest.fixture(scope="module")
def study() -> Study:
    few = [f"training.rounds={ROUNDS}", "training.local_epochs=2"]
    return poc_study(None, 5, [*few, "validators.count=4", "validators.rotation=1", "validators.draw_seconds=15"])


@pytest.fixture(scope="module")
def played(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("poc") / "consortium"
    with Poc(folder, study, "embedded", SilentObserver()) as poc:
        poc.start()
        kills = Kills(poc)
        last = poc.follow(kills.look, LIMIT_S)
        yield poc, kills, last


def test_the_study_ends_though_one_of_each_role_was_killed(played: Any) -> None:
    poc, kills, last = played
    assert sorted(kills.done) == ["coordinator", "curator", "hospital", "validator"]
    assert (last.round, last.phase) == (ROUNDS, Phase.RELEASED)
    assert all(poc.processes[name].starts > 1 for name in kills.done.values() if name != kills.lost)


def test_one_validator_of_four_may_be_gone_for_good(played: Any) -> None:
    poc, kills, last = played
    lost = int(kills.lost.removeprefix("validator-"))
    assert not poc.processes[kills.lost].running
    first = poc.chain.reader.attempt(1, poc.chain.reader.attempts(1) - 1)
    assert lost in first.committee
    assert lost not in last.committee
    # The next committee could take over from the other two alone.
    assert last.committee == poc.chain.reader.draw(poc.chain.reader.draws()).committee
    assert len(last.attestations) == len(last.committee)


def test_no_model_counts_that_a_majority_did_not_attest(played: Any) -> None:
    poc, _, last = played
    reader = poc.chain.reader
    for number in range(1, last.round + 1):
        for attempt in range(reader.attempts(number)):
            state = reader.attempt(number, attempt)
            if state.model_hash is not None:
                assert sum(hash_ == state.model_hash for hash_ in state.attestations.values()) >= 2


def test_machines_and_one_process_come_to_the_same_model_and_verdicts(
    played: Any, study: Study, tmp_path: Path
) -> None:
    poc, _, _ = played
    run_study(study, tmp_path / "local")
    chain = ledger_of(tmp_path / "local")
    try:
        for number in range(1, ROUNDS + 1):
            locally = chain.reader.attempt(number, chain.reader.attempts(number) - 1)
            remotely = poc.chain.reader.attempt(number, poc.chain.reader.attempts(number) - 1)
            if remotely.generation == locally.generation:
                assert [Rule(code).word for code in remotely.verdicts] == [Rule(c).word for c in locally.verdicts]
                assert remotely.model_hash == locally.model_hash
    finally:
        chain.close()
    assert any(record.rejected for record in read_records(poc.consortium.study))


def test_what_happened_is_written_down(played: Any) -> None:
    poc, _, last = played
    records = read_records(poc.consortium.study)
    assert [record.status for record in records if record.status != "void"] == ["initial", *["released"] * ROUNDS]
    assert records[-1].model_hash == last.model_hash.hex()


def test_no_log_holds_a_key_or_a_password(played: Any) -> None:
    poc, _, _ = played
    secrets = [poc._password.encode()]
    for place in poc.consortium.places.values():
        for file in place.state.glob("*.secret"):
            secrets += [file.read_bytes(), file.read_bytes().hex().encode()]
    logs = [file for file in poc.folder.rglob("*") if file.is_file() and ("log" in file.name or file.suffix == ".txt")]
    assert len(logs) >= len(poc.processes)
    for log in logs:
        content = log.read_bytes()
        assert not any(secret in content for secret in secrets), log
