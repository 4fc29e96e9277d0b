"""One study's ledger with the view of every party, brought to any step of a round."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rlp
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak
from safetensors.numpy import save

from mithridate.ledger.accounts import new_account
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import RANDOMNESS_DOMAIN, Role
from mithridate.ledger.seals.chain import SealedChain
from mithridate.ledger.seals.clique import seal_digest
from mithridate.ledger.seals.header import DIFFICULTY, EXTRA, MINER, MIX, NONCE, NUMBER, PARENT
from mithridate.ledger.seals.ibft import MARK, commit_digest

HOSPITALS = 4
PHYSICIANS = 4
QUORUM = 3
MIN_ACCEPTED = 2
GRACE = 100
ALLOWED = 1000
STUDY = b'{"name":"study"}'
REFERENCE, CONFIGURATION = (hashlib.sha256(data).digest() for data in (b"reference", STUDY))


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def model_file(name: str) -> bytes:
    """A safetensors file, another one for every name."""
    return save({"weights": np.frombuffer(sha256(name), dtype="<f4")})


INITIAL = hashlib.sha256(model_file("initial")).digest()


class Clock:
    """Stands in for the time module of the embedded ledger."""

    def __init__(self) -> None:
        self.seconds = 2_000_000_000

    def time(self) -> float:
        return self.seconds + 0.5


class Scene:
    """All parties of a study of four hospitals on a new ledger; the third hospital of an attempt is always absent."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = path
        self.accounts = {
            name: new_account()
            for name in (
                "administrator",
                "coordinator",
                "stranger",
                "auditor",
                *(f"validator-{rank}" for rank in range(3)),
                *(f"physician-{index}" for index in range(PHYSICIANS)),
                *(f"hospital-{index}" for index in range(HOSPITALS)),
            )
        }
        defaults: dict[str, Any] = {
            "configuration": CONFIGURATION,
            "coordinator": self.accounts["coordinator"].address,
            "validators": [self.accounts[f"validator-{rank}"].address for rank in range(3)],
            "quorum": QUORUM,
            "min_accepted": MIN_ACCEPTED,
            "grace": GRACE,
        }
        chosen = defaults | settings
        administrator = chosen.pop("administrator", self.accounts["administrator"])
        self._seat(EmbeddedLedger.create(path, administrator, StudyTerms(**chosen)))

    def reopen(self) -> None:
        self.chain.close()
        self._seat(EmbeddedLedger.open(self.path))

    def values(self, number: int = 1, attempt: int = 0) -> list[bytes]:
        return [sha256(f"value {number} {attempt} {rank}") for rank in range(3)]

    def enrol(self) -> None:
        with self.chain.block():
            for index in range(HOSPITALS):
                self.enrol_hospital(self.accounts[f"hospital-{index}"].address, index, 100 + index)
            self.administrator.enrol(self.accounts["auditor"].address, Role.AUDITOR)
            for index in range(PHYSICIANS):
                self.administrator.enrol(self.accounts[f"physician-{index}"].address, Role.PHYSICIAN)

    def enrol_hospital(self, address: str, index: int, records: int = 1) -> None:
        self.administrator.enrol(address, Role.HOSPITAL, self.signing_key(index))
        self.administrator.admit(address, records)

    def register(self) -> None:
        with self.chain.block():
            for rank, validator in enumerate(self.validators):
                validator.register_keys(envelope_key=self.envelope_key(rank))

    def begin(self) -> None:
        self.administrator.begin(INITIAL, REFERENCE)

    def open(self, number: int = 1, allowed: int = ALLOWED) -> int:
        view = self.coordinator
        attempt: int = view.open_round(number, view.current_model(), view.now() + allowed)
        return attempt

    def commit(self, number: int = 1, attempt: int = 0) -> None:
        with self.chain.block():
            for validator, value in zip(self.validators, self.values(number, attempt), strict=True):
                validator.commit_randomness(number, attempt, hashlib.sha256(RANDOMNESS_DOMAIN + value).digest())

    def submit(self, number: int = 1, attempt: int = 0, by: Sequence[int] = (0, 1, 3)) -> None:
        with self.chain.block():
            for index in by:
                self.hospitals[index].submit(number, attempt, self.digest(index, number, attempt))

    def close(self, number: int = 1, attempt: int = 0) -> None:
        for validator in self.validators[:2]:
            validator.close_submissions(number, attempt)

    def reveal(self, number: int = 1, attempt: int = 0) -> None:
        for validator, value in zip(self.validators, self.values(number, attempt), strict=True):
            validator.reveal_randomness(number, attempt, value)

    def bind(self, number: int = 1, attempt: int = 0, verdicts: bytes = b"\0\0\1\0") -> None:
        for validator in self.validators[:2]:
            validator.attest_verdicts(number, attempt, verdicts)

    def finalise(self, number: int = 1, attempt: int = 0) -> None:
        for validator in self.validators[:2]:
            validator.attest_model(number, attempt, self.model(number, attempt))

    def release(self, number: int = 1, attempt: int = 0, passed: bool = True) -> None:
        for validator in self.validators[:2]:
            validator.vote_release(number, attempt, passed)

    def to(self, step: str) -> "Scene":
        for name, move in STEPS:
            if name == step:
                return self
            move(self)
        raise KeyError(step)

    def attempt_to(self, step: str, number: int = 1, attempt: int = 0) -> None:
        """From nothing to a step of one attempt of a study that has begun."""
        assert self.open(number) == attempt
        for name, move in MOVES:
            if name == step:
                return
            move(self, number, attempt)
        raise KeyError(step)

    @staticmethod
    def model(number: int, attempt: int = 0) -> bytes:
        return hashlib.sha256(model_file(f"model {number} {attempt}")).digest()

    @staticmethod
    def files() -> list[bytes]:
        """The files of the initial model and of the two that `finished` attests."""
        return [model_file(name) for name in ("initial", "model 1 0", "model 2 1")]

    @staticmethod
    def digest(index: int, number: int = 1, attempt: int = 0) -> bytes:
        return sha256(f"digest {index} {number} {attempt}")

    @staticmethod
    def signing_key(index: int) -> bytes:
        return b"\2" + sha256(f"signing {index}")

    @staticmethod
    def envelope_key(rank: int) -> bytes:
        return b"\3" + sha256(f"envelope {rank}")

    def _seat(self, chain: EmbeddedLedger) -> None:
        def views(*names: str) -> list[Any]:
            return [chain.as_party(self.accounts[name]) for name in names]

        self.chain = chain
        self.administrator, self.coordinator, self.stranger = views("administrator", "coordinator", "stranger")
        (self.auditor,) = views("auditor")
        self.physicians = views(*(f"physician-{index}" for index in range(PHYSICIANS)))
        self.validators = views(*(f"validator-{rank}" for rank in range(3)))
        self.hospitals = views(*(f"hospital-{index}" for index in range(HOSPITALS)))


