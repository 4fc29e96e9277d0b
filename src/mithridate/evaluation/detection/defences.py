"""The defences that a simulated study may have: ours, the oracle, and the rules of the literature."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mithridate.aggregation import robust_rules
from mithridate.aggregation.robust import Gathered, RobustRule
from mithridate.aggregation.rule import most_malicious
from mithridate.attacks.base import Judge
from mithridate.federation.prepared import Prepared
from mithridate.seeds import derive_seed
from mithridate.training.together import Lane
from mithridate.verification.curation import direction_of_use, lessons
from mithridate.verification.pipeline import Judged, Pipeline, Standing, curator_records
from mithridate.verification.registry import Bounds
from mithridate.verification.verdict import Rule

Update = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RoundView:
    """What a defence sees of a round.

    Args:
        round: from 1.
        base: float32 (d,).
        updates: float64 (n, d), of the hospitals present.
        weights: (n,) their records.
        trained: (k, d) updates of the defence's own lanes.
    """

    round: int
    base: npt.NDArray[np.float32]
    updates: Update
    weights: Update
    trained: Update


class Defence(Protocol):
    """What a simulated study does with the updates of a round.

    Attributes:
        rejected: for each round a set of the hospitals kept out of its aggregate.
        suspended: hospital -> round.
        quarantined: hospital -> the first round in quarantine.
    """

    rejected: list[frozenset[int]]
    suspended: dict[int, int]
    quarantined: dict[int, int]

    @property
    def present(self) -> tuple[int, ...]:
        """The hospitals still in the study, ascending."""
        ...

    def lanes(self, base: npt.NDArray[np.float32], number: int) -> list[Lane]:
        """The training that the defence itself needs in this round."""
        ...

    def judge(self, view: RoundView, colluders: Sequence[int]) -> Judge | None:
        """The verification as an attacker who knows it asks it; None where there is nothing to ask.

        Args:
            view: the round, with the honest hospitals' true updates and those that the colluders trained.
            colluders: whose rows are replaced by what is asked.
        """
        ...

    def step(self, view: RoundView) -> Update:
        """The step float64 (d,) that is added to the base."""
        ...


@dataclass
class RuleDefence:
    """A rule of the literature, set up for the most malicious hospitals it allows up to 40 %.

    `fltrust` gets the update trained on the reference set that our pipeline uses.
    """

    prepared: Prepared
    rule: RobustRule
    present: tuple[int, ...]
    memory: Any = None
    rejected: list[frozenset[int]] = field(default_factory=list)
    suspended: dict[int, int] = field(default_factory=dict)
    quarantined: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, prepared: Prepared, name: str, present: Sequence[int] | None = None) -> "RuleDefence":
        """The rule `name` for the study's hospitals, or only for those `present`."""
        everyone = tuple(range(len(prepared.sites))) if present is None else tuple(present)
        return cls(prepared, robust_rules.get(name)(malicious=most_malicious(name, len(everyone))), everyone)

    def lanes(self, base: npt.NDArray[np.float32], number: int) -> list[Lane]:
        """The root update, for the rule that needs one."""
        if self.rule.name != "fltrust":
            return []
        return [Lane(base, self.prepared.split.reference, derive_seed(self.prepared.study.seed, "root", number))]

    def judge(self, view: RoundView, colluders: Sequence[int]) -> Judge | None:
        """None: the adaptive attacker is run against our own pipeline."""
        return None

    def step(self, view: RoundView) -> Update:
        """The rule's aggregate."""
        root = view.trained[0] if len(view.trained) else None
        aggregate, self.memory = self.rule.aggregate(Gathered(view.updates, view.weights, root), self.memory)
        kept = {index for index, chosen in zip(self.present, aggregate.kept, strict=True) if chosen}
        self.rejected.append(frozenset(set(range(len(self.prepared.sites))) - kept))
        return aggregate.step


