"""A round in the local runtime: its phases' seconds, and the bytes and rounds of communication that they would send."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean, median

from mithridate.errors import BenchmarkError
from mithridate.evaluation.cost.traffic import Traffic, spu_traffic
from mithridate.evaluation.emulated.measuring import usual
from mithridate.evaluation.emulated.prediction import Exchanged, LocalRound
from mithridate.evaluation.records import PHASES, RoundRecord, SilentObserver
from mithridate.federation.attempt import AttemptRun
from mithridate.federation.folder import RunFolder
from mithridate.federation.outcome import model_after
from mithridate.federation.parties import Parties, seat
from mithridate.federation.prepared import Prepared
from mithridate.mpc.shares import VALIDATORS
from mithridate.study import Study

LEDGER = "ledger"
"""The phase in which nothing is computed: among machines it is the steps' own changes."""


class _Meter(SilentObserver):
    """Counts what the validators send between the beginnings of two phases towards the earlier one, a validator's."""

    def __init__(self, parties: Parties) -> None:
        self.sent: defaultdict[str, float] = defaultdict(float)
        self.rounds: defaultdict[str, float] = defaultdict(float)
        self._parties = parties
        self._current, self._before = "", self._so_far()

    def phase(self, round_number: int, name: str) -> None:
        """See `Observer.phase`."""
        linear, mpc = self._so_far()
        new_linear, new_mpc = linear - self._before[0], mpc - self._before[1]
        # The three run the same programs; SPU counts them together.
        self.sent[self._current] += (new_linear.sent + new_mpc.sent) / VALIDATORS
        self.rounds[self._current] += new_linear.rounds + new_mpc.rounds / VALIDATORS
        self._current, self._before = name, (linear, mpc)

    def _so_far(self) -> tuple[Traffic, Traffic]:
        committee = self._parties.committee
        return Traffic(committee.sent_bytes, committee.rounds), spu_traffic()


def local_round(study: Study, folder: Path, *, rounds: int, poll: float) -> LocalRound:
    """Plays a study's first rounds in this process; medians, without the first, in which programs are compiled.

    Args:
        study: in which nobody is malicious.
        folder: new.
        rounds: how many that are alike count; see `usual`.
        poll: seconds between two looks of the processes that are to be predicted.

    Raises:
        BenchmarkError: a round was void, or the study was over before.
    """
    prepared = Prepared.of(study)
    run = RunFolder(folder)
    run.begin(study, resume=False)
    parties = seat(prepared, run)
    try:
        played = list(islice(_alike(prepared, parties), rounds))
        state = parties.chain.latest()
        model = len(parties.store.get(model_after(state).hex())) if state else 0
    finally:
        parties.close()
    if len(played) < rounds:
        raise BenchmarkError(f"{study.training.rounds} rounds had {len(played)} without a check of the curator's part")
    return LocalRound(
        phases={phase: _typical(phase, played) for phase in PHASES if phase != LEDGER},
        hospitals=study.hospitals.count,
        upload=fmean(record.bytes["hospital_upload"] for record, _ in played),
        model=model,
        poll=poll,
    )


def _alike(prepared: Prepared, parties: Parties) -> Iterator[tuple[RoundRecord, _Meter]]:
    for number in range(1, prepared.study.training.rounds + 1):
        record, meter = _play(prepared, parties, number)
        if number > 1 and usual(parties.chain, record):
            yield record, meter


def _play(prepared: Prepared, parties: Parties, number: int) -> tuple[RoundRecord, _Meter]:
    meter = _Meter(parties)
    record = AttemptRun(prepared, parties, meter, number).play()
    if record.status == "void":
        raise BenchmarkError(f"round {number} was void in the local runtime: {record.reason}")
    return record, meter


def _typical(phase: str, played: Sequence[tuple[RoundRecord, _Meter]]) -> Exchanged:
    return Exchanged(
        median(record.seconds.get(phase, 0.0) for record, _ in played),
        median(meter.rounds[phase] for _, meter in played),
        median(meter.sent[phase] for _, meter in played),
    )
