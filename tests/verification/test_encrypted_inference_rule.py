"""Encrypted inference on shares gives the changes, findings and release check that the clear gives."""

import numpy as np
import pytest
import torch

from mithridate.crypto.fixed_point import encode
from mithridate.models.parameters import load_vector
from mithridate.mpc.aten import lower
from mithridate.mpc.linear import open_share
from mithridate.mpc.session import Integer
from mithridate.mpc.shares import share_locally
from mithridate.training.together import stacked_logits
from mithridate.verification.inference import (
    Correct,
    FellBehind,
    Finding,
    Findings,
    MarginChanges,
    Scaled,
    findings,
    mean_margins,
)

Z = 3.0
CAP = 5.0
HONEST, FLIPPED = range(6), range(6, 10)


@pytest.fixture(scope="module")
def poisoned_round(make_task):
    """A task after one honest round, ten updates of which the last four come from flipped labels, and their mean."""
    task = make_task()
    task = task.moved(task.trained(task.split.hospitals, 1).mean(axis=0))
    updates = task.trained(task.flipped(FLIPPED), 2)
    return task, np.concatenate([updates, updates[HONEST].mean(axis=0, keepdims=True)])


def margins_one_by_one(task, vector):
    load_vector(task.module, vector.astype(np.float32))
    reference = task.split.reference
    with torch.no_grad():
        logits = task.module.eval()(torch.from_numpy(reference.features)).numpy()
    return (logits[:, 1] - logits[:, 0]) * (2 * reference.labels - 1)


def changes_in_plaintext(task, updates):
    before = margins_one_by_one(task, task.base)
    return np.stack([np.clip(margins_one_by_one(task, task.base + each) - before, -CAP, CAP) for each in updates])


def onehot(reference):
    return np.eye(len(reference.classes))[reference.labels]


def test_flipped_labels_are_found_harmful_and_no_honest_update_is(poisoned_round):
    task, updates = poisoned_round
    found = findings(changes_in_plaintext(task, updates), onehot(task.split.reference), Z)
    assert found[FLIPPED].tolist() == [Finding.HARMFUL] * 4
    assert Finding.HARMFUL not in found[HONEST]


def test_stacked_logits_give_the_same_margins(poisoned_round):
    task, updates = poisoned_round
    models = (task.base + updates).astype(np.float32)
    scores = stacked_logits(task.module, models, task.split.reference.features)
    expected = [margins_one_by_one(task, vector) for vector in models]
    np.testing.assert_allclose(mean_margins(scores, onehot(task.split.reference)), expected, atol=1e-4)


def test_encrypted_inference_gives_the_plaintext_changes_and_findings(poisoned_round, committee):
    task, updates = poisoned_round
    reference = task.split.reference
    candidates = share_locally(encode(task.base + updates))
    inputs, labels = share_locally(encode(reference.features)), share_locally(encode(onehot(reference)))
    program, rule = MarginChanges(lower(task.module, reference.shape), CAP), Findings(Z)

    def step(peers, session, zeros):
        rank = peers.rank
        (changes,) = session.run(program, [candidates[rank], task.base, inputs[rank], labels[rank]])
        (found,) = session.run(rule, [changes, labels[rank]])
        return open_share(changes, peers), open_share(found, peers)

    expected = changes_in_plaintext(task, updates)
    for changes, found in committee(step):
        np.testing.assert_allclose(changes.view(np.int64) / 2**18, expected, atol=2e-3)
        assert found.tolist() == findings(expected, onehot(reference), Z).tolist()


@pytest.mark.parametrize("scale", [0.02, 1.0, 5.0])
def test_findings_on_shares_are_those_in_the_clear(scale, committee):
    rng = np.random.default_rng(2)
    labels = np.eye(3)[rng.choice(3, size=60, p=(0.7, 0.2, 0.1))]
    means = np.linspace(-0.9, 0.9, 12)[:, None]
    changes = np.clip(scale * np.concatenate([means + rng.normal(size=(12, 60)), np.zeros((1, 60))]), -CAP, CAP)
    shares, classes = share_locally(encode(changes)), share_locally(encode(labels))

    def step(peers, session, zeros):
        (found,) = session.run(Findings(Z), [shares[peers.rank], classes[peers.rank]])
        return open_share(found, peers).tolist()

    expected = findings(changes, labels, Z).tolist()
    assert set(expected) == set(Finding)
    assert committee(step) == [expected] * 3


def test_a_vector_times_a_public_number(committee):
    vector = np.linspace(-2000, 2000, 50)
    shares = share_locally(encode(vector))

    def step(peers, session, zeros):
        (product,) = session.run(Scaled(1 / 1024), [shares[peers.rank]])
        return open_share(product, peers).view(np.int64) / 2**18

    for product in committee(step):
        np.testing.assert_allclose(product, vector / 1024, atol=1e-5)


@pytest.mark.parametrize(("wrong", "fell_behind"), [(4, False), (5, True)])
def test_the_release_check_fires_just_beyond_its_tolerance(wrong, fell_behind, committee):
    # Weights, then biases, of one feature's two logits: the stable model follows the sign, the new one always says 1.
    stable, new = np.array([[-1, 1, 0, 0], [0, 0, -1, 1]], dtype=np.float32)
    x = np.where(np.arange(40) < wrong, -1.0, 1.0)[:, None]
    inputs, labels = share_locally(encode(x)), share_locally(encode(np.eye(2)[(x[:, 0] > 0).astype(int)]))
    count, check = Correct(lower(torch.nn.Linear(1, 2), (1,))), FellBehind(tolerance=0.1, samples=40)

    def step(peers, session, zeros):
        held = inputs[peers.rank], labels[peers.rank]
        right = [Integer(session.run(count, [model[None], *held])[0]) for model in (new, stable)]
        (flag,) = session.run(check, right)
        return bool(open_share(flag, peers)[0])

    assert committee(step) == [fell_behind] * 3
