"""A study on each network, its parties on their own organisations' nodes; rounds are played step by step."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mithridate.evaluation.networks.funds import fund
from mithridate.evaluation.networks.local import LocalNetwork
from mithridate.evaluation.networks.process import NodeProcess
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.deployment import Deployment, StudyTerms, check, deploy
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.interface import RANDOMNESS_DOMAIN, AttemptState, Phase, Role
from mithridate.ledger.shared import SharedLedger

HOSPITALS = 3
WAIT_S = 120.0
POLL_S = 0.1


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Study:
    """All parties of a study of three hospitals, each on its own organisation's node."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        names = ("administrator", "coordinator", *(f"validator-{rank}" for rank in range(3)))
        self.accounts = {name: new_account() for name in (*names, *(f"hospital-{i}" for i in range(HOSPITALS)))}
        self.views: dict[str, EvmNetwork] = {}
        self.hospital_view = self.through(*network.followers)
        fund(network, self.hospital_view, self.accounts.values())
        validators = [self.accounts[f"validator-{rank}"].address for rank in range(3)]
        terms = StudyTerms(sha256("study"), self.accounts["coordinator"].address, validators, 2, 2, 100)
        with self.hospital_view.block():
            self.deployment: Deployment = deploy(self.hospital_view, self.accounts["administrator"], terms)
        self.administrator = self.at(self.hospital_view, "administrator")
        self.coordinator = self.at(self.hospital_view, "coordinator")
        self.hospitals = [self.at(self.hospital_view, f"hospital-{index}") for index in range(HOSPITALS)]
        seats = network.sealers[:3] or [None] * 3
        self.validators = [
            self.at(self.through(seat) if seat else self.hospital_view, f"validator-{rank}")
            for rank, seat in enumerate(seats)
        ]
        self.reader = SharedLedger(self.hospital_view, self.deployment).reader

    def through(self, *nodes: NodeProcess, agreement: int = 1, timeout: float = WAIT_S) -> EvmNetwork:
        """The network as nodes show it; kept, and closed with the study."""
        key = f"{[node.name for node in nodes]} {agreement} {timeout}"
        if key not in self.views:
            self.views[key] = self.network.connect(*nodes, agreement=agreement, timeout=timeout)
        return self.views[key]

    def at(self, view: EvmNetwork, party: str | Account) -> Any:
        account = self.accounts[party] if isinstance(party, str) else party
        return SharedLedger(view, self.deployment).as_party(account)

    def begin(self) -> None:
        addresses = [self.accounts[f"hospital-{index}"].address for index in range(HOSPITALS)]
        with self.hospital_view.block():
            for index, address in enumerate(addresses):
                self.administrator.enrol(address, Role.HOSPITAL, b"\2" + sha256(f"signing {index}"))
        with self.hospital_view.block():
            for index, address in enumerate(addresses):
                self.administrator.admit(address, 100 + index)

        def register(rank: int) -> None:
            check(self.validators[rank]._network, self.deployment)
            self.validators[rank].register_keys(envelope_key=b"\3" + sha256(f"envelope {rank}"))

        together(register, range(3))
        self.until(lambda: all(each.envelope_key for each in self.reader.validators()))
        self.administrator.begin(sha256("initial"), sha256("reference"))

    def open(self, number: int) -> None:
        self.until(lambda: self.coordinator.begun())
        self.coordinator.open_round(number, self.coordinator.current_model(), self.coordinator.now() + 10_000)

        def commit(rank: int) -> None:
            self.until(lambda: self.validators[rank].attempts(number))
            commitment = hashlib.sha256(RANDOMNESS_DOMAIN + sha256(f"value {number} {rank}")).digest()
            self.validators[rank].commit_randomness(number, 0, commitment)

        together(commit, range(3))

    def submit(self, number: int) -> None:
        self.phase(self.hospitals[0], number, lambda state: len(state.committed) == 3)
        with self.hospital_view.block():
            for index, hospital in enumerate(self.hospitals):
                hospital.submit(number, 0, sha256(f"digest {number} {index}"))

    def draw(self, number: int) -> None:
        def close(rank: int) -> None:
            self.phase(self.validators[rank], number, lambda state: len(state.submissions) == HOSPITALS)
            self.validators[rank].close_submissions(number, 0)

        def reveal(rank: int) -> None:
            self.phase(self.validators[rank], number, lambda state: state.phase == Phase.CLOSED)
            self.validators[rank].reveal_randomness(number, 0, sha256(f"value {number} {rank}"))

        together(close, (0, 1))
        together(reveal, range(3))

    def bind(self, number: int) -> None:
        def attest(rank: int) -> None:
            self.phase(self.validators[rank], number, lambda state: state.phase >= Phase.DRAWN)
            self.validators[rank].attest_verdicts(number, 0, bytes(HOSPITALS))

        together(attest, (0, 1))

    def attest(self, number: int, wrong: Sequence[int] = ()) -> None:
        """The first two validators attest the model, those in `wrong` another one, at the same time."""

        def attest(rank: int) -> None:
            self.phase(self.validators[rank], number, lambda state: state.phase >= Phase.BOUND)
            self.validators[rank].attest_model(number, 0, self.model(number if rank not in wrong else 10_000))

        together(attest, (0, 1, *wrong))

    def release(self, number: int) -> None:
        def vote(rank: int) -> None:
            self.phase(self.validators[rank], number, lambda state: state.phase >= Phase.FINAL)
            self.validators[rank].vote_release(number, 0, True)

        together(vote, (0, 1))
        self.phase(self.coordinator, number, lambda state: state.phase == Phase.RELEASED)

    def phase(self, ledger: Any, number: int, reached: Callable[[AttemptState], bool]) -> None:
        self.until(lambda: reached(ledger.attempt(number, 0)))

    @staticmethod
    def until(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, "the ledger does not get there"
            time.sleep(POLL_S)

    @staticmethod
    def model(number: int) -> bytes:
        return sha256(f"model {number}")

    def chain(self, *nodes: NodeProcess) -> list[object]:
        """What a node alone tells of every attempt and of the models."""
        ledger = self.at(self.through(*nodes), "coordinator")
        latest = ledger.latest()
        rounds = [ledger.attempt(number, 0) for number in range(1, latest.round + 1 if latest else 1)]
        return [ledger.current_model(), ledger.stable_model(), *rounds]

    def same_everywhere(self) -> list[object]:
        """The chain of models, once every node tells the same."""
        told = [self.chain(node) for node in self.network.nodes] or [self.chain()]
        deadline = time.monotonic() + WAIT_S
        while any(each != told[0] for each in told):
            assert time.monotonic() < deadline, f"the nodes tell different chains: {told}"
            time.sleep(POLL_S)
            told = [self.chain(node) for node in self.network.nodes]
        return told[0]

    def close(self) -> None:
        for view in self.views.values():
            view.close()


def together(act: Callable[[int], None], ranks: Sequence[int]) -> None:
    """Parties act at the same time, each in a thread of its own."""
    with ThreadPoolExecutor(len(ranks)) as pool:
        list(pool.map(act, ranks))


@pytest.fixture(scope="session")
def begun() -> Iterator[dict[str, Study]]:
    """Studies that have begun, by their network's first node; one worker may come to several networks."""
    made: dict[str, Study] = {}
    yield made
    for study in made.values():
        study.close()


@pytest.fixture
def study(begun: dict[str, Study], network: LocalNetwork) -> Study:
    """A study that has begun: tests play rounds of it."""
    url = network.nodes[0].url if network.nodes else "given"
    if url not in begun:
        begun[url] = Study(network)
        begun[url].begin()
    return begun[url]
