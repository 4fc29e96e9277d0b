"""What the curator computes beside the reference set, in the clear, for the gradient test of a round.

The direction of use says which way the round's model should move to serve the task. Two are joined: the update that
training on the reference set gives (FLTrust: X. Cao et al., NDSS 2021, section IV), and the gradient of the mean
margin, which does not vanish once the reference set is fitted. Both count every class alike, and both are freed of what
moves all records towards one class: an honest hospital with patients of one class moves that way, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mithridate.data.dataset import Dataset
from mithridate.models.parameters import load_vector
from mithridate.seeds import derive_seed
from mithridate.training.deterministic import one_thread
from mithridate.training.local import train
from mithridate.training.settings import TrainingSettings
from mithridate.verification.probes import probes

Vector = npt.NDArray[np.float64]

AGREEMENT, LEAST_RELIABLE = 0.25, 0.1
"""Cosine between the halves' updates from which on the direction counts in full, and how much it counts at least."""
PUSHED = 32
"""Reference records on which a push towards one class is trained."""


COPIES = {"image": 4, "table": 2}
"""Probes for each reference record, where the study does not say. In a table a rare value may well be informative."""


def lessons(reference: Dataset, copies: int | None, rng: np.random.Generator) -> list[Dataset]:
    """What the curator trains on in a round: the balanced reference set with its probes, two halves, the `pushes`.

    The first gives the update that stands in for hospitals, the others the direction of use.

    Args:
        reference: the reference set.
        copies: probes for each record; None takes `COPIES`.
        rng: secret, fresh in every round.
    """
    records = balanced(reference, rng)
    number = COPIES[reference.kind] if copies is None else copies
    parts = [records, *(probes(records, rng) for _ in range(number))]
    features = np.concatenate([part.features for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return [
        replace(records, features=features, labels=labels, sites=None),
        *halves(reference, rng),
        *pushes(reference, rng),
    ]


def curator_moves(
    module: nn.Module,
    base: npt.NDArray[np.float32],
    reference: Dataset,
    settings: TrainingSettings,
    copies: int | None,
    numbers: tuple[int, int, int],
) -> Iterator[Vector]:
    """The updates float64 (d,), not clipped, that training on each of the `lessons` gives, one after the other.

    Args:
        module: the architecture; its parameters are overwritten.
        base: the round's model, float32 (d,).
        reference: the reference set.
        settings: how hospitals train.
        copies: probes for each record; None takes `COPIES`.
        numbers: the study's seed, the round and its generation.

    Raises:
        ModelError: training fails.
    """
    seed, *when = numbers
    sets = lessons(reference, copies, np.random.default_rng(derive_seed(seed, "curator", *when)))
    for index, records in enumerate(sets):
        own = derive_seed(seed, "curator", *when, index)
        yield train(module, base, records, settings, seed=own).vector.astype(np.float64) - base


def balanced(reference: Dataset, rng: np.random.Generator) -> Dataset:
    """The reference records, those of the rarer classes repeated, so that every class has as many."""
    counts = reference.class_counts()
    members = [rng.permutation(np.flatnonzero(reference.labels == label)) for label in np.flatnonzero(counts)]
    return reference.take(np.concatenate([np.resize(each, counts.max()) for each in members]))


def halves(reference: Dataset, rng: np.random.Generator) -> list[Dataset]:
    """Two parts of the reference set with half of every class, each `balanced`."""
    order = rng.permutation(len(reference))
    by_class = order[np.argsort(reference.labels[order], kind="stable")]
    return [balanced(reference.take(by_class[start::2]), rng) for start in (0, 1)]


def pushes(reference: Dataset, rng: np.random.Generator) -> list[Dataset]:
    """For each class some reference records, all labelled with it."""
    some = reference.take(rng.permutation(len(reference))[:PUSHED])
    return [replace(some, labels=np.full(len(some), label)) for label in range(len(reference.classes))]


def direction_of_use(
    module: nn.Module,
    base: npt.NDArray[np.float32],
    reference: Dataset,
    roots: Sequence[Vector],
    pushed: Sequence[Vector],
) -> Vector:
    """The direction of use, float64 (d,), of norm at most 2.

    It is as long as it is reliable: once the model has converged, what is left to learn from one half of the reference
    set has little to do with what is left to learn from the other, and no hospital should be judged by it.

    Args:
        module: the architecture; its parameters are overwritten.
        base: the round's model, float32 (d,).
        reference: the reference set.
        roots: two updates (d,), trained on the `halves` of the reference set.
        pushed: (d,) the update trained on each set of `pushes`.
    """
    margin, classes = _margin_gradients(module, base, reference)
    basis = _orthonormal(np.concatenate([classes, np.asarray(pushed)]))
    first, second = (_freed(_unit(root), basis) for root in roots)
    reliable = float(np.clip((_unit(first) @ _unit(second)) / AGREEMENT, LEAST_RELIABLE, 1.0))
    return reliable * (_unit(_freed(margin, basis)) + _unit(first + second))


def _margin_gradients(module: nn.Module, base: npt.NDArray[np.float32], reference: Dataset) -> tuple[Vector, Vector]:
    """Gradients (d,) of the mean margin and (C, d) of each class's mean logit, every class of records counted alike.

    The margin is the true class's logit less the mean of the others'.
    """
    load_vector(module, base)
    labels = torch.from_numpy(reference.labels)
    counts = torch.bincount(labels, minlength=len(reference.classes))
    share = 1.0 / (counts[labels] * int((counts > 0).sum()))
    parameters = list(module.parameters())
    was_training = module.training
    module.eval()
    with one_thread():
        scores = module(torch.from_numpy(reference.features))
        onehot = nn.functional.one_hot(labels, scores.shape[1])
        margin = onehot - (1 - onehot) / (scores.shape[1] - 1)
        towards = torch.eye(scores.shape[1])[:, None, :].expand(-1, len(labels), -1)
        wanted = torch.cat([margin[None].float(), towards]) * share[None, :, None]
        parts = torch.autograd.grad(scores, parameters, wanted, is_grads_batched=True)
    module.train(was_training)
    rows = torch.cat([part.flatten(1) for part in parts], dim=1).double().numpy()
    return rows[0], rows[1:]


def _orthonormal(rows: Vector) -> Vector:
    """An orthonormal basis of the rows' span; rows that add nothing to it are left out."""
    _, sizes, basis = np.linalg.svd(_units(rows), full_matrices=False)
    return np.asarray(basis[sizes > 1e-6])


def _freed(vector: Vector, basis: Vector) -> Vector:
    return vector - (vector @ basis.T) @ basis


def _units(rows: Vector) -> Vector:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _unit(vector: Vector) -> Vector:
    return np.asarray(_units(vector[None])[0])
