"""Start-up kits, written by the authority: what a participant needs to begin, and nothing that is to be kept secret.

startup/    signed by the authority: certificate, roster, contracts, study, the ledger's genesis file and peers, the
            engine's start files
local/      the participant's own: `participant.toml`, the engine's resources, rights and logs
start.sh    starts a coordinator, validator, hospital or curator
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mithridate.errors import EnrolmentError
from mithridate.ledger.node.terms import MAX_GENESIS_BYTES, FollowedNetwork, followed_network
from mithridate.ledger.settings import LedgerSettings
from mithridate.provisioning.authority import ROOT_FILE, Authority
from mithridate.provisioning.certificates import certificate_to_pem
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.engine import CLIENTS, engine_kits
from mithridate.provisioning.ledger_terms import LedgerTerms, nodes_of
from mithridate.provisioning.manifest import STARTUP, write_manifest
from mithridate.provisioning.private_files import PRIVATE_FOLDER, read_bounded
from mithridate.provisioning.revocation import LIST_FILE
from mithridate.provisioning.roster import Member, Roster, make_roster
from mithridate.provisioning.settings import SETTINGS_FILE, ParticipantSettings, commented
from mithridate.provisioning.study_inputs import INPUTS_FILE, StudyInputs
from mithridate.study import Study

ROSTER_FILE, LEDGER_FILE, STUDY_FILE, MEMBER_FILE = "roster.json", "ledger.json", "study.json", "member.json"
GENESIS_FILE, NETWORK_FILE = "genesis.json", "network.json"
START_FILE, POLICY_FILE = "start.sh", "local/policy.toml"
_EMPTY_POLICY = """\
# Which studies this hospital takes part in. What is not listed here is refused, and the reason stands on the ledger.
# `mithridate hospital terms KIT` prints what the study of this kit would need, for you to check and to paste.
studies = []
model_code = []
validators = []

