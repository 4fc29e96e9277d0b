"""How accepted updates become one: an aggregator a file. Importing this package registers them."""

from mithridate.aggregation import (
    bulyan,
    centred_clipping,
    dnc,
    fedavg,
    flame,
    fltrust,
    foolsgold,
    geometric_median,
    krum,
    median,
    multi_krum,
    nearest_neighbour_mixing,
    norm_clipping,
    reputation,
    trimmed_mean,
    weighted_mean,
)
from mithridate.aggregation.registry import aggregators
from mithridate.aggregation.robust import Aggregate, Gathered, RobustRule, robust_rules
from mithridate.aggregation.rule import most_malicious

__all__ = [
    "Aggregate",
    "Gathered",
    "RobustRule",
    "aggregators",
    "bulyan",
    "centred_clipping",
    "dnc",
    "fedavg",
    "flame",
    "fltrust",
    "foolsgold",
    "geometric_median",
    "krum",
    "median",
    "most_malicious",
    "multi_krum",
    "nearest_neighbour_mixing",
    "norm_clipping",
    "reputation",
    "robust_rules",
    "trimmed_mean",
    "weighted_mean",
]
