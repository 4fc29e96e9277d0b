"""What the federation benchmark runs: sizes, and rounds over loopback."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2

from mithridate.errors import InputError

LARGEST = 2 * 10**8
"""n d up to which SecAgg+ is measured; beyond it lies on the line through two smaller models."""
LINE = (100_000, 200_000)
"""d of those."""


@dataclass(frozen=True)
class Rounds:
    """Rounds over loopback, every participant a process.

    Args:
        clients: hospitals.
        rounds: to play; the first one is not counted, in it programs are compiled and loaded.
        limit: seconds a runtime may take for all of them.
    """

    clients: int
    rounds: int
    limit: float


@dataclass(frozen=True)
class Profile:
    """One way to run the benchmark.

    Args:
        sizes: (n, d), ascending.
        rounds: over loopback; None for none.
        gram: (n, d) at which verification's n x n part is measured.
    """

    sizes: tuple[tuple[int, int], ...]
    rounds: Rounds | None
    gram: tuple[tuple[int, int], ...]


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(((10, 100_000), (10, 1_000_000), (100, 100_000)), None, ((10, 100_000),)),
    "full": Profile(
        tuple((hospitals, parameters) for parameters in (100_000, 1_000_000) for hospitals in (10, 100, 1000)),
        Rounds(5, 3, 420.0),
        ((10, 100_000), (10, 1_000_000), (100, 100_000)),
    ),
}


def profile_of(name: str) -> Profile:
    """A profile by name; raises InputError for another one."""
    if name not in PROFILES:
        raise InputError(f"unknown profile {name!r}: one of {', '.join(PROFILES)}")
    return PROFILES[name]


def neighbourhood(hospitals: int) -> tuple[int, int]:
    """(shares, threshold) of SecAgg+ for n >= 5: neighbours grow with log n, a majority of them restores a secret.

    Bell et al. (CCS 2020, section 4) ask for more where many collude, as 40 % may here; each costs a client one mask.
    """
    shares = min(hospitals, 2 * ceil(log2(hospitals)) + 1)
    return shares, shares // 2 + 1
