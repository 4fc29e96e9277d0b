"""Evidence over rounds: the sum itself, and what it does to hospitals that attack late, in turns or never again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.crypto.fixed_point import encode
from mithridate.mpc.linear import open_share
from mithridate.mpc.shares import share_locally
from mithridate.verification.evidence import Between, gathered, median
from mithridate.verification.gates import UpdateGates
from mithridate.verification.registry import Bounds
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

SETTINGS = DefenceSettings(
    score_floor=0.03, score_share=0.0, score_slope=4.0, forgiveness=0.2, quarantine=0.5, suspension=4.0
)
GOOD, BAD = 1.5, -1.5

scores = st.floats(-2, 2)
rounds = st.lists(st.tuples(scores, st.booleans()), max_size=40)


def after(history, settings=SETTINGS, start=0.0):
    """The evidence after each round of one hospital's (score, proof)."""
    evidence, seen = np.array([start]), []
    for score, proof in history:
        evidence = gathered(evidence, np.array([score]), np.array([proof]), settings)
        seen.append(float(evidence[0]))
    return seen


def cusum(history, settings):
    """Page's sum, written out."""
    total, seen = 0.0, []
    for score, proof in history:
        step = min(max(settings.score_slope * (settings.score_floor - score), -settings.forgiveness), 1.0)
        total = min(max(total + (1.0 if proof else step), 0.0), settings.suspension + 1)
        seen.append(total)
    return seen


@settings(deadline=None, max_examples=50)
@given(rounds, st.floats(-1, 1), st.floats(0.1, 50), st.floats(0, 1), st.floats(0.6, 20))
def test_evidence_is_pages_sum_within_its_limits(history, floor, slope, forgiveness, suspension):
    settings = DefenceSettings(
        score_floor=floor,
        score_share=0.0,
        score_slope=slope,
        forgiveness=forgiveness,
        quarantine=0.5,
        suspension=suspension,
    )
    seen = after(history, settings)
    np.testing.assert_allclose(seen, cusum(history, settings), atol=1e-9)
    assert all(0 <= value <= suspension + 1 for value in seen)


@settings(deadline=None, max_examples=50)
@given(scores, scores, st.floats(0, 5), st.booleans())
def test_a_higher_score_never_adds_more(one, other, start, proof):
    high, low = max(one, other), min(one, other)
    assert after([(high, proof)], start=start)[0] <= after([(low, proof)], start=start)[0] + 1e-9


@settings(deadline=None, max_examples=50)
@given(st.lists(scores, min_size=1, max_size=12))
def test_the_median_is_the_lower_one_of_equal_values_too(values):
    for each in (values, values[:1] * 3 + values):
        assert median(np.array(each)) == sorted(each)[(len(each) - 1) // 2]


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_the_median_on_shares_is_that_in_the_clear(n, committee):
    for values in (np.random.default_rng(n).uniform(-2, 2, n), np.zeros(n), np.arange(n)[::-1] / 8):
        secret = share_locally(encode(values))

        def step(peers, session, zeros, secret=secret):
            (held,) = session.run(median, [secret[peers.rank]])
            return open_share(held, peers).view(np.int64) / 2.0**18

        assert committee(step)[0] == pytest.approx(median(values), abs=1e-4)


@settings(deadline=None, max_examples=50)
@given(st.lists(scores, min_size=3, max_size=12), st.floats(0, 1))
def test_a_share_of_the_median_score_is_added_to_the_floor(values, share):
    settings = SETTINGS.model_copy(update={"score_share": share})
    higher = settings.model_copy(
        update={"score_share": 0.0, "score_floor": 0.03 + share * float(median(np.array(values)))}
    )
    nothing, none = np.zeros(len(values)), np.zeros(len(values), dtype=bool)
    moved = [gathered(nothing, np.array(values), none, each) for each in (settings, higher)]
    np.testing.assert_allclose(*moved, atol=1e-9)


def test_who_does_little_among_many_who_do_much_gathers_evidence():
    values, none = np.array([0.9, 0.8, 1.0, 0.1, 0.9]), np.zeros(5, dtype=bool)
    assert (gathered(np.zeros(5), values, none, DefenceSettings()) > 0).tolist() == [False] * 3 + [True, False]


@settings(deadline=None, max_examples=50)
@given(scores, st.floats(0, 5))
def test_a_proof_counts_one_whatever_the_score(score, start):
    assert after([(score, True)], start=start)[0] == pytest.approx(min(start + 1, 5))


@settings(deadline=None, max_examples=50)
@given(st.lists(scores, min_size=1, max_size=30), st.floats(0, 5))
def test_a_round_adds_at_most_one_and_forgives_at_most_what_the_study_says(values, start):
    changes = np.diff([start, *after([(score, False) for score in values], start=start)])
    assert changes.max() <= 1 + 1e-9
    assert changes.min() >= -0.2 - 1e-9


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 50), st.lists(scores, min_size=1, max_size=10))
def test_a_good_past_does_not_shield(good, attack):
    bad = [(score, False) for score in attack]
    np.testing.assert_allclose(after([(GOOD, False)] * good + bad)[good:], after(bad))


