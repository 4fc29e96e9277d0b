import numpy as np
import pytest

from mithridate.aggregation import robust_rules
from mithridate.aggregation.centred_clipping import CentredClipping
from mithridate.aggregation.dnc import DnC
from mithridate.aggregation.flame import Flame
from mithridate.aggregation.geometric_median import GeometricMedian
from mithridate.aggregation.robust import Gathered
from mithridate.aggregation.secure import context as context_module
from mithridate.aggregation.secure import secure_rules
from mithridate.aggregation.secure.clipping import SecureCentredClipping
from mithridate.aggregation.secure.dnc import SecureDnC
from mithridate.aggregation.secure.geometric_median import SecureGeometricMedian

CLOSE = 2.0**-14
ATTACKS = ["sign flip", "colluders", "silent", "copies"]


def fedavg(gathered):
    return gathered.weights @ gathered.updates / gathered.weights.sum()


def test_every_rule_in_the_clear_has_one_on_shares():
    # On shares FedAvg is `weighted_mean`, a sum.
    assert [*secure_rules] == [name for name in robust_rules if name != "fedavg"]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", sorted(secure_rules))
def test_the_step_on_shares_is_the_one_in_the_clear(committee, both, updates_of, name, attack):
    gathered = updates_of(attack, n=11, f=2)
    clear, secure = both(name, 2)
    step, _ = committee.step(secure, gathered)
    expected = clear.aggregate(gathered)[0].step
    assert np.abs(step - expected).max() < CLOSE
    if attack == "sign flip":
        assert np.linalg.norm(step - fedavg(gathered)) > 0.3 * np.linalg.norm(fedavg(gathered))


@pytest.mark.parametrize(
    ("name", "n", "f"),
    [("median", 6, 2), ("trimmed_mean", 5, 2), ("krum", 5, 1), ("bulyan", 7, 1), ("flame", 6, 1), ("foolsgold", 1, 0)],
)
def test_other_numbers_of_hospitals(committee, both, updates_of, name, n, f):
    gathered = updates_of("colluders", n=n, f=f)
    clear, secure = both(name, f)
    assert np.abs(committee.step(secure, gathered)[0] - clear.aggregate(gathered)[0].step).max() < CLOSE


@pytest.mark.parametrize("name", ["centred_clipping", "foolsgold", "flame"])
def test_three_rounds_with_memory(committee, both, updates_of, name):
    clear, secure = both(name, 2)
    memory, memories = None, (None, None, None)
    for seed, attack in enumerate(["copies", "copies", "none"]):
        gathered = updates_of(attack, n=11, f=2, seed=seed)
        aggregate, memory = clear.aggregate(gathered, memory)
        step, memories = committee.step(secure, gathered, memories)
        assert np.abs(step - aggregate.step).max() < CLOSE
    # Without the memory the last round would have come out otherwise.
    fresh = clear.aggregate(gathered)[0].step
    assert np.abs(fresh - aggregate.step).max() > 2 * CLOSE


def test_dnc_samples_coordinates_and_keeps_those_that_pass_every_time(committee, updates_of):
    clear = DnC(2, filtering=1.5, dimensions=20, iterations=2, seed=5)
    memory, memories = None, (None, None, None)
    for seed in range(2):
        gathered = updates_of("none", n=9, f=2, seed=seed)
        aggregate, memory = clear.aggregate(gathered, memory)
        step, memories = committee.step(SecureDnC(clear), gathered, memories)
        assert np.abs(step - aggregate.step).max() < CLOSE
        # Fewer than one iteration keeps, so that the number kept is not public.
        assert 0 < aggregate.kept.sum() < 6


def test_centred_clipping_with_a_set_radius_and_several_iterations(committee, updates_of):
    clear = CentredClipping(2, radius=2.5, iterations=2)
    gathered = updates_of("sign flip", n=11, f=2)
    step, _ = committee.step(SecureCentredClipping(clear), gathered)
    assert np.abs(step - clear.aggregate(gathered)[0].step).max() < CLOSE


def test_the_geometric_median_stops_at_the_rules_own_limit(committee, updates_of):
    clear = GeometricMedian(2, iterations=2)
    gathered = updates_of("sign flip", n=11, f=2)
    step, _ = committee.step(SecureGeometricMedian(clear), gathered)
    assert np.abs(step - clear.aggregate(gathered)[0].step).max() < CLOSE
    assert np.abs(step - GeometricMedian(2).aggregate(gathered)[0].step).max() > 4 * CLOSE


@pytest.mark.parametrize(
    ("name", "scale"), [("multi_krum", 2.0**-6), ("flame", 2.0**-3), ("norm_clipping", 2.0**7), ("krum", 2.0**7)]
)
def test_short_and_long_updates_under_a_wide_bound(committee, both, updates_of, name, scale):
    gathered = updates_of("sign flip", n=11, f=2)
    scaled = Gathered(np.rint(gathered.updates * scale * 2.0**18) / 2.0**18, gathered.weights)
    clear, secure = both(name, 2)
    # At a bound of 8000 the inner products lose twelve bits.
    step, _ = committee.step(secure, scaled, norm=8000.0)
    assert np.abs(step - clear.aggregate(scaled)[0].step).max() < CLOSE * max(scale / 4, 1)


@pytest.mark.parametrize("name", ["median", "bulyan", "flame", "nearest_neighbour_mixing"])
def test_columns_in_blocks_come_out_as_all_at_once(committee, both, updates_of, monkeypatch, name):
    gathered = updates_of("colluders", n=11, f=2)
    clear, secure = both(name, 2)
    # 25 columns of 11 hospitals, so that the last block is smaller.
    monkeypatch.setattr(context_module, "BLOCK", 25 * 11)
    step, _ = committee.step(secure, gathered)
    assert np.abs(step - clear.aggregate(gathered)[0].step).max() < CLOSE


@pytest.mark.parametrize("name", ["dnc", "flame"])
def test_a_seed_of_the_round_draws_alike_in_the_clear_and_on_shares(committee, updates_of, name):
    gathered = updates_of("none", n=9, f=2)
    rules = {"dnc": DnC(2, dimensions=20), "flame": Flame(2, noise=0.1)}
    clear = rules[name].seeded(7)
    step, _ = committee.step(secure_rules.get(name)(clear), gathered)
    assert np.abs(step - clear.aggregate(gathered)[0].step).max() < 4 * CLOSE
    others = [rules[name].seeded(seed).aggregate(gathered)[0].step for seed in range(1, 7)]
    assert any(np.abs(step - other).max() > 8 * CLOSE for other in others)
