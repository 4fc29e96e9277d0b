"""The steps of the cascade that are measured one by one, as one validator takes them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mithridate.evaluation.cost.processes import Cost, Seat
from mithridate.federation.reference import ReferenceShares
from mithridate.models.build import build_model
from mithridate.mpc.aten import Lowered, lower
from mithridate.mpc.inference import encrypted_logits
from mithridate.mpc.linear import ZeroSharing, gram, products, reshare
from mithridate.mpc.projection import project
from mithridate.mpc.session import Integer, ProgramInput
from mithridate.mpc.shares import ReplicatedShare, concatenate
from mithridate.study import Study
from mithridate.verification.gates import UpdateGates
from mithridate.verification.inference import Correct, FellBehind, Findings, MarginChanges, stages
from mithridate.verification.registry import Bounds
from mithridate.verification.verdict import Rule

PROJECTION, GRAM, ALONG = "random projections", "Gram matrix", "products with the direction of use"
GATES = "cheap gates together"
FIRST, SECOND = "encrypted inference of all, stage 1", "encrypted inference of all, stage 2"
CURATOR, RELEASE, OPENING = "curator's check, one round in four", "release check", "opening of the aggregate"
LOGITS = "encrypted_inference"
SEED = bytes(32)
"""Stands for the round's: what is computed does not depend on it, nor what that costs."""
# The curator's update, a step along its direction, and nothing.
_CURATOR_CANDIDATES = 3
Steps = Iterator[tuple[str, Callable[[], object]]]


@dataclass(frozen=True)
class Held:
    """What one validator holds.

    Args:
        study: what is measured.
        base: the round's model, float32 (d,).
        records: of the n hospitals.
        updates: (n, d).
        direction: (d,), the direction of use.
        evidence: (n,).
        reference: the reference set.
        model: (1, d), evaluated by itself on `images`.
        images: (m, *shape).
    """

    study: Study
    base: npt.NDArray[np.float32]
    records: tuple[int, ...]
    updates: ReplicatedShare
    direction: ReplicatedShare
    evidence: ReplicatedShare
    reference: ReferenceShares
    model: ReplicatedShare
    images: ReplicatedShare


@dataclass(frozen=True)
class Found:
    """What one validator measured.

    Args:
        costs: by step.
        rules: the cheap gates' verdicts.
        logits: a share (1, m, C) of the model's logits on the images.
    """

    costs: dict[str, Cost]
    rules: tuple[Rule, ...]
    logits: ReplicatedShare


def measure(seat: Seat, held: Held, repeats: int) -> Found:
    """One validator's part; the other two do the same at the same time.

    Args:
        seat: this validator's.
        held: what it holds.
        repeats: of every step, after a first one that compiles.
    """
    _, *shape = held.reference.inputs.shape
    classes = held.reference.onehot.shape[1]
    lowered = lower(build_model(held.study.model.name, tuple(shape), classes, seed=0), tuple(shape))
    gates = UpdateGates(held.study.defence, Bounds.of(held.study.clipping.norm), held.records)
    steps = [*_linear(seat, held), *_gates(seat, held, gates), *_inference(seat, held, lowered)]
    costs = {name: seat.cost(step, repeats) for name, step in steps}
    rules, _ = seat.member.judge_updates(gates, held.updates, held.direction, held.evidence, SEED)
    return Found(costs, tuple(rules), encrypted_logits(seat.session, lowered, held.model, held.images))


def _linear(seat: Seat, held: Held) -> Steps:
    zeros = ZeroSharing(seat.peers)
    direction = held.direction.reshape(1, -1)
    yield PROJECTION, lambda: project(held.updates, SEED)
    yield GRAM, lambda: reshare(gram(held.updates), zeros, seat.peers)
    yield ALONG, lambda: reshare(products(held.updates, direction), zeros, seat.peers)
    yield OPENING, lambda: seat.member.open_sum(held.updates.sum(axis=0))


def _gates(seat: Seat, held: Held, gates: UpdateGates) -> Steps:
    """The program of every gate alone, on statistics computed before; then all of them from updates to verdicts."""
    zeros = ZeroSharing(seat.peers)
    projected = project(held.updates, SEED)
    inner = reshare(gram(held.updates), zeros, seat.peers)
    along = reshare(products(held.updates, held.direction.reshape(1, -1)), zeros, seat.peers).reshape(-1)
    inputs: list[ProgramInput] = [
        Integer(projected),
        Integer(inner),
        inner,
        along,
        held.evidence,
        gates.factors(len(held.updates)),
    ]
    for name in gates.names:
        alone = gates.settings.model_copy(update={"detectors": (name,)})
        one = UpdateGates(alone, gates.bounds, gates.records)
        yield f"gate {name}", lambda one=one: seat.session.run(one, inputs)  # type: ignore[misc]
    yield GATES, lambda: seat.member.judge_updates(gates, held.updates, held.direction, held.evidence, SEED)


def _inference(seat: Seat, held: Held, lowered: Lowered) -> Steps:
    settings, reference, member = held.study.defence, held.reference, seat.member
    changes, rule = MarginChanges(lowered, settings.margin_cap), Findings(settings.standard_errors)
    early, rest = stages(reference.inputs.shape[0])
    mean = member.mean_update(held.updates, held.records)
    candidates = concatenate([held.updates, mean])

    def found(rows: ReplicatedShare, on: ReferenceShares) -> None:
        member.find(rule, member.margin_changes(changes, rows, held.base, on), on.onehot)

    yield FIRST, lambda: found(candidates, reference.take(early))
    if len(rest):
        yield SECOND, lambda: found(candidates, reference.take(rest))
    yield CURATOR, lambda: found(candidates[:_CURATOR_CANDIDATES], reference)
    release, correct = FellBehind(held.study.release.tolerance, reference.inputs.shape[0]), Correct(lowered)
    stable = member.correct(correct, held.base, reference)
    yield RELEASE, lambda: member.fell_behind(release, member.correct(correct, held.base, reference), stable)
    yield LOGITS, lambda: encrypted_logits(seat.session, lowered, held.model, held.images)
