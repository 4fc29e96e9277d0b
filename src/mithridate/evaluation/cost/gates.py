"""What each gate of the cascade costs among three processes, on real updates of a study."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from mithridate.crypto.fixed_point import decode, encode
from mithridate.errors import BenchmarkError
from mithridate.evaluation.cost.processes import Cost, in_three_processes, joined
from mithridate.evaluation.cost.steps import SEED, Found, Held, measure
from mithridate.federation.prepared import Prepared
from mithridate.federation.reference import ReferenceShares
from mithridate.models.parameters import load_vector
from mithridate.mpc.projection import ternary_rows
from mithridate.mpc.shares import reconstruct, share_locally
from mithridate.verification.gates import UpdateGates, rules_in_plaintext
from mithridate.verification.pipeline import Judged, Pipeline, Standing
from mithridate.verification.registry import Bounds
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

TOLERANCE = 1e-3
"""How far an encrypted logit may be from PyTorch's."""

Real = npt.NDArray[np.float64]
Value = TypeVar("Value")


@dataclass(frozen=True)
class GateCosts:
    """What the steps of the cascade cost.

    Args:
        costs: by step, all three validators together.
        gates_s: seconds of the cheap gates in the clear.
        pipeline_s: seconds of the verification of a first round in the clear, by variant.
        logits_s: seconds of PyTorch for the logits that `steps.LOGITS` names.
    """

    costs: dict[str, Cost]
    gates_s: float
    pipeline_s: dict[str, float]
    logits_s: float


def gate_costs(prepared: Prepared, variants: Mapping[str, DefenceSettings], *, repeats: int, images: int) -> GateCosts:
    """Measures every step on the updates of a first round.

    Args:
        prepared: the study.
        variants: the defences whose verification in the clear is timed.
        repeats: of every step, at least 1, after one that compiles.
        images: samples on which one model is evaluated by itself: test records, repeated where there are fewer.

    Raises:
        BenchmarkError: a verdict is not the plaintext gates', or a logit is further than 1e-3 from PyTorch's.
    """
    updates = np.stack([site.update(prepared.initial, 1, 0) for site in prepared.sites])
    # What the steps cost does not depend on it; the verdicts are compared under the same one.
    direction = updates.mean(axis=0) / max(float(np.linalg.norm(updates.mean(axis=0))), 1e-12)
    test = prepared.split.test
    inputs = np.resize(test.features, (images, *test.shape))
    found = in_three_processes(partial(measure, repeats=repeats), _held(prepared, updates, direction, inputs))
    rules, gates_s = _timed(lambda: _plain_rules(prepared, updates, direction), repeats)
    logits, logits_s = _timed(lambda: _plain_logits(prepared, inputs), repeats)
    _check(found, rules, logits)
    costs = {name: joined([each.costs[name] for each in found]) for name in found[0].costs}
    pipeline_s = {
        name: _timed(lambda settings=settings: _judged(prepared, settings, updates, direction), repeats)[1]  # type: ignore[misc]
        for name, settings in variants.items()
    }
    return GateCosts(costs, gates_s, pipeline_s, logits_s)


def _held(prepared: Prepared, updates: Real, direction: Real, inputs: npt.NDArray[np.float32]) -> list[Held]:
    reference = prepared.split.reference
    onehot = np.eye(len(reference.classes))[reference.labels]
    secrets = (updates, direction, np.zeros(len(updates)), reference.features, onehot, prepared.initial[None], inputs)
    shares = list(zip(*(share_locally(encode(secret)) for secret in secrets), strict=True))
    return [
        Held(
            study=prepared.study,
            base=prepared.initial,
            records=_records(prepared),
            updates=held[0],
            direction=held[1],
            evidence=held[2],
            reference=ReferenceShares(held[3], held[4]),
            model=held[5],
            images=held[6],
        )
        for held in shares
    ]


def _records(prepared: Prepared) -> tuple[int, ...]:
    return tuple(len(site.dataset) for site in prepared.sites)


def _plain_rules(prepared: Prepared, updates: Real, direction: Real) -> tuple[Rule, ...]:
    study = prepared.study
    gates = UpdateGates(study.defence, Bounds.of(study.clipping.norm), _records(prepared))
    rows = np.concatenate(list(ternary_rows(SEED, updates.shape[1])), axis=1).astype(np.int64)
    rules, _ = rules_in_plaintext(gates, encode(updates).view(np.int64), rows, direction)
    return rules


def _judged(prepared: Prepared, settings: DefenceSettings, updates: Real, direction: Real) -> Judged:
    bounds, everyone = Bounds.of(prepared.study.clipping.norm), range(len(updates))
    pipeline = Pipeline(settings, bounds, _records(prepared), prepared.module, prepared.split.reference)
    return pipeline.judge(everyone, updates, prepared.initial, direction, Standing.of(len(updates)), SEED)


def _plain_logits(prepared: Prepared, inputs: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    load_vector(prepared.module, prepared.initial)
    with torch.no_grad():
        return np.asarray(prepared.module.eval()(torch.from_numpy(inputs)).numpy())


def _timed(work: Callable[[], Value], repeats: int) -> tuple[Value, float]:
    result, times = work(), []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return result, median(times)


def _check(found: Sequence[Found], rules: tuple[Rule, ...], logits: npt.NDArray[Any]) -> None:
    if any(each.rules != rules for each in found):
        raise BenchmarkError(f"the encrypted gates' verdicts {found[0].rules} are not the plaintext ones, {rules}")
    error = float(np.abs(decode(reconstruct([each.logits for each in found])) - logits).max())
    if not error <= TOLERANCE:
        raise BenchmarkError(f"encrypted logits differ from PyTorch's by {error:.2g}, more than {TOLERANCE}")
