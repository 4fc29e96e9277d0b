"""A validator's part in aggregating by a robust rule: from the accepted hospitals' shares to a share of the step."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mithridate.aggregation.rule import Remembers, Rule
from mithridate.aggregation.secure import Memory, SharedRound, secure_rules
from mithridate.aggregation.settings import AggregationSettings
from mithridate.errors import InputError, RoundVoid
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.opened import agree_on_one, held_alike
from mithridate.federation.rule_memory import RuleMemoryLog
from mithridate.ledger.interface import AttemptState, Ledger
from mithridate.mpc.shares import ReplicatedShare

_TAG = b"mithridate/aggregation rule/1"


def rule_of(settings: AggregationSettings, state: AttemptState, updates: int) -> Rule:
    """The study's rule for an attempt with n = `updates` accepted, with the round's seed for what it draws at random.

    Raises:
        RoundVoid: its condition on n and f does not hold for so few.
    """
    try:
        return settings.rule(updates).seeded(draws_of(state.seed or b""))
    except InputError as error:
        raise RoundVoid(f"too few accepted hospitals: {error}") from error


def draws_of(seed: bytes) -> int:
    """What a rule draws by in a round with this seed: known to all, and to nobody before the commitments."""
    return int.from_bytes(hashlib.sha256(_TAG + seed).digest(), "big")


@dataclass(frozen=True)
class RobustAggregation:
    """The rule's memory and what it takes to go on from it.

    Args:
        log: this validator's.
        ledger: tells which attempts came to something.
        hospitals: of the roster.
    """

    log: RuleMemoryLog
    ledger: Ledger
    hospitals: int

    def step(
        self,
        member: CommitteeMember,
        state: AttemptState,
        rule: Rule,
        accepted: Sequence[int],
        gathered: SharedRound,
    ) -> ReplicatedShare:
        """A share of the rule's step (d,); nothing is opened. The memory after it is on the disk.

        Args:
            member: this validator's end of the joint computation.
            state: the attempt.
            rule: from `rule_of`.
            accepted: the hospitals whose updates are gathered, by number and in their order.
            gathered: the round.

        Raises:
            RoundVoid: the validators' records of the memory differ, or the rule refuses the round.
        """
        secure = secure_rules.get(rule.name)(rule)
        whole = self._memory(member, state, rule, gathered.updates.shape[1])
        before = whole
        if whole is not None and rule.remembers is Remembers.HOSPITALS:
            before = replace(whole, values=whole.values[list(accepted)])
        try:
            step, after = secure.step(member.context, gathered, before)
        except InputError as error:
            raise RoundVoid(str(error)) from error
        if rule.remembers is Remembers.HOSPITALS:
            after = replace(after, values=self._placed(whole, accepted, after.values))
        if rule.remembers is not Remembers.NOTHING:
            self.log.put(state.round, state.attempt, after)
        return step

    def _memory(self, member: CommitteeMember, state: AttemptState, rule: Rule, size: int) -> Memory | None:
        if rule.remembers is Remembers.NOTHING:
            return None
        shape = (size,) if rule.remembers is Remembers.STEP else (self.hospitals, size)
        known_from, memory = self.log.before(state.round, state.attempt, self.ledger, shape)
        if not agree_on_one(known_from, member.peers):
            raise RoundVoid("the validators keep different records of the rule's memory: one of them has lost its own")
        if memory is not None and not held_alike(memory.values, member.peers):
            raise RoundVoid("two validators keep different shares of the rule's memory: one of the records was altered")
        return memory

    def _placed(self, whole: Memory | None, accepted: Sequence[int], rows: ReplicatedShare) -> ReplicatedShare:
        """The sums of all hospitals, those of the accepted ones replaced."""
        shape = (self.hospitals, rows.shape[1])
        first, second = (
            np.zeros(shape, dtype=np.uint64) if part is None else part.copy()
            for part in ((None, None) if whole is None else (whole.values.first, whole.values.second))
        )
        first[list(accepted)], second[list(accepted)] = rows.first, rows.second
        return ReplicatedShare(rows.rank, first, second)
