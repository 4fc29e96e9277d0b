"""All parties of a secure study, each with its own keys and folder, seated in one process."""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from mithridate.crypto.keys import PrivateKey, PublicKey, public_from_bytes, public_to_bytes
from mithridate.crypto.sharing import MAX_LENGTH
from mithridate.data.dataset import Dataset
from mithridate.errors import RunError, StudyError
from mithridate.federation.cascade import Cascade
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.coordinator import Coordinator
from mithridate.federation.curator import Curator
from mithridate.federation.folder import PartyFolder, RunFolder
from mithridate.federation.handover import KeptShape
from mithridate.federation.hospital import Hospital
from mithridate.federation.material import Material
from mithridate.federation.openings import OpeningLog
from mithridate.federation.prepared import Prepared
from mithridate.federation.reference import ReferencePart, ReferenceShape, share_reference
from mithridate.federation.rule_memory import RuleMemoryLog
from mithridate.federation.seats import Seats, possible_seats
from mithridate.federation.standings import StandingLog
from mithridate.federation.succession import Succession
from mithridate.federation.validator import StudyRules, Validator
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.interface import Ledger, Role
from mithridate.ledger.run_ledger import has_ledger, new_ledger, open_ledger
from mithridate.ledger.shared import SharedLedger
from mithridate.ledger.store import ModelStore, study_store
from mithridate.models.files import to_safetensors
from mithridate.mpc.aten import lower
from mithridate.mpc.links import memory_links
from mithridate.mpc.peers import HungUp, MemoryPeers, memory_peers
from mithridate.mpc.session import Session
from mithridate.mpc.shares import VALIDATORS
from mithridate.study import Study
from mithridate.verification.inference import Correct, FellBehind
from mithridate.verification.registry import Bounds

AUDITOR = "auditor"
"""The party that certifies models with `mithridate audit`; it has no part in a round."""
PEER_TIMEOUT_S = 300.0
"""How long one validator waits for another before it gives the attempt up."""

Result = TypeVar("Result")


class Committee:
    """The three validators that serve, each in a thread of its own while they compute jointly.

    Args:
        every: the study's validators, by place.
    """

    def __init__(self, every: Sequence[Validator]) -> None:
        self.every = tuple(every)
        self.validators = self.every[:VALIDATORS]
        """Those that serve, in rank order."""
        self._pool = ThreadPoolExecutor(VALIDATORS, thread_name_prefix="validator")
        self._peers: tuple[MemoryPeers, ...] = ()

    def seat(self, seats: Seats, reference: Callable[[Seats, int], ReferencePart]) -> None:
        """Makes a committee the one that serves, unless it does so already.

        Args:
            seats: the validators' places, in rank order.
            reference: what a rank of it is given of the reference set.
        """
        if self.validators[0].sits_in(seats):
            return
        self.validators = tuple(self.every[place] for place in seats)
        self.assemble()
        given = dict(enumerate(self.validators))
        for rank, validator in given.items():
            validator.take_seat(seats, reference(seats, rank))

    def assemble(self) -> None:
        """Fresh channels and sessions among the three; what went wrong on the old ones is left behind."""
        self._peers, links = memory_peers(PEER_TIMEOUT_S), memory_links(PEER_TIMEOUT_S)
        ranks = {validator: rank for rank, validator in enumerate(self.validators)}

        def join(validator: Validator) -> None:
            rank = ranks[validator]
            validator.join(CommitteeMember(self._peers[rank], Session(links[rank])))

        self.all(join)

    def all(self, step: Callable[[Validator], Result]) -> list[Result]:
        """What each validator's `step` returned, in rank order; the first one's error if any failed.

        A validator that fails takes the other two out of their waiting, so that none hangs.
        """

        def guarded(rank: int, validator: Validator) -> Result:
            try:
                return step(validator)
            except BaseException:
                if self._peers:
                    self._peers[rank].hang_up()
                raise

        futures = [self._pool.submit(guarded, rank, validator) for rank, validator in enumerate(self.validators)]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            # A hang-up is the consequence of another's error, which says more.
            raise next((error for error in errors if not isinstance(error, HungUp)), errors[0])
        return [future.result() for future in futures]

    @property
    def sent_bytes(self) -> int:
        """Bytes the three have sent each other in the linear part, on the present channels."""
        return sum(peers.sent_bytes for peers in self._peers)

    @property
    def rounds(self) -> int:
        """Rounds of communication of the linear part, on the present channels."""
        return max((peers.rounds for peers in self._peers), default=0)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()


