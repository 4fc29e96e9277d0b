"""A participant as a process: from its start-up kit and its keys to the agent that plays its role."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mithridate.attacks import Conspiracy
from mithridate.crypto.keys import public_to_bytes
from mithridate.errors import EnrolmentError, LedgerError, PolicyError, RunError
from mithridate.federation.coordinator import Coordinator
from mithridate.federation.dropout import drops
from mithridate.federation.flare.connection import ServerConnection, SiteConnection
from mithridate.federation.folder import PartyFolder
from mithridate.federation.handover import KeptShape
from mithridate.federation.hospital import Hospital
from mithridate.federation.material import Material
from mithridate.federation.parties import make_curator, make_validator, study_rules
from mithridate.federation.policy import enforce, load_policy
from mithridate.federation.remote.agent import Agent, Pace
from mithridate.federation.remote.coordinator_agent import CoordinatorAgent
from mithridate.federation.remote.curator_agent import CuratorAgent, ReferenceHandIn
from mithridate.federation.remote.deploying import initial_model
from mithridate.federation.remote.desk import Desk, Lengths, Roles
from mithridate.federation.remote.hospital_agent import HospitalAgent
from mithridate.federation.remote.ledger_terms import check_code
from mithridate.federation.remote.malice import Malice
from mithridate.federation.remote.meetings import RemoteMeetings, restart_process
from mithridate.federation.remote.records import hospital_records, reference_records
from mithridate.federation.remote.signing_keys import SigningKeys, await_answer
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.validator_agent import ValidatorAgent
from mithridate.federation.seats import Seats, possible_seats
from mithridate.federation.site import Site
from mithridate.ledger.client import ContractLedger
from mithridate.ledger.deployment import Deployment, check
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.interface import COMMITTEE_SIZE, MAX_REASON_BYTES, AttemptState
from mithridate.ledger.interface import Role as LedgerRole
from mithridate.ledger.store import ModelStore
from mithridate.mpc.remote_peers import PeerService, Seat
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.opened_kit import Kit
from mithridate.provisioning.study_inputs import StudyInputs
from mithridate.study import Study

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """Where a participant stands: its kit and keys, the ledger as it sees it, and the study's public part.

    Args:
        kit: opened.
        keys: its own.
        network: the chain.
        ledger: from its own account.
        material: the study's.
        inputs: what the model takes and gives.
        state: folder for whatever has to outlive a restart.
    """

    kit: Kit
    keys: ParticipantKeys
    network: EvmNetwork
    ledger: ContractLedger
    material: Material
    inputs: StudyInputs
    state: Path

    @property
    def study(self) -> Study:
        """Which study."""
        return self.material.study

    @property
    def name(self) -> str:
        """The participant's."""
        return self.kit.member.participant.name

    @property
    def pace(self) -> Pace:
        """How it follows the ledger."""
        return Pace(self.kit.settings.pace.poll, self.kit.settings.pace.patience)

    @property
    def models(self) -> ModelStore:
        """Its own copies of global models."""
        return ModelStore(self.state / "models")

    @property
    def records(self) -> Path | None:
        """The file with its records; None for its part of the study's data."""
        return self.kit.path(self.kit.settings.data) if self.kit.settings.data else None

    def desk(self, connection: SiteConnection) -> CoordinatorDesk:
        """The coordinator's desk as it sees it."""
        return CoordinatorDesk(connection, self.ledger.study_id(), self.name, self.keys.signing, self.lengths)

    @property
    def lengths(self) -> Lengths:
        """Of the study's messages."""
        study, size = self.study, self.material.layout.size
        kept = KeptShape.of(study.aggregation, study.hospitals.count, size)
        return Lengths(size, self.material.reference.length, kept.length)


