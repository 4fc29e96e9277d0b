"""The consortium file: who takes part, in which role, for which organisation, and who is reached where."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from mithridate.errors import ConsortiumError
from mithridate.provisioning.strict_yaml import load_strict
from mithridate.section import Problem, Section, refuse
from mithridate.study_errors import describe

MAX_BYTES = 1 << 20
COMMITTEE = 3
"""Validators of a committee: fewer cannot hold replicated shares."""
_NAME = r"^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])$"
_ORGANISATION = r"^[A-Za-z0-9_]{1,64}$"
_HOST = r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
# The engine takes some of these for its own cells, and reads the others in its command line as truth values or numbers.
_ENGINES_OWN = {
    "server",
    "client",
    "admin",
    "relay",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "inf",
    "infinity",
    "nan",
}


class Role(StrEnum):
    """What a participant does; the engine and the ledger know the roles that concern them."""

    COORDINATOR = "coordinator"
    VALIDATOR = "validator"
    HOSPITAL = "hospital"
    CURATOR = "curator"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"

    @property
    def listens(self) -> bool:
        """Whether others dial it; everyone else only dials out."""
        return self in (Role.COORDINATOR, Role.VALIDATOR)


class Certificates(Section):
    """How long the authority's word counts."""

    root_days: int = Field(default=3650, ge=1, le=7300)
    """Days for which the authority's own certificate is valid."""
    days: int = Field(default=365, ge=1, le=1095)
    """Days for which a participant's certificate is valid."""
    revocation_days: int = Field(default=30, ge=1, le=365)
    """Days after which a list of revoked certificates is too old to be believed."""


class Participant(Section):
    """One party."""

    name: str = Field(pattern=_NAME)
    """Its name in certificates, messages and logs."""
    role: Annotated[Role, Field(strict=False)]
    """What it does."""
    organisation: str = Field(pattern=_ORGANISATION)
    """Who runs it; no two validators have the same."""
    host: str | None = Field(default=None, max_length=253, pattern=_HOST)
    """Host name or IPv4 address under which the others reach it; the coordinator's and the validators' only."""
    port: int | None = Field(default=None, ge=1, le=65_535)
    """Port on which it listens; the coordinator's and the validators' only."""
    email: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$")
    """An administrator's address, under which the engine knows it."""
    records: int | None = Field(default=None, ge=1, le=2**31)
    """How many records a hospital may claim, which bounds its weight; needed before a study is deployed."""
    node: str | None = Field(default=None, max_length=1024)
    """URL of its own node of the ledger's network."""

    @field_validator("node")
    @classmethod
    def _plain_url(cls, node: str | None) -> str | None:
        if node is not None and ("@" in node or not node.startswith(("http://", "https://"))):
            raise ValueError("should be a URL that begins with http:// or https://, without a password")
        return node

    @property
    def subject(self) -> str:
        """The common name of its certificate."""
        return self.email if self.role is Role.ADMINISTRATOR and self.email else self.name


class Consortium(Section):
    """A consortium; `load_consortium` reads one and puts every problem in the user's words."""

    consortium: str = Field(pattern=_NAME)
    """Its name; the authority's certificate carries it."""
    certificates: Certificates = Certificates()
    """How long certificates are valid."""
    participants: Annotated[tuple[Participant, ...], Field(strict=False, max_length=1200)]
    """Who takes part."""

    @model_validator(mode="after")
    def _possible(self) -> "Consortium":
        refuse("consortium", [*self._number_problems(), *self._same_problems(), *self._each_problems()])
        return self

    def of(self, *roles: Role) -> tuple[Participant, ...]:
        """The participants in any of these roles, in the file's order."""
        return tuple(participant for participant in self.participants if participant.role in roles)

    @property
    def coordinator(self) -> Participant:
        """The one coordinator."""
        return self.of(Role.COORDINATOR)[0]

    def participant(self, name: str) -> Participant:
        """The participant of this name.

        Raises:
            ConsortiumError: there is none; the message lists the names.
        """
        for participant in self.participants:
            if participant.name == name:
                return participant
        names = ", ".join(participant.name for participant in self.participants)
        raise ConsortiumError(f"{self.consortium} has no participant {name!r}: one of {names}")

    def _number_problems(self) -> Iterator[Problem]:
        coordinators, validators = len(self.of(Role.COORDINATOR)), len(self.of(Role.VALIDATOR))
        if coordinators != 1:
            yield Problem(("participants",), f"{coordinators} coordinators", "should hold exactly one coordinator")
        if validators < COMMITTEE:
            text = f"should hold {COMMITTEE} validators or more: each update is shared among so many"
            yield Problem(("participants",), f"{validators} validators", text)
        if not self.of(Role.HOSPITAL):
            yield Problem(("participants",), "no hospital", "should hold a hospital")

    def _same_problems(self) -> Iterator[Problem]:
        places = [(person.host.lower(), person.port) for person in self.participants if person.host]
        owners = [person.organisation.lower() for person in self.of(Role.VALIDATOR)]
        yield from _twice("name", [person.name for person in self.participants])
        yield from _twice("email", [person.email.lower() for person in self.participants if person.email])
        yield from _twice("host and port", [f"{host}:{port}" for host, port in places])
        for owner in _repeated(owners):
            text = "should run one validator only: whoever sees two validators' shares sees every update"
            yield Problem(("participants",), owner, text)

    def _each_problems(self) -> Iterator[Problem]:
        for index, participant in enumerate(self.participants):
            for key, value, should in _own_problems(participant):
                yield Problem(("participants", index, key), value, should)


def load_consortium(path: Path) -> Consortium:
    """The consortium in a YAML file.

    Raises:
        ConsortiumError: no such file, a syntax error with its line, or any number of unknown keys, wrong values and
            participants that do not go together, all named at once.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConsortiumError(f"{path} cannot be read ({error.strerror})") from error
    return parse_consortium(content, str(path))


def parse_consortium(content: bytes, source: str) -> Consortium:
    """The consortium in a YAML file's bytes; `source` names them in errors. Raises what `load_consortium` does."""
    if len(content) > MAX_BYTES:
        raise ConsortiumError(f"{source} has more than {MAX_BYTES} bytes: it is no consortium file")
    try:
        document = load_strict(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConsortiumError(f"{source} is not valid YAML: {error}") from error
    try:
        return Consortium.model_validate(document)
    except ValidationError as error:
        problems = describe(error, Consortium, document)
        raise ConsortiumError("\n  ".join([f"{source}:", *problems])) from None


def _own_problems(participant: Participant) -> Iterator[tuple[str, object, str]]:
    if participant.name in _ENGINES_OWN:
        yield "name", participant.name, "should be another: the engine reads this word as its own"
    for key in ("host", "port"):
        value = getattr(participant, key)
        if participant.role.listens and value is None:
            yield key, value, f"should be given: the others dial a {participant.role}"
        if not participant.role.listens and value is not None:
            yield key, value, f"should be left out: a {participant.role} only dials out and opens no port"
    if participant.records is not None and participant.role is not Role.HOSPITAL:
        yield "records", participant.records, "should be left out: only a hospital's weight is bounded by its records"
    if participant.role is Role.ADMINISTRATOR and participant.email is None:
        yield "email", None, "should be given: the engine knows administrators by their address"


def _repeated(values: list[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _twice(what: str, values: list[str]) -> Iterator[Problem]:
    for value in _repeated(values):
        yield Problem(("participants",), value, f"should be the {what} of one participant only")
