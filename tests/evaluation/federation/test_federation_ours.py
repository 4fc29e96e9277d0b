from dataclasses import replace

import numpy as np
import pytest

from mithridate.crypto.fixed_point import encode
from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation import ours
from mithridate.evaluation.federation.workload import Workload

SMALL = Workload(11, 3000, dropped=False)


@pytest.mark.parametrize("dropped", [False, True])
def test_the_aggregate_is_right_and_everybody_is_charged(dropped: bool) -> None:
    workload = replace(SMALL, dropped=dropped)
    work = ours.measure(workload)
    assert work.error is not None
    assert work.error <= 2**-18
    assert set(work.parts) == {"coordinator", "validator-0", "validator-1", "validator-2"}
    assert work.servers == pytest.approx(sum(work.parts.values()))
    assert work.hospital > 0
    assert min(work.parts.values()) > 0
    assert 8 * 3000 < work.up < 8 * 3000 + 1024


def test_shares_that_do_not_add_up_are_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "encode", lambda update: encode(update) + np.uint64(0))
    ours.measure(SMALL)
    monkeypatch.setattr(ours.OpenedUpdates, "rows", lambda held, members: held.shares[[0] * len(members)])
    with pytest.raises(BenchmarkError, match="not the weighted sum"):
        ours.measure(SMALL)


def test_a_wrong_mean_is_no_benchmark() -> None:
    right = SMALL.mean()
    assert SMALL.check("arm", right + 1e-7, 1e-6) == pytest.approx(1e-7)
    for wrong in (right + 1e-5, right[:-1], np.full(3000, np.nan)):
        with pytest.raises(BenchmarkError):
            SMALL.check("arm", wrong, 1e-6)


def test_a_tenth_drops_out_and_updates_are_the_same_at_every_call() -> None:
    assert len(Workload(1000, 10, dropped=True).present) == 900
    assert Workload(10, 10, dropped=False).present == list(range(10))
    assert np.array_equal(SMALL.update(3), SMALL.update(3))
    assert not np.array_equal(SMALL.update(3), SMALL.update(4))
    assert SMALL.weight(3) != SMALL.weight(4)
