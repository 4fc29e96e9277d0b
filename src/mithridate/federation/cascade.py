"""The study's verification, cheap gates first: what the three validators do with the updates of an attempt.

What is opened: a verdict a hospital; of those that pass the gates, which are undecided; and at which stage encrypted
inference decided.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mithridate.crypto.fixed_point import encode
from mithridate.federation.committee import CommitteeMember, Parameters
from mithridate.federation.curator import CuratedShares
from mithridate.federation.opened import OpenedUpdates
from mithridate.federation.reference import ReferenceShares
from mithridate.federation.standings import SharedStanding
from mithridate.mpc.aten import Lowered
from mithridate.mpc.shares import ReplicatedShare, concatenate, stack
from mithridate.verification.evidence import MOST, Between
from mithridate.verification.gates import UpdateGates
from mithridate.verification.inference import Finding, Findings, MarginChanges, stages
from mithridate.verification.registry import Bounds
from mithridate.verification.schedule import due
from mithridate.verification.settings import ALL, GRADIENT, INFERENCE, UNDECIDED, DefenceSettings
from mithridate.verification.verdict import Rule

CURATOR_CHECKED = 4
"""The curator's part is checked by encrypted inference in about one of so many rounds, drawn after it was sent."""
_CURATOR_TAG = b"mithridate/curator audit/1"
# A step along the direction short enough for the gradient to speak for it; the direction's norm is at most 2.
_STEP = 0.05


@dataclass(frozen=True)
class Verdicts:
    """What an attempt came to.

    Args:
        rules: one a hospital of the roster.
        standing: this validator's view of the hospitals after it.
        stages: hospital -> the stage of encrypted inference that decided, 1 or 2; who was not checked is missing.
        curator: whether what the curator computed was used.
    """

    rules: tuple[Rule, ...]
    standing: SharedStanding
    stages: dict[int, int] = field(default_factory=dict)
    curator: bool = False


