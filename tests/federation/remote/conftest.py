"""A study whose parties run as agents in threads of one process, with channels and links in memory."""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import RoundVoid
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.dropout import drops
from mithridate.federation.folder import RunFolder
from mithridate.federation.handover import KeptShape
from mithridate.federation.parties import Parties, make_curator, make_validator, seat, study_rules
from mithridate.federation.prepared import Prepared
from mithridate.federation.remote.agent import Agent, Pace
from mithridate.federation.remote.coordinator_agent import CoordinatorAgent
from mithridate.federation.remote.curator_agent import CuratorAgent
from mithridate.federation.remote.desk import Desk, Lengths, Roles
from mithridate.federation.remote.hospital_agent import HospitalAgent
from mithridate.federation.remote.malice import Malice
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.validator_agent import NotMet, ValidatorAgent
from mithridate.federation.seats import Seats
from mithridate.ledger.deployment import GRACE_S
from mithridate.ledger.interface import AttemptState
from mithridate.ledger.store import ModelStore
from mithridate.mpc.links import memory_links
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.session import Session
from mithridate.mpc.shares import VALIDATORS
from mithridate.study import Study

PACE = Pace(poll=0.02, patience=60.0)


class Room:
    """Where three threads meet: whoever comes third makes the channels of all."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._arrived: dict[str, dict[int, list[CommitteeMember]]] = {}

    def join(self, section: str, rank: int, patience: float) -> CommitteeMember:
        place: list[CommitteeMember] = []
        with self._lock:
            here = self._arrived.setdefault(section, {})
            here[rank] = place
            if len(here) == VALIDATORS:
                peers, links = memory_peers(30.0), memory_links(30.0)
                for other, waiting in self._arrived.pop(section).items():
                    waiting.append((peers[other], links[other]))  # type: ignore[arg-type]
                self._lock.notify_all()
            elif not self._lock.wait_for(lambda: bool(place), patience):
                here.pop(rank, None)
                raise NotMet(f"nobody came to {section}")
        channel, link = place[0]  # type: ignore[misc]
        return CommitteeMember(channel, Session(link))  # type: ignore[has-type]


class Liar:
    """An end of the channel on which each message may be altered before it is sent."""

    def __init__(self, peers: Any, alter: Callable[[bytes], bytes]) -> None:
        self._peers = peers
        self._alter = alter
        self.rank: int = peers.rank

    def send(self, to: int, message: bytes) -> None:
        self._peers.send(to, self._alter(message))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peers, name)


class MemoryMeetings:
    """One validator's meetings in the room; `before` may raise in its stead, `alter` changes what it sends."""

    def __init__(self, room: Room, place: int) -> None:
        self._room = room
        self._place = place
        self._seats: Seats | None = None
        self.before: Callable[[str], None] = lambda section: None
        self.alter: Callable[[str, bytes], bytes] = lambda section, message: message
        self.held: list[str] = []

    def sit(self, seats: Seats) -> None:
        self._seats = seats

    def leave(self) -> None:
        self._seats = None

    def hold(self, section: str, patience: float, action: Callable[[CommitteeMember], None]) -> None:
        assert self._seats is not None
        member = self._room.join(section, self._seats.index(self._place), patience)
        member.peers = Liar(member.peers, partial(self.alter, section))
        try:
            self.before(section)
            action(member)
            self.held.append(section)
        finally:
            member.peers.hang_up()  # type: ignore[attr-defined]

    def mend(self) -> None:
        """Every section has channels of its own."""


