"""The gates as a whole: poisoned updates of many kinds, in the clear and on shares."""

from dataclasses import replace

import numpy as np
import pytest

from mithridate.crypto.fixed_point import encode
from mithridate.mpc import programs
from mithridate.mpc.projection import ternary_rows
from mithridate.verification.gates import UpdateGates, rules_in_plaintext
from mithridate.verification.registry import Bounds
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

# Long enough for noise to be at right angles to everything.
LENGTH = 10_000
CHEAP = ("range", "norm", "similarity", "gradient")
SETTINGS = DefenceSettings(score_floor=0.03, score_share=0.0, noise_cosine=0.08, quarantine=0.5, suspension=4.0)
GATES = UpdateGates(SETTINGS, Bounds.of(10.0))
NONE = np.zeros(10)


def ring(updates):
    return encode(updates).view(np.int64)


def in_reals(kind, updates):
    """The last four of ten updates made bad, and the rule that should catch them; None for kinds of the ring."""
    rng = np.random.default_rng(7)
    bad = updates[6:]
    if kind == "opposed":
        return -bad, Rule.GRADIENT
    if kind == "longer than the others":
        return 4 * bad, Rule.NORM
    if kind == "beyond the bound":
        return 15 * bad, Rule.NORM
    if kind == "copies":
        return bad[0] + rng.normal(scale=0.05 / np.sqrt(LENGTH), size=bad.shape), Rule.SIMILARITY
    if kind == "noise":
        return rng.normal(scale=1 / np.sqrt(LENGTH), size=bad.shape), Rule.SIMILARITY
    if kind == "zeros":
        return 0 * bad, Rule.SIMILARITY
    return None


def in_the_ring(kind, integers):
    bad = np.zeros_like(integers[6:])
    if kind == "square wraps to zero":
        bad[:, 3] = 2**32
    if kind == "squares sum to zero":
        bad[:, :4] = 2**31
    if kind == "not a number, cast":
        bad[:, :5] = -(2**63)
    if kind == "enormous":
        bad[:] = 2**40
    if kind == "random in the ring":
        bad = np.random.default_rng(2).integers(-(2**63), 2**63, size=bad.shape)
    return bad


REAL_KINDS = ("opposed", "longer than the others", "beyond the bound", "copies", "noise", "zeros")
RING_KINDS = (
    "square wraps to zero",
    "squares sum to zero",
    "not a number, cast",
    "enormous",
    "random in the ring",
)
KINDS = REAL_KINDS + RING_KINDS


def poisoned(kind, updates):
    real = in_reals(kind, updates)
    integers = ring(updates)
    integers[6:] = in_the_ring(kind, integers) if real is None else ring(real[0])
    return integers, Rule.RANGE if real is None else real[1]


@pytest.mark.parametrize("kind", KINDS)
def test_four_poisoned_of_ten_are_rejected_by_the_right_rule_and_no_honest_one_is(kind, honest_updates, in_plaintext):
    updates, direction = honest_updates(10, LENGTH)
    integers, rule = poisoned(kind, updates)
    rules, evidence = in_plaintext(GATES, integers, direction)
    assert rules == (Rule.ACCEPTED,) * 6 + (rule,) * 4
    np.testing.assert_allclose(evidence, [0] * 6 + [1] * 4)


@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_and_evidence_on_shares_are_those_in_the_clear(kind, honest_updates, in_plaintext, on_shares):
    updates, direction = honest_updates(10, LENGTH, seed=3)
    integers, rule = poisoned(kind, updates)
    evidence = np.linspace(0, 0.63, 10)
    rules, after = on_shares(GATES, integers, direction, evidence)
    expected, evidence_after = in_plaintext(GATES, integers, direction, evidence)
    assert rules == expected
    assert rules[6:] == (rule,) * 4
    np.testing.assert_allclose(after, evidence_after, atol=1e-3)


