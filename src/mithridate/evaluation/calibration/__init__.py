"""Calibration: the thresholds of the defence, from other data, seeds and attacks than the detection benchmark's."""
