"""Checks of a participant and all it depends on, before it is started."""
