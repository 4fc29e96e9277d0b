"""How long the rounds of a proof of concept take."""

import time

from mithridate.errors import BenchmarkError
from mithridate.evaluation.records import RoundRecord, SilentObserver


class RoundEnds(SilentObserver):
    """Notes when each round ended, by the clock that never goes back."""

    def __init__(self) -> None:
        self.records: list[RoundRecord] = []
        self._times: list[float] = []

    def round_done(self, record: RoundRecord) -> None:
        """See `Observer.round_done`."""
        self.records.append(record)
        self._times.append(time.monotonic())

    def seconds(self) -> list[float]:
        """Of each round but the first, in which programs are compiled and loaded.

        Raises:
            BenchmarkError: a round was void, so that its time means nothing.
        """
        for record in self.records:
            if record.status == "void":
                raise BenchmarkError(f"a round was void, so its time means nothing: {record.reason}")
        # The initial record comes first, then one a round.
        return [end - start for start, end in zip(self._times[1:], self._times[2:], strict=False)]
