"""A machine that processes run on, as those who start them see it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A machine.

    Args:
        address: IPv4, under which the others reach what listens there.
        inside: within this context, the thread and whatever it starts are on the machine.
    """

    address: str
    inside: Callable[[], AbstractContextManager[None]]


LOOPBACK_HOST = Host("127.0.0.1", nullcontext)
"""This machine, where nobody outside reaches it."""

Hosts = Callable[[str], Host]
"""A participant's name to its machine."""


def on_loopback(_: str) -> Host:
    """All on this machine."""
    return LOOPBACK_HOST