@dataclass(frozen=True)
class Parties:
    """Everybody in a secure study.

    Args:
        chain: the ledger they share.
        coordinator: relays messages.
        committee: the validators.
        hospitals: in roster order.
        curator: the reference set's owner.
        store: where global models lie.
        reference: shape of the reference set.
    """

    chain: SharedLedger
    coordinator: Coordinator
    committee: Committee
    hospitals: tuple[Hospital, ...]
    curator: Curator
    store: ModelStore
    reference: ReferenceShape

    def close(self) -> None:
        """Ends the committee's threads and closes the ledger."""
        self.committee.close()
        self.chain.close()

    def seat(self, seats: Seats) -> None:
        """Makes a committee the one that serves."""
        self.committee.seat(
            seats, lambda seats, rank: self.coordinator.reference_part(seats, rank, self.reference.length)
        )

    def draw(self, seconds: int) -> None:
        """Draws the next committee where the contract asks for one.

        Args:
            seconds: see `Coordinator.draw_under_way`.
        """
        while (draw := self.coordinator.draw_under_way(seconds)) is not None:
            # Once to commit, once to reveal; a draw that a killed run left open needs one of them only.
            for _ in range(2):
                with self.chain.block():
                    for validator in self.committee.every:
                        validator.draw(draw.number)
            self.coordinator.settle(self.chain.reader.draw(draw.number))


def seat(prepared: Prepared, folder: RunFolder) -> Parties:
    """Seats all parties on the folder's ledger, making whatever a run that was killed had not yet made.

    Raises:
        JournalAltered: the ledger does not replay.
        ProtocolError: the curator's message is not what the ledger binds.
    """
    chain = _ledger(prepared.study, folder)
    store = study_store(prepared.study.store.url, folder.models, chain.reader.study_id())
    coordinator = Coordinator(
        chain.as_party(folder.party("coordinator").account()),
        folder.party("coordinator").path / "mailbox",
        prepared.layout.size,
    )
    curator = folder.party("curator").key("signing")
    rules = study_rules(prepared.material, curator.public_key())
    count = prepared.study.validators.count
    committee = Committee([_validator(place, rules, chain, store, folder) for place in range(count)])
    hospitals = tuple(
        Hospital(
            site,
            chain.as_party(folder.party(site.name).account()),
            folder.party(site.name).key("signing"),
            store,
            prepared.layout,
        )
        for site in prepared.sites
    )
    beside_the_reference = make_curator(prepared.material, prepared.split.reference, chain.reader, curator, store)
    parties = Parties(chain, coordinator, committee, hospitals, beside_the_reference, store, rules.reference)
    _enrol(prepared, folder, parties, rules)
    state = chain.reader.latest()
    if state is not None or len(committee.every) == VALIDATORS:
        parties.seat(state.committee if state else possible_seats(VALIDATORS)[0])
    return parties


def _ledger(study: Study, folder: RunFolder) -> SharedLedger:
    if has_ledger(folder.path):
        ledger = open_ledger(folder.path, study.ledger)
        if ledger.reader.configuration() != study.configuration_hash():
            ledger.close()
            raise RunError(f"the ledger of {folder.path} binds another study: its configuration is not this folder's")
        return ledger
    terms = StudyTerms(
        configuration=study.configuration_hash(),
        coordinator=folder.party("coordinator").account().address,
        validators=[folder.party(f"validator-{place}").account().address for place in range(study.validators.count)],
        rotation=study.validators.rotation,
        quorum=study.quorum,
        min_accepted=study.aggregation.min_accepted,
        requires_certificate=study.release.certificate,
    )
    return new_ledger(folder.path, study.ledger, folder.party("administrator").account(), terms)


def study_rules(material: Material, curator: PublicKey) -> StudyRules:
    """What every validator knows of the study.

    Args:
        material: the study's.
        curator: the curator's public signing key.

    Raises:
        StudyError: one committee could not hand what its rule keeps to the next.
    """
    study, reference = material.study, material.reference
    kept = KeptShape.of(study.aggregation, study.hospitals.count, material.layout.size)
    if study.validators.count > VALIDATORS and kept.length > MAX_LENGTH:
        raise StudyError(
            f"aggregation.name = {study.aggregation.name} keeps {kept.component} numbers from round to round, more than"
            f" one committee can hand to the next: choose validators.count = {VALIDATORS} or another rule"
        )
    model = lower(material.module, reference.shape)
    return StudyRules(
        layout=material.layout,
        cascade=Cascade(study.defence, Bounds.of(study.clipping.norm), model, study.aggregation.robust),
        correct=Correct(model),
        release=FellBehind(study.release.tolerance, reference.samples),
        aggregation=study.aggregation,
        curated=study.curated,
        reference=reference,
        curator=curator,
    )