def stand(kit: Kit, keys: ParticipantKeys) -> Standing:
    """Connects a participant to the ledger, and checks that kit, contracts and study belong together.

    Raises:
        EnrolmentError: the kit was written before the study was deployed.
        LedgerError: the ledger cannot be reached, or holds other contracts or another study than the kit says.
    """
    if kit.terms is None or kit.study is None or kit.inputs is None:
        raise EnrolmentError(f"{kit.folder} was written before the study was deployed: ask for a new kit")
    settings = kit.settings.ledger
    network = EvmNetwork(settings.endpoints, finality=settings.finality, agreement=settings.agreement)
    deployment = Deployment(kit.terms.addresses)
    check(network, deployment)
    check_code(network, kit.terms)
    ledger = ContractLedger(network, deployment, keys.account)
    if ledger.configuration() != kit.study.configuration_hash():
        raise LedgerError("the ledger's study is another than the kit's: its configuration hash differs")
    material = Material.of(kit.study, kit.inputs.model, kit.inputs.reference_records)
    state = kit.path(kit.settings.state)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Standing(kit, keys, network, ledger, material, kit.inputs, state)


def hospital(standing: Standing, connection: SiteConnection) -> Agent:
    """A hospital's agent, if its own policy lets it take part.

    Raises:
        PolicyError: it does not; the reason stands on the ledger then.
        DataError: its records cannot be used.
    """
    study, material = standing.study, standing.material
    index = _index(standing)
    _obey_policy(standing, index)
    _register_keys(standing)
    store = standing.models
    records = hospital_records(study, standing.inputs.model, standing.records, index)
    role = Hospital(_site(standing, index, records), standing.ledger, standing.keys.signing, store, material.layout)
    malice = _malice(standing) if index in study.malicious else None

    def dropping(when: Any, state: AttemptState) -> bool:
        return drops(study, when, index, state.round, state.attempt)

    desk, rounds = standing.desk(connection), study.training.rounds
    return HospitalAgent(role, standing.ledger, desk, store, rounds, standing.pace, malice, dropping)


def curator(standing: Standing, connection: SiteConnection) -> Agent:
    """The curator's agent; it hands in the reference set before the study begins.

    Raises:
        DataError: its records cannot be used.
    """
    study = standing.study
    reference = reference_records(study, standing.inputs.model, standing.records)
    if len(reference) != standing.inputs.reference_records:
        raise RunError(
            f"the study is of {standing.inputs.reference_records} reference records, these are {len(reference)}"
        )
    role = make_curator(standing.material, reference, standing.ledger, standing.keys.signing, standing.models)
    desk = standing.desk(connection)
    return CuratorAgent(
        role,
        standing.ledger,
        desk,
        study.curated,
        study.training.rounds,
        standing.pace,
        ReferenceHandIn(standing.material, standing.keys.signing, standing.state),
    )


def validator(standing: Standing, connection: SiteConnection) -> Agent:
    """A validator's agent, its door to the others open.

    Raises:
        InputError: its port is taken.
        LedgerError: it is no validator of the study.
    """
    _register_keys(standing)
    study, roster = standing.study, standing.kit.roster
    by_account = {member.keys.account.lower(): member for member in roster.of(Role.VALIDATOR)}
    members = [by_account[record.address.lower()] for record in standing.ledger.validators()]
    place = [member.participant.name for member in members].index(standing.name)
    every = [Seat(m.participant.name, f"{m.participant.host}:{m.participant.port}", m.pem.encode()) for m in members]
    key = standing.keys.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    timeout = standing.kit.settings.pace.timeout

    def door(seats: Seats) -> PeerService:
        chosen = (every[seats[0]], every[seats[1]], every[seats[2]])
        return PeerService(seats.index(place), chosen, key, standing.material.layout.size, timeout)

    links = [f"{m.participant.host}:{(m.participant.port or 0) + 1}" for m in members]
    meetings = RemoteMeetings(door, links, standing.state / "sections.json", timeout, restart_process)
    if len(members) == COMMITTEE_SIZE:
        # A port that is taken is told at the start, where it is known who will sit.
        meetings.sit(possible_seats(COMMITTEE_SIZE)[0])
    own = PartyFolder(standing.state)
    rules = study_rules(standing.material, roster.of(Role.CURATOR)[0].signing_key)
    keys = standing.keys
    role = make_validator(place, rules, standing.ledger, keys.envelope, keys.signing, standing.models, own)
    rounds, pace = study.training.rounds, standing.pace
    desk = standing.desk(connection)
    return ValidatorAgent(role, standing.ledger, desk, meetings, standing.models, study.curated, rounds, pace)