def verdicts(pattern, honest_updates, in_plaintext, settings=SETTINGS):
    """The rules that hospital 0 gets while nine others stay honest; "-" attacks by turning its update."""
    updates, direction = honest_updates(10)
    gates = UpdateGates(settings, Bounds.of(10.0))
    evidence, seen = np.zeros(10), []
    for letter in pattern:
        sent = updates.copy()
        sent[0] *= -1 if letter == "-" else 1
        rules, evidence = in_plaintext(gates, encode(sent).view(np.int64), direction, evidence)
        assert rules[1:] == (Rule.ACCEPTED,) * 9
        seen.append(rules[0])
    return seen


A, Q, S = Rule.ACCEPTED, Rule.GRADIENT, Rule.SUSPENDED


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        # A sleeper: suspended in the fourth round of its attack, and never used.
        ("++++++++++----", [A] * 10 + [Q] * 3 + [S]),
        # In turns: 1, 0.8, 1.8, ... reaches 4 at the fifth attack.
        ("-+-+-+-+-", [Q] * 8 + [S]),
        # Every sixth round alone is forgiven, but not at once: 1, 0.8, 0.6, 0.4.
        ("-+++++-+++++", [Q, Q, Q, A, A, A] * 2),
        ("++++++", [A] * 6),
    ],
)
def test_quarantine_release_and_suspension(pattern, expected, honest_updates, in_plaintext):
    assert verdicts(pattern, honest_updates, in_plaintext) == expected


def test_an_attack_in_every_second_round_is_never_used(honest_updates, in_plaintext):
    assert A not in verdicts("-+" * 20, honest_updates, in_plaintext)


@pytest.mark.parametrize(("before", "rule"), [(2.99, Q), (3.01, S)])
def test_suspension_is_where_the_study_says(before, rule, honest_updates, in_plaintext):
    updates, direction = honest_updates(10)
    updates[0] *= -1
    evidence = np.array([before] + [0.0] * 9)
    gates = UpdateGates(SETTINGS, Bounds.of(10.0))
    rules, _ = in_plaintext(gates, encode(updates).view(np.int64), direction, evidence)
    assert rules[0] is rule


def test_complete_evidence_suspends_whatever_else_rejects_the_update(honest_updates, in_plaintext):
    updates, direction = honest_updates(10)
    updates[0] *= 9
    evidence = np.array([3.5] + [0.0] * 9)
    gates = UpdateGates(SETTINGS, Bounds.of(10.0))
    rules, after_round = in_plaintext(gates, encode(updates).view(np.int64), direction, evidence)
    assert (rules[0], after_round[0]) == (S, 4.5)
    rules, _ = in_plaintext(gates, encode(updates).view(np.int64), direction)
    assert rules[0] is Rule.NORM


def test_evidence_without_the_gradient_test_stays_as_it_is(honest_updates, in_plaintext):
    updates, direction = honest_updates(10)
    updates[0] *= -1
    gates = UpdateGates(DefenceSettings(detectors=("range", "norm")), Bounds.of(10.0))
    rules, evidence = in_plaintext(gates, encode(updates).view(np.int64), direction, np.full(10, 4.5))
    assert rules == (A,) * 10
    assert evidence.tolist() == [4.5] * 10


def test_some_evidence_but_not_enough_for_quarantine_leaves_a_hospital_open():
    assert Between(0.5)(np.array([0.001, 0.01, 0.5, 0.51, 4.0])).tolist() == [False, True, True, False, False]


def test_an_update_beyond_the_bound_is_a_proof_without_the_norm_detector_too(honest_updates, in_plaintext):
    updates, direction = honest_updates(10)
    updates[0] *= 11
    gates = UpdateGates(SETTINGS.model_copy(update={"detectors": ("range", "gradient")}), Bounds.of(10.0))
    rules, evidence = in_plaintext(gates, encode(updates).view(np.int64), direction)
    assert rules == (Q,) + (A,) * 9
    assert evidence.tolist() == [1.0] + [0.0] * 9
