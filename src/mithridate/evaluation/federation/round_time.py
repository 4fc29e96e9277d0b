"""Seconds of a round over loopback: the proof of concept, and Flower with the same study."""

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mithridate.errors import BenchmarkError
from mithridate.evaluation.demo import demo_study
from mithridate.evaluation.federation.flower_network import play
from mithridate.evaluation.federation.flower_settings import FlowerRun
from mithridate.evaluation.federation.profiles import Rounds, neighbourhood
from mithridate.evaluation.federation.work import FEDAVG, LEDGERS, SECAGG
from mithridate.poc.ends import RoundEnds
from mithridate.poc.run import Poc
from mithridate.study import Study, load_study

MOST_APART = 0.05
"""Of accuracy, between runtimes that train the same model on the same records."""


@dataclass(frozen=True)
class RoundTime:
    """Of one runtime.

    Args:
        clients: hospitals.
        rounds: played; the first is not counted.
        seconds: wall time of one of the others, mean.
        accuracy: of the last model on the test set.
    """

    clients: int
    rounds: int
    seconds: float
    accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def round_times(folder: Path, rounds: Rounds) -> dict[str, RoundTime]:
    """Arm to its seconds a round; the runtimes one after another.

    Args:
        folder: for everybody's files; the folders below it must be new.
        rounds: what to play.

    Raises:
        BenchmarkError: a runtime did not end in time, or the models differ too much to be of one study.
        RunError: a participant of the proof of concept does not start.
        LedgerError: a network of the ledger does not start, or is not built.
    """
    file = _study_file(folder, rounds)
    times = {arm: _flower(folder, file, rounds, secure=arm == SECAGG) for arm in (FEDAVG, SECAGG)}
    ours = {arm: _ours(folder / kind, load_study(file), rounds, kind) for kind, arm in LEDGERS.items()}
    times = {**ours, **times}
    check_accuracies(times)
    return times


def check_accuracies(times: dict[str, RoundTime]) -> None:
    """Raises BenchmarkError where the runtimes' models are not about equally good."""
    accuracies = [each.accuracy for each in times.values()]
    if max(accuracies) - min(accuracies) > MOST_APART:
        raise BenchmarkError(f"the runtimes' models differ: accuracies {accuracies} after the same rounds")


def _study_file(folder: Path, rounds: Rounds) -> Path:
    """The demo's study without its attacks, for these hospitals and rounds; all runtimes read it."""
    folder.mkdir(parents=True, exist_ok=True)
    with demo_study() as file:
        text = file.read_text(encoding="utf-8")
    honest = text[: text.index("[[attacks]]")].rsplit("\n#", 1)[0]
    clipping = text[text.index("[clipping]") :]
    made = folder / "study.toml"
    made.write_text(
        f"{honest}\n\n{clipping}\n".replace("count = 10", f"count = {rounds.clients}").replace(
            "rounds = 10", f"rounds = {rounds.rounds}"
        ),
        encoding="utf-8",
    )
    study = load_study(made)
    if study.attacks or (study.hospitals.count, study.training.rounds) != (rounds.clients, rounds.rounds):
        raise BenchmarkError("the demo's study is not written as this benchmark expects: mend _study_file")
    return made


def _flower(folder: Path, study: Path, rounds: Rounds, *, secure: bool) -> RoundTime:
    shares, threshold = neighbourhood(rounds.clients)
    place = folder / ("secagg" if secure else "fedavg")
    out = place / "rounds.json"
    run = FlowerRun(str(study.resolve()), str(out.resolve()), rounds.rounds, rounds.clients, secure, shares, threshold)
    ended = play(place, run, rounds.limit)
    measuring = sum(each["noted"] - each["ended"] for each in ended[1:-1])
    seconds = (ended[-1]["ended"] - ended[1]["ended"] - measuring) / (rounds.rounds - 1)
    return RoundTime(rounds.clients, rounds.rounds, seconds, ended[-1]["accuracy"])


def _ours(folder: Path, study: Study, rounds: Rounds, network: str) -> RoundTime:
    ends = RoundEnds()
    with Poc(folder, study, network, ends) as running:
        running.start()
        running.follow(timeout=rounds.limit)
    seconds = fmean(ends.seconds())
    accuracy = ends.records[-1].accuracy
    if accuracy is None:
        raise BenchmarkError("the last round's model was not measured")
    return RoundTime(rounds.clients, rounds.rounds, seconds, accuracy)
