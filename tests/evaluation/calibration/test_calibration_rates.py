import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mithridate.evaluation.calibration.check import Outcome, accuracy, attackers_suspended, honest_suspended
from mithridate.evaluation.calibration.rates import People, exact, flat, harms_of
from mithridate.evaluation.detection.cells import NO_ATTACK, OURS, Cell, malicious


@given(st.integers(1, 400).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_the_interval_is_that_of_clopper_and_pearson(trial: tuple[int, int]) -> None:
    found, other = exact(*trial), binomtest(*trial).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((other.low, other.high))
    assert found.low <= found.value <= found.high


def test_a_hospital_counts_once_however_many_attacks_it_met(make_recording) -> None:
    recordings = [make_recording(malicious=0), make_recording(malicious=4)]
    people = People.of(recordings)
    out = np.zeros(20, dtype=bool)
    # Hospital 9 is out in one of its two studies, and so is hospital 5.
    out[9], out[15] = True, True
    share = people.honest["mnist"].share(out)
    assert share.value == pytest.approx((0.5 + 0.5) / 10)
    assert (share.count, share.high) == (10, exact(1, 10).high)
    assert people.everywhere.share(out) == share


def test_harm_is_the_mean_over_the_seeds(make_recording) -> None:
    assert not harms_of([make_recording(lost=3.0, seed=1), make_recording(lost=0.0, seed=2)])
    both = [make_recording(lost=9.0, seed=1), make_recording(lost=-4.0, seed=2)]
    assert harms_of(both) == {both[0].cells[0].study}
    assert People.of(both).harmful.tolist() == ([True] * 4 + [False] * 6) * 2


def test_people_are_in_the_order_of_flat(make_recording) -> None:
    recordings = [make_recording(12, malicious=0), make_recording(10, dataset="pima_diabetes")]
    people = People.of(recordings)
    assert people.dataset.tolist() == ["mnist"] * 12 + ["pima_diabetes"] * 10
    assert (people.malicious == flat([recording["malicious"] for recording in recordings])).all()


def test_outcomes_are_counted_by_hospital_and_by_harm() -> None:
    clean = Cell("mnist", "iid", 10, 0.0, NO_ATTACK, OURS, 1)
    flip, harmless = (Cell("mnist", "iid", 10, 0.4, attack, OURS, 1) for attack in ("sign flip 2", "alie z=1"))
    bad = malicious(flip)
    good = next(index for index in range(10) if index not in bad)
    found = [
        Outcome(clean, 0.9, frozenset({good})),
        Outcome(flip, 0.7, frozenset(bad[:3])),
        Outcome(harmless, 0.8, frozenset()),
    ]
    honest = honest_suspended(found)
    assert (honest.value, honest.count) == (pytest.approx(1 / 3 / 10), 10)
    assert attackers_suspended(found, {flip.study}).value == 0.75
    assert not attackers_suspended(found, set()).known
    assert accuracy(found) == pytest.approx(0.8)