MOVES: list[tuple[str, Callable[..., Any]]] = [
    ("opened", Scene.commit),
    ("committed", Scene.submit),
    ("submitted", Scene.close),
    ("closed", Scene.reveal),
    ("drawn", Scene.bind),
    ("bound", Scene.finalise),
    ("final", Scene.release),
    ("released", lambda *_: None),
]
STEPS: list[tuple[str, Callable[..., Any]]] = [
    ("deployed", Scene.enrol),
    ("enrolled", Scene.register),
    ("registered", Scene.begin),
    ("begun", Scene.open),
    *MOVES,
]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "ledger.sqlite")
    yield made
    made.chain.close()


@pytest.fixture
def make_scene(tmp_path: Path) -> Callable[..., Scene]:
    def make(**settings: Any) -> Scene:
        return Scene(tmp_path / "ledger.sqlite", **settings)

    return make


@pytest.fixture(scope="session")
def scene_type() -> type[Scene]:
    return Scene


@pytest.fixture
def watched() -> Callable[[EmbeddedLedger], list[Any]]:
    """Makes the list of receipts of all transactions from now on."""

    def watch(ledger: EmbeddedLedger) -> list[Any]:
        receipts: list[Any] = []
        chain: Any = ledger._network._chain  # type: ignore[attr-defined]
        apply = chain.apply

        def remembering(raw: bytes) -> Any:
            digest, receipt = apply(raw)
            receipts.append(receipt)
            return digest, receipt

        chain.apply = remembering
        return receipts

    return watch


