"""What the federation benchmark runs: sizes, and rounds over loopback."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2

from mithridate.errors import InputError

MEASURED = 100
"""Hospitals up to which Flower's arms are measured; beyond, they lie on the line through two smaller numbers."""
LINE = (30, 60)
"""These numbers, of each of which a tenth can drop out, with the neighbourhood of the larger one."""
SIZES = tuple((hospitals, parameters) for parameters in (100_000, 1_000_000) for hospitals in (10, 100, 1000))


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
        sizes: (n, d) without drop-outs.
        dropped: (n, d) where a tenth drops out.
        rounds: over loopback; None for none.
        gram: (n, d) at which verification's n x n part is measured.
    """

    sizes: tuple[tuple[int, int], ...]
    dropped: tuple[tuple[int, int], ...]
    rounds: Rounds | None
    gram: tuple[tuple[int, int], ...]


ROUNDS = Rounds(5, 3, 1800.0)
GRAM = ((10, 100_000), (10, 1_000_000), (100, 100_000))
PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(
        ((10, 100_000), (100, 100_000), (10, 1_000_000)), ((10, 100_000), (100, 100_000)), None, ((10, 100_000),)
    ),
    # Drop-outs leave the largest size out: they only make it smaller for us and cost SecAgg+ more.
    "work": Profile(SIZES, SIZES[:-1], None, GRAM),
    "rounds": Profile((), (), ROUNDS, ()),
    "full": Profile(SIZES, SIZES[:-1], ROUNDS, GRAM),
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
