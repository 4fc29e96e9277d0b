"""What the network benchmark runs: networks, and rounds over each."""

from collections.abc import Mapping
from dataclasses import dataclass

from mithridate.emulation.conditions import Conditions
from mithridate.errors import InputError

IDEAL = Conditions()
METROPOLITAN = Conditions(10.0, 1000.0)
CONTINENTAL = Conditions(40.0, 100.0)
LOSSY = Conditions(40.0, 100.0, 0.1)


@dataclass(frozen=True)
class Profile:
    """One way to run the benchmark.

    Args:
        networks: one after another; the first one, without latency or limits, is what the others are compared with.
        rounds: that count of each; at least one more is played before them.
        limit: seconds that a network may take.
    """

    networks: tuple[Conditions, ...]
    rounds: int
    limit: float


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile((IDEAL, METROPOLITAN), 1, 900.0),
    "full": Profile((IDEAL, METROPOLITAN, CONTINENTAL, LOSSY), 2, 3600.0),
}


def profile_of(name: str) -> Profile:
    """A profile by name; raises InputError for another one."""
    if name not in PROFILES:
        raise InputError(f"unknown profile {name!r}: one of {', '.join(PROFILES)}")
    return PROFILES[name]
