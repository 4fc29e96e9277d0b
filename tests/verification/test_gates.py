from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mithridate.crypto.fixed_point import encode
from mithridate.mpc.linear import ZeroSharing, gram, open_share, reshare
from mithridate.mpc.links import memory_links
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.projection import project, ternary_rows
from mithridate.mpc.session import Integer, Session
from mithridate.mpc.shares import share_locally
from mithridate.verification.gates import UpdateGates, rules_in_plaintext
from mithridate.verification.registry import Bounds
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

LENGTH = 200
SEED = b"v" * 32
GATES = UpdateGates(DefenceSettings(), Bounds.of(10.0))


@pytest.fixture(scope="module")
def committee():
    peers, links = memory_peers(timeout=60), memory_links(receive_timeout_s=60)
    sessions = [Session(link) for link in links]
    with ThreadPoolExecutor(3) as pool:
        zeros = list(pool.map(ZeroSharing, peers))
        yield lambda step: list(pool.map(lambda rank: step(peers[rank], sessions[rank], zeros[rank]), range(3)))


def honest_updates(n, seed=0, length=LENGTH):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=length)
    updates = common + 0.8 * rng.normal(size=(n, length))
    return updates / np.linalg.norm(updates, axis=1, keepdims=True)


def ring(updates):
    return encode(updates).view(np.int64)


def plaintext(updates, gates=GATES):
    rows = np.concatenate(list(ternary_rows(SEED, updates.shape[1])), axis=1).astype(np.int64)
    return rules_in_plaintext(gates, updates, rows)


def encrypted(updates, committee, gates=GATES):
    shares = share_locally(updates.view(np.uint64))

    def step(peers, session, zeros):
        share = shares[peers.rank]
        products = reshare(gram(share), zeros, peers)
        projections = project(share, SEED)
        (codes,) = session.run(gates, [Integer(projections), Integer(products)])
        return tuple(Rule(int(code)) for code in open_share(codes, peers))

    verdicts = committee(step)
    assert len(set(verdicts)) == 1
    return verdicts[0]


def poisoned(kind, honest):
    """Ten updates of which the last four are of one kind, as ring integers, and the rule that should catch them."""
    updates = honest.copy()
    if kind == "opposed":
        updates[6:] *= -1
        return ring(updates), Rule.SIMILARITY
    if kind == "longer than the others":
        updates[6:] *= 4
        return ring(updates), Rule.NORM
    if kind == "beyond the bound":
        updates[6:] *= 15
        return ring(updates), Rule.NORM
    integers = ring(updates)
    integers[6:] = 0
    if kind == "square wraps to zero":
        integers[6:, 3] = 2**32
    if kind == "squares sum to zero":
        integers[6:, :4] = 2**31
    if kind == "not a number, cast":
        integers[6:, :5] = -(2**63)
    if kind == "enormous":
        integers[6:] = 2**40
    return integers, Rule.RANGE


KINDS = (
    "opposed",
    "longer than the others",
    "beyond the bound",
    "square wraps to zero",
    "squares sum to zero",
    "not a number, cast",
    "enormous",
)


@pytest.mark.parametrize("kind", KINDS)
def test_four_poisoned_of_ten_are_rejected_by_the_right_rule_and_no_honest_one_is(kind):
    updates, rule = poisoned(kind, honest_updates(10))
    assert plaintext(updates) == (Rule.ACCEPTED,) * 6 + (rule,) * 4


@pytest.mark.parametrize("kind", KINDS)
def test_encrypted_verdicts_equal_plaintext_ones(kind, committee):
    updates, _ = poisoned(kind, honest_updates(10, seed=3))
    assert encrypted(updates, committee) == plaintext(updates)


def test_encrypted_verdicts_equal_plaintext_ones_on_random_updates(committee):
    rng = np.random.default_rng(5)
    lengths = 10 ** rng.uniform(-1.5, 1.5, size=10)
    signs = rng.choice([-1, 1], size=10)
    updates = ring(honest_updates(10, seed=6) * (lengths * signs)[:, None])
    assert encrypted(updates, committee) == plaintext(updates)


@pytest.mark.parametrize(("norm", "rule"), [(9.99, Rule.ACCEPTED), (10.01, Rule.NORM)])
def test_the_bound_is_where_the_study_says(norm, rule):
    assert plaintext(ring(honest_updates(5) * norm)) == (rule,) * 5


@pytest.mark.parametrize(("multiple", "rule"), [(2.9, Rule.ACCEPTED), (3.1, Rule.NORM)])
def test_the_norm_multiple_is_where_the_study_says(multiple, rule):
    updates = honest_updates(7)
    updates[6] *= multiple
    assert plaintext(ring(updates))[6] is rule


@pytest.mark.parametrize(("cosine", "rule"), [(-0.25, Rule.ACCEPTED), (-0.35, Rule.SIMILARITY)])
def test_the_similarity_floor_is_where_the_study_says(cosine, rule):
    direction, other = np.eye(2, LENGTH)
    updates = np.tile(direction, (5, 1))
    updates[4] = cosine * direction + np.sqrt(1 - cosine**2) * other
    assert plaintext(ring(updates))[4] is rule


def test_half_of_the_others_is_not_most_of_them():
    updates = honest_updates(9)
    updates[5:] *= -1
    # Against updates 5 to 8 stand five of eight others; against 0 to 4, four of eight.
    assert plaintext(ring(updates)) == (Rule.ACCEPTED,) * 5 + (Rule.SIMILARITY,) * 4


def test_without_a_detector_its_rule_does_not_fire():
    gates = UpdateGates(DefenceSettings(detectors=("range", "similarity")), Bounds.of(10.0))
    updates, _ = poisoned("longer than the others", honest_updates(10))
    assert plaintext(updates, gates) == (Rule.ACCEPTED,) * 10
