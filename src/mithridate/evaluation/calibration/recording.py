"""What the detectors saw of every hospital in every round, noted while studies are played."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mithridate.attacks import Conspiracy
from mithridate.crypto.fixed_point import encode
from mithridate.evaluation.calibration.studies import study_of
from mithridate.evaluation.calibration.thresholds import GATES, MARGIN_CAPS, STANDARD_ERRORS, WATCHED, Gate
from mithridate.evaluation.detection.cells import UNDEFENDED, Cell
from mithridate.evaluation.detection.defences import PipelineDefence, RoundView, RuleDefence, round_seed
from mithridate.evaluation.detection.simulator import Play, play
from mithridate.federation.prepared import Prepared
from mithridate.verification.gates import UpdateGates, inputs_in_plaintext
from mithridate.verification.inference import Finding
from mithridate.verification.pipeline import Judged, Pipeline, Standing, in_stages
from mithridate.verification.registry import update_detectors
from mithridate.verification.schedule import EVERY, due
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

Real = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Recording:
    """S studies of n hospitals over R rounds.

    Args:
        cells: the studies.
        arrays: by name
            - scores: real (S, R, n), of the gradient test;
            - evidence: real (S, R, n), after the gates, as the study gathered it;
            - sound: bool (S, R, n), within the bound;
            - due: bool (S, R, n, `schedule.EVERY`), whether encrypted inference checks the hospital whatever the gates
              say, by the rounds it has waited;
            - attacking: bool (S, R, n);
            - malicious: bool (S, n);
            - lost: real (S,), points of accuracy that the attack costs where nothing defends;
            - each gate's setting, and `inference_at` each cap: int (S, R, n), the first of its values that flags the
              update, and their number where none does.
    """

    cells: tuple[Cell, ...]
    arrays: Mapping[str, npt.NDArray[Any]]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """One of the arrays."""
        return self.arrays[name]

    def save(self, path: Path) -> None:
        """Writes the arrays, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **self.arrays)
        part.replace(path)

    @classmethod
    def load(cls, cells: Sequence[Cell], path: Path) -> "Recording":
        """What `save` wrote of these cells."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(tuple(cells), dict(stored))


def inference_at(cap: float) -> str:
    """The array of encrypted inference with margins capped at `cap`."""
    return f"inference {cap:g}"


def joined(recordings: Sequence[Recording]) -> list[Recording]:
    """All studies of equal numbers of hospitals and rounds in one recording."""
    shapes = sorted({recording["scores"].shape[1:] for recording in recordings})
    alike = [[each for each in recordings if each["scores"].shape[1:] == shape] for shape in shapes]
    return [
        Recording(
            tuple(cell for part in parts for cell in part.cells),
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0].arrays},
        )
        for parts in alike
    ]


def first_flagged(flags: Callable[[float], Flags], values: Sequence[float], n: int) -> npt.NDArray[np.int64]:
    """For n updates the first of `values` with which they are flagged, by its place; their number where none is."""
    first = np.full(n, len(values))
    for place in reversed(range(len(values))):
        first[flags(values[place])] = place
    return first


@dataclass
class Recorder:
    """Notes every round of one study, in which nobody may be suspended: `PipelineDefence.keep`.

    Args:
        pipeline: the study's.
        seed: the study's.
    """

    pipeline: Pipeline
    seed: int
    seen: dict[str, list[npt.NDArray[Any]]] = field(default_factory=dict)

    def __call__(self, view: RoundView, direction: Real, standing: Standing, judged: Judged) -> None:
        """Notes a round."""
        for name, values in (
            *self._of_gates(view, direction, standing).items(),
            *self._of_inference(view, judged).items(),
            ("due", self._due(view)),
        ):
            self.seen.setdefault(name, []).append(np.asarray(values))

    def _of_gates(self, view: RoundView, direction: Real, standing: Standing) -> dict[str, npt.NDArray[Any]]:
        settings, n = self.pipeline.settings, len(view.updates)
        gates = UpdateGates(settings, self.pipeline.bounds, self.pipeline.records)
        ring = encode(view.updates).view(np.int64)
        # Simulated updates are clipped to the bound, so that no projection is needed to tell.
        rows = np.zeros((1, ring.shape[1]), dtype=np.int64)
        seen = gates.statistics(*inputs_in_plaintext(gates, ring, rows, direction, standing.evidence))

        def flags(gate: Gate, value: float) -> Flags:
            tried = settings.model_copy(update={**gate.apart, gate.setting: value})
            factors = replace(gates, settings=tried).factors(n)
            return np.asarray(update_detectors.get(gate.detector).flags(replace(seen, factors=factors), tried))

        first = {gate.setting: first_flagged(partial(flags, gate), gate.values, n) for gate in GATES}
        return {"scores": seen.scores, "evidence": seen.evidence, "sound": seen.sound, **first}

    def _of_inference(self, view: RoundView, judged: Judged) -> dict[str, npt.NDArray[Any]]:
        """Of all updates, also of those that the gates have stopped; the mean is that of those which passed."""
        passed = np.array([rule in (Rule.ACCEPTED, Rule.INFERENCE) for rule in judged.rules])
        weights = view.weights * (passed if passed.any() else 1.0)
        updates = np.concatenate([view.updates, (weights / weights.sum() @ view.updates)[None]])
        reference = self.pipeline.reference
        onehot = np.eye(len(reference.classes))[reference.labels]
        widest = replace(self.pipeline, settings=self.pipeline.settings.model_copy(update={"margin_cap": 100.0}))
        changes = widest.changes(updates, view.base)

        def harms(cap: float, errors: float) -> Flags:
            return np.asarray(in_stages(changes.clip(-cap, cap), onehot, errors)[0] == Finding.HARMFUL)

        n = len(view.updates)
        return {inference_at(cap): first_flagged(partial(harms, cap), STANDARD_ERRORS, n) for cap in MARGIN_CAPS}

    def _due(self, view: RoundView) -> Flags:
        n, seed = len(view.updates), round_seed(self.seed, view.round)
        return np.array([due(self.pipeline.settings, (waited,) * n, seed) for waited in range(EVERY)]).T


def record(cells: Sequence[Cell]) -> Recording:
    """Plays studies of one dataset, partition, number of hospitals and seed, the first of them without an attack.

    Each is played twice: with the defence as the code has it, but that nobody is suspended, and undefended.

    Raises:
        DataError: the data are missing.
    """
    studies = [study_of(cell, DefenceSettings(suspension=WATCHED)) for cell in cells]
    common = Prepared.of(studies[0])
    prepared = [replace(common, study=study) for study in studies]
    bare = [Play(each, _conspiracy(each), RuleDefence.of(each, UNDEFENDED)) for each in prepared]
    defences, recorders, plays = [PipelineDefence.of(each) for each in prepared], [], []
    for each, defence in zip(prepared, defences, strict=True):
        recorders.append(Recorder(defence.pipeline, each.study.seed))
        defence.keep = recorders[-1]
        plays.append(Play(each, _conspiracy(each), defence))
    play([*plays, *bare], studies[0].training.rounds)
    accuracies = np.array([100 * each.prepared.measure(each.base)["accuracy"] for each in bare])
    arrays = {name: np.array([recorder.seen[name] for recorder in recorders]) for name in recorders[0].seen}
    arrays |= {"lost": accuracies[0] - accuracies, "attacking": np.array([_attacking(each) for each in plays])}
    members = [[index in each.study.malicious for index in range(len(each.sites))] for each in prepared]
    return Recording(tuple(cells), arrays | {"malicious": np.array(members)})


def _conspiracy(prepared: Prepared) -> Conspiracy:
    return Conspiracy(prepared.study.attacks, prepared.study.seed)


def _attacking(played: Play) -> list[list[bool]]:
    n, rounds = len(played.prepared.sites), played.prepared.study.training.rounds
    return [[played.conspiracy.colludes(index, number + 1) for index in range(n)] for number in range(rounds)]
