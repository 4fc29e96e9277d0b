import pytest

from mithridate.emulation.conditions import Conditions
from mithridate.errors import InputError


@pytest.mark.parametrize(
    "settings",
    [
        {"latency_ms": -1.0},
        {"latency_ms": float("nan")},
        {"bandwidth_mbit": 0.0},
        {"bandwidth_mbit": float("inf")},
        {"loss_percent": 51.0},
        {"mtu": 1279},
        {"mtu": 65_001},
    ],
)
def test_what_cannot_be_emulated_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="cannot be emulated"):
        Conditions(**settings)  # type: ignore[arg-type]


def test_units() -> None:
    conditions = Conditions(40.0, 100.0)
    assert conditions.latency_s == 0.04
    assert conditions.seconds_a_byte * 12_500_000 == pytest.approx(1.0)
    assert Conditions().seconds_a_byte == 0.0
    assert str(conditions) == "40 ms one way, 100 Mbit/s, 0 % loss, MTU 9000"
