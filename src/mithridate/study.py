"""The study file: one TOML document, one frozen model; nothing else configures a study."""

import hashlib
import json
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, ValidationInfo, model_validator

from mithridate.aggregation.rule import LONGEST, Remembers
from mithridate.aggregation.settings import REPUTATION, AggregationSettings
from mithridate.attacks import Attack, parse_attack
from mithridate.data.settings import DataSettings
from mithridate.errors import InputError, StudyError
from mithridate.ledger.settings import LedgerSettings, StoreSettings
from mithridate.models.settings import ModelSettings
from mithridate.section import Problem, Section, refuse
from mithridate.study_errors import describe, study_error
from mithridate.training.settings import TrainingSettings
from mithridate.verification.settings import DefenceSettings

Table = dict[str, object]
AttackEntry = Annotated[SerializeAsAny[Attack], BeforeValidator(parse_attack)]
_RUN = "run"
"""Key of the validation context: true for a study that a run is to play."""


class Hospitals(Section):
    """Who takes part."""

    count: int = Field(default=10, ge=1, le=1000)
    """Number of hospitals."""
    drop_before: float = Field(default=0.0, ge=0, le=1)
    """Chance, a hospital and round, to drop out before committing an update."""
    drop_after: float = Field(default=0.0, ge=0, le=1)
    """Chance, a hospital and round, to drop out after committing and before delivering."""


class Validators(Section):
    """Who verifies and aggregates."""

    count: int = Field(default=3, ge=3, le=7)
    """Number of validators; of more than three, the ledger draws three at a time."""
    rotation: int = Field(default=10, ge=1, le=10_000)
    """Attempts that three serve which were drawn; after an attempt that came to nothing others are drawn at once."""
    draw_seconds: int = Field(default=30, ge=1, le=86_400)
    """Time validators have to commit to their part in a draw, and again to reveal it."""


class Clipping(Section):
    """The bound on honest updates."""

    norm: float = Field(default=10.0, gt=0, le=256)
    """The round's public L2 bound: a hospital scales a longer update down to it."""


class Release(Section):
    """When a new global model is kept."""

    tolerance: float = Field(default=0.1, ge=0, le=1)
    """How far it may fall behind the last stable one before it is rolled back."""
    certificate: bool = False
    """Whether anyone may predict with a model only once an auditor has certified it on the ledger."""


class Standards(Section):
    """What an auditor requires of a model, on data of its own, before it certifies it."""

    accuracy: float | None = Field(default=None, ge=0, le=1)
    """The least accuracy."""
    worst_class: float | None = Field(default=None, ge=0, le=1)
    """The least recall of the class that is found least."""
    probes: float | None = Field(default=None, ge=0, le=1)
    """The least accuracy on the same records with random triggers on them, under their true labels."""


class Runtime(Section):
    """How a round is run."""

    secure: bool = True
    """Secret sharing, verification and ledger; false is plain federated averaging, the baseline."""
    deadline_seconds: int = Field(default=600, ge=1, le=604_800)
    """Time hospitals have to commit in a round."""