@pytest.mark.parametrize("kind", RING_KINDS)
def test_wrapped_updates_of_most_hospitals_flag_no_honest_one(kind, honest_updates, in_plaintext, on_shares):
    # Six of ten: what their squares and products wrap to would outvote the honest, were it counted.
    updates, direction = honest_updates(10, LENGTH)
    integers = ring(updates)
    integers[4:8] = in_the_ring(kind, integers)
    integers[8:] = integers[6:8]
    expected = (Rule.ACCEPTED,) * 4 + (Rule.RANGE,) * 6
    for judge in (in_plaintext, on_shares):
        rules, evidence = judge(GATES, integers, direction, NONE)
        assert rules == expected
        np.testing.assert_allclose(evidence, [0] * 4 + [1] * 6, atol=1e-3)


def undecided_direction(updates, common, seed=1):
    """A direction to which honest scores lie close around the floor, on both sides."""
    normal = np.random.default_rng(seed).normal(size=updates.shape[1])
    normal -= normal @ common * common
    return normal / np.linalg.norm(normal) + 0.05 * common


@pytest.mark.parametrize(
    ("bound", "norm", "records"),
    [
        (10.0, 0.01, (1,) * 10),
        (10.0, 1.0, (1,) * 10),
        (10.0, 7.99, (1,) * 10),
        (10.0, 8.01, (1,) * 10),
        (10.0, 9.99, (1,) * 10),
        (10.0, 9.99, (40,) * 5 + (5000,) * 5),
        (256.0, 1.0, (1,) * 10),
        (256.0, 100.0, (1,) * 10),
        (256.0, 255.9, (1,) * 10),
        (256.0, 255.9, (1,) * 5 + (50,) * 5),
    ],
)
def test_the_precision_on_shares_from_short_updates_to_the_longest(
    bound, norm, records, honest_updates, in_plaintext, on_shares
):
    updates, common = honest_updates(10)
    integers = ring(norm * updates)
    gates = UpdateGates(SETTINGS, Bounds.of(bound), records)
    evidence = np.linspace(0, 0.33, 10)
    given = (gates, integers, undecided_direction(updates, common), evidence)
    (rules, after), (expected, evidence_after) = on_shares(*given), in_plaintext(*given)
    # The increments lie within the limits of a round, so that errors of the scores show.
    changes = (evidence_after - evidence)[5:]
    assert ((changes > -0.2) & (changes < 1)).sum() >= 3
    assert rules == expected
    assert Rule.ACCEPTED in rules
    np.testing.assert_allclose(after, evidence_after, atol=1e-3)


def test_updates_too_short_to_tell_from_zeros_give_the_same_verdicts(honest_updates, in_plaintext, on_shares):
    updates, direction = honest_updates(10)
    integers = ring(1e-3 * updates)
    rules, after = on_shares(GATES, integers, direction, NONE)
    expected, evidence_after = in_plaintext(GATES, integers, direction)
    assert rules == expected
    np.testing.assert_allclose(after, evidence_after, atol=1e-3)


def test_verdicts_on_shares_of_lengths_and_signs_at_random(honest_updates, in_plaintext, on_shares):
    rng = np.random.default_rng(5)
    updates, direction = honest_updates(10, seed=6)
    factors = 10 ** rng.uniform(-1.5, 1.5, size=10) * rng.choice([-1, 1], size=10)
    gates = UpdateGates(SETTINGS, Bounds.of(10.0), tuple(rng.integers(8, 500, 10).tolist()))
    evidence = rng.uniform(0, 4, size=10)
    integers = ring(updates * factors[:, None])
    rules, after = on_shares(gates, integers, 2 * direction, evidence)
    expected, evidence_after = in_plaintext(gates, integers, 2 * direction, evidence)
    assert rules == expected
    assert len(set(rules)) >= 3
    np.testing.assert_allclose(after, evidence_after, atol=1e-3)