[privacy]
# The longest update, in L2, that may leave this hospital as shares.
clip = 256.0
# The fewest hospitals whose updates an aggregate may add up.
accepted = 2
"""
HOOK = "mithridate.federation.flare.hook.Hook"
"""The component that hands the running engine to our process."""
STARTED = (Role.COORDINATOR, *CLIENTS)
"""Roles that run all the time; the others give a command now and then."""


@dataclass(frozen=True)
class Contents:
    """What all kits of one writing hold besides certificates.

    Attributes:
        terms: where the study's contracts lie; None before they are deployed.
        study: which is to be run; None before there is one.
        inputs: what its model takes and gives; None before there is a study.
        network: the ledger's, for whoever runs a node of its own; None where the kits say nothing of it.
        components: role to the class path of the component that joins our protocol to the engine's process.
    """

    terms: LedgerTerms | None = None
    study: Study | None = None
    inputs: StudyInputs | None = None
    network: FollowedNetwork | None = None
    components: Mapping[Role, str] = field(default_factory=lambda: dict.fromkeys(STARTED, HOOK))


def write_kits(authority: Authority, out: Path, contents: Contents) -> dict[str, Path]:
    """Writes a kit for every participant whose certificate counts, into a new folder.

    Returns:
        Participant's name to its kit's folder.

    Raises:
        EnrolmentError: the folder exists, nobody has enrolled yet, or the engine's provisioning fails.
    """
    roster = make_roster(authority.consortium, authority.register)
    if not roster.members:
        raise EnrolmentError("nobody has a certificate yet: sign the participants' requests first")
    if out.exists():
        raise EnrolmentError(f"{out} exists: write the kits into a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    # All kits or none: an interrupted writing leaves nothing that looks finished.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as draft:
        kits = _write(authority, roster, Path(draft), contents)
        (Path(draft) / "kits").rename(out)
    return {name: out / name for name in kits}


def _write(authority: Authority, roster: Roster, draft: Path, contents: Contents) -> list[str]:
    certificates = {member.participant.name: _certificate(authority, member) for member in roster.members}
    root = certificate_to_pem(authority.root)
    engine = engine_kits(draft / "engine", authority.consortium, certificates, root, contents.components)
    revoked = authority.revocations()
    for member in roster.members:
        name = member.participant.name
        kit = draft / "kits" / name
        if name in engine:
            shutil.copytree(engine[name], kit)
        startup = kit / STARTUP
        for folder in (startup, kit / "local"):
            folder.mkdir(parents=True, exist_ok=True)
        (startup / ROOT_FILE).write_bytes(root)
        (startup / certificate_file(member.participant)).write_bytes(certificates[name])
        (startup / LIST_FILE).write_bytes(revoked)
        _write_common(kit, member, roster, contents)
        write_manifest(kit, roster.consortium, name, authority.key)
        kit.chmod(PRIVATE_FOLDER)
    return list(certificates)


def _write_common(kit: Path, member: Member, roster: Roster, contents: Contents) -> None:
    startup = kit / STARTUP
    (startup / ROSTER_FILE).write_text(roster.model_dump_json() + "\n", encoding="utf-8")
    (startup / MEMBER_FILE).write_text(member.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if contents.terms:
        (startup / LEDGER_FILE).write_text(contents.terms.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if contents.study:
        (startup / STUDY_FILE).write_text(contents.study.to_json(), encoding="utf-8")
    if contents.inputs:
        (startup / INPUTS_FILE).write_text(contents.inputs.to_json(), encoding="utf-8")
    if contents.network:
        (startup / GENESIS_FILE).write_bytes(contents.network.genesis)
        (startup / NETWORK_FILE).write_text(contents.network.terms.model_dump_json(indent=1) + "\n", encoding="utf-8")
    person = member.participant
    nodes = tuple(other.participant.node for other in roster.of(Role.VALIDATOR) if other.participant.node)
    known = contents.study.ledger if contents.study else LedgerSettings()
    settings = ParticipantSettings(ledger=nodes_of(person.node, nodes, known))
    (kit / SETTINGS_FILE).write_text(commented(settings, person.name, person.role), encoding="utf-8")
    if person.role is Role.HOSPITAL:
        (kit / POLICY_FILE).write_text(_EMPTY_POLICY, encoding="utf-8")
    if person.role in STARTED:
        (kit / START_FILE).write_text(_start(person), encoding="utf-8")
        (kit / START_FILE).chmod(0o755)


def read_network(genesis: Path | None, peers: Sequence[str]) -> FollowedNetwork | None:
    """The network of a genesis file, None without one.

    Raises:
        EnrolmentError: there are peers without a file, or it cannot be read.
        InputError: see `followed_network`.
    """
    if genesis is None:
        if peers:
            raise EnrolmentError("peers are dialled by a node that has the network's genesis file: name it, too")
        return None
    return followed_network(read_bounded(genesis, MAX_GENESIS_BYTES, "a genesis file"), peers)


def certificate_file(participant: Participant) -> str:
    """Name of the certificate in the `startup` folder, as the engine looks for it."""
    return "server.crt" if participant.role is Role.COORDINATOR else "client.crt"


def key_file(participant: Participant) -> str:
    """Name under which the engine looks for the private key in the `startup` folder."""
    return "server.key" if participant.role is Role.COORDINATOR else "client.key"


def _certificate(authority: Authority, member: Member) -> bytes:
    entry = authority.register.current(member.participant.name)
    if entry is None:
        raise EnrolmentError(f"{member.participant.name} has no certificate that counts")
    return entry.certificate.encode()


def _start(participant: Participant) -> str:
    return f"""#!/bin/sh
# Starts {participant.name}, {participant.role} of {participant.organisation}. The keys' password comes from the
# environment (MITHRIDATE_PASSWORD), from a file (--password-file FILE), or is asked for.
# `mithridate preflight` tells whether it can start. As a service of this machine: the release's
# deploy/systemd/mithridate@.service, or deploy/compose.yml; docs/deployment.md explains both.
exec mithridate {participant.role} start "$(dirname "$0")" "$@"
"""
