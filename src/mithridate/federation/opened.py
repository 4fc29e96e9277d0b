"""The updates of one attempt as a validator holds them: checked for form, in shares."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mithridate.crypto.keys import PrivateKey, public_from_bytes
from mithridate.errors import EnvelopeError, MessageError, ProtocolError, ShareMismatch, TamperingDetected
from mithridate.federation.submission import RoundContext, open_submission, parse_part
from mithridate.ledger.interface import AttemptState, HospitalRecord
from mithridate.mpc.peers import Peers
from mithridate.mpc.shares import VALIDATORS, ReplicatedShare, unwritten
from mithridate.verification.verdict import Rule, rule_of


@dataclass(frozen=True)
class OpenedUpdates:
    """What came of one attempt's messages.

    Args:
        rules: one a hospital of the roster: ACCEPTED for a well-formed update, else why there is none.
        indices: the hospitals with a well-formed update, ascending.
        shares: this validator's shares of their updates, (n, d), row by row.
        reasons: hospital to what was wrong with its message, as this validator saw it.
        curator: what was wrong with the curator's message; empty if nothing was, or there is none.
    """

    rules: tuple[Rule, ...]
    indices: tuple[int, ...]
    shares: ReplicatedShare
    reasons: Mapping[int, str]
    curator: str = ""

    def rows(self, hospitals: Sequence[int]) -> ReplicatedShare:
        """Shares of the updates of some hospitals, in the order given; raises ShareMismatch for one without."""
        if tuple(hospitals) == self.indices:
            # All of them, as in most rounds: no copy of n x d ring elements.
            return self.shares
        position = {index: row for row, index in enumerate(self.indices)}
        missing = [hospital for hospital in hospitals if hospital not in position]
        if missing:
            raise ShareMismatch(f"hospitals {missing} are to be added up and have no well-formed update here")
        return self.shares[[position[hospital] for hospital in hospitals]]


@dataclass(frozen=True)
class Recipient:
    """A validator as the reader of submissions.

    Args:
        rank: 0, 1 or 2.
        key: its envelope key.
        study_id: of the ledger.
        parameters: d.
        roster: the enrolled hospitals in index order.
    """

    rank: int
    key: PrivateKey
    study_id: bytes
    parameters: int
    roster: Sequence[HospitalRecord]

    def open(self, state: AttemptState, parts: Mapping[int, bytes], peers: Peers) -> OpenedUpdates:
        """Opens and checks every part, and settles with the other two validators which updates are well-formed.

        An update counts only if all three could open it. The reason that stands is the lowest rule any of them found.

        Args:
            state: the drawn attempt.
            parts: hospital to this validator's part of its message; hostile.
            peers: the channel to the other validators.
        """
        rules, reasons = [], {}
        opened: list[int] = []
        # Row by row, in the order in which they are opened: a row whose message is refused serves the next one.
        room = unwritten(self.rank, (len(state.submissions), self.parameters))
        for hospital in self.roster:
            rule = Rule.ABSENT
            if hospital.index in state.submissions:
                try:
                    self._open_one(state, hospital, parts.get(hospital.index), room[len(opened)])
                    opened.append(hospital.index)
                    rule = Rule.ACCEPTED
                except ProtocolError as error:
                    rule, reasons[hospital.index] = rule_of(error), str(error)
            rules.append(rule)
        agreed = agree(rules, peers)
        indices = tuple(index for index, rule in enumerate(agreed) if rule is Rule.ACCEPTED)
        held = OpenedUpdates(agreed, tuple(opened), room[: len(opened)], reasons)
        return replace(held, indices=indices, shares=held.rows(indices))

    def _open_one(
        self, state: AttemptState, hospital: HospitalRecord, part: bytes | None, row: ReplicatedShare
    ) -> None:
        if part is None:
            raise EnvelopeError(f"hospital-{hospital.index} committed on the ledger and delivered nothing")
        context = RoundContext(
            self.study_id, state.round, state.attempt, hospital.index, state.base_hash, self.parameters
        )
        signing_key, digest = public_from_bytes(hospital.signing_key), state.submissions[hospital.index]
        parsed = parse_part(part, self.parameters)
        open_submission(parsed, self.rank, self.key, context, signing_key, digest, into=row)


def agree(rules: Sequence[Rule], peers: Peers) -> tuple[Rule, ...]:
    """What the three validators found of each hospital's message: the lowest rule other than ACCEPTED, if there is any.

    Raises:
        MessageError: a peer's list is malformed.
        TamperingDetected: a peer told the other two different things.
    """
    lists = [bytes(rules), *exchange(bytes(rules), peers)]
    if any(len(codes) != len(rules) or max(codes, default=0) > max(Rule) for codes in lists):
        raise MessageError("a validator's list of verdicts is malformed: the committee must run one version")
    agreed = tuple(Rule(min((code for code in found if code), default=0)) for found in zip(*lists, strict=True))
    # Validators that went on with different hospitals would compute on rows that do not belong together.
    if any(seen != bytes(agreed) for seen in exchange(bytes(agreed), peers)):
        raise TamperingDetected("the validators were told different things of the hospitals' messages by one of them")
    return agreed


def agree_on_one(value: bytes, peers: Peers) -> bool:
    """Whether all three validators hold the same value; all come to the same answer.

    Raises:
        TamperingDetected: a peer told the other two different things.
    """
    held = sorted([value, *exchange(value, peers)])
    if any(seen != b"".join(held) for seen in exchange(b"".join(held), peers)):
        raise TamperingDetected("the validators were told different things by one of them")
    return held[0] == held[2]


def held_alike(share: ReplicatedShare, peers: Peers) -> bool:
    """Whether this validator's first component is the one that the validator before it holds, too.

    Only the two holders of a component see its digest: to the third one it would be a test for guesses.
    """
    before, after = (share.rank - 1) % VALIDATORS, (share.rank + 1) % VALIDATORS
    peers.send(after, hashlib.sha256(share.second.tobytes()).digest())
    return hmac.compare_digest(peers.receive(before), hashlib.sha256(share.first.tobytes()).digest())


def exchange(message: bytes, peers: Peers) -> list[bytes]:
    """Sends a message to the other two validators; returns theirs, in rank order."""
    others = [rank for rank in range(VALIDATORS) if rank != peers.rank]
    for rank in others:
        peers.send(rank, message)
    return [peers.receive(rank) for rank in others]
