"""The robust rules on secret shares, each named as the one in the clear. Importing this package registers them."""

from mithridate.aggregation.secure import (
    bulyan,
    clipping,
    dnc,
    flame,
    fltrust,
    foolsgold,
    geometric_median,
    krum,
    mixing,
    ordered,
)
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.rule import Memory, SecureRule, SharedRound, secure_rules

__all__ = [
    "Memory",
    "SecureContext",
    "SecureRule",
    "SharedRound",
    "bulyan",
    "clipping",
    "dnc",
    "flame",
    "fltrust",
    "foolsgold",
    "geometric_median",
    "krum",
    "mixing",
    "ordered",
    "secure_rules",
]