class Wire:
    """Carries requests to the desk as bytes; `tamper` sees and may change each."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self.tamper: Callable[[bytes], bytes] = lambda data: data
        self.carried: list[int] = []

    def ask(self, request: bytes) -> bytes:
        assert self.desk is not None
        self.carried.append(len(request))
        return self.desk.answer(self.tamper(request))


class RemoteFederation:
    """All agents of one study on one embedded ledger."""

    def __init__(self, study: Study, path: Path, pace: Pace = PACE) -> None:
        self.folder = RunFolder(path)
        self.folder.begin(study, resume=False)
        self.prepared = Prepared.of(study)
        # Enrols everybody and begins the study; its own validators take no part.
        self.parties: Parties = seat(self.prepared, self.folder)
        self.chain = self.parties.chain
        self.wire = Wire()
        self.room = Room()
        places = range(study.validators.count)
        self.meetings = [MemoryMeetings(self.room, place) for place in places]
        self.pace = pace
        curator_key = self.folder.party("curator").key("signing")
        self.rules = study_rules(self.prepared.material, curator_key.public_key())
        names = [*(site.name for site in self.prepared.sites), *(f"validator-{place}" for place in places), "curator"]
        self.roles = Roles(
            keys={name: self.folder.party(name).key("signing").public_key() for name in names},
            hospitals={site.name: site.index for site in self.prepared.sites},
            validators={f"validator-{place}": place for place in places},
            curator="curator",
        )
        self.desk = Desk(
            self.parties.coordinator,
            self.chain.reader,
            self.parties.store,
            self.roles,
            self.lengths,
        )
        self.wire.desk = self.desk
        self.hospitals = [self.hospital_agent(index) for index in range(len(self.prepared.sites))]
        self.validators = [self.validator_agent(place) for place in places]
        self.curator = self.curator_agent()
        self.coordinator = CoordinatorAgent(
            self.parties.coordinator,
            self.chain.as_party(self.folder.party("coordinator").account()),
            study.runtime.deadline_seconds,
            GRACE_S,
            study.validators.draw_seconds,
            study.training.rounds,
            pace,
        )

    def site_desk(self, name: str) -> CoordinatorDesk:
        key = self.folder.party(name).key("signing")
        return CoordinatorDesk(self.wire, self.chain.reader.study_id(), name, key, self.lengths)

    @property
    def lengths(self) -> Lengths:
        count, size = self.prepared.study.hospitals.count, self.prepared.layout.size
        kept = KeptShape.of(self.prepared.study.aggregation, count, size)
        return Lengths(size, self.rules.reference.length, kept.length)

    def store(self, name: str) -> ModelStore:
        return ModelStore(self.folder.party(name).path / "models")

    def hospital_agent(self, index: int) -> HospitalAgent:
        hospital = self.parties.hospitals[index]
        store = self.store(hospital.name)
        hospital._store = store
        study, layout = self.prepared.study, self.prepared.layout
        # Each agent has modules of its own: others train in threads beside it.
        fellows = [
            replace(site, module=copy.deepcopy(site.module))
            for site in self.prepared.sites
            if site.index in study.malicious
        ]
        malice = Malice(fellows, len(self.prepared.sites), layout) if index in study.malicious else None
        desk, rounds = self.site_desk(hospital.name), study.training.rounds

        def dropping(when: Any, state: AttemptState) -> bool:
            return drops(study, when, index, state.round, state.attempt)

        return HospitalAgent(hospital, hospital._ledger, desk, store, rounds, self.pace, malice, dropping)

    def validator_agent(self, place: int) -> ValidatorAgent:
        name = f"validator-{place}"
        own, store, study = self.folder.party(name), self.store(name), self.prepared.study
        ledger = self.chain.as_party(own.account())
        validator = make_validator(place, self.rules, ledger, own.key("envelope"), own.key("signing"), store, own)
        desk, meetings = self.site_desk(name), self.meetings[place]
        return ValidatorAgent(validator, ledger, desk, meetings, store, study.curated, study.training.rounds, self.pace)

    def curator_agent(self) -> CuratorAgent:
        study = self.prepared.study
        key = self.folder.party("curator").key("signing")
        curator = make_curator(
            self.prepared.material, self.prepared.split.reference, self.chain.reader, key, self.store("curator")
        )
        desk = self.site_desk("curator")
        return CuratorAgent(curator, self.chain.reader, desk, study.curated, study.training.rounds, self.pace)

    @property
    def agents(self) -> list[Agent]:
        return [self.coordinator, *self.validators, self.curator, *self.hospitals]

    def run(self, *, without: tuple[Agent, ...] = (), timeout: float = 120.0) -> None:
        """Runs all agents to the study's end; raises what ended one of them."""
        failures: list[BaseException] = []

        def guarded(agent: Agent) -> None:
            try:
                agent.run()
            except BaseException as error:
                failures.append(error)

        threads = [
            threading.Thread(target=guarded, args=(agent,), name=agent.name, daemon=True)
            for agent in self.agents
            if agent not in without
        ]
        for thread in threads:
            thread.start()
        threads[0].join(timeout)
        for agent in self.agents:
            agent.stop()
        for thread in threads:
            thread.join(30)
        if failures:
            raise failures[0]
        assert not any(thread.is_alive() for thread in threads), [t.name for t in threads if t.is_alive()]

    def close(self) -> None:
        with suppress(RoundVoid):
            self.parties.close()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Callable[..., RemoteFederation]]:
    """Makes the agents of a study."""
    made: list[RemoteFederation] = []

    def make(study: Study, **keywords: Any) -> RemoteFederation:
        made.append(RemoteFederation(study, tmp_path / f"run-{len(made)}", **keywords))
        return made[-1]

    yield make
    for federation in made:
        federation.close()
