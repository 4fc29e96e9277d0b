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
from mithridate.ledger.interface import AttemptState
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


def memory_shape(settings: AggregationSettings, hospitals: int, parameters: int) -> tuple[int, ...] | None:
    """Shape of what the study's rule keeps from round to round; None where it keeps nothing.

    Args:
        settings: the study's.
        hospitals: n, of the roster.
        parameters: d.
    """
    if not settings.robust or settings.any_rule.remembers is Remembers.NOTHING:
        return None
    return (parameters,) if settings.any_rule.remembers is Remembers.STEP else (hospitals, parameters)


def draws_of(seed: bytes) -> int:
    """What a rule draws by in a round with this seed: known to all, and to nobody before the commitments."""
    return int.from_bytes(hashlib.sha256(_TAG + seed).digest(), "big")


@dataclass(frozen=True)
class RobustAggregation:
    """The study's rule, and what it goes on from.

    Args:
        hospitals: of the roster.
        before: its memory; None in the first round, or where it keeps nothing.
    """

    hospitals: int
    before: Memory | None

    def step(
        self, member: CommitteeMember, rule: Rule, accepted: Sequence[int], gathered: SharedRound
    ) -> tuple[ReplicatedShare, Memory | None]:
        """A share of the rule's step (d,), and its memory afterwards; nothing is opened.

        Args:
            member: this validator's end of the joint computation.
            rule: from `rule_of`.
            accepted: the hospitals whose updates are gathered, by number and in their order.
            gathered: the round.

        Raises:
            RoundVoid: the rule refuses the round.
        """
        secure = secure_rules.get(rule.name)(rule)
        whole = before = self.before
        if whole is not None and rule.remembers is Remembers.HOSPITALS:
            before = replace(whole, values=whole.values[list(accepted)])
        try:
            step, after = secure.step(member.context, gathered, before)
        except InputError as error:
            raise RoundVoid(str(error)) from error
        if rule.remembers is Remembers.HOSPITALS:
            after = replace(after, values=self._placed(whole, accepted, after.values))
        return step, None if rule.remembers is Remembers.NOTHING else after

    def _placed(self, whole: Memory | None, accepted: Sequence[int], rows: ReplicatedShare) -> ReplicatedShare:
        """The sums of all hospitals, those of the accepted ones replaced."""
        shape = (self.hospitals, rows.shape[1])
        first, second = (
            np.zeros(shape, dtype=np.uint64) if part is None else part.copy()
            for part in ((None, None) if whole is None else (whole.values.first, whole.values.second))
        )
        first[list(accepted)], second[list(accepted)] = rows.first, rows.second
        return ReplicatedShare(rows.rank, first, second)
