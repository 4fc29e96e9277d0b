"""How accepted updates become one: an aggregator a file."""

from mithridate.aggregation import weighted_mean
from mithridate.aggregation.registry import aggregators

__all__ = ["aggregators", "weighted_mean"]
