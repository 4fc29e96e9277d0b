from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from mithridate.crypto.fixed_point import encode
from mithridate.data.dataset import Dataset
from mithridate.models.build import build_model
from mithridate.models.parameters import load_vector, quantise, to_vector
from mithridate.mpc.aten import lower
from mithridate.mpc.linear import open_share
from mithridate.mpc.links import memory_links
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.session import Session
from mithridate.mpc.shares import share_locally
from mithridate.training.local import train
from mithridate.training.settings import TrainingSettings
from mithridate.verification.inference import FellBehind, Harmful, MarginChanges, harmful

Z = 3.0
CAP = 5.0


def reference_rule(changes, z):
    """The rule as its documentation words it: means, standard errors and a count, one pair at a time."""
    n, m = changes.shape

    def below_zero(sample):
        return sample.mean() < 0 and -sample.mean() > z * sample.std() / np.sqrt(m)

    return [
        below_zero(changes[i]) and sum(below_zero(changes[i] - changes[j]) for j in range(n) if j != i) * 2 >= n
        for i in range(n)
    ]


@given(st.integers(2, 8), st.integers(4, 60), st.integers(0, 10_000), st.floats(0.5, 5))
def test_the_rule_is_the_one_of_its_documentation(n, m, seed, z):
    rng = np.random.default_rng(seed)
    changes = rng.normal(rng.normal(0, 0.5, size=(n, 1)), 0.5, size=(n, m))
    assert harmful(changes, z).tolist() == reference_rule(changes, z)


def test_without_any_effect_nothing_is_harmful():
    assert not harmful(np.zeros((5, 20)), Z).any()


def test_when_most_lower_the_margins_alike_none_is_rejected():
    rng = np.random.default_rng(0)
    changes = -1 + 0.1 * rng.normal(size=(7, 40))
    assert not harmful(changes, Z).any()


def test_honest_noise_is_rarely_rejected():
    # Independent changes around zero: below -3 standard errors lies 0.13 %, and half of the others must be above too.
    rng = np.random.default_rng(1)
    rejected = [harmful(rng.normal(size=(10, 40)), Z).mean() for _ in range(400)]
    assert np.mean(rejected) < 0.0025


@pytest.fixture(scope="module")
def poisoned_round():
    """A base model after some training, six honest updates and three trained on flipped labels."""
    features, labels = load_breast_cancer(return_X_y=True)
    features = ((features - features.mean(0)) / features.std(0)).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(labels))
    module = build_model("mlp", (30,), 2, seed=1)
    settings = TrainingSettings(local_epochs=5)

    def data(rows, flip=False):
        picked = labels[rows].astype(np.int64)
        return Dataset(features[rows], 1 - picked if flip else picked, ("malignant", "benign"), "table")

    base = quantise(train(module, to_vector(module), data(order[:200]), settings, seed=0).vector)
    parts = np.array_split(order[200:500], 9)
    updates = [
        train(module, base, data(part, flip=index >= 6), settings, seed=index).vector - base
        for index, part in enumerate(parts)
    ]
    return module, base, np.stack(updates), features[order[500:540]], labels[order[500:540]]


@pytest.fixture(scope="module")
def committee():
    peers, links = memory_peers(timeout=60), memory_links(receive_timeout_s=60)
    sessions = [Session(link) for link in links]
    with ThreadPoolExecutor(3) as pool:
        yield lambda step: list(pool.map(lambda rank: step(peers[rank], sessions[rank]), range(3)))


def margins(module, vector, x, labels):
    load_vector(module, vector.astype(np.float32))
    with torch.no_grad():
        logits = module.eval()(torch.from_numpy(x)).numpy()
    return np.clip((logits[:, 1] - logits[:, 0]) * (2 * labels - 1), -CAP, CAP)


def plaintext_changes(poisoned_round):
    module, base, updates, x, labels = poisoned_round
    before = margins(module, base, x, labels)
    return np.stack([margins(module, base + update, x, labels) - before for update in updates])


def test_flipped_labels_are_caught_in_plaintext(poisoned_round):
    assert harmful(plaintext_changes(poisoned_round), Z).tolist() == [False] * 6 + [True] * 3


def test_encrypted_inference_gives_the_plaintext_changes_and_verdicts(poisoned_round, committee):
    module, base, updates, x, labels = poisoned_round
    candidates = share_locally(encode(base + updates))
    inputs, onehot = share_locally(encode(x)), share_locally(encode(np.eye(2)[labels]))
    program, rule = MarginChanges(lower(module, (30,)), CAP), Harmful(Z)

    def step(peers, session):
        rank = peers.rank
        (changes,) = session.run(program, [candidates[rank], base, inputs[rank], onehot[rank]])
        (flags,) = session.run(rule, [changes])
        return open_share(changes, peers), open_share(flags, peers)

    expected = plaintext_changes(poisoned_round)
    for changes, flags in committee(step):
        np.testing.assert_allclose(changes.view(np.int64) / 2**18, expected, atol=2e-3)
        assert flags.tolist() == harmful(expected, Z).tolist()


@pytest.mark.parametrize(("wrong", "fell_behind"), [(4, False), (5, True)])
def test_the_release_check_fires_just_beyond_its_tolerance(wrong, fell_behind, committee):
    # Weights, then biases, of one feature's two logits: the stable model follows the sign, the new one always says 1.
    stable, new = np.array([[-1, 1, 0, 0], [0, 0, -1, 1]], dtype=np.float32)
    x = np.where(np.arange(40) < wrong, -1.0, 1.0)[:, None]
    inputs, onehot = share_locally(encode(x)), share_locally(encode(np.eye(2)[(x[:, 0] > 0).astype(int)]))
    check = FellBehind(lower(torch.nn.Linear(1, 2), (1,)), tolerance=0.1)

    def step(peers, session):
        (flag,) = session.run(check, [np.stack([new, stable]), inputs[peers.rank], onehot[peers.rank]])
        return bool(open_share(flag, peers))

    assert committee(step) == [fell_behind] * 3
