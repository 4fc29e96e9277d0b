"""What one validator computes jointly with the other two, on shares; `cascade` says in what order and why."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.secure import SecureContext
from mithridate.crypto.domains import Domain
from mithridate.crypto.fixed_point import encode
from mithridate.errors import TamperingDetected
from mithridate.federation.opened import exchange
from mithridate.federation.reference import ReferenceShares
from mithridate.mpc.inference import model_chunks
from mithridate.mpc.linear import ZeroSharing, gram, open_share, products, reshare
from mithridate.mpc.peers import Peers
from mithridate.mpc.projection import project
from mithridate.mpc.session import Integer, ProgramInput, Session
from mithridate.mpc.shares import ReplicatedShare, RingArray, concatenate
from mithridate.verification.evidence import Between
from mithridate.verification.gates import UpdateGates
from mithridate.verification.inference import Correct, FellBehind, Finding, Findings, MarginChanges, Scaled
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

    def judge_updates(
        self,
        gates: UpdateGates,
        updates: ReplicatedShare,
        direction: ReplicatedShare | None,
        evidence: ReplicatedShare,
        seed: bytes,
    ) -> tuple[list[Rule], ReplicatedShare]:
        """The cheap gates on shares of n updates, (n, d): for each the first rule that rejects it, or ACCEPTED.

        Args:
            gates: the study's.
            updates: fixed point.
            direction: of use, (d,) in fixed point; None for none.
            evidence: against the n hospitals, in fixed point.
            seed: the round's, drawn after all commitments.

        Returns:
            The rules, opened, and shares of the evidence after the round.
        """
        projected = project(updates, hashlib.sha256(Domain.PROJECTION.tag + seed).digest())
        inner = reshare(gram(updates), self._zeros, self.peers)
        directed = self._along(updates, direction)
        factors = gates.factors(len(updates))
        inputs: list[ProgramInput] = [Integer(projected), Integer(inner), inner, directed, evidence, factors]
        codes, after = self.run(gates, inputs)
        return [_rule(int(code)) for code in open_share(codes, self.peers)], after

    def undecided(self, between: Between, evidence: ReplicatedShare) -> list[bool]:
        """Which hospitals the gates leave open: one bit each is opened."""
        (flags,) = self.run(between, [evidence])
        return [bool(flag) for flag in open_share(flags, self.peers)]

    def margin_changes(
        self, changes: MarginChanges, updates: ReplicatedShare, base: Parameters, on: ReferenceShares
    ) -> ReplicatedShare:
        """Encrypted inference: how n updates, (n, d), change the margins on m reference samples, a share (n, m).

        Args:
            changes: the program.
            updates: fixed point.
            base: the round's model, float32 (d,), public.
            on: the samples.
        """
        public = encode(base)
        parts = [
            self.run(changes, [updates[rows].add_public(public), base, on.inputs, on.onehot])[0]
            for rows in model_chunks(*updates.shape)
        ]
        return concatenate(parts)

    def find(self, rule: Findings, changes: ReplicatedShare, onehot: ReplicatedShare) -> list[Finding]:
        """What the changes (n + 1, m) say of n updates; only the findings are opened."""
        (codes,) = self.run(rule, [changes, onehot])
        return [_finding(int(code)) for code in open_share(codes, self.peers)]

    def mean_update(self, updates: ReplicatedShare, records: Sequence[int]) -> ReplicatedShare:
        """The mean of n updates, (n, d), weighted by the hospitals' records, as a share (1, d)."""
        # Ten bits of weight: the sum stays within the ring, and the mean is only compared with.
        parts = np.maximum(np.rint(np.asarray(records) * 2.0**10 / sum(records)), 1).astype(np.uint64)
        total = updates.mul_public(parts[:, None]).sum(axis=0)
        return self.scaled(total, 1.0 / float(parts.sum())).reshape(1, -1)

    def scaled(self, vector: ReplicatedShare, factor: float) -> ReplicatedShare:
        """A vector (d,) times a public number, as fixed point."""
        (product,) = self.run(Scaled(factor), [vector])
        return product

    @property
    def context(self) -> SecureContext:
        """What a robust rule on shares computes with."""
        return SecureContext(self.peers, self, self._zeros)

    def _along(self, updates: ReplicatedShare, direction: ReplicatedShare | None) -> ReplicatedShare:
        if direction is None:
            zeros = np.zeros(len(updates), dtype=np.uint64)
            return ReplicatedShare(updates.rank, zeros, zeros.copy())
        summand = products(updates, direction.reshape(1, -1)).reshape(-1)
        return reshare(summand, self._zeros, self.peers)

    def open_sum(self, total: ReplicatedShare) -> RingArray:
        """The aggregate itself, (d,) uint64. The caller has made sure that it may be opened."""
        return open_share(total, self.peers)

    def correct(self, count: Correct, model: Parameters, on: ReferenceShares) -> ReplicatedShare:
        """How many reference samples a public model, float32 (d,), predicts right: a share (1,) of an integer."""
        (number,) = self.run(count, [model[None], on.inputs, on.onehot])
        return number

    def fell_behind(self, check: FellBehind, new: ReplicatedShare, stable: ReplicatedShare) -> bool:
        """The release check of what `correct` said of two models."""
        (flag,) = self.run(check, [Integer(new), Integer(stable)])
        return bool(open_share(flag, self.peers)[0])

    def run(self, function: Callable[..., Any], inputs: Sequence[ProgramInput]) -> list[ReplicatedShare]:
        """`Session.run`, once all three have come to it."""
        # In SPU a validator waits the link's whole time for one that gave up; here it hears of it at once.
        if any(exchange(b"", self.peers)):
            raise TamperingDetected("a validator is at another step of the joint computation than this one")
        return self._session.run(function, inputs)


def _finding(code: int) -> Finding:
    try:
        return Finding(code)
    except ValueError:
        raise TamperingDetected(
            f"the joint computation gave {code}, which is no finding: a validator deviated"
        ) from None


def _rule(code: int) -> Rule:
    try:
        return Rule(code)
    except ValueError:
        raise TamperingDetected(
            f"the joint computation gave {code}, which is no verdict: a validator deviated"
        ) from None
