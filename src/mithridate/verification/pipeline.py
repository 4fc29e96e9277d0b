"""The cascade in the clear: the reference that the encrypted one is compared with, and what simulations run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from torch import nn

from mithridate.crypto.fixed_point import encode
from mithridate.data.dataset import Dataset
from mithridate.mpc.projection import ternary_rows
from mithridate.training.together import stacked_logits
from mithridate.verification.evidence import MOST, Between
from mithridate.verification.gates import UpdateGates, rules_in_plaintext
from mithridate.verification.inference import Finding, findings, mean_margins, stages
from mithridate.verification.registry import Bounds
from mithridate.verification.schedule import due
from mithridate.verification.settings import INFERENCE, UNDECIDED, DefenceSettings
from mithridate.verification.verdict import Rule

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """What is known of the hospitals before a round; one entry a hospital of the roster.

    Args:
        evidence: float64 (n,), against each.
        waited: rounds since each was last checked by encrypted inference.
        suspended: who is excluded.
    """

    evidence: Real
    waited: tuple[int, ...]
    suspended: tuple[bool, ...]

    @classmethod
    def of(cls, hospitals: int) -> "Standing":
        """Before the first round."""
        return cls(np.zeros(hospitals), (0,) * hospitals, (False,) * hospitals)


@dataclass(frozen=True)
class Judged:
    """What a round came to.

    Args:
        rules: one for each of the updates judged.
        standing: after the round.
        stages: hospital -> the stage of encrypted inference that decided, 1 or 2; those not checked are missing.
    """

    rules: tuple[Rule, ...]
    standing: Standing
    stages: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """The cascade of one study, without encryption.

    Args:
        settings: the study's defence.
        bounds: of honest updates.
        records: of all hospitals.
        module: the architecture.
        reference: the reference set.
    """

    settings: DefenceSettings
    bounds: Bounds
    records: tuple[int, ...]
    module: nn.Module
    reference: Dataset

    def judge(
        self,
        hospitals: Sequence[int],
        updates: Real,
        base: npt.NDArray[np.float32],
        direction: Real,
        standing: Standing,
        seed: bytes,
    ) -> Judged:
        """The verdicts on the updates of some hospitals.

        Args:
            hospitals: whose they are, by number.
            updates: float64 (n, d), within the ring's range.
            base: the round's model, float32 (d,).
            direction: float64 (d,), the direction of use.
            standing: before the round.
            seed: 32 bytes, the round's.
        """
        chosen = list(hospitals)
        gates = UpdateGates(self.settings, self.bounds, tuple(self.records[index] for index in chosen))
        rows = np.concatenate(list(ternary_rows(seed, updates.shape[1])), axis=1).astype(np.int64)
        ring = encode(updates).view(np.int64)
        rules, evidence = rules_in_plaintext(gates, ring, rows, direction, standing.evidence[chosen])
        everyone = standing.evidence.copy()
        everyone[chosen] = evidence
        suspended = np.array(standing.suspended)
        suspended[[index for index, rule in zip(chosen, rules, strict=True) if rule is Rule.SUSPENDED]] = True
        after = replace(standing, evidence=everyone, suspended=tuple(suspended.tolist()))
        judged = Judged(rules, after)
        return self._inferred(chosen, updates, base, judged, seed) if INFERENCE in self.settings.active else judged

    def _inferred(
        self, hospitals: list[int], updates: Real, base: npt.NDArray[np.float32], judged: Judged, seed: bytes
    ) -> Judged:
        standing = judged.standing
        drawn = due(self.settings, standing.waited, seed)
        open_ = Between(self.settings.quarantine)(standing.evidence)
        passed = [row for row, rule in enumerate(judged.rules) if rule is Rule.ACCEPTED]
        checked = [
            row
            for row in passed
            if drawn[hospitals[row]] or (self.settings.inference == UNDECIDED and open_[hospitals[row]])
        ]
        waited = list(standing.waited)
        for index in hospitals:
            waited[index] += 1
        if not checked:
            return replace(judged, standing=replace(standing, waited=tuple(waited)))
        mean = np.array([self.records[hospitals[row]] for row in passed], dtype=np.float64)
        mean = (mean / mean.sum()) @ updates[passed]
        found, decided = self._findings(updates[checked], mean, base)
        rules, evidence = list(judged.rules), standing.evidence.copy()
        for row, finding in zip(checked, found, strict=True):
            waited[hospitals[row]] = 0
            if finding == Finding.HARMFUL:
                rules[row] = Rule.INFERENCE
                evidence[hospitals[row]] += MOST
        after = replace(standing, evidence=evidence, waited=tuple(waited))
        return Judged(tuple(rules), after, {hospitals[row]: stage for row, stage in zip(checked, decided, strict=True)})

    def _findings(self, updates: Real, mean: Real, base: npt.NDArray[np.float32]) -> tuple[list[int], list[int]]:
        changes = self.changes(np.concatenate([updates, mean[None]]), base)
        onehot = np.eye(len(self.reference.classes))[self.reference.labels]
        found, decided = in_stages(changes, onehot, self.settings.standard_errors)
        return found.tolist(), decided.tolist()

    def changes(self, updates: Real, base: npt.NDArray[np.float32]) -> Real:
        """Changes of the margins (n, m) that `updates` (n, d) make, capped."""
        models = np.concatenate([base[None], base + updates]).astype(np.float32)
        scores = stacked_logits(self.module, models, self.reference.features).astype(np.float64)
        onehot = np.eye(scores.shape[2])[self.reference.labels]
        cap = self.settings.margin_cap
        return np.asarray(np.clip(mean_margins(scores[1:] - scores[:1], onehot), -cap, cap))


def in_stages(
    changes: Real, onehot: Real, standard_errors: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """`findings` by few samples, and by all of what these leave open: finding (n,) and the stage that decided, 1 or 2.

    Args:
        changes: (n + 1, m), the last row that of the mean of the updates.
        onehot: (m, C), the classes of the reference samples.
        standard_errors: z.
    """
    few = stages(len(onehot))[0]
    early = findings(changes[:, few], onehot[few], standard_errors)
    late = findings(changes, onehot, standard_errors)
    decided = np.where(early == Finding.OPEN, 2, 1)
    return np.where(decided == 1, early, late), decided


def curator_records(settings: DefenceSettings, accepted: int, enrolled: int) -> int:
    """The weight of the curator's own update, in records: a share of the accepted ones, and all that are left out.

    Args:
        settings: the study's defence.
        accepted: records of the accepted hospitals.
        enrolled: records of all hospitals.
    """
    return round(settings.curator_weight * accepted) + (enrolled - accepted)
