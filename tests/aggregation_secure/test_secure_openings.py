import numpy as np
import pytest

from mithridate.aggregation.secure import SharedRound, secure_rules
from mithridate.errors import InputError
from mithridate.mpc.shares import share_locally
from mithridate.verification.registry import Bounds

# Reshared are Gram matrices only: of the updates, with the root, or one for each iteration.
GRAMS = {"median": 0, "trimmed_mean": 0}


@pytest.mark.parametrize("name", sorted(secure_rules))
def test_nothing_is_opened_before_the_step(committee, both, updates_of, name):
    n = 11
    committee.step(both(name, 2)[1], updates_of("colluders", n=n, f=2))
    rows = n + 1 if name == "fltrust" else n
    for rank, sent in enumerate(committee.sent):
        # An opening hands the next validator a component and the one before a digest; a reshare goes to the one before.
        assert {to for to, _ in sent} <= {(rank - 1) % 3}
        assert [len(message) for _, message in sent] == [8 * rows**2] * GRAMS.get(name, 1)
    opening = [message for peers in committee.peers for message in peers.sent[len(committee.sent[0]) :]]
    assert sorted(len(message) for _, message in opening) == [32] * 3 + [8 * 60] * 3


def test_what_is_reshared_is_masked(committee, both, updates_of):
    gathered = updates_of("none", n=11, f=2)
    seen = []
    for _ in range(2):
        committee.step(both("krum", 2)[1], gathered)
        seen.append([np.frombuffer(message, "<u8") for sent in committee.sent for _, message in sent])
    assert not any(np.any(one == other) for one, other in zip(*seen, strict=True))


class Unused:
    """A context that may not be touched."""


def share(*shape):
    return share_locally(np.zeros(shape, dtype=np.uint64))[0]


def shared(n, norm=256.0, **changes):
    fields = {"updates": share(n, 4), "weights": [1] * n, "bounds": Bounds.of(norm), "root": share(4)}
    return SharedRound(**(fields | changes))


@pytest.mark.parametrize("name", sorted(secure_rules))
def test_too_few_updates_are_refused_before_anything_is_computed(both, name):
    clear, secure = both(name, 2)
    least = clear.condition.least(2)
    with pytest.raises(InputError, match=f"{least} updates, and there are n = {least - 1}"):
        secure.step(Unused(), shared(least - 1))
    with pytest.raises(AttributeError, match="Unused"):
        secure.step(Unused(), shared(least))


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": [1] * 4},
        {"weights": [1, 1, 0, 1, 1]},
        {"updates": share(5)},
        {"updates": share(5, 0)},
        {"root": share(3)},
    ],
)
def test_a_round_of_the_wrong_form_is_refused(both, changes):
    with pytest.raises(InputError):
        both("median", 2)[1].step(Unused(), shared(5, **changes))


def test_a_bound_whose_square_wraps_around_is_refused(both):
    with pytest.raises(InputError, match="lower the bound"):
        shared(5, norm=2.0**13).shift()
    assert shared(5, norm=2.0**13 - 1).shift() > 0
    # Around the last step an update may be twice as long.
    with pytest.raises(InputError, match="lower the bound"):
        both("centred_clipping", 1)[1].step(Unused(), shared(5, norm=2.0**12 + 1))


def test_fltrust_without_a_root_update_is_refused(both):
    with pytest.raises(InputError, match="root update"):
        both("fltrust", 1)[1].step(Unused(), shared(5, root=None))


def test_memory_of_other_hospitals_or_lengths_is_refused(committee, both, updates_of):
    for name in ("foolsgold", "centred_clipping"):
        secure = both(name, 2)[1]
        _, memories = committee.step(secure, updates_of("none", n=11, f=2))
        with pytest.raises(InputError, match="shape"):
            secure.step(Unused(), shared(11), memories[0])


def test_an_unknown_rule_is_refused():
    with pytest.raises(InputError, match="unknown aggregation rule on shares"):
        secure_rules.get("fedavg_2")
