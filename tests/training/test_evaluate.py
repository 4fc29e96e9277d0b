import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, recall_score
from torch import nn

from mithridate.data.dataset import Dataset
from mithridate.errors import DataError, ModelError, ShapeError
from mithridate.models.build import build_model
from mithridate.models.parameters import to_vector
from mithridate.training.evaluate import evaluate, logits


def dataset(records: int, classes: int) -> Dataset:
    rng = np.random.default_rng(records)
    names = tuple("abcdef"[:classes])
    return Dataset(rng.normal(size=(records, 5)).astype(np.float32), rng.integers(0, classes, records), names, "table")


@pytest.mark.parametrize("records", [7, 1024, 2500])
def test_agrees_with_scikit_learn(records: int) -> None:
    data = dataset(records, 3)
    module = build_model("mlp", (5,), 3, seed=1)
    metrics = evaluate(module, to_vector(module), data)
    with torch.no_grad():
        probabilities = torch.softmax(module(torch.from_numpy(data.features)).double(), dim=1).numpy()
    predicted = probabilities.argmax(axis=1)
    assert np.isclose(metrics.accuracy, accuracy_score(data.labels, predicted))
    assert np.isclose(metrics.loss, log_loss(data.labels, probabilities, labels=[0, 1, 2]), rtol=1e-5)
    recall = recall_score(data.labels, predicted, average=None, labels=[0, 1, 2], zero_division=0)
    np.testing.assert_allclose(metrics.per_class_recall, recall)
    assert metrics.worst_class_recall == min(metrics.per_class_recall)


def test_a_class_without_records_does_not_count_as_the_worst() -> None:
    data = Dataset(np.eye(2, 5, dtype=np.float32), np.array([0, 1]), ("a", "b", "c"), "table")
    metrics = evaluate(build_model("logistic", (5,), 3, seed=0), np.zeros(18, np.float32), data)
    assert np.isnan(metrics.per_class_recall[2])
    # All logits are equal: the first class takes every record.
    assert metrics.per_class_recall[:2] == (1.0, 0.0)
    assert (metrics.accuracy, metrics.worst_class_recall) == (0.5, 0.0)


def test_dropout_is_off_and_the_modules_mode_is_kept() -> None:
    module = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    module.train()
    data = dataset(50, 2)
    first, second = (logits(module, to_vector(module), data.features) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert module.training
    module.eval()
    logits(module, to_vector(module), data.features)
    assert not module.training


def test_what_cannot_be_measured() -> None:
    module = build_model("mlp", (5,), 2, seed=0)
    with pytest.raises(DataError, match="no records"):
        evaluate(module, to_vector(module), dataset(4, 2).take([]))
    with pytest.raises(ShapeError):
        evaluate(module, to_vector(module)[1:], dataset(4, 2))
    with pytest.raises(ModelError, match=r"shape \(4,\)"):
        logits(module, to_vector(module), np.zeros((3, 4), np.float32))
