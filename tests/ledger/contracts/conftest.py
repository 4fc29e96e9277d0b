"""A consortium on an embedded chain whose contracts are called directly, with their events and their gas."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.address import to_canonical_address, to_checksum_address
from vyper import compile_code
from vyper.compiler.settings import Settings

from mithridate.errors import RuleViolation
from mithridate.ledger.accounts import Account, account_from_key
from mithridate.ledger.codec import ContractCodec, revert_reason
from mithridate.ledger.compile import EVM_VERSION, contract
from mithridate.ledger.deployment import CONTRACTS, StudyTerms
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import RANDOMNESS_DOMAIN, Role
from mithridate.ledger.interface.draws import COMMITTEE_DOMAIN
from mithridate.ledger.network import Reverted
from mithridate.ledger.rules import rule_violation

START = 2_000_000_000
GRACE = 100
ALLOWED = 1000
BALLOT = 3600
PEOPLE = {"hospital": 4, "auditor": 2, "physician": 4}


def digest(text: str) -> bytes:
    """32 bytes that stand for whatever `text` names."""
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True)
class Event:
    """An event as its contract's interface reads it."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """One change: what was called, its gas, its events and all its bytes."""

    contract: str
    function: str
    gas: int
    events: list[Event]
    words: list[bytes]


class Clock:
    """Stands in for the time module of the embedded network."""

    seconds = START

    def time(self) -> float:
        return self.seconds


