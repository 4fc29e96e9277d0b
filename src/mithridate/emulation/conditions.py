"""What an emulated network is like: latency, bandwidth, loss and the size of its packets."""

from dataclasses import asdict, dataclass
from typing import Any

from mithridate.errors import InputError

MOST_LATENCY_MS = 10_000.0
MOST_BANDWIDTH_MBIT = 10_000.0
MOST_LOSS_PERCENT = 50.0
LEAST_MTU, MOST_MTU = 1280, 65_000


@dataclass(frozen=True)
class Conditions:
    """Of the way between any two participants; every one has an access line of its own to a common middle.

    Args:
        latency_ms: one way, between any two, so that an answer takes twice as long at least; 0 to 10,000.
        bandwidth_mbit: of each participant's line, in each direction, in 10^6 bits a second; None for no limit.
        loss_percent: of the packets, each drawn by itself; 0 to 50.
        mtu: bytes of the largest packet, 1,280 to 65,000. The default is an Ethernet jumbo frame: fewer packets, so
            that the switch keeps up, though each lost one takes six times as much with it as at 1,500.

    Raises:
        InputError: a number is out of range.
    """

    latency_ms: float = 0.0
    bandwidth_mbit: float | None = None
    loss_percent: float = 0.0
    mtu: int = 9000

    def __post_init__(self) -> None:
        if not 0 <= self.latency_ms <= MOST_LATENCY_MS:
            raise InputError(f"a latency of {self.latency_ms} ms cannot be emulated: choose 0 to {MOST_LATENCY_MS:g}")
        if self.bandwidth_mbit is not None and not 0 < self.bandwidth_mbit <= MOST_BANDWIDTH_MBIT:
            raise InputError(
                f"{self.bandwidth_mbit} Mbit/s cannot be emulated: choose more than 0, up to {MOST_BANDWIDTH_MBIT:g}"
            )
        if not 0 <= self.loss_percent <= MOST_LOSS_PERCENT:
            raise InputError(f"a loss of {self.loss_percent} % cannot be emulated: choose 0 to {MOST_LOSS_PERCENT:g}")
        if not LEAST_MTU <= self.mtu <= MOST_MTU:
            raise InputError(f"packets of {self.mtu} bytes cannot be emulated: choose {LEAST_MTU} to {MOST_MTU}")

    @property
    def latency_s(self) -> float:
        """One way, in seconds."""
        return self.latency_ms / 1e3

    @property
    def seconds_a_byte(self) -> float:
        """How long a line is busy with a byte; 0 without a limit."""
        return 8 / (self.bandwidth_mbit * 1e6) if self.bandwidth_mbit else 0.0

    def __str__(self) -> str:
        speed = f"{self.bandwidth_mbit:g} Mbit/s" if self.bandwidth_mbit else "unlimited bandwidth"
        return f"{self.latency_ms:g} ms one way, {speed}, {self.loss_percent:g} % loss, MTU {self.mtu}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)