def make_validator(
    place: int,
    rules: StudyRules,
    ledger: Ledger,
    envelope_key: PrivateKey,
    signing_key: PrivateKey,
    store: ModelStore,
    own: PartyFolder,
) -> Validator:
    """A validator with its own records in its folder.

    Args:
        place: in the study.
        rules: the study's.
        ledger: the ledger, from its own account.
        envelope_key: opens what is sent to it.
        signing_key: signs what it hands over to a later committee.
        store: where global models lie.
        own: its folder.
    """
    openings = OpeningLog(own.path / "openings.sqlite")
    standings = StandingLog(own.path / "standings.sqlite", place)
    memories = RuleMemoryLog(own.path / "rule_memory.sqlite", place)
    size, aggregation = rules.layout.size, rules.aggregation
    kept = Succession(place, ledger, envelope_key, signing_key, standings, memories, aggregation, size)
    return Validator(place, ledger, envelope_key, own.secret("randomness"), store, openings, kept, rules)


def make_curator(material: Material, reference: Dataset, ledger: Ledger, key: PrivateKey, store: ModelStore) -> Curator:
    """The curator beside its reference set.

    Args:
        material: the study's.
        reference: the preprocessed records.
        ledger: the ledger, for reading.
        key: its signing key.
        store: where global models lie.
    """
    study = material.study
    return Curator(
        reference=reference,
        module=copy.deepcopy(material.module),
        settings=study.training,
        probes=study.defence.probes,
        clip_norm=study.clipping.norm,
        seed=study.seed,
        ledger=ledger,
        key=key,
        store=store,
        layout=material.layout,
    )


def _validator(place: int, rules: StudyRules, chain: SharedLedger, store: ModelStore, folder: RunFolder) -> Validator:
    own = folder.party(f"validator-{place}")
    ledger = chain.as_party(own.account())
    return make_validator(place, rules, ledger, own.key("envelope"), own.key("signing"), store, own)


def _enrol(prepared: Prepared, folder: RunFolder, parties: Parties, rules: StudyRules) -> None:
    """The administrator's part, once: roster, keys, initial model and reference set. Each step is done at most once."""
    administrator = parties.chain.as_party(folder.party("administrator").account())
    if administrator.begun():
        return
    enrolled = {member.address for member in administrator.members(Role.HOSPITAL)}
    admitted = len(administrator.hospitals())
    registered = [bool(validator.envelope_key) for validator in administrator.validators()]
    with parties.chain.block():
        for site in prepared.sites:
            own = folder.party(site.name)
            if own.account().address not in enrolled:
                signing_key = public_to_bytes(own.key("signing").public_key())
                administrator.enrol(own.account().address, Role.HOSPITAL, signing_key)
        auditor = folder.party(AUDITOR).account().address
        if not administrator.is_active(auditor, Role.AUDITOR):
            administrator.enrol(auditor, Role.AUDITOR)
        for validator in parties.committee.every:
            if not registered[validator.place]:
                own = folder.party(validator.name)
                signing_key, envelope_key = (
                    public_to_bytes(own.key(name).public_key()) for name in ("signing", "envelope")
                )
                parties.chain.as_party(own.account()).register_keys(signing_key, envelope_key)
    with parties.chain.block():
        for site in prepared.sites[admitted:]:
            administrator.admit(folder.party(site.name).account().address, len(site.dataset))
    initial = bytes.fromhex(parties.store.put(to_safetensors(prepared.initial, prepared.layout)))
    validators = [public_from_bytes(validator.envelope_key) for validator in administrator.validators()]
    context = rules.reference.context(administrator.study_id(), initial)
    curator = folder.party("curator").key("signing")
    messages, digest = share_reference(prepared.split.reference, context, curator, validators)
    for seats, message in messages.items():
        parties.coordinator.accept_reference(seats, message, rules.reference.length)
    administrator.begin(initial, digest)
