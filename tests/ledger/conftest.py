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
from safetensors.numpy import save

from mithridate.ledger.accounts import new_account
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import RANDOMNESS_DOMAIN, Role

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
