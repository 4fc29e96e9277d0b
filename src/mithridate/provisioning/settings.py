"""A participant's own settings: a commented file in its kit, unsigned, since it is the participant's to change."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError, model_validator

from mithridate.errors import EnrolmentError, InputError
from mithridate.ledger.settings import LedgerSettings
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.private_files import read_bounded
from mithridate.proxies import check_proxy
from mithridate.section import Problem, Section, refuse
from mithridate.study_errors import describe

SETTINGS_FILE = "local/participant.toml"
MAX_BYTES = 1 << 16


class PaceSettings(Section):
    """How a participant follows the ledger and waits for others."""

    poll: float = Field(default=1.0, gt=0, le=60)
    """Seconds between two looks at the ledger while nothing happens."""
    patience: float = Field(default=300.0, ge=5, le=86_400)
    """Seconds that a validator waits for the other two before it gives an attempt up."""
    timeout: float = Field(default=120.0, ge=1, le=3_600)
    """Seconds that one message to another participant may take."""


class MonitoringSettings(Section):
    """Where a participant tells how it is."""

    port: int = Field(default=0, ge=0, le=65_535)
    """Port on this machine's loopback interface for /health, /status and /metrics; 0 for none."""


class ParticipantSettings(Section):
    """What a participant decides itself."""

    keys: str = Field(default="../keys", max_length=4096)
    """Folder with the keys that `mithridate enrol` made; where it is relative, to the kit."""
    state: str = Field(default="../state", max_length=4096)
    """Folder for journals, caches and whatever else has to outlive a restart; where it is relative, to the kit."""
    data: str = Field(default="", max_length=4096)
    """A hospital's or curator's records; where it is relative, to the kit. Others leave it empty."""
    policy: str = Field(default="local/policy.toml", max_length=4096)
    """A hospital's own policy; where it is relative, to the kit. Others leave it as it is."""
    proxy: str = Field(default="", repr=False)
    """URL of the proxy on the way out, such as http://proxy.clinic.example:3128; left empty, the environment's."""
    pace: PaceSettings = PaceSettings()
    """How it follows the ledger and waits for others."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """Where it tells how it is."""
    ledger: LedgerSettings = LedgerSettings()
    """How it reaches the ledger."""

    @model_validator(mode="after")
    def _usable_proxy(self) -> "ParticipantSettings":
        try:
            if self.proxy:
                check_proxy(self.proxy, "it")
        except InputError as error:
            # What was written is not repeated: it may hold a password.
            refuse("settings", [Problem(("proxy",), "...", str(error).removeprefix("it "))])
        return self


def commented(settings: ParticipantSettings, name: str, role: Role) -> str:
    """The settings as TOML, every key with its explanation above it."""
    head = [f"# Settings of {name}, {role}. They are this participant's own: change what you need, and keep a copy."]
    return "\n".join([*head, "", *_lines(settings, ""), ""])


def read_settings(kit: Path) -> ParticipantSettings:
    """The settings in a kit.

    Raises:
        EnrolmentError: there are none, or any number of unknown keys and wrong values, all named at once.
    """
    file = kit / SETTINGS_FILE
    try:
        document = tomllib.loads(read_bounded(file, MAX_BYTES, "a participant's settings").decode("utf-8"))
    except ValueError as error:
        raise EnrolmentError(f"{file} is not valid TOML: {error}") from error
    try:
        return ParticipantSettings.model_validate(document)
    except ValidationError as error:
        problems = describe(error, ParticipantSettings, document)
        raise EnrolmentError("\n  ".join([f"{file}:", *problems])) from None


def _lines(section: BaseModel, prefix: str) -> Iterator[str]:
    tables: list[tuple[str, BaseModel]] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            tables.append((prefix + name, value))
            continue
        yield f"# {field.description}"
        yield f"{name} = {_toml(value)}"
    for name, table in tables:
        yield from ("", f"[{name}]", *_lines(table, f"{name}."))


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
