"""What one validator keeps from round to round, and how it comes to it: from its own files, or from the last committee.

`handover` is the protocol between the two committees; here are a validator's files and the ledger beside it.
"""

from collections.abc import Mapping
from functools import cached_property

from mithridate.aggregation.secure import Memory
from mithridate.aggregation.settings import AggregationSettings
from mithridate.crypto.keys import PrivateKey, public_from_bytes
from mithridate.errors import EnvelopeError, ProtocolError, RoundVoid
from mithridate.federation.handover import Kept, KeptShape, handover_context, secret_of, settle, take_over
from mithridate.federation.opened import agree_on_one, held_alike
from mithridate.federation.rule_memory import RuleMemoryLog
from mithridate.federation.seats import envelope_keys, precedent
from mithridate.federation.standings import SharedStanding, StandingLog
from mithridate.federation.submission import HASH_BYTES, make_submission, open_submission, parse_part
from mithridate.ledger.interface import AttemptState, Ledger, Role
from mithridate.mpc.peers import Peers
from mithridate.mpc.shares import ReplicatedShare


class Succession:
    """A validator's records, in a committee that goes on from another's or from its own.

    Args:
        place: the validator's in the study.
        ledger: the ledger.
        envelope_key: opens what is handed over to it.
        signing_key: signs what it hands over.
        standings: its record of the evidence against the hospitals.
        memories: its record of what a robust rule keeps.
        aggregation: the study's; tells whether its rule keeps anything.
        parameters: d.
    """

    def __init__(
        self,
        place: int,
        ledger: Ledger,
        envelope_key: PrivateKey,
        signing_key: PrivateKey,
        standings: StandingLog,
        memories: RuleMemoryLog,
        aggregation: AggregationSettings,
        parameters: int,
    ) -> None:
        self.standings = standings
        self.memories = memories
        self._name = f"validator-{place}"
        self._place = place
        self._ledger = ledger
        self._envelope_key = envelope_key
        self._signing_key = signing_key
        self._aggregation = aggregation
        self._parameters = parameters
        self._inherited: Kept | None = None

    @cached_property
    def shape(self) -> KeptShape:
        """Of what is kept; the contract freezes the roster before the first round."""
        return KeptShape.of(self._aggregation, len(self._ledger.hospitals()), self._parameters)

    def hand_over(self, state: AttemptState) -> bytes | None:
        """The validator's sealed message to the attempt's committee, if it served in the last one and that was another.

        Raises:
            RoundVoid: its record is lost or altered.
        """
        before = precedent(self._ledger, state)
        if before is None or before.committee == state.committee or self._place not in before.committee:
            return None
        context = handover_context(self._ledger.study_id(), state, self._place, self.shape)
        secret, keys = secret_of(self._kept(before)), envelope_keys(self._ledger, state.committee)
        return make_submission(secret, context, self._signing_key, keys)[0]

    def receive(self, state: AttemptState, parts: Mapping[int, bytes], peers: Peers) -> None:
        """Takes over what the last committee kept, jointly with the other two, where it was another one.

        Args:
            state: the attempt, from the ledger.
            parts: place of the old committee's validator to this one's part of its message; hostile.
            peers: the channel to the two others.

        Raises:
            RoundVoid: too few handed it over.
            TamperingDetected: they hand over different things.
        """
        before, self._inherited = precedent(self._ledger, state), None
        if before is None or before.committee == state.committee:
            return
        opened, digests = {}, []
        for rank, place in enumerate(before.committee):
            try:
                opened[rank], digest = self._open(state, place, peers.rank, parts.get(place))
            except ProtocolError:
                digest = bytes(HASH_BYTES)
            digests.append(digest)
        whole = settle(digests, peers)
        self._inherited = take_over({rank: opened[rank] for rank in whole}, self.shape, peers)

    def standing(self, state: AttemptState, peers: Peers) -> SharedStanding:
        """The evidence that an attempt starts from; all three come to shares of the same.

        Raises:
            RoundVoid: one of the three has lost or altered its record, or nothing was taken over.
        """
        before, hospitals = precedent(self._ledger, state), self.shape.hospitals
        if before is None:
            return SharedStanding.of(peers.rank, hospitals)
        if before.committee != state.committee:
            return self._taken().standing
        standing = self.standings.after(before, hospitals)
        # Who waited how long is no secret, and the three must draw the same hospitals by it.
        known = b"" if standing is None else f"{before.round}.{before.attempt} {standing.waited}".encode()
        if not agree_on_one(known, peers) or standing is None:
            raise RoundVoid("the validators keep different records of the evidence: one of them has lost its own")
        if not held_alike(standing.evidence, peers):
            raise RoundVoid(f"{self._name} and its predecessor keep different evidence: one of the records was altered")
        return standing

    def memory(self, state: AttemptState, peers: Peers) -> Memory | None:
        """What the study's rule goes on from; None where it keeps nothing, or in the first round.

        Raises:
            RoundVoid: see `standing`.
        """
        before, shape = precedent(self._ledger, state), self.shape.memory
        if before is None or shape is None:
            return None
        if before.committee != state.committee:
            return self._taken().memory
        memory = self.memories.after(before, shape)
        known = b"" if memory is None else f"{before.round}.{before.attempt} {memory.rounds}".encode()
        if not agree_on_one(known, peers) or memory is None:
            raise RoundVoid("the validators keep different records of the rule's memory: one of them has lost its own")
        if not held_alike(memory.values, peers):
            raise RoundVoid("two validators keep different shares of the rule's memory: one of the records was altered")
        return memory

    def forget(self) -> None:
        """Drops what was taken over for an attempt that is over."""
        self._inherited = None

    def _taken(self) -> Kept:
        if self._inherited is None:
            raise RoundVoid(f"{self._name} has taken nothing over from the last committee")
        return self._inherited

    def _kept(self, before: AttemptState) -> Kept:
        standing = self.standings.after(before, self.shape.hospitals)
        memory = None if self.shape.memory is None else self.memories.after(before, self.shape.memory)
        if standing is None or (self.shape.memory is not None and memory is None):
            raise RoundVoid(f"{self._name} has lost what it kept of round {before.round}")
        return Kept(standing, memory)

    def _open(self, state: AttemptState, place: int, rank: int, part: bytes | None) -> tuple[ReplicatedShare, bytes]:
        if part is None:
            raise EnvelopeError(f"validator-{place} handed nothing over")
        context = handover_context(self._ledger.study_id(), state, place, self.shape)
        account = self._ledger.validators()[place].address
        signer = next(member for member in self._ledger.members(Role.VALIDATOR) if member.address == account)
        parsed = parse_part(part, context.length)
        digest = parsed.header.digest()
        key = public_from_bytes(signer.signing_key)
        return open_submission(parsed, rank, self._envelope_key, context, key, digest), digest
