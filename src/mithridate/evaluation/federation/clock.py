"""Whose processor time it is: an account for each party, of which one at a time is charged."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Clock:
    """Charges the processor time of this process, all its threads, to the account that was entered last.

    Args:
        now: seconds that never go back; processor time, so that other work on the machine counts little.
    """

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._now = now
        self._entered: list[str] = []
        self._since = 0.0

    @contextmanager
    def on(self, account: str) -> Iterator[None]:
        """Charges `account` within the block, and again whom it charged before after it."""
        self._settle()
        self._entered.append(account)
        try:
            yield
        finally:
            self._settle()
            self._entered.pop()

    def add(self, account: str, seconds: float) -> None:
        """Charges seconds that were measured elsewhere."""
        self.seconds[account] += seconds

    def _settle(self) -> None:
        now = self._now()
        if self._entered:
            self.seconds[self._entered[-1]] += now - self._since
        self._since = now
