"""A secure study in one process: from where its ledger stands to its last round."""

from mithridate.errors import RoundVoid
from mithridate.evaluation.records import Observer, RoundRecord, append_record, read_records, rewrite_records
from mithridate.federation.attempt import AttemptRun
from mithridate.federation.folder import RunFolder
from mithridate.federation.outcome import MAX_VOIDS, STATUS
from mithridate.federation.parties import Parties, seat
from mithridate.federation.prepared import Prepared
from mithridate.ledger.interface import Ledger, Phase
from mithridate.ledger.verify import attempts


def run_secure(prepared: Prepared, folder: RunFolder, observer: Observer) -> None:
    """Finishes what a killed run left open, then plays all further rounds.

    Raises:
        RoundVoid: a round was void `MAX_VOIDS` times; the ledger holds the reasons.
        JournalAltered: the ledger does not replay.
    """
    parties = seat(prepared, folder)
    try:
        _Study(prepared, folder, observer, parties).run()
    finally:
        parties.close()


class _Study:
    def __init__(self, prepared: Prepared, folder: RunFolder, observer: Observer, parties: Parties) -> None:
        self._prepared = prepared
        self._folder = folder
        self._observer = observer
        self._parties = parties
        self._ledger: Ledger = parties.chain.reader

    def run(self) -> None:
        self._catch_up()
        state = self._ledger.latest()
        if state is not None and state.phase not in STATUS:
            self._keep(self._attempt(state.round).finish(state))
        voids = 0
        while (round_number := self._next_round()) <= self._prepared.study.training.rounds:
            record = self._attempt(round_number).play()
            self._keep(record)
            voids = voids + 1 if record.status == "void" else 0
            if voids == MAX_VOIDS:
                raise RoundVoid(
                    f"round {round_number} was void {voids} times, the last time for this reason: {record.reason}. "
                    f"The study stops with the model of round {round_number - 1}; `mithridate ledger show "
                    f"{self._folder.path}` lists every attempt"
                )

    def _next_round(self) -> int:
        state = self._ledger.latest()
        if state is None:
            return 1
        return state.round if state.phase is Phase.VOID else state.round + 1

    def _catch_up(self) -> None:
        """Writes the records of attempts that ended on the ledger just before the run was killed."""
        path = self._folder.path
        records = read_records(path) if self._folder.records.exists() else []
        rewrite_records(path, records)
        if not records:
            self._keep(self._prepared.initial_record(self._ledger.initial_model().hex()))
        known = {(record.round, record.attempt) for record in records}
        for state in attempts(self._ledger):
            if state.phase in STATUS and (state.round, state.attempt) not in known:
                self._keep(self._attempt(state.round).record(state))

    def _attempt(self, round_number: int) -> AttemptRun:
        return AttemptRun(self._prepared, self._parties, self._observer, round_number)

    def _keep(self, record: RoundRecord) -> None:
        append_record(self._folder.path, record)
        self._observer.round_done(record)