class Study(Section):
    """A whole study. `load_study` reads one and puts every problem in the user's words."""

    name: str = Field(min_length=1, max_length=200)
    """What the study is called."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Governs partition, initialisation, training and simulated attacks; never keys, nonces or shares."""
    data: DataSettings = DataSettings()
    """Records and their division."""
    hospitals: Hospitals = Hospitals()
    """Who takes part."""
    model: ModelSettings = ModelSettings()
    """What is trained."""
    training: TrainingSettings = TrainingSettings()
    """How it is trained."""
    attacks: Annotated[tuple[AttackEntry, ...], Field(strict=False)] = ()
    """Simulated malicious hospitals; several attacks on one hospital act in their order here."""
    validators: Validators = Validators()
    """Who verifies and aggregates."""
    clipping: Clipping = Clipping()
    """The bound on honest updates."""
    defence: DefenceSettings = DefenceSettings()
    """How updates are verified."""
    aggregation: AggregationSettings = AggregationSettings()
    """How accepted updates become one."""
    release: Release = Release()
    """When a new model is kept."""
    standards: Standards = Standards()
    """What an auditor requires of a model."""
    runtime: Runtime = Runtime()
    """How a round is run."""
    ledger: LedgerSettings = LedgerSettings()
    """Which network holds the study's contracts."""
    store: StoreSettings = StoreSettings()
    """Where global models lie."""

    @model_validator(mode="after")
    def _possible(self, info: ValidationInfo) -> "Study":
        count = self.hospitals.count
        problems = [*self._attack_problems(), *self._malicious_problems()]
        if info.context and info.context.get(_RUN):
            problems += self._run_problems()
        problems += self._aggregation_problems(count)
        refuse("study", problems)
        return self

    def _attack_problems(self) -> list[Problem]:
        problems = []
        count, rounds = self.hospitals.count, self.training.rounds
        for index, attack in enumerate(self.attacks):
            if max(attack.hospitals) >= count:
                should = f"should lie below hospitals.count = {count}, as hospitals are numbered from 0"
                problems.append(Problem(("attacks", index, "hospitals"), attack.hospitals, should))
            for key, number in (("from_round", attack.from_round), ("until_round", attack.until_round)):
                if number is not None and number > rounds:
                    should = f"should be at most training.rounds = {rounds}"
                    problems.append(Problem(("attacks", index, key), number, should))
        return problems

    def _aggregation_problems(self, count: int) -> list[Problem]:
        settings, problems = self.aggregation, []
        if settings.min_accepted > count:
            should = f"should be at most hospitals.count = {count}"
            problems.append(Problem(("aggregation", "min_accepted"), settings.min_accepted, should))
        if settings.robust:
            problems += self._rule_problems(count)
        if settings.name == REPUTATION and not (self.runtime.secure and self.defence.active):
            should = "should be weighted_mean where nothing is verified: reputation is made of verdicts"
            problems.append(Problem(("aggregation", "name"), settings.name, should))
        return problems

    def _rule_problems(self, count: int) -> list[Problem]:
        settings, rule, problems = self.aggregation, self.aggregation.any_rule, []
        try:
            settings.rule(count)
        except InputError as error:
            key = "name" if settings.malicious is None else "malicious"
            should = f"should hold for hospitals.count = {count}: {error}"
            problems.append(Problem(("aggregation", key), getattr(settings, key), should))
        summed = self.clipping.norm * self.training.rounds
        if self.runtime.secure and rule.remembers is Remembers.HOSPITALS and summed >= LONGEST:
            should = (
                f"should be below {LONGEST:g} times training.rounds = {self.training.rounds}: "
                f"{rule.name} sums updates over rounds, and longer sums wrap around the ring"
            )
            problems.append(Problem(("clipping", "norm"), self.clipping.norm, should))
        return problems

    def _run_problems(self) -> list[Problem]:
        should = "should be run in `mithridate bench detection`, as a run shows no attacker its verification"
        return [
            Problem(("attacks", index, "name"), attack.name, should)
            for index, attack in enumerate(self.attacks)
            if attack.asks
        ]

    def _malicious_problems(self) -> list[Problem]:
        number, count = len(self.malicious), self.hospitals.count
        should = f"should name at most hospitals.count = {count} malicious hospitals, not {number}"
        return [Problem(("attacks",), sorted(self.malicious), should)] if number > count else []

    @property
    def malicious(self) -> frozenset[int]:
        """The hospitals that some attack names."""
        return frozenset(hospital for attack in self.attacks for hospital in attack.hospitals)

    @property
    def curated(self) -> bool:
        """Whether the curator sends an update of its own in every round."""
        return self.defence.curated or (self.aggregation.robust and self.aggregation.any_rule.rooted)

    @property
    def quorum(self) -> int:
        """Fewest hospitals that must submit, or the round is void; never below `aggregation.min_accepted`."""
        return max(math.ceil(self.aggregation.quorum * self.hospitals.count), self.aggregation.min_accepted)

    def to_json(self) -> str:
        """Canonical JSON: all keys, sorted, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Study":
        """The inverse of `to_json`.

        Raises:
            StudyError: the text is something else.
        """
        try:
            return _validated(json.loads(text), "study.json")
        except ValueError as error:
            raise StudyError(f"study.json is not JSON: {error}") from error

    def configuration_hash(self) -> bytes:
        """SHA-256 of the canonical JSON, 32 bytes: what the ledger binds a study to."""
        return hashlib.sha256(self.to_json().encode()).digest()


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """The study in the TOML file `path`, with `overrides` laid over it, for a run to play.

    An override reads "training.rounds=3" or "attacks.0.gamma=5"; its value is read as TOML, else taken as text.

    Raises:
        StudyError: no such file, a syntax error (with its line), or any number of unknown keys, wrong values and
            impossible combinations, an attack that only the detection benchmark can play among them; all named at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        document: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path} is not valid TOML: {error}") from error
    for override in overrides:
        _override(document, override)
    return _validated(document, str(path), {_RUN: True})


def _validated(document: object, source: str, context: dict[str, bool] | None = None) -> Study:
    try:
        return Study.model_validate(document, context=context)
    except ValidationError as error:
        raise study_error(source, describe(error, Study, document)) from None


def _override(document: Table, override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise StudyError(f"--set {override!r}: should be key=value, such as training.rounds=3")
    table: object = document
    for name in names[:-1]:
        table = _enter(table, name, override)
    _put(table, names[-1], _value(text.strip()), override)


def _enter(table: object, name: str, override: str) -> object:
    if isinstance(table, dict):
        return table.setdefault(name, {})
    return _list(table, name, override)[int(name)]


def _put(table: object, name: str, value: object, override: str) -> None:
    if isinstance(table, dict):
        table[name] = value
    else:
        _list(table, name, override)[int(name)] = value


def _list(table: object, name: str, override: str) -> list[object]:
    if isinstance(table, list) and name.isdecimal() and int(name) < len(table):
        return table
    raise StudyError(f"--set {override!r}: {name!r} is not in a table, nor a number within a list, of the study file")


def _value(text: str) -> object:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if list(parsed) == ["value"] else text
