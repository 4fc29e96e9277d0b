"""Federated learning that stays correct when some hospitals are poisoned, and in which nobody sees an update."""

__version__ = "0.1.0"
