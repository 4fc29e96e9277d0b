"""The proof of concept's consortium: its file, its authority, everybody's enrolment and start-up kits."""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from mithridate.emulation.host import Hosts, on_loopback
from mithridate.errors import LedgerError
from mithridate.evaluation.networks.process import LOOPBACK, free_ports
from mithridate.federation.prepared import Prepared
from mithridate.federation.remote.deploying import Enrolled, deploy_study
from mithridate.federation.remote.records import study_inputs
from mithridate.ledger.keystore import read_keystore
from mithridate.models.code import code_hash
from mithridate.poc.ground import AUDITOR, Ground
from mithridate.provisioning.authority import Authority, new_authority
from mithridate.provisioning.consortium import Role, load_consortium
from mithridate.provisioning.enrolment import enrol
from mithridate.provisioning.keys import ACCOUNT_FILE
from mithridate.provisioning.kit import POLICY_FILE, Contents, write_kits
from mithridate.provisioning.ledger_terms import deployed
from mithridate.provisioning.private_files import read_bounded
from mithridate.provisioning.request import MAX_BYTES, read_request
from mithridate.provisioning.roster import Roster, make_roster
from mithridate.provisioning.settings import SETTINGS_FILE

NAME = "proof-of-concept"
ADMINISTRATOR, CURATOR, COORDINATOR = "administrator", "curator", "coordinator"
_WORKERS = 4


@dataclass(frozen=True)
class Place:
    """Where a participant of the proof of concept lives.

    Args:
        name: the participant's.
        role: the participant's.
        folder: holds its `kit`, `keys` and `state`.
        monitor: the port at which it tells how it is.
    """

    name: str
    role: Role
    folder: Path
    monitor: int

    @property
    def kit(self) -> Path:
        """Its start-up kit."""
        return self.folder / "kit"

    @property
    def keys(self) -> Path:
        """Its private keys."""
        return self.folder / "keys"

    @property
    def state(self) -> Path:
        """What outlives a restart."""
        return self.folder / "state"


@dataclass(frozen=True)
class Pace:
    """How fast the proof of concept's participants look and how long they wait, in seconds; see `PaceSettings`."""

    poll: float = 0.3
    patience: float = 60.0
    timeout: float = 60.0
    grace: int = 30


@dataclass(frozen=True)
class ProvisionedConsortium:
    """A consortium whose participants can be started.

    Args:
        folder: of all.
        places: of all participants, by name.
        study: folder with the deployed study, readable by `mithridate audit`.
        enrolled: what the ledger holds.
    """

    folder: Path
    places: dict[str, Place]
    study: Path
    enrolled: Enrolled

    def of(self, *roles: Role) -> list[Place]:
        """The participants in any of these roles."""
        return [place for place in self.places.values() if place.role in roles]


def provision_consortium(
    folder: Path, prepared: Prepared, ground: Ground, password: str, pace: Pace, hosts: Hosts = on_loopback
) -> ProvisionedConsortium:
    """Makes the consortium from its file to the kits, by the steps that real participants take.

    Args:
        folder: new.
        prepared: of the study, which must name the ground's network.
        ground: the ledger's network.
        password: of everybody's keys.
        pace: how fast they look and wait.
        hosts: where each is reached.
    """
    file = _write_consortium(folder, prepared, ground, hosts)
    consortium = load_consortium(file)
    authority = new_authority(folder / "authority", file, password)
    monitors = free_ports(len(consortium.participants))
    places = {
        person.name: Place(person.name, person.role, folder / person.name, port)
        for person, port in zip(consortium.participants, monitors, strict=True)
    }
    authority = _enrol_all(authority, file, list(places.values()), password)
    roster = make_roster(authority.consortium, authority.register)
    ground.fund([member.keys.account for member in roster.members])
    administrator = read_keystore(places[ADMINISTRATOR].keys / ACCOUNT_FILE, password)
    inputs = study_inputs(prepared.study, None)
    study = folder / "study"
    enrolled = deploy_study(prepared.study, inputs, roster, administrator, study, pace.grace)
    expected = [site.name for site in prepared.sites]
    if list(enrolled.hospitals) != expected:
        raise LedgerError(f"the ledger's roster is {enrolled.hospitals}, not {expected}")
    terms, resolved = deployed(study)
    kits = write_kits(authority, folder / "kits", Contents(terms, resolved, inputs))
    for name, kit in kits.items():
        kit.rename(places[name].kit)
        _set_pace(places[name], pace)
    for place in places.values():
        if place.role is Role.HOSPITAL:
            _write_policy(place, prepared, roster)
    return ProvisionedConsortium(folder, places, study, enrolled)


