import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.work import SECAGG, Work, exponents, extrapolate


def work(hospitals: int, parameters: int = 1000, servers: float = 1.0, arm: str = SECAGG) -> Work:
    return Work(arm, hospitals, parameters, False, 0.25, servers, {"server": servers}, 8.0, 4.0, 1e-6)


@given(st.floats(0, 10), st.floats(0.001, 10))
def test_a_line_is_continued(start: float, slope: float) -> None:
    low, high = (work(n, servers=start + slope * n) for n in (30, 60))
    far = extrapolate(low, high, 1000)
    assert far.servers == pytest.approx(start + slope * 1000)
    assert far.parts["server"] == far.servers
    assert (far.hospital, far.up, far.hospitals, far.error, far.extrapolated_from) == (0.25, 8.0, 1000, None, (30, 60))


@pytest.mark.parametrize(
    "high", [work(60, arm="FedAvg"), work(60, parameters=2000), work(30), replace(work(60), dropped=True), work(2000)]
)
def test_only_two_measurements_of_one_thing_make_a_line(high: Work) -> None:
    with pytest.raises(BenchmarkError):
        extrapolate(work(30), high, 1000)


@given(st.floats(0.5, 2.5), st.floats(0.5, 2.5))
def test_exponents_are_those_of_a_power_law(a: float, b: float) -> None:
    works = [work(n, d, 3e-9 * n**a * d**b) for n, d in ((10, 1000), (100, 1000), (10, 50_000), (100, 50_000))]
    assert exponents(works) == pytest.approx((a, b))


def test_exponents_need_both_to_change() -> None:
    with pytest.raises(BenchmarkError, match="differ"):
        exponents([work(10), work(100), work(1000)])


def test_json_and_back() -> None:
    before = extrapolate(work(30), work(60), 1000)
    assert Work.from_dict(json.loads(json.dumps(before.to_dict()))) == before
