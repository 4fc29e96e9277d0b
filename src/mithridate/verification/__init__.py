"""Verification of updates on shares: one detector a file, and how their verdicts combine."""

from mithridate.verification import bounded, similarity
from mithridate.verification.registry import update_detectors

__all__ = ["bounded", "similarity", "update_detectors"]