class World:
    """A study of some hospitals under three administrators, two of whom decide.

    Args:
        path: the journal's file.
        clock: the ledger's date, changed by `wait`.
        validators: how many the study has.
        people: how many members of each other role there are.
        terms: settings of the study that differ.
    """

    def __init__(
        self, path: Path, clock: Clock, *, validators: int = 3, people: dict[str, int] | None = None, **terms: Any
    ) -> None:
        self.clock, self.sent = clock, list[Sent]()
        self.people = PEOPLE | (people or {})
        self.size, self._accounts = validators, dict[str, Account]()
        defaults: dict[str, Any] = {
            "configuration": digest("configuration"),
            "coordinator": self.address("coordinator"),
            "validators": [self.address(f"validator-{rank}") for rank in range(validators)],
            "administrators": [self.address("administrator-1"), self.address("administrator-2")],
            "threshold": 2,
            "quorum": 3,
            "min_accepted": 2,
            "grace": GRACE,
            "ballot": BALLOT,
        }
        self.terms = StudyTerms(**(defaults | terms))
        self.ledger = EmbeddedLedger.create(path, self.account("administrator-0"), self.terms)
        self.addresses = dict(self.ledger.deployment.addresses)
        self._topics = {
            event_abi_to_log_topic(entry): entry
            for name in CONTRACTS
            for entry in contract(name).abi
            if entry["type"] == "event"
        }

    def account(self, name: str) -> Account:
        """The account of this name, the same in every world, so that gas repeats."""
        if name not in self._accounts:
            self._accounts[name] = account_from_key(digest(f"account {name}"))
        return self._accounts[name]

    def address(self, name: str) -> str:
        return self.account(name).address

    def now(self) -> int:
        return self.ledger.reader.now()

    def wait(self, seconds: int) -> None:
        """Lets the ledger's date pass."""
        self.clock.seconds = self.now() + seconds

    def call_data(self, name: str, function: str, *arguments: object) -> bytes:
        return ContractCodec.of(name).call(function, list(arguments))

    def send(self, who: str, name: str, function: str, *arguments: object, at: str = "") -> Sent:
        """Calls a contract's function in the name of `who`; raises RuleViolation where it is refused."""
        data = self.call_data(name, function, *arguments)
        return self.raw(who, at or self.addresses[name], data, name, function)

    def raw(self, who: str, to: str, data: bytes, name: str = "", function: str = "") -> Sent:
        """Sends any bytes to any address."""
        try:
            with self._watched() as receipts:
                self.ledger._network.transact(self.account(who), to, data)
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error
        ((receipt, gas),) = receipts
        logs = list(receipt.logs)
        words = [data[4 + i : 36 + i] for i in range(0, len(data) - 4, 32)]
        for log in logs:
            words += [topic.to_bytes(32, "big") for topic in log.topics]
            words += [bytes(log.data[i : i + 32]) for i in range(0, len(log.data), 32)]
        sent = Sent(name, function, gas, [self._event(log) for log in logs], words)
        self.sent.append(sent)
        return sent

    def read(self, name: str, function: str, *arguments: object, at: str = "") -> Any:
        """What a contract tells; raises RuleViolation where it refuses."""
        try:
            answer = self.ledger._network.call(at or self.addresses[name], self.call_data(name, function, *arguments))
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error
        return ContractCodec.of(name).result(function, answer)

    def read_gas(self, name: str, function: str, *arguments: object) -> int:
        """The gas of a read, which a node's own limit bounds."""
        network = self.ledger._network
        vm = network._chain._reading(self.now())
        to = to_canonical_address(self.addresses[name])
        data = self.call_data(name, function, *arguments)
        options = {"origin": bytes(20), "gas_price": 0, "gas": 10**9, "sender": bytes(20), "value": 0}
        snapshot = vm.state.snapshot()
        done = vm.execute_bytecode(to=to, data=data, code=vm.state.get_code(to), **options)
        vm.state.revert(snapshot)
        assert not done.is_error
        return int(done.get_gas_used())

    def refuse(self, reason: str, who: str, name: str, function: str, *arguments: object, at: str = "") -> None:
        """Checks that a call is refused for this reason and that not one bit of any account's storage changed."""
        with self.ledger.block():
            state = self.ledger._network._chain._open.vm.state
            before = state.make_state_root()
            with pytest.raises(RuleViolation) as refusal:
                self.send(who, name, function, *arguments, at=at)
            assert refusal.value.reason == reason
            assert state.make_state_root() == before

    def vote(self, index: int, name: str, function: str, *arguments: object, at: str = "") -> Sent:
        """One administrator's vote for a decision."""
        target = at or self.addresses[name]
        data = self.call_data("Consortium", "decide", target, self.call_data(name, function, *arguments))
        return self.raw(
            f"administrator-{index}", self.addresses["Consortium"], data, "Consortium", f"decide {name}.{function}"
        )

    def decide(self, name: str, function: str, *arguments: object) -> Sent:
        """As many administrators as it takes decide; what the deciding vote did."""
        return [self.vote(index, name, function, *arguments) for index in range(self.terms.threshold)][-1]

    def enrol(self) -> None:
        """Coordinator, validators and everybody else become members."""
        staff = [("coordinator", Role.COORDINATOR), *((f"validator-{r}", Role.VALIDATOR) for r in range(self.size))]
        with self.ledger.block():
            # Whoever deploys has voted for these.
            for index in range(1, self.terms.threshold):
                self.vote(index, "Consortium", "add_study", self.addresses["Study"])
                for who, role in staff:
                    self.vote(index, "Consortium", "enrol", self.address(who), int(role), b"", b"")
            for rank in range(self.size):
                self.send(f"validator-{rank}", "Consortium", "register_keys", b"", b"\3" + digest(f"envelope {rank}"))
            for role, number in self.people.items():
                for index in range(number):
                    key = b"\2" + digest(f"{role} {index}")
                    address = self.address(f"{role}-{index}")
                    self.decide("Consortium", "enrol", address, int(Role[role.upper()]), key, b"")
            for index in range(self.people["hospital"]):
                self.decide("Study", "admit", self.address(f"hospital-{index}"), 100 + index)

    def begin(self) -> None:
        self.decide("Study", "begin", self.model(0), digest("reference"))

    @staticmethod
    def model(number: int) -> bytes:
        """The model that round `number` attests; 0 for the initial one."""
        return digest(f"model {number}")

    def committee(self) -> list[str]:
        """Who serves in the latest attempt."""
        number = self.read("Study", "latest_round")
        state = self.read("Study", "attempt_state", number, self.read("Study", "attempt_count", number) - 1)
        return [f"validator-{rank}" for rank in state[4]]

    def attempt(self, number: int = 1, attempt: int = 0, *, to: str = "RELEASED", model: bytes = b"") -> None:
        """From nothing to a phase of one attempt; hospital 2 stays away, all others are accepted."""
        base = self.read("Models", "current_model")
        self.send("coordinator", "Study", "open_round", number, base, self.now() + ALLOWED)
        for phase, move in self._moves(model or self.model(number)):
            if phase == to:
                return
            with self.ledger.block():
                for who, function, *arguments in move():
                    self.send(who, "Study", function, number, attempt, *arguments)
        assert to == "RELEASED"

    def verdicts(self) -> bytes:
        count = self.read("Study", "hospital_count")
        return bytes(1 if index == 2 else 0 for index in range(count))

    def draw(self, seconds: int = 100, *, who: Sequence[int] | None = None, withheld: Sequence[int] = ()) -> int:
        """A whole draw, by all or some validators, some of whom withhold; its number."""
        who = range(self.size) if who is None else who
        self.send("coordinator", "Committees", "open_draw", self.now() + seconds, self.now() + 2 * seconds)
        number = int(self.read("Committees", "draw_count"))
        for rank in who:
            value = digest(f"draw {number} {rank}")
            self.send(f"validator-{rank}", "Committees", "commit", number, committed_draw(value))
        if len(who) < self.size:
            self.wait(seconds)
        for rank in who:
            if rank not in withheld:
                self.send(f"validator-{rank}", "Committees", "reveal", number, digest(f"draw {number} {rank}"))
        if withheld:
            self.wait(2 * seconds)
        self.send("stranger", "Committees", "settle", number)
        return number

    def put(self, name: str, *arguments: object, who: str = "administrator-0") -> str:
        """One contract more of those published; its address."""
        data = contract(name).creation_code + ContractCodec.of(name).constructor(list(arguments))
        try:
            with self._watched() as receipts:
                address = self.ledger._network.deploy(self.account(who), data)
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error
        self.sent.append(Sent(name, "deployment", receipts[0][1], [], []))
        return address

    def close(self) -> None:
        self.ledger.close()

    @contextmanager
    def _watched(self) -> Iterator[list[tuple[Any, int]]]:
        """The receipts of all transactions inside, each with its gas."""
        chain, receipts = self.ledger._network._chain, list[tuple[Any, int]]()
        apply = chain.apply

        def remembering(transaction: bytes) -> Any:
            hash_, receipt = apply(transaction)
            # A receipt counts the gas of its block so far.
            earlier = [each.gas_used for each in chain._open.receipts[:-1]]
            receipts.append((receipt, receipt.gas_used - max(earlier, default=0)))
            return hash_, receipt

        chain.apply = remembering
        try:
            yield receipts
        finally:
            chain.apply = apply

    def _event(self, log: Any) -> Event:
        entry = self._topics[log.topics[0].to_bytes(32, "big")]
        plain = [each for each in entry["inputs"] if not each["indexed"]]
        marked = [each for each in entry["inputs"] if each["indexed"]]
        values = dict(zip([e["name"] for e in plain], decode([e["type"] for e in plain], log.data), strict=True))
        for each, topic in zip(marked, log.topics[1:], strict=True):
            values[each["name"]] = decode([each["type"]], topic.to_bytes(32, "big"))[0]
        named = {
            key: to_checksum_address(value) if isinstance(value, str) and value.startswith("0x") else value
            for key, value in values.items()
        }
        return Event(entry["name"], named)

    def _moves(self, model: bytes) -> list[tuple[str, Callable[[], list[tuple[Any, ...]]]]]:
        def value(rank: int) -> bytes:
            number = self.read("Study", "latest_round")
            return digest(f"value {number} {self.read('Study', 'attempt_count', number)} {rank}")

        def committing() -> list[tuple[Any, ...]]:
            return [
                (who, "commit_randomness", hashlib.sha256(RANDOMNESS_DOMAIN + value(place)).digest())
                for place, who in enumerate(self.committee())
            ]

        def submitting() -> list[tuple[Any, ...]]:
            count = self.read("Study", "hospital_count")
            return [(f"hospital-{i}", "submit", digest(f"update {i}")) for i in range(count) if i != 2]

        def majority(function: str, *arguments: object) -> Callable[[], list[tuple[Any, ...]]]:
            return lambda: [(who, function, *arguments) for who in self.committee()[:2]]

        return [
            ("OPENED", committing),
            ("COMMITTED", submitting),
            ("SUBMITTED", majority("close_submissions")),
            ("CLOSED", lambda: [(w, "reveal_randomness", value(p)) for p, w in enumerate(self.committee())]),
            ("DRAWN", lambda: [(who, "attest_verdicts", self.verdicts()) for who in self.committee()[:2]]),
            ("BOUND", majority("attest_model", model)),
            ("FINAL", majority("vote_release", True)),
        ]