@pytest.fixture(scope="session")
def at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scene]:
    """A scene at a step, shared by all tests: for calls that the ledger refuses and reads only."""
    shared: dict[str, Scene] = {}

    def at_step(step: str) -> Scene:
        if step not in shared:
            shared[step] = Scene(tmp_path_factory.mktemp(step) / "ledger.sqlite").to(step)
        return shared[step]

    return at_step


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A closed ledger of one void attempt and two rounds; its file is copied, never written."""
    made = Scene(tmp_path_factory.mktemp("finished") / "ledger.sqlite").to("begun")
    made.attempt_to("released")
    made.attempt_to("drawn", 2)
    for validator in made.validators[:2]:
        validator.vote_void(2, 0, "no agreement")
    made.attempt_to("released", 2, 1)
    made.chain.close()
    return made


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a closed ledger, up to the commitments of the first attempt; it is copied, never written."""
    made = Scene(tmp_path_factory.mktemp("small") / "ledger.sqlite").to("committed")
    made.chain.close()
    return made.path


@pytest.fixture(scope="session")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a closed ledger with three snapshots and blocks after the last; it is copied, never written."""
    made = Scene(tmp_path_factory.mktemp("photographed") / "ledger.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mithridate.ledger.snapshots.SNAPSHOT_TRANSACTIONS", 4)
        made.to("submitted")
        made.chain.close()
    return made.path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("mithridate.ledger.embedded_network.time", made)
    return made


def everything(ledger: EmbeddedLedger) -> tuple[object, ...]:
    """All that a ledger of at most one attempt tells."""
    view = ledger.reader
    models = (view.current_model(), view.stable_model(), view.reference_hash()) if view.begun() else ()
    return (view.latest(), view.hospitals(), view.validators(), view.study_id(), view.configuration(), models)


@pytest.fixture(scope="session")
def state_of() -> Callable[[EmbeddedLedger], tuple[object, ...]]:
    return everything


@pytest.fixture(scope="session")
def states(photographed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[object, ...]]:
    """What the `photographed` ledger told after each of its blocks, by running the transactions of just those."""
    told = {}
    with closing(sqlite3.connect(photographed)) as database:
        (last,) = database.execute("SELECT max(number) FROM blocks").fetchone()
    for height in range(1, last + 1):
        path = Path(shutil.copy(photographed, tmp_path_factory.mktemp("states") / "ledger.sqlite"))
        with closing(sqlite3.connect(path)) as database:
            database.execute("DELETE FROM blocks WHERE number > ?", (height,))
            database.execute("DELETE FROM snapshots")
            database.execute("DELETE FROM nodes")
            digest = database.execute("SELECT digest FROM blocks WHERE number = ?", (height,)).fetchone()
            database.execute("UPDATE head SET block = ?, snapshot = 0, digest = ?", (height, *digest))
            database.commit()
        ledger = EmbeddedLedger.open(path, replay="all")
        assert ledger.height() == height
        told[height] = everything(ledger)
        ledger.close()
    return told


Fields = list[bytes]
ROUND_0 = bytes(8)


class Mint:
    """Seals headers under Clique or IBFT with keys of its own, one after another; `strangers` may seal nothing."""

    def __init__(self, kind: str, sealers: int = 4) -> None:
        self.kind = kind
        keys = sorted((PrivateKey(sha256(f"sealer {rank}")) for rank in range(sealers)), key=self.address)
        self.keys, self.stranger = keys, PrivateKey(sha256("stranger"))
        self.sealers = [self.address(key) for key in keys]
        listed = b"".join(self.sealers)
        extra = bytes(32) + (listed + bytes(65) if kind == "clique" else rlp.encode([self.sealers, b"", [], [], b""]))
        self.genesis = self.header(0, bytes(32), extra, mix=bytes(32))

    @staticmethod
    def address(key: PrivateKey) -> bytes:
        return key.public_key.to_canonical_address()

    def header(self, number: int, parent: bytes, extra: bytes, mix: bytes | None = None) -> bytes:
        """A header of an empty block, unsealed."""
        empty = keccak(rlp.encode(b""))
        numbers = [rlp.encode(value)[-4:] if value > 127 else bytes([value] if value else []) for value in (1, number)]
        fields = [parent, keccak(rlp.encode([])), bytes(20), empty, empty, empty, bytes(256), *numbers]
        fields += [
            b"\5",
            b"",
            b"\7",
            extra,
            (MARK if self.kind == "ibft" else bytes(32)) if mix is None else mix,
            bytes(8),
        ]
        return bytes(rlp.encode(fields))

    def next(self, before: bytes, **changes: Any) -> bytes:
        """The header after another, sealed by whose turn it is; see `seal`."""
        number = int.from_bytes(rlp.decode(before)[NUMBER]) + 1
        return self.seal(self.header(number, self.identity(before), bytes(32)), **changes)

    def identity(self, header: bytes) -> bytes:
        return SealedChain(self.genesis).identity(header)

    def seal(self, header: bytes, **changes: Any) -> bytes:
        """A header of this number, parent and roots, sealed.

        Changes: `by`, the sealers' keys (one under Clique), `proposer` (of IBFT), `difficulty` (of Clique), `listed`
        sealers, `parent_seals` (of IBFT), and `fields` by place, which are changed before the seals are made.
        """
        fields: Fields = list(rlp.decode(header))[:15]
        number = int.from_bytes(fields[NUMBER])
        turn = self.keys[number % len(self.keys)]
        fields[MINER], fields[NONCE], fields[EXTRA] = bytes(20), bytes(8), bytes(32)
        by = changes.get("by", [turn] if self.kind == "clique" else self.keys[: -(-2 * len(self.keys) // 3)])
        fields[MIX] = bytes(32) if self.kind == "clique" else MARK
        for place, value in changes.get("fields", {}).items():
            fields[place] = value
        make = self._clique if self.kind == "clique" else self._ibft
        return make(fields, by, turn, changes)

    def _clique(self, fields: Fields, by: list[PrivateKey], turn: PrivateKey, changes: dict[str, Any]) -> bytes:
        fields[DIFFICULTY] = bytes([changes.get("difficulty", 2 if by[0] == turn else 1)])
        fields[EXTRA] = bytes(32) + b"".join(changes.get("listed", [])) + bytes(65)
        fields[EXTRA] = fields[EXTRA][:-65] + by[0].sign_msg_hash(seal_digest(fields)).to_bytes()
        return bytes(rlp.encode(fields))

    def _ibft(self, fields: Fields, by: list[PrivateKey], turn: PrivateKey, changes: dict[str, Any]) -> bytes:
        listed, parent = changes.get("listed", self.sealers), changes.get("parent_seals", [])
        fields[EXTRA] = bytes(32) + rlp.encode([listed, b"", [], parent, ROUND_0])
        digest = self.identity(bytes(rlp.encode(fields)))
        proposer = changes.get("proposer", turn).sign_msg_hash(keccak(digest)).to_bytes()
        seals = [key.sign_msg_hash(commit_digest(digest, ROUND_0)).to_bytes() for key in by]
        fields[EXTRA] = bytes(32) + rlp.encode([listed, proposer, seals, parent, ROUND_0])
        return bytes(rlp.encode(fields))

    def blocks(self, blocks: Sequence[Sequence[Any]]) -> list[Any]:
        """Blocks of an export, sealed anew one after another."""
        sealed, before = [], self.genesis
        for header, transactions, receipts in blocks:
            fields = list(rlp.decode(header))
            fields[PARENT] = self.identity(before)
            before = self.seal(bytes(rlp.encode(fields)))
            sealed.append([before, transactions, receipts])
        return sealed


@pytest.fixture(scope="session")
def mint() -> Callable[..., Mint]:
    return Mint