def test_records_count_and_hospitals_with_others_share_the_program(honest_updates, on_shares, monkeypatch):
    compiled, compile_program = [], programs._compile

    def counted(*given):
        compiled.append(given)
        return compile_program(*given)

    monkeypatch.setattr(programs, "_compile", counted)
    updates, direction = honest_updates(7)
    integers = ring(updates * np.array([1.0] * 6 + [6.0])[:, None])
    bounds = Bounds.of(17.0)
    rules = [
        on_shares(UpdateGates(SETTINGS, bounds, records), integers, direction, np.zeros(7))[0][6]
        for records in ((20,) * 7, (20,) * 6 + (180,))
    ]
    assert rules == [Rule.NORM, Rule.ACCEPTED]
    assert len(compiled) == 1


def test_a_short_update_among_the_longest_and_a_long_one_among_short(honest_updates, in_plaintext, on_shares):
    updates, direction = honest_updates(10)
    for lengths in ([0.5] + [250.0] * 9, [250.0] + [0.5] * 9):
        gates = UpdateGates(SETTINGS, Bounds.of(256.0))
        integers = ring(updates * np.array(lengths)[:, None])
        expected, evidence = in_plaintext(gates, integers, direction, NONE)
        assert expected[0] is (Rule.NORM if lengths[0] > 1 else Rule.ACCEPTED)
        assert expected[1:] == (Rule.ACCEPTED,) * 9
        rules, after = on_shares(gates, integers, direction, NONE)
        assert rules == expected
        np.testing.assert_allclose(after, evidence, atol=1e-3)


def test_the_first_detector_in_the_studys_order_gives_the_verdict(honest_updates, in_plaintext):
    updates, direction = honest_updates(10, LENGTH)
    updates[8:] = 5 * updates[8]
    integers = ring(updates)
    for order, rule in ((CHEAP, Rule.NORM), (("range", "similarity", "norm", "gradient"), Rule.SIMILARITY)):
        gates = UpdateGates(SETTINGS.model_copy(update={"detectors": order}), Bounds.of(10.0))
        rules, evidence = in_plaintext(gates, integers, direction)
        assert rules == (Rule.ACCEPTED,) * 8 + (rule,) * 2
        np.testing.assert_allclose(evidence, [0] * 8 + [1] * 2)


@pytest.mark.parametrize(
    ("kind", "detector"),
    [("longer than the others", "norm"), ("copies", "similarity"), ("noise", "similarity"), ("opposed", "gradient")],
)
def test_without_a_detector_its_rule_does_not_fire(kind, detector, honest_updates, in_plaintext):
    updates, direction = honest_updates(10, LENGTH)
    integers, _ = poisoned(kind, updates)
    others = tuple(name for name in CHEAP if name not in (detector, "gradient"))
    gates = UpdateGates(SETTINGS.model_copy(update={"detectors": others}), Bounds.of(10.0))
    rules, evidence = in_plaintext(gates, integers, direction)
    assert rules == (Rule.ACCEPTED,) * 10
    assert not evidence.any()


def test_encrypted_inference_is_no_gate():
    assert UpdateGates(DefenceSettings(detectors=("range", "inference")), Bounds.of(1.0)).names == ("range",)
    assert UpdateGates(DefenceSettings(name="none"), Bounds.of(1.0)).names == ()


@pytest.mark.parametrize(
    ("updates", "rules"),
    [(np.full((3, 4), 4.9), [0, 0, 0]), (np.diag([10.1, 9.9, 1e5, 0.0]), [Rule.NORM, 0, Rule.RANGE, 0])],
)
def test_bounded_gates_hold_updates_to_the_bound_without_any_detector(updates, rules):
    settings = DefenceSettings(name="none")
    rows = np.concatenate(list(ternary_rows(bytes(32), 4)), axis=1).astype(np.int64)
    gates = UpdateGates(settings, Bounds.of(10.0), bounded=True)
    found, _ = rules_in_plaintext(gates, ring(updates), rows)
    assert list(found) == rules
    assert set(rules_in_plaintext(replace(gates, bounded=False), ring(updates), rows)[0]) == {Rule.ACCEPTED}
