"""What one validator computes jointly with the other two: verdicts, the aggregate and the release check, on shares."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mithridate.crypto.domains import Domain
from mithridate.crypto.fixed_point import encode
from mithridate.errors import TamperingDetected
from mithridate.federation.opened import OpenedUpdates, exchange
from mithridate.federation.reference import ReferenceShares
from mithridate.mpc.aten import Lowered
from mithridate.mpc.inference import model_chunks
from mithridate.mpc.linear import ZeroSharing, gram, open_share, reshare
from mithridate.mpc.peers import Peers
from mithridate.mpc.projection import project
from mithridate.mpc.session import Integer, ProgramInput, Session
from mithridate.mpc.shares import ReplicatedShare, RingArray, concatenate
from mithridate.verification.gates import UpdateGates
from mithridate.verification.inference import FellBehind, Harmful, MarginChanges
from mithridate.verification.registry import Bounds
from mithridate.verification.settings import INFERENCE, DefenceSettings
from mithridate.verification.verdict import Rule

Parameters = npt.NDArray[np.float32]


class CommitteeMember:
    """One validator's end of the joint computation. Nothing but verdicts, aggregates and votes is ever opened.

    Secure against one curious validator. One that deviates is detected where values are opened, and neither in the
    resharing of the Gram matrix nor inside SPU's programs: there it can flip a verdict.

    Args:
        peers: the channel for the linear part.
        session: SPU, for the non-linear part.
    """

    def __init__(self, peers: Peers, session: Session) -> None:
        self.peers = peers
        self._session = session
        self._zeros = ZeroSharing(peers)

    def judge_updates(self, gates: UpdateGates, updates: ReplicatedShare, seed: bytes) -> list[Rule]:
        """The cheap gates on shares of n updates, (n, d): for each the first rule that rejects it, or ACCEPTED.

        Args:
            gates: the study's.
            updates: fixed point.
            seed: the round's, drawn after all commitments.
        """
        projected = project(updates, hashlib.sha256(Domain.PROJECTION.tag + seed).digest())
        products = reshare(gram(updates), self._zeros, self.peers)
        (codes,) = self._run(gates, [Integer(projected), Integer(products)])
        return [_rule(int(code)) for code in open_share(codes, self.peers)]

    def harmful(
        self, changes: MarginChanges, errors: Harmful, updates: ReplicatedShare, base: Parameters, on: ReferenceShares
    ) -> list[bool]:
        """Encrypted inference: which of n updates, (n, d), lower the margins on the reference set.

        Args:
            changes: base and candidate models to changes of the margins.
            errors: the rule on those changes.
            updates: fixed point.
            base: the round's model, float32 (d,), public.
            on: the reference set.
        """
        public = encode(base)
        measured = [
            self._run(changes, [updates[rows].add_public(public), base, on.inputs, on.onehot])[0]
            for rows in model_chunks(*updates.shape)
        ]
        (flags,) = self._run(errors, [concatenate(measured)])
        return [bool(flag) for flag in open_share(flags, self.peers)]

    def open_sum(self, total: ReplicatedShare) -> RingArray:
        """The aggregate itself, (d,) uint64. The caller has made sure that it may be opened."""
        return open_share(total, self.peers)

    def fell_behind(self, check: FellBehind, new: Parameters, stable: Parameters, on: ReferenceShares) -> bool:
        """The release check of two public models, float32 (d,), on the reference set."""
        (flag,) = self._run(check, [np.stack([new, stable]), on.inputs, on.onehot])
        return bool(open_share(flag, self.peers))

    def _run(self, function: Callable[..., Any], inputs: Sequence[ProgramInput]) -> list[ReplicatedShare]:
        # In SPU a validator waits the link's whole time for one that gave up; here it hears of it at once.
        if any(exchange(b"", self.peers)):
            raise TamperingDetected("a validator is at another step of the joint computation than this one")
        return self._session.run(function, inputs)


@dataclass(frozen=True)
class Cascade:
    """The study's verification: gates on all updates, then encrypted inference on those that passed.

    Args:
        settings: the study's defence.
        bounds: of honest updates.
        model: the lowered module.
    """

    settings: DefenceSettings
    bounds: Bounds
    model: Lowered

    def judge(
        self, member: CommitteeMember, updates: OpenedUpdates, base: Parameters, seed: bytes, on: ReferenceShares
    ) -> tuple[Rule, ...]:
        """The verdict on every hospital of the roster.

        Args:
            member: this validator's end of the joint computation.
            updates: of the attempt.
            base: the round's model, float32 (d,).
            seed: the round's.
            on: the reference set.
        """
        verdicts = list(updates.rules)
        gates = UpdateGates(self.settings, self.bounds)
        if gates.names and updates.indices:
            rules = member.judge_updates(gates, updates.shares, seed)
            verdicts = _revised(verdicts, updates.indices, rules)
        passed = tuple(index for index in updates.indices if verdicts[index] is Rule.ACCEPTED)
        if INFERENCE in self.settings.active and passed:
            changes = MarginChanges(self.model, self.settings.margin_cap)
            errors = Harmful(self.settings.standard_errors)
            flags = member.harmful(changes, errors, updates.rows(passed), base, on)
            rules = [Rule.INFERENCE if flag else Rule.ACCEPTED for flag in flags]
            verdicts = _revised(verdicts, passed, rules)
        return tuple(verdicts)


def _rule(code: int) -> Rule:
    try:
        return Rule(code)
    except ValueError:
        raise TamperingDetected(
            f"the joint computation gave {code}, which is no verdict: a validator deviated"
        ) from None


def _revised(verdicts: list[Rule], indices: tuple[int, ...], rules: list[Rule]) -> list[Rule]:
    revised = dict(zip(indices, rules, strict=True))
    return [revised.get(index, verdict) for index, verdict in enumerate(verdicts)]