@dataclass
class PipelineDefence:
    """Our pipeline in the clear, with the curator's part.

    Args:
        prepared: the study.
        pipeline: its cascade.
        keep: called with what each round judged and came to, for a comparison with the encrypted cascade.
    """

    prepared: Prepared
    pipeline: Pipeline
    standing: Standing
    keep: Callable[[RoundView, Update, Standing, Judged], None] | None = None
    rejected: list[frozenset[int]] = field(default_factory=list)
    suspended: dict[int, int] = field(default_factory=dict)
    quarantined: dict[int, int] = field(default_factory=dict)
    stages: list[dict[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, prepared: Prepared) -> "PipelineDefence":
        """The study's own defence."""
        study = prepared.study
        records = tuple(len(site.dataset) for site in prepared.sites)
        module, reference = prepared.module, prepared.split.reference
        pipeline = Pipeline(study.defence, Bounds.of(study.clipping.norm), records, module, reference)
        return cls(prepared, pipeline, Standing.of(len(records)))

    @property
    def present(self) -> tuple[int, ...]:
        """The hospitals that are not suspended."""
        return tuple(index for index, out in enumerate(self.standing.suspended) if not out)

    def lanes(self, base: npt.NDArray[np.float32], number: int) -> list[Lane]:
        """The curator's training."""
        seed = self.prepared.study.seed
        rng = np.random.default_rng(derive_seed(seed, "curator", number))
        sets = lessons(self.prepared.split.reference, self.pipeline.settings.probes, rng)
        return [Lane(base, records, derive_seed(seed, "curator", number, index)) for index, records in enumerate(sets)]

    def judge(self, view: RoundView, colluders: Sequence[int]) -> Judge | None:
        """The whole cascade, with the evidence as it stands."""
        rows = [self.present.index(index) for index in colluders if index in self.present]
        direction = self._direction(view)

        def passes(crafted: Update) -> npt.NDArray[np.bool_]:
            updates = view.updates.copy()
            updates[rows[: len(crafted)]] = crafted
            rules = self._judged(replace(view, updates=updates), direction).rules
            return np.array([rules[row] is Rule.ACCEPTED for row in rows[: len(crafted)]])

        return passes

    def step(self, view: RoundView) -> Update:
        """The accepted updates and the curator's, by their records."""
        present, direction = self.present, self._direction(view)
        judged = self._judged(view, direction)
        if self.keep is not None:
            self.keep(view, direction, self.standing, judged)
        accepted = np.array([rule is Rule.ACCEPTED for rule in judged.rules])
        self._note(view.round, present, judged)
        self.standing = judged.standing
        enrolled = sum(self.pipeline.records)
        weights = view.weights * accepted
        curator = curator_records(self.pipeline.settings, int(weights.sum()), enrolled)
        step: Update = (weights @ view.updates + curator * view.trained[0]) / (weights.sum() + curator)
        return step

    def _judged(self, view: RoundView, direction: Update) -> Judged:
        seed = round_seed(self.prepared.study.seed, view.round)
        return self.pipeline.judge(self.present, view.updates, view.base, direction, self.standing, seed)

    def _direction(self, view: RoundView) -> Update:
        module, reference = self.pipeline.module, self.pipeline.reference
        return direction_of_use(module, view.base, reference, list(view.trained[1:3]), list(view.trained[3:]))

    def _note(self, number: int, present: Sequence[int], judged: Judged) -> None:
        left = {index for index, rule in zip(present, judged.rules, strict=True) if rule is not Rule.ACCEPTED}
        self.rejected.append(frozenset(left | set(self.suspended)))
        self.stages.append(judged.stages)
        for index, rule in zip(present, judged.rules, strict=True):
            if rule is Rule.SUSPENDED:
                self.suspended[index] = number
            if judged.standing.evidence[index] > self.pipeline.settings.quarantine:
                self.quarantined.setdefault(index, number)


def round_seed(seed: int, number: int) -> bytes:
    """What stands in for the validators' common seed of a round, 32 bytes, in the simulation of the study `seed`."""
    return hashlib.sha256(f"{seed}/{number}".encode()).digest()
