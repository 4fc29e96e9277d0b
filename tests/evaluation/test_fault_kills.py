"""Who is killed when, which kills count, and what is held against a study."""

from types import SimpleNamespace
from typing import Any

import pytest

from mithridate.evaluation.faults import kills
from mithridate.evaluation.faults.kills import BACK_S, ROLES, Killer, problems
from mithridate.ledger.interface import Phase

DEADLINE_S = 60


class Consortium:
    """Participants that are always up, and a ledger that stands where it is told."""

    def __init__(self) -> None:
        self.dead: list[str] = []
        self.state: Any = None
        self.names = {role: [f"{role.value}-{number}" for number in range(3)] for role in ROLES}
        self.processes = {name: self._process(name) for names in self.names.values() for name in names}
        self.chain = SimpleNamespace(reader=SimpleNamespace(latest=lambda: self.state))
        self.consortium = SimpleNamespace(of=lambda role: [SimpleNamespace(name=name) for name in self.names[role]])
        self.prepared = SimpleNamespace(study=SimpleNamespace(runtime=SimpleNamespace(deadline_seconds=DEADLINE_S)))

    def _process(self, name: str) -> Any:
        return SimpleNamespace(running=True, kill=lambda: self.dead.append(name))

    def at(self, round_number: int, phase: Phase, **more: Any) -> None:
        self.state = SimpleNamespace(round=round_number, attempt=0, phase=phase, **more)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=0.0, monotonic=lambda: made.now)
    monkeypatch.setattr(kills, "time", made)
    return made


def test_each_role_is_killed_as_often_and_one_at_a_time(clock: SimpleNamespace) -> None:
    poc, killer = Consortium(), Killer(5, seed=1)
    for look in range(1000):
        poc.at(look, Phase.SUBMITTING)
        killer.look(poc)
        assert len(poc.dead) - len(killer.done) in (0, 1)
        clock.now += 1.0
    assert killer.finished
    assert [len(killer.of(role)) for role in ROLES] == [5] * len(ROLES)
    assert [kill.name for kill in killer.done] == poc.dead
    assert {kill.back for kill in killer.done} == {1.0}


def test_a_kill_that_the_ledger_never_got_over_is_held_against_the_study(clock: SimpleNamespace) -> None:
    poc, killer = Consortium(), Killer(1, seed=1)
    poc.at(1, Phase.DRAWN)
    clock.now = 10.0
    killer.look(poc)
    clock.now += BACK_S + DEADLINE_S - 1.0
    killer.look(poc)
    assert not killer.done
    clock.now += 1.0
    killer.look(poc)
    assert [kill.back for kill in killer.done] == [None]
    assert problems([], killer.done) == [f"the ledger did not move on after {poc.dead[0]} was killed in drawn"]


def test_a_kill_after_a_studys_last_change_does_not_count(clock: SimpleNamespace) -> None:
    poc, killer = Consortium(), Killer(1, seed=1)
    poc.at(6, Phase.RELEASED)
    clock.now = 10.0
    killer.look(poc)
    killer.over()
    poc.at(1, Phase.SUBMITTING)
    clock.now += 100.0
    killer.look(poc)
    poc.at(1, Phase.CLOSED)
    killer.look(poc)
    assert len(poc.dead) == 2
    assert [(kill.name, kill.round) for kill in killer.done] == [(poc.dead[1], 1)]


def test_a_model_without_a_majority_and_a_void_without_a_reason_are_found() -> None:
    poc = Consortium()
    poc.at(1, Phase.RELEASED, model_hash=b"1", attestations={0: b"1", 1: b"2", 2: b"3"}, void_reason="")
    released = poc.state
    poc.at(2, Phase.VOID, model_hash=None, attestations={}, void_reason="")
    assert problems([released, poc.state], []) == [
        "round 1 released a model that 1 validators attested",
        "round 2 attempt 0 is void without a reason",
    ]