def committed_draw(value: bytes) -> bytes:
    return hashlib.sha256(COMMITTEE_DOMAIN + value).digest()


class Puppet:
    """A contract in the study's place: Models, Reputation and Committees are driven through it directly."""

    def __init__(self, world: World, name: str, *arguments: object) -> None:
        self.world, self.name = world, name
        interface, code = _puppet()
        self._codec = ContractCodec(interface)
        pool = [world.address(f"validator-{rank}") for rank in range(world.size)]
        data = code + self._codec.constructor([pool, world.address("coordinator")])
        self.address = world.ledger._network.deploy(world.account("stranger"), data)
        self.target = world.put(name, *arguments)
        world.send("administrator-0", name, "attach", self.address, at=self.target)

    def forward(self, function: str, *arguments: object) -> Sent:
        """As the study: calls the contract."""
        data = self._codec.call("forward", [self.target, self.world.call_data(self.name, function, *arguments)])
        return self.world.raw("stranger", self.address, data, self.name, function)

    def send(self, who: str, function: str, *arguments: object) -> Sent:
        return self.world.send(who, self.name, function, *arguments, at=self.target)

    def read(self, function: str, *arguments: object) -> Any:
        return self.world.read(self.name, function, *arguments, at=self.target)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("mithridate.ledger.embedded_network.time", made)
    return made


@pytest.fixture
def make_world(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(tmp_path / f"{len(made)}.sqlite", clock, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Everybody enrolled, the study not begun."""
    made = make_world()
    made.enrol()
    return made


@pytest.fixture
def begun(world: World) -> World:
    world.begin()
    return world


@pytest.fixture
def puppet(world: World) -> Callable[..., Puppet]:
    return lambda name, *arguments: Puppet(world, name, *arguments)


@pytest.fixture(scope="session")
def world_type() -> type[World]:
    return World


@pytest.fixture
def puppet_in() -> Callable[..., Puppet]:
    return Puppet


_COMPILED: list[tuple[Any, bytes]] = []


def _puppet() -> tuple[Any, bytes]:
    if not _COMPILED:
        source = Path(__file__).with_name("Puppet.vy").read_text(encoding="utf-8")
        output = compile_code(source, output_formats=["abi", "bytecode"], settings=Settings(evm_version=EVM_VERSION))
        _COMPILED.append((output["abi"], bytes.fromhex(output["bytecode"].removeprefix("0x"))))
    return _COMPILED[0]
