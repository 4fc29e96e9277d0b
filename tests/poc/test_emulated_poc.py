"""The proof of concept over an emulated network: each participant on a host of its own, and the same model as ever."""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mithridate.emulation.conditions import Conditions
from mithridate.evaluation.records import SilentObserver
from mithridate.federation.local import run_study
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.ledger.run_ledger import ledger_of
from mithridate.poc.run import Poc
from mithridate.poc.study import poc_study
from mithridate.study import Study

LIMIT_S = 600.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("emulation"),
    pytest.mark.xdist_group("poc"),
    pytest.mark.timeout(900),
]


def namespace_of(pid: int | str) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


class Seen:
    """What the participants say, and where they run, while the study does."""

    def __init__(self, poc: Poc, outside: str) -> None:
        self.poc = poc
        self.outside = outside
        self.health: dict[str, int] = {}
        self.namespaces: dict[str, str] = {}

    def look(self) -> None:
        for name, process in self.poc.processes.items():
            if name in self.health or process.pid is None:
                continue
            port = self.poc.consortium.places[name].monitor
            with self.poc.hosts(name).inside(), closing(http.client.HTTPConnection("127.0.0.1", port, 5)) as asked:
                asked.request("GET", "/health")
                self.health[name] = asked.getresponse().status
            self.namespaces[name] = namespace_of(process.pid)


@pytest.fixture(scope="module")
def study() -> Study:
    return poc_study(None, 5, ["training.rounds=1", "training.local_epochs=1"])


@pytest.fixture(scope="module")
def played(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Poc, Seen, AttemptState]]:
    folder = tmp_path_factory.mktemp("emulated") / "consortium"
    outside = namespace_of("thread-self")
    conditions = Conditions(5.0, 200.0)
    with Poc(folder, study, "embedded", SilentObserver(), conditions=conditions) as poc:
        poc.start()
        seen = Seen(poc, outside)
        yield poc, seen, poc.follow(seen.look, LIMIT_S)


def test_the_study_ends_over_an_emulated_network(played: tuple[Poc, Seen, AttemptState]) -> None:
    assert played[2].phase is Phase.RELEASED


def test_every_participant_is_on_a_host_of_its_own_and_answers_there(played: tuple[Poc, Seen, AttemptState]) -> None:
    poc, seen, _ = played
    assert set(seen.health.values()) == {200}
    assert seen.health.keys() == poc.processes.keys()
    places = list(seen.namespaces.values())
    assert len(set(places)) == len(places)
    # This thread is on a host of the network, too, until the consortium is stopped.
    assert not {seen.outside, namespace_of("thread-self")} & set(places)
    assert namespace_of("thread-self") != seen.outside


def test_kits_name_the_emulated_hosts(played: tuple[Poc, Seen, AttemptState]) -> None:
    poc = played[0]
    kit = poc.consortium.places["hospital-0"].kit
    roster = json.loads((kit / "startup" / "roster.json").read_text(encoding="utf-8"))
    assert "10.77.0." in json.dumps(roster)
    assert "127.0.0.1" not in json.dumps(roster)


def test_it_comes_to_the_local_runtimes_model(
    played: tuple[Poc, Seen, AttemptState], study: Study, tmp_path: Path
) -> None:
    run_study(study, tmp_path / "local")
    chain = ledger_of(tmp_path / "local")
    try:
        locally = chain.latest()
    finally:
        chain.close()
    remotely = played[2]
    assert locally is not None
    if locally.generation == remotely.generation:
        assert remotely.verdicts == locally.verdicts
        assert remotely.model_hash == locally.model_hash
