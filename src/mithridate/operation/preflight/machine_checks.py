"""The machine: room, ports and libraries."""

import shutil
import socket
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement

from mithridate.errors import InputError
from mithridate.operation.preflight.check import check
from mithridate.operation.preflight.kit_checks import KIT
from mithridate.operation.site import Site
from mithridate.provisioning.consortium import Participant, Role

SPARE_BYTES = 1 << 30
LOOPBACK, ANY = "127.0.0.1", "0.0.0.0"  # noqa: S104 - to see whether a port is free, not to listen
PINS_FILE = "constraints.txt"
_EXTRAS = {
    Role.COORDINATOR: ("hospital", "federation"),
    Role.HOSPITAL: ("hospital", "federation"),
    Role.CURATOR: ("hospital", "federation"),
    Role.VALIDATOR: ("hospital", "validator", "federation"),
}


@check("library versions")
def library_versions(site: Site) -> str:
    """What is installed fits what this version of Mithridate asks for."""
    wrong, found = [], {}
    for wanted in _requirements(site.role):
        try:
            found[wanted.name] = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(f"{wanted} is missing")
            continue
        if not wanted.specifier.contains(found[wanted.name], prereleases=True):
            wrong.append(f"{wanted.name} {found[wanted.name]} does not fit {wanted.specifier}")
    if wrong:
        raise InputError(f"{'; '.join(wrong)}: install anew with the release's {PINS_FILE}")
    tested = _pins()
    other = [f"{name} {have}" for name, have in found.items() if tested.get(name, have) != have]
    note = f"; other than tested with: {', '.join(other)}" if other else ""
    return f"mithridate {version('mithridate')} and {len(found)} libraries fit{note}"


@check("disk space", needs=(KIT,))
def disk_space(site: Site) -> str:
    """The state of the whole study has room."""
    needed = SPARE_BYTES + _state_bytes(site)
    place = _existing(site.state)
    free = shutil.disk_usage(place).free
    if free < needed:
        raise InputError(
            f"{_size(free)} are free at {place}, the study may need {_size(needed)}: make room, or set `state` in"
            " local/participant.toml to a larger disk"
        )
    return f"{_size(free)} free at {place}, {_size(needed)} needed at most"


@check("ports", needs=(KIT,))
def ports(site: Site) -> str:
    """Nobody else listens where this participant will."""
    wanted = _places(site)
    if not wanted:
        return "none is opened: it only dials out"
    told = ", ".join(f"{host}:{port}" for host, port in wanted)
    if site.running:
        return f"{told}: the participant runs and holds them"
    for host, port in wanted:
        _refuse_taken(host, port)
    return f"{told} can be opened"


def _requirements(role: Role | None) -> list[Requirement]:
    extras = _EXTRAS.get(role, ()) if role else ()
    wanted = [Requirement(line) for line in requires("mithridate") or ()]
    return [
        each
        for each in wanted
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def _pins() -> dict[str, str]:
    packaged = Path(str(files("mithridate"))) / PINS_FILE
    places = (packaged, *(folder / PINS_FILE for folder in packaged.parents[1:3]))
    text = next((place.read_text(encoding="utf-8") for place in places if place.is_file()), "")
    pairs = (line.split("==") for line in text.splitlines() if line.count("==") == 1)
    return {name.strip(): number.strip() for name, number in pairs}


def _state_bytes(site: Site) -> int:
    if site.kit.study is None or site.kit.inputs is None:
        return 0
    size, study = site.material.layout.size, site.kit.study
    models = 4 * size * (study.training.rounds + 1)
    if site.participant.role is not Role.COORDINATOR:
        return models
    # The third share of each update at full length, twice while one attempt gives way to the next.
    return models + 2 * 8 * size * (study.hospitals.count + 2)


def _places(site: Site) -> list[tuple[str, int]]:
    person, found = site.participant, []
    if person.host and person.port:
        found.append((_bound(person), person.port))
        if person.role is Role.VALIDATOR:
            found.append((_bound(person), person.port + 1))
    if site.kit.settings.monitoring.port:
        found.append((LOOPBACK, site.kit.settings.monitoring.port))
    return found


def _bound(person: Participant) -> str:
    # The engine listens on all interfaces unless the coordinator's own name is one of loopback.
    host = str(person.host)
    local = host == "localhost" or host.startswith("127.")
    return host if local or person.role is not Role.COORDINATOR else ANY


def _refuse_taken(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise InputError(f"{host} is no name that this machine can look up ({error.strerror}): mend DNS") from error
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be opened ({error.strerror}): end whatever listens there, or check that {host} is"
            " an address of this machine"
        ) from error


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
