"""Where a round's time goes, by phase."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from mithridate.evaluation.records import Observer


class Stopwatch:
    """Times the phases of one round and tells an observer when each begins.

    Args:
        round_number: of the round.
        observer: told of each phase.
    """

    def __init__(self, round_number: int, observer: Observer) -> None:
        self._round = round_number
        self._observer = observer
        self._seconds: dict[str, float] = defaultdict(float)
        self._start = time.perf_counter()
        self._inside: list[float] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time spent inside towards a phase, less that of phases inside it."""
        self._observer.phase(self._round, name)
        start = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            self._seconds[name] += elapsed - self._inside.pop()
            if self._inside:
                self._inside[-1] += elapsed

    def seconds(self) -> dict[str, float]:
        """Seconds of each phase so far, and "total" since the round began."""
        return {**self._seconds, "total": time.perf_counter() - self._start}
