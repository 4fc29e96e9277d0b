"""How good a model is on labelled records."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mithridate.data.dataset import Dataset
from mithridate.errors import DataError, ModelError
from mithridate.models.parameters import load_vector
from mithridate.training.deterministic import one_thread

BATCH = 1024


@dataclass(frozen=True)
class Metrics:
    """Measures over N records of C classes.

    Args:
        accuracy: share of records whose largest logit is their label's.
        loss: mean cross-entropy, in nats.
        per_class_recall: (C,) share of each class's records found; NaN for a class without records.
        worst_class_recall: the least of them over the classes that have records.
    """

    accuracy: float
    loss: float
    per_class_recall: tuple[float, ...]
    worst_class_recall: float


def logits(
    module: nn.Module, vector: npt.NDArray[np.float32], features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """The model's logits, float32 (N, C), in evaluation mode; the module keeps `vector`.

    Raises:
        ShapeError: the vector belongs to another model.
        ModelError: the module fails on these records.
    """
    load_vector(module, vector)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), one_thread():
            parts = [module(part) for part in torch.split(torch.from_numpy(features), BATCH)]
    except (RuntimeError, ValueError, TypeError) as error:
        raise ModelError(f"the model fails on records of shape {features.shape[1:]}: {error}") from error
    finally:
        module.train(was_training)
    return torch.cat(parts).numpy()


def evaluate(module: nn.Module, vector: npt.NDArray[np.float32], dataset: Dataset) -> Metrics:
    """The model `vector` measured on `dataset`.

    Raises:
        ShapeError: the vector belongs to another model.
        ModelError: the module fails on these records.
        DataError: no records.
    """
    if not len(dataset):
        raise DataError("a model cannot be measured on no records")
    scores = torch.from_numpy(logits(module, vector, dataset.features))
    loss = float(nn.functional.cross_entropy(scores, torch.from_numpy(dataset.labels)))
    found = scores.argmax(dim=1).numpy() == dataset.labels
    hits = np.bincount(dataset.labels, weights=found, minlength=len(dataset.classes))
    counts = dataset.class_counts()
    recall = np.divide(hits, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Metrics(float(found.mean()), loss, tuple(recall.tolist()), float(np.nanmin(recall)))