def coordinator(standing: Standing) -> tuple[Agent, Desk, ServerConnection]:
    """The coordinator's agent and the desk at which it answers, not yet connected."""
    material, ledger = standing.material, standing.ledger
    store = standing.models
    store.put(initial_model(material))
    role = Coordinator(ledger, standing.state / "mailbox", material.layout.size)
    desk = Desk(role, ledger, store, _roles(standing), standing.lengths)
    study = standing.study
    deadline = study.runtime.deadline_seconds
    draw, rounds = study.validators.draw_seconds, study.training.rounds
    agent = CoordinatorAgent(role, ledger, deadline, ledger.grace(), draw, rounds, standing.pace)
    return agent, desk, ServerConnection(desk.answer)


def _roles(standing: Standing) -> Roles:
    roster, ledger = standing.kit.roster, standing.ledger
    names = {member.keys.account.lower(): member.participant.name for member in roster.members}
    return Roles(
        keys=SigningKeys(roster, ledger),
        hospitals={names[record.address.lower()]: record.index for record in ledger.hospitals()},
        validators={names[record.address.lower()]: record.rank for record in ledger.validators()},
        curator=roster.of(Role.CURATOR)[0].participant.name,
    )


def _index(standing: Standing) -> int:
    own = standing.keys.account.address.lower()
    for record in standing.ledger.hospitals():
        if record.address.lower() == own:
            return record.index
    raise LedgerError(f"{standing.name} is not admitted to this study on the ledger")


def _site(standing: Standing, index: int, records: Any) -> Site:
    study = standing.study
    return Site(
        index=index,
        dataset=records,
        module=standing.material.module,
        settings=study.training,
        conspiracy=Conspiracy(study.attacks, study.seed),
        clip_norm=study.clipping.norm,
        seed=study.seed,
    )


def _malice(standing: Standing) -> Malice:
    study = standing.study
    if standing.records is not None:
        raise RunError("a study that simulates attacks takes its records from the study's data, not from files")
    fellows = [
        _site(standing, index, hospital_records(study, standing.inputs.model, None, index))
        for index in sorted(study.malicious)
    ]
    return Malice(fellows, study.hospitals.count, standing.material.layout)


def _obey_policy(standing: Standing, index: int) -> None:
    file = standing.kit.path(standing.kit.settings.policy)
    accounts = [record.address for record in standing.ledger.validators()]
    refused = standing.ledger.refusal(index) is not None
    try:
        enforce(load_policy(file), standing.study, accounts)
    except PolicyError as error:
        LOG.error("%s takes no part: %s", standing.name, error)
        if not refused:
            standing.ledger.refuse_study(_reason(str(error)))
        raise
    if refused:
        standing.ledger.withdraw_refusal("the policy accepts the study now")


def _reason(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:MAX_REASON_BYTES]


def _register_keys(standing: Standing) -> None:
    """Makes the ledger hold this participant's keys as they are now."""
    ledger, own = standing.ledger, standing.keys.account.address.lower()
    signing = public_to_bytes(standing.keys.signing.public_key())
    envelope = public_to_bytes(standing.keys.envelope.public_key())
    role = LedgerRole.VALIDATOR if standing.kit.member.participant.role is Role.VALIDATOR else LedgerRole.HOSPITAL
    member = next((member for member in ledger.members(role) if member.address.lower() == own), None)
    if member is None:
        raise LedgerError(f"{standing.name} is not a member of the consortium on the ledger")
    if role is LedgerRole.HOSPITAL and member.signing_key not in (b"", signing):
        await_answer(ledger, own, standing.pace.poll)
    if (member.signing_key, member.envelope_key) != (signing, envelope):
        ledger.register_keys(signing_key=signing, envelope_key=envelope)
