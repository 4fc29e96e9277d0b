"""Whole secure rounds beside plain ones of the same study, taken in turn so that a busy moment touches all alike.

The three validators are threads of this process here, joined in memory, as in the local runtime.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean, median

from mithridate.errors import BenchmarkError
from mithridate.evaluation.records import Observer, RoundRecord, SilentObserver, read_records
from mithridate.federation.attempt import AttemptRun
from mithridate.federation.cascade import curator_due
from mithridate.federation.folder import RunFolder
from mithridate.federation.parties import Parties, seat
from mithridate.federation.plain import run_plain
from mithridate.federation.prepared import Prepared
from mithridate.verification.settings import ALL, INFERENCE, UNDECIDED, DefenceSettings

CHEAP = "cheap"
"""All detectors but encrypted inference, in the rounds in which it does not check the curator either."""
VARIANTS = (CHEAP, UNDECIDED, ALL)
PLAIN = "plain"
MOST_ROUNDS = 20
"""Enough for three without the curator's check, save once in some 10^7 benchmarks."""
RELEASE = "release"


@dataclass(frozen=True)
class Played:
    """One round.

    Args:
        seconds: by phase, and "total".
        processor: the same of all processors together.
        checked: hospitals that encrypted inference looked at.
    """

    seconds: Mapping[str, float]
    processor: Mapping[str, float]
    checked: int = 0


@dataclass
class RoundCosts:
    """The rounds measured; `PLAIN` is a kind beside the variants.

    Args:
        first: of every kind its first round, in which SPU compiles.
        later: of every variant those after it, each with the plain round played just before.
        curator_s: seconds of the curator's part of a round, with nobody beside it.
    """

    first: dict[str, Played] = field(default_factory=dict)
    later: dict[str, list[tuple[Played, Played]]] = field(default_factory=dict)
    curator_s: float = 0.0

    def phase(self, kind: str, name: str) -> float:
        """Median seconds of a phase ("total" for the round); 0 for one that does not occur."""
        return median(played.seconds.get(name, 0.0) for played, _ in self._of(kind))

    def overhead(self, variant: str, *, without: tuple[str, ...] = ()) -> float:
        """A variant's round, less some phases, in plain rounds: the median over pairs played one after the other."""
        pairs = self._of(variant)
        return median(_without(played.seconds, without) / plain.seconds["total"] for played, plain in pairs)

    def processor_overhead(self, variant: str, *, without: tuple[str, ...] = ()) -> float:
        """The same in time of processors, which other programs on the machine touch less."""
        pairs = self._of(variant)
        return median(_without(played.processor, without) / plain.processor["total"] for played, plain in pairs)

    def checked(self, variant: str) -> float:
        """Mean number of hospitals that encrypted inference looked at in a round."""
        return mean(played.checked for played, _ in self._of(variant))

    def _of(self, kind: str) -> list[tuple[Played, Played]]:
        if kind != PLAIN:
            return self.later[kind]
        return [(plain, plain) for _, plain in self.later[CHEAP]]


class _Processors(SilentObserver):
    """Counts all processors' time between the beginnings of phases towards the earlier one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._current = ""
        self._since = time.process_time()

    def phase(self, round_number: int, name: str) -> None:
        """See `Observer.phase`."""
        now = time.process_time()
        self.seconds[self._current] += now - self._since
        self._current, self._since = name, now


def settings_of(defence: DefenceSettings, variant: str) -> DefenceSettings:
    """The study's defence as a variant has it."""
    active = tuple(name for name in defence.detectors if name != INFERENCE)
    return defence.model_copy(update={"detectors": active} if variant == CHEAP else {"inference": variant})


def round_costs(prepared: Prepared, folder: Path, *, rounds: int) -> RoundCosts:
    """Plays `rounds` rounds of every variant, each beside a plain one, after one of each kind that compiles.

    Args:
        prepared: the study, without attacks.
        folder: an empty one.
        rounds: at least 1.

    Raises:
        BenchmarkError: a round was void or rolled back, or too many drew the curator's check.
    """
    costs = RoundCosts()
    with ExitStack() as open_:
        plain_folder = _begun(prepared, folder / PLAIN)
        seated = {name: _seated(prepared, folder, name, open_) for name in VARIANTS}
        for number in range(1, MOST_ROUNDS + 1):
            plain = _played(prepared, partial(_plain_round, prepared, plain_folder, number))
            costs.first.setdefault(PLAIN, plain)
            for name, (own, parties) in seated.items():
                if len(costs.later.setdefault(name, [])) < rounds:
                    _play(own, parties, name, number, plain, costs)
            if all(len(taken) >= rounds for taken in costs.later.values()):
                costs.curator_s = median(_curated(seated[CHEAP][1]) for _ in range(rounds))
                return costs
    raise BenchmarkError(f"fewer than {rounds} of {MOST_ROUNDS} rounds passed without the curator's check")


def _begun(prepared: Prepared, path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.begin(prepared.study, resume=False)
    return folder


def _seated(prepared: Prepared, folder: Path, variant: str, open_: ExitStack) -> tuple[Prepared, Parties]:
    defence = settings_of(prepared.study.defence, variant)
    own = replace(prepared, study=prepared.study.model_copy(update={"defence": defence}))
    parties = seat(own, _begun(own, folder / variant))
    open_.callback(parties.close)
    return own, parties


def _plain_round(prepared: Prepared, folder: RunFolder, number: int, observer: Observer) -> RoundRecord:
    training = prepared.study.training.model_copy(update={"rounds": number})
    study = prepared.study.model_copy(update={"training": training})
    run_plain(replace(prepared, study=study), folder, observer)
    return read_records(folder.path)[-1]


def _play(prepared: Prepared, parties: Parties, variant: str, number: int, plain: Played, costs: RoundCosts) -> None:
    played = _played(prepared, partial(_secure_round, prepared, parties, variant, number))
    if number == 1:
        costs.first[variant] = played
        return
    seed = parties.chain.reader.attempt(number, 0).seed
    if variant != CHEAP or not (seed is not None and curator_due(seed)):
        costs.later[variant].append((played, plain))


def _secure_round(prepared: Prepared, parties: Parties, variant: str, number: int, observer: Observer) -> RoundRecord:
    record = AttemptRun(prepared, parties, observer, number).play()
    if record.status != "released":
        raise BenchmarkError(f"round {number} of the variant {variant!r} was {record.status}: {record.reason}")
    return record


def _curated(parties: Parties) -> float:
    state = parties.chain.reader.latest()
    if state is None:
        raise BenchmarkError("no round was played")
    start = time.perf_counter()
    parties.curator.curate(state)
    return time.perf_counter() - start


def _played(prepared: Prepared, play: Callable[[Observer], RoundRecord]) -> Played:
    observer, start = _Processors(), time.process_time()
    record = play(observer)
    middle = time.process_time()
    # A record holds an evaluation on the test set, which is no part of a round.
    prepared.measure(prepared.initial)
    total = max(2 * middle - start - time.process_time(), 1e-9)
    return Played(record.seconds, {**observer.seconds, "total": total}, len(record.inference))


def _without(seconds: Mapping[str, float], phases: tuple[str, ...]) -> float:
    return seconds["total"] - sum(seconds.get(name, 0.0) for name in phases)