def _write_consortium(folder: Path, prepared: Prepared, ground: Ground, hosts: Hosts) -> Path:
    validators = prepared.study.validators.count
    ports = _pairs(validators)
    (port,) = free_ports(1)
    coordinator = hosts(COORDINATOR).address
    people: list[dict[str, object]] = [
        {
            "name": COORDINATOR,
            "role": "coordinator",
            "organisation": "consortium",
            # By this name the engine listens on loopback alone.
            "host": "localhost" if coordinator == LOOPBACK else coordinator,
            "port": port,
        },
        *(
            {
                "name": f"validator-{rank}",
                "role": "validator",
                "organisation": f"validators_{rank}",
                "host": hosts(f"validator-{rank}").address,
                "port": ports[rank],
                "node": ground.nodes[rank % len(ground.nodes)],
            }
            for rank in range(validators)
        ),
        {"name": CURATOR, "role": "curator", "organisation": "reference_centre"},
        {"name": AUDITOR, "role": "auditor", "organisation": "auditors", "node": ground.nodes[-1]},
        {
            "name": ADMINISTRATOR,
            "role": "administrator",
            "organisation": "consortium",
            "email": "administrator@consortium.example",
        },
        *(
            {
                "name": site.name,
                "role": "hospital",
                "organisation": site.name.replace("-", "_"),
                "records": len(site.dataset),
            }
            for site in prepared.sites
        ),
    ]
    file = folder / "consortium.yml"
    file.write_text(yaml.safe_dump({"consortium": NAME, "participants": people}, sort_keys=False), encoding="utf-8")
    return file


def _pairs(count: int) -> list[int]:
    """First of so many pairs of free ports that follow each other: a validator listens at both."""
    free = set(free_ports(400))
    found: list[int] = []
    for port in sorted(free):
        if port + 1 in free and (not found or port > found[-1] + 1):
            found.append(port)
    if len(found) < count:
        raise LedgerError("there are too few free ports on loopback that follow each other")
    return found[:count]


def _enrol_all(authority: Authority, file: Path, places: Sequence[Place], password: str) -> Authority:
    def make(place: Place) -> Path:
        place.folder.mkdir(mode=0o700)
        request = place.folder / "request.json"
        enrol(file, place.name, authority.fingerprint, place.keys, request, password)
        return request

    with ThreadPoolExecutor(_WORKERS) as pool:
        requests = list(pool.map(make, places))
    for request in requests:
        authority, _ = authority.sign(read_request(read_bounded(request, MAX_BYTES, "a request")))
    return authority


def _set_pace(place: Place, pace: Pace) -> None:
    file = place.kit / SETTINGS_FILE
    text = file.read_text(encoding="utf-8")
    for key, value in (("poll", pace.poll), ("patience", pace.patience), ("timeout", pace.timeout)):
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
    file.write_text(re.sub(r"^port = .*$", f"port = {place.monitor}", text, flags=re.MULTILINE), encoding="utf-8")


def _write_policy(place: Place, prepared: Prepared, roster: Roster) -> None:
    """What the hospital's own administrator would write after reading the study."""
    study = prepared.study
    lines = {
        "studies": [study.configuration_hash().hex()],
        "model_code": [code_hash(study.model.name)],
        "validators": [member.keys.account for member in roster.of(Role.VALIDATOR)],
    }
    text = "".join(f"{key} = {json.dumps(values)}\n" for key, values in lines.items())
    (place.kit / POLICY_FILE).write_text(f"{text}\n[privacy]\nclip = {study.clipping.norm}\n", encoding="utf-8")