@dataclass(frozen=True)
class Cascade:
    """The study's verification.

    Args:
        settings: the study's defence.
        bounds: of honest updates.
        model: the lowered module.
        bounded: updates beyond range and bound are rejected whatever detectors run: robust rules compute on norms.
    """

    settings: DefenceSettings
    bounds: Bounds
    model: Lowered
    bounded: bool = False

    def judge(
        self,
        member: CommitteeMember,
        updates: OpenedUpdates,
        records: Sequence[int],
        base: Parameters,
        curated: CuratedShares | None,
        standing: SharedStanding,
        seed: bytes,
        on: ReferenceShares,
    ) -> Verdicts:
        """The verdict on every hospital of the roster.

        Args:
            member: this validator's end of the joint computation.
            updates: of the attempt.
            records: of every hospital of the roster.
            base: the round's model, float32 (d,).
            curated: what the curator computed; without it encrypted inference alone decides, on all.
            standing: of the hospitals before the attempt.
            seed: the round's.
            on: the reference set.
        """
        if curated is not None and curator_due(seed) and not self._serves(member, curated, base, on):
            curated = None
        verdicts = Verdicts(updates.rules, standing, curator=curated is not None)
        if not updates.indices:
            return verdicts
        settings = self.settings if curated is not None else _without_curator(self.settings)
        direction = None if curated is None else curated.direction
        verdicts = self._gated(settings, member, updates, records, direction, verdicts, seed)
        if INFERENCE in settings.active:
            return self._inferred(settings, member, updates, records, base, verdicts, seed, on)
        return verdicts

    def _gated(
        self,
        settings: DefenceSettings,
        member: CommitteeMember,
        updates: OpenedUpdates,
        records: Sequence[int],
        direction: ReplicatedShare | None,
        verdicts: Verdicts,
        seed: bytes,
    ) -> Verdicts:
        present = list(updates.indices)
        gates = UpdateGates(settings, self.bounds, tuple(records[index] for index in present), self.bounded)
        if not (gates.names or self.bounded):
            return verdicts
        evidence = verdicts.standing.evidence
        rules, after = member.judge_updates(gates, updates.shares, direction, evidence[present], seed)
        standing = replace(verdicts.standing, evidence=_placed(evidence, present, after))
        return replace(verdicts, rules=_revised(verdicts.rules, present, rules), standing=standing)

    def _inferred(
        self,
        settings: DefenceSettings,
        member: CommitteeMember,
        updates: OpenedUpdates,
        records: Sequence[int],
        base: Parameters,
        verdicts: Verdicts,
        seed: bytes,
        on: ReferenceShares,
    ) -> Verdicts:
        passed = [index for index in updates.indices if verdicts.rules[index] is Rule.ACCEPTED]
        checked = self._chosen(settings, member, passed, verdicts.standing, seed)
        waited = [wait + (index in updates.indices) for index, wait in enumerate(verdicts.standing.waited)]
        if not checked:
            return replace(verdicts, standing=replace(verdicts.standing, waited=tuple(waited)))
        mean = member.mean_update(updates.rows(passed), [records[index] for index in passed])
        candidates = concatenate([updates.rows(checked), mean])
        found, decided = self._found(settings, member, candidates, base, on)
        harmful = [index for index, finding in zip(checked, found, strict=True) if finding is Finding.HARMFUL]
        for index in checked:
            waited[index] = 0
        proof = np.zeros(len(waited))
        proof[harmful] = MOST
        standing = SharedStanding(verdicts.standing.evidence.add_public(encode(proof)), tuple(waited))
        rules = _revised(verdicts.rules, harmful, [Rule.INFERENCE] * len(harmful))
        return replace(verdicts, rules=rules, standing=standing, stages=dict(zip(checked, decided, strict=True)))

    def _serves(self, member: CommitteeMember, curated: CuratedShares, base: Parameters, on: ReferenceShares) -> bool:
        """Whether neither the curator's update nor a step along its direction lowers the margins."""
        ahead = member.scaled(curated.direction, _STEP)
        nothing = ReplicatedShare(ahead.rank, np.zeros_like(ahead.first), np.zeros_like(ahead.second))
        candidates = stack([curated.update, ahead, nothing])
        changes = member.margin_changes(MarginChanges(self.model, self.settings.margin_cap), candidates, base, on)
        found = member.find(Findings(self.settings.standard_errors), changes, on.onehot)
        return Finding.HARMFUL not in found

    def _chosen(
        self,
        settings: DefenceSettings,
        member: CommitteeMember,
        passed: Sequence[int],
        standing: SharedStanding,
        seed: bytes,
    ) -> list[int]:
        drawn = due(settings, standing.waited, seed)
        undecided = [False] * len(passed)
        if settings.inference == UNDECIDED and passed:
            undecided = member.undecided(Between(settings.quarantine), standing.evidence[list(passed)])
        return [index for index, is_open in zip(passed, undecided, strict=True) if drawn[index] or is_open]

    def _found(
        self,
        settings: DefenceSettings,
        member: CommitteeMember,
        candidates: ReplicatedShare,
        base: Parameters,
        on: ReferenceShares,
    ) -> tuple[list[Finding], list[int]]:
        """The finding on all candidates but the last, the mean, and the stage at which each was decided."""
        changes, rule = MarginChanges(self.model, settings.margin_cap), Findings(settings.standard_errors)
        first, rest = stages(on.inputs.shape[0])
        early = member.margin_changes(changes, candidates, base, on.take(first))
        found = member.find(rule, early, on.onehot[first])
        left = [row for row, finding in enumerate(found) if finding is Finding.OPEN]
        decided = [2 if finding is Finding.OPEN and len(rest) else 1 for finding in found]
        if left and len(rest):
            rows = [*left, len(found)]
            late = member.margin_changes(changes, candidates[rows], base, on.take(rest))
            whole = _joined(early[rows], late)
            again = member.find(rule, whole, on.onehot[np.concatenate([first, rest])])
            for row, finding in zip(left, again, strict=True):
                found[row] = finding
        return found, decided


def curator_due(seed: bytes) -> bool:
    """Whether the curator's part is checked in this round: in one of `CURATOR_CHECKED`, nobody knows which before."""
    return hashlib.sha256(_CURATOR_TAG + seed).digest()[0] < 256 // CURATOR_CHECKED


def _without_curator(settings: DefenceSettings) -> DefenceSettings:
    detectors = tuple(name for name in settings.detectors if name != GRADIENT)
    return settings.model_copy(update={"detectors": detectors, "inference": ALL})


def _joined(first: ReplicatedShare, second: ReplicatedShare) -> ReplicatedShare:
    """Shares (n, a) and (n, b) as one (n, a + b)."""
    return ReplicatedShare(
        first.rank,
        np.concatenate([first.first, second.first], axis=1),
        np.concatenate([first.second, second.second], axis=1),
    )


def _placed(share: ReplicatedShare, indices: Sequence[int], values: ReplicatedShare) -> ReplicatedShare:
    first, second = share.first.copy(), share.second.copy()
    first[list(indices)], second[list(indices)] = values.first, values.second
    return ReplicatedShare(share.rank, first, second)


def _revised(verdicts: Sequence[Rule], indices: Sequence[int], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    revised = dict(zip(indices, rules, strict=True))
    return tuple(revised.get(index, verdict) for index, verdict in enumerate(verdicts))
