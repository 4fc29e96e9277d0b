"""The prediction against cases that can be worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.emulation.conditions import Conditions
from mithridate.evaluation.emulated.prediction import (
    STEPS,
    Exchanged,
    LocalRound,
    predict,
    round_seconds,
    stream_seconds,
    trip,
)
from mithridate.evaluation.records import PHASES

LOCAL = LocalRound(
    {"train": Exchanged(2.0), "verify": Exchanged(1.0, 500.0, 4e6), "release": Exchanged(0.5, 20.0, 1e5)},
    hospitals=5,
    upload=1e6,
    model=5e5,
    poll=0.3,
)


def test_without_delay_there_is_computation_and_waiting_alone() -> None:
    steps = predict(LOCAL, Conditions())
    assert all(step.latency == step.transfer == 0 for step in steps.values())
    assert sum(step.computing for step in steps.values()) == pytest.approx(3.5)
    # One coordinator, five hospitals, and five times three validators look every 0.3 s.
    assert sum(step.waiting for step in steps.values()) == pytest.approx(0.3 * (1 / 2 + 5 / 6 + 5 * 3 / 4))


def test_a_round_of_communication_costs_one_latency() -> None:
    conditions = Conditions(40.0)
    busier = replace(LOCAL, phases={**LOCAL.phases, "verify": Exchanged(1.0, 600.0, 4e6)})
    assert round_seconds(busier, conditions) - round_seconds(LOCAL, conditions) == pytest.approx(100 * 0.040)


def test_bytes_cost_their_time_on_the_busiest_line() -> None:
    conditions = Conditions(0.0, 100.0)
    full = 8 * 9000 / 8948 / 100e6
    steps = predict(LOCAL, conditions)
    assert steps["submit"].transfer == pytest.approx(5 * 1.5e6 * full)
    assert steps["verify"].transfer == pytest.approx((2 * 5 * 1e6 + 4e6) * full)


def test_a_lost_packet_costs_a_timeout() -> None:
    assert trip(Conditions(40.0, None, 1.0)) == pytest.approx(0.040 + 0.01 * (0.080 + 0.2))
    assert trip(Conditions(40.0, None, 1.0), 3) == pytest.approx(0.040 + (1 - 0.99**3) * (0.080 + 0.2))


def test_loss_bounds_a_streams_speed() -> None:
    """Mathis et al.: MSS / RTT * sqrt(3/2) / sqrt(p); at 1,448 bytes, 80 ms and 1 %, 1.77 Mbit/s."""
    seconds = stream_seconds(1e6, Conditions(40.0, 100.0, 1.0, 1500))
    assert 8e6 / seconds == pytest.approx(1.7734e6, rel=1e-3)


@given(
    st.floats(0, 200),
    st.floats(1, 1000),
    st.floats(0, 5),
    st.floats(1.0, 3.0),
    st.sampled_from(["up", "slow", "lossy"]),
)
def test_a_worse_network_is_never_faster(
    latency: float, bandwidth: float, loss: float, factor: float, worsened: str
) -> None:
    conditions = Conditions(latency, bandwidth, loss)
    worse = {
        "up": Conditions(latency * factor, bandwidth, loss),
        "slow": Conditions(latency, bandwidth / factor, loss),
        "lossy": Conditions(latency, bandwidth, loss * factor),
    }[worsened]
    assert round_seconds(LOCAL, worse) >= round_seconds(LOCAL, conditions) * (1 - 1e-9)


def test_every_phase_but_the_ledgers_has_its_step() -> None:
    assert sorted(phase for step in STEPS for phase in step.phases) == sorted(set(PHASES) - {"ledger"})
