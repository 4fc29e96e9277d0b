"""The validator's role in a round: draw, open, verify, aggregate, attest, and check before release."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mithridate.aggregation import aggregators
from mithridate.aggregation.model import next_model
from mithridate.aggregation.registry import LinearAggregator, TrackRecord
from mithridate.aggregation.rule import Rule
from mithridate.aggregation.secure import SharedRound
from mithridate.aggregation.settings import REPUTATION, AggregationSettings
from mithridate.crypto.commitment import commit_randomness
from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.errors import OpeningRefused, ProtocolError, RoundVoid
from mithridate.federation.cascade import Cascade, Verdicts
from mithridate.federation.committee import CommitteeMember, Parameters
from mithridate.federation.curator import CuratedShares, curated_context, open_curated
from mithridate.federation.opened import OpenedUpdates, Recipient, agree_on_one
from mithridate.federation.openings import OpeningLog
from mithridate.federation.reference import (
    ReferencePart,
    ReferenceShape,
    ReferenceShares,
    digest_for,
    open_reference,
)
from mithridate.federation.robust import RobustAggregation, rule_of
from mithridate.federation.seats import Seats, rank_in
from mithridate.federation.succession import Succession
from mithridate.ledger.interface import AttemptState, HospitalRecord, Ledger, Phase
from mithridate.ledger.interface.draws import COMMITTEE_DOMAIN
from mithridate.ledger.store import ModelStore
from mithridate.models.files import from_safetensors, to_safetensors
from mithridate.models.layout import Layout
from mithridate.mpc.shares import ReplicatedShare
from mithridate.verification.inference import Correct, FellBehind
from mithridate.verification.pipeline import curator_records
from mithridate.verification.verdict import Rule as Verdict


@dataclass(frozen=True)
class StudyRules:
    """What every validator knows of the study.

    Args:
        layout: of the model.
        cascade: how updates are verified.
        correct: what the check before a release counts.
        release: the check.
        aggregation: how accepted updates become one.
        curated: whether the curator sends an update of its own in every round.
        reference: shape of the reference set.
        curator: the curator's public key.
    """

    layout: Layout
    cascade: Cascade
    correct: Correct
    release: FellBehind
    aggregation: AggregationSettings
    curated: bool
    reference: ReferenceShape
    curator: PublicKey


class Validator:
    """One of the study's validators. In a committee it holds two of three components of every update and of the
    reference set.

    Args:
        place: in the study, from 0; its rank is another one in each committee.
        ledger: the ledger, from its own account.
        key: its envelope key.
        randomness_key: 32 secret bytes that it keeps: what it commits to it can reveal after a restart.
        store: where global models lie.
        openings: its record of opened aggregates.
        succession: what it keeps from round to round.
        rules: the study's.
    """

    def __init__(
        self,
        place: int,
        ledger: Ledger,
        key: PrivateKey,
        randomness_key: bytes,
        store: ModelStore,
        openings: OpeningLog,
        succession: Succession,
        rules: StudyRules,
    ) -> None:
        self.place = place
        self.name = f"validator-{place}"
        self._ledger = ledger
        self._key = key
        self._randomness_key = randomness_key
        self._store = store
        self._openings = openings
        self._succession = succession
        self._rules = rules
        self._member: CommitteeMember | None = None
        self._reference: ReferenceShares | None = None
        self._seats: Seats | None = None
        self._updates: OpenedUpdates | None = None
        self._curated: CuratedShares | None = None
        self._state: AttemptState | None = None
        self._counts: dict[bytes, ReplicatedShare] = {}

    def join(self, member: CommitteeMember) -> None:
        """Takes its end of a fresh joint computation, before the first round and after one that failed."""
        self._member = member

    def rank_in(self, state: AttemptState) -> int | None:
        """Its rank in an attempt's committee, None where it does not serve."""
        return rank_in(state.committee, self.place)

    def take_seat(self, seats: Seats, given: ReferencePart) -> None:
        """Opens its shares of the reference set for a committee, checked against the ledger.

        Raises:
            ProtocolError: they are not what the ledger's reference hash binds, or it is not of that committee.
        """
        rank = rank_in(seats, self.place)
        if rank is None:
            raise RoundVoid(f"{self.name} is not of the committee {seats}")
        shape, ledger = self._rules.reference, self._ledger
        digest = digest_for(seats, len(ledger.validators()), given.digests, ledger.reference_hash())
        context = shape.context(ledger.study_id(), ledger.initial_model())
        self._reference = open_reference(given.part, rank, self._key, shape, context, self._rules.curator, digest)
        self._seats, self._counts = seats, {}

    def sits_in(self, seats: Seats) -> bool:
        """Whether it has taken its seat in a committee."""
        return self._seats == seats

    def draw(self, number: int) -> bool:
        """Takes its part in the draw of a committee; True if there was something to do.

        Raises:
            RuleViolation: it came too late.
        """
        draw, value = self._ledger.draw(number), self._drawn_value(number)
        complete = len(draw.commitments) == len(self._ledger.validators())
        if self.place not in draw.commitments:
            if draw.revealed or self._ledger.now() >= draw.commit_deadline:
                return False
            self._ledger.commit_draw(number, hashlib.sha256(COMMITTEE_DOMAIN + value).digest())
            return True
        if self.place in draw.revealed or not (complete or self._ledger.now() >= draw.commit_deadline):
            return False
        self._ledger.reveal_draw(number, value)
        return True

    def hand_over(self, state: AttemptState) -> bytes | None:
        """Its sealed message to the attempt's committee, where that goes on from another one that it served in.

        Raises:
            RoundVoid: its record is lost or altered.
        """
        return self._succession.hand_over(state)

    def commit_randomness(self, state: AttemptState) -> None:
        """Draws this attempt's random value and commits to it, before any hospital submits."""
        self._ledger.commit_randomness(state.round, state.attempt, commit_randomness(self._random(state)))

    def close_submissions(self, state: AttemptState) -> None:
        """Votes to close the submissions."""
        self._ledger.close_submissions(state.round, state.attempt)

    def reveal_randomness(self, state: AttemptState) -> None:
        """Reveals the random value."""
        self._ledger.reveal_randomness(state.round, state.attempt, self._random(state))

    def open(
        self,
        announced: AttemptState,
        parts: Mapping[int, bytes],
        curated: bytes | None,
        handed_over: Mapping[int, bytes],
    ) -> OpenedUpdates:
        """Opens and checks its parts of the attempt's messages, and settles with the others which are well-formed.

        Args:
            announced: the attempt.
            parts: of the hospitals' messages, by number; hostile.
            curated: of the curator's message; None if there is none.
            handed_over: of the last committee's messages, by place, where that was another one.

        The attempt's state, its seed included, is read from the ledger: the coordinator's word is not trusted.
        """
        state = self._ledger.attempt(announced.round, announced.attempt)
        self._succession.receive(state, handed_over, self._joined.peers)
        # Read anew, not from the roster kept since the start: a hospital may have replaced its signing key.
        roster = self._ledger.hospitals()
        recipient = Recipient(self._rank, self._key, self._ledger.study_id(), self._rules.layout.size, roster)
        self._updates, self._state = recipient.open(state, parts, self._joined.peers), state
        self._curated, reason = self._open_curated(state, curated) if self._rules.curated else (None, "")
        return self._updates if not reason else replace(self._updates, curator=reason)

    def judge(self) -> Verdicts:
        """The verdict on every hospital of the roster, found on the opened shares together with the other two."""
        state, reference = self._state, self._reference
        if state is None or state.seed is None or reference is None or not self.sits_in(state.committee):
            raise RoundVoid(f"{self.name} has no opened updates, drawn seed or reference set to judge by")
        records = [hospital.records for hospital in self._roster]
        standing = self._succession.standing(state, self._joined.peers)
        base = self._model(state.base_hash)
        cascade = self._rules.cascade
        curated = self._curated if cascade.settings.curated else None
        verdicts = cascade.judge(self._joined, self._held, records, base, curated, standing, state.seed, reference)
        self._succession.standings.put(state.round, state.attempt, verdicts.standing, curator=verdicts.curator)
        return verdicts

    def judged(self, state: AttemptState) -> bool:
        """Whether it keeps what it needs of an attempt that it judged, after a restart too."""
        return self._succession.standings.holds(state.round, state.attempt)

    def all_say(self, answer: bool) -> bool:
        """Whether all three validators answer yes; all come to the same. Each must ask at the same point."""
        return agree_on_one(bytes([answer]), self._joined.peers) and answer

    def attest_verdicts(self, state: AttemptState, verdicts: tuple[Verdict, ...]) -> None:
        """Attests the verdicts on the ledger."""
        self._ledger.attest_verdicts(state.round, state.attempt, bytes(verdicts))

    def aggregate(self, announced: AttemptState) -> bytes:
        """Opens the aggregate of the bound members, stores the next model and returns its hash (32 bytes).

        Raises:
            OpeningRefused: the members are not bound on the ledger, are too few, or were others before; or the
                curator's part is lost.
            TamperingDetected: another validator altered what it holds.
            RoundVoid: the next model would not be finite, or too few are accepted for the study's robust rule.
        """
        state = self._ledger.attempt(announced.round, announced.attempt)
        members, settings = self._bound_members(state), self._rules.aggregation
        rule = rule_of(settings, state, len(members)) if settings.robust else None
        root = self._root(state, rule)
        self._openings.permit(state.round, state.generation, state.attempt, state.base_hash, members)
        shares, weights = self._held.rows(members), self._weights(state, members)
        if rule is not None:
            gathered = SharedRound(shares, weights, self._rules.cascade.bounds, root)
            # Weighed as its members are together, so that the curator's update has the same part in it.
            shares, weights = self._step(state, rule, members, gathered), [sum(weights)]
        aggregator = aggregators.get(settings.linear)
        total = _added_up(aggregator, shares, weights)
        if (curator := self._curators_part(state, sum(weights))) is not None:
            # Added up apart: as one more row it would cost a copy of all the others.
            total, weights = total + _added_up(aggregator, *curator), weights + curator[1]
        opened = self._joined.open_sum(total).view(np.int64)
        model = next_model(self._model(state.base_hash), aggregator.finish(opened, weights))
        return bytes.fromhex(self._store.put(to_safetensors(model, self._rules.layout)))

    def attest_model(self, state: AttemptState, model_hash: bytes) -> None:
        """Attests the new model's hash on the ledger."""
        self._ledger.attest_model(state.round, state.attempt, model_hash)

    def check_release(self) -> bool:
        """True if the ledger's current model did not fall behind the stable one, on the reference set, in shares."""
        new, stable = self._ledger.current_model(), self._ledger.stable_model()
        # The stable model was a new one before and was counted then. All three must count the same ones now.
        known = {model: self._counts[model] for model in {new, stable} & self._counts.keys()}
        if not agree_on_one(b"".join(sorted(known)), self._joined.peers):
            known = {}
        for model in (new, stable):
            if model not in known:
                known[model] = self._count(model)
        self._counts = known
        return not self._joined.fell_behind(self._rules.release, self._counts[new], self._counts[stable])

    def vote_release(self, state: AttemptState, passed: bool) -> None:
        """Votes to release the new model, or to roll back to the stable one."""
        self._ledger.vote_release(state.round, state.attempt, passed)

    def vote_void(self, state: AttemptState, reason: str) -> None:
        """Votes to close the attempt without a model."""
        self._ledger.vote_void(state.round, state.attempt, reason)

    def forget(self) -> None:
        """Drops the shares of a round that is over."""
        self._updates, self._state, self._curated = None, None, None
        self._succession.forget()

    def _random(self, state: AttemptState) -> bytes:
        """This attempt's random value, 32 bytes: the same at every call, and to everybody else without pattern."""
        # The base is in it, so that no rollback of the ledger makes a value serve twice.
        place = state.round.to_bytes(32, "big") + state.attempt.to_bytes(32, "big")
        message = Domain.RANDOM_VALUE.tag + self._ledger.study_id() + place + state.base_hash
        return hmac.digest(self._randomness_key, message, hashlib.sha256)

    def _drawn_value(self, number: int) -> bytes:
        """Its random value in the draw of a committee, 32 bytes: the same after a restart."""
        message = Domain.DRAW_VALUE.tag + self._ledger.study_id() + number.to_bytes(32, "big")
        return hmac.digest(self._randomness_key, message, hashlib.sha256)

    def _open_curated(self, state: AttemptState, part: bytes | None) -> tuple[CuratedShares | None, str]:
        """The curator's shares, or what is wrong with them; all three validators come to the same."""
        context = curated_context(self._ledger.study_id(), state, self._rules.layout.size)
        opened, digest, reason = None, b"", "another validator could not open the curator's message"
        try:
            opened, digest = open_curated(part, self._rank, self._key, context, self._rules.curator)
        except ProtocolError as error:
            reason = str(error)
        if not agree_on_one(digest, self._joined.peers) or not digest:
            return None, reason
        return opened, ""

    def _step(self, state: AttemptState, rule: Rule, members: list[int], gathered: SharedRound) -> ReplicatedShare:
        before = self._succession.memory(state, self._joined.peers)
        part = RobustAggregation(len(self._roster), before)
        step, after = part.step(self._joined, rule, members, gathered)
        if after is not None:
            self._succession.memories.put(state.round, state.attempt, after)
        return step.reshape(1, -1)

    def _weights(self, state: AttemptState, members: list[int]) -> list[int]:
        """The public weights of the members' updates."""
        aggregator = aggregators.get(self._rules.aggregation.linear)
        earlier = [TrackRecord()] * len(self._roster)
        if self._rules.aggregation.name == REPUTATION:
            earlier = self._ledger.track_records()
        return aggregator.weigh([self._roster[index].records for index in members], [earlier[i] for i in members])

    def _root(self, state: AttemptState, rule: Rule | None) -> ReplicatedShare | None:
        """The curator's update, for a rule that trusts it."""
        if rule is None or not rule.rooted:
            return None
        refused = self._rules.cascade.settings.curated and not self._succession.standings.curator_counts(
            state.round, state.attempt
        )
        if self._curated is None or refused:
            raise RoundVoid(f"{rule.name} needs the curator's update, and there is none that could be used")
        return self._curated.update

    def _curators_part(self, state: AttemptState, accepted: int) -> tuple[ReplicatedShare, list[int]] | None:
        """The curator's own update, (1, d), with its weight beside that of the accepted, if it has a part at all."""
        if not self._succession.standings.curator_counts(state.round, state.attempt):
            return None
        if self._curated is None:
            # A second opening without it would reveal the curator's update.
            raise OpeningRefused("the curator's part of this attempt is lost, so its aggregate is not opened")
        enrolled = sum(hospital.records for hospital in self._roster)
        weight = curator_records(self._rules.cascade.settings, accepted, enrolled)
        return self._curated.update.reshape(1, -1), [weight]

    def _bound_members(self, state: AttemptState) -> list[int]:
        if state.phase is not Phase.BOUND or state.verdicts is None:
            raise OpeningRefused(f"round {state.round}: the verdicts are not bound on the ledger, so nothing is opened")
        members = [index for index, code in enumerate(state.verdicts) if code == Verdict.ACCEPTED]
        least = self._rules.aggregation.min_accepted
        if len(members) < least:
            raise OpeningRefused(
                f"round {state.round}: {len(members)} accepted hospitals, fewer than {least}: "
                "an aggregate of so few would show single updates"
            )
        return members

    def _count(self, model: bytes) -> ReplicatedShare:
        if self._reference is None:
            raise RoundVoid(f"{self.name} has no reference set to check the new model on")
        return self._joined.correct(self._rules.correct, self._model(model), self._reference)

    def _model(self, digest: bytes) -> Parameters:
        return from_safetensors(self._store.get(digest.hex()), self._rules.layout)

    @property
    def _rank(self) -> int:
        return self._joined.peers.rank

    @property
    def _joined(self) -> CommitteeMember:
        if self._member is None:
            raise RoundVoid(f"{self.name} has not joined a committee")
        return self._member

    @property
    def _held(self) -> OpenedUpdates:
        if self._updates is None:
            raise RoundVoid(f"{self.name} holds no updates of this attempt: they must be opened first")
        return self._updates

    @cached_property
    def _roster(self) -> list[HospitalRecord]:
        """The roster, which the contract freezes before the first round."""
        return self._ledger.hospitals()


def _added_up(aggregator: LinearAggregator, rows: ReplicatedShare, weights: list[int]) -> ReplicatedShare:
    combined = (aggregator.combine(component, weights) for component in (rows.first, rows.second))
    return ReplicatedShare(rows.rank, *combined)
