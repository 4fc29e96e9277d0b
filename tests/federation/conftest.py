"""A small study with all its parties, and what its rounds should come to, computed in the clear."""

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mithridate.aggregation import aggregators
from mithridate.aggregation.model import next_model
from mithridate.crypto.fixed_point import clip_l2, decode, encode
from mithridate.evaluation.records import RoundRecord, SilentObserver
from mithridate.federation.attempt import AttemptRun
from mithridate.federation.collusion import agreed
from mithridate.federation.folder import RunFolder
from mithridate.federation.hospital import Hospital
from mithridate.federation.parties import Parties, seat
from mithridate.federation.prepared import Prepared
from mithridate.federation.seats import precedent
from mithridate.federation.standings import SharedStanding
from mithridate.ledger.interface import AttemptState, Ledger, Phase
from mithridate.models.files import from_safetensors, to_safetensors
from mithridate.mpc.shares import reconstruct
from mithridate.seeds import derive_seed
from mithridate.study import Study
from mithridate.training.local import train
from mithridate.verification.curation import direction_of_use, lessons
from mithridate.verification.pipeline import curator_records

TABLES: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "data": {"max_records": 300, "reference_per_class": 10},
    "hospitals": {"count": 6},
    "model": {"name": "logistic"},
    "training": {"rounds": 2, "local_epochs": 1, "batch_size": 8, "learning_rate": 0.05},
    "runtime": {"deadline_seconds": 86_400},
}
LENIENT: dict[str, Any] = {
    "least_score": -2.0,
    "score_floor": -2.0,
    "score_share": 0.0,
    "noise_cosine": 0.0,
    "norm_multiple": 10.0,
    "standard_errors": 10.0,
}
"""A defence that no honest update of the small study meets, however few its parameters: for tests of all else."""


def small_study(**tables: Any) -> Study:
    """The study of `TABLES` with some keys of its tables replaced."""
    document = dict(TABLES)
    for key, value in tables.items():
        document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    return Study.model_validate(document)


class Watcher(SilentObserver):
    """Knows which phase is running, and calls `at[phase]` when one begins."""

    def __init__(self) -> None:
        self.now = ""
        self.at: dict[str, Callable[[], None]] = {}

    def phase(self, round: int, name: str) -> None:  # noqa: A002
        self.now = name
        self.at.get(name, lambda: None)()


class Federation:
    """One study's parties in one run folder; `play` carries the next attempt of the next round to its end."""

    def __init__(self, study: Study, path: Path) -> None:
        self.folder = RunFolder(path)
        self.folder.begin(study, resume=False)
        self.prepared = Prepared.of(study)
        self.parties: Parties = seat(self.prepared, self.folder)
        self.watcher = Watcher()
        self._module = copy.deepcopy(self.prepared.module)

    @property
    def ledger(self) -> Ledger:
        return self.parties.chain.reader

    def play(self, round_number: int | None = None) -> RoundRecord:
        chosen = self.next_round() if round_number is None else round_number
        return AttemptRun(self.prepared, self.parties, self.watcher, chosen).play()

    def finish(self) -> RoundRecord:
        """Carries on with the attempt opened last, as a restart does."""
        state = self.state()
        return AttemptRun(self.prepared, self.parties, self.watcher, state.round).finish(state)

    def next_round(self) -> int:
        state = self.ledger.latest()
        if state is None:
            return 1
        return state.round if state.phase is Phase.VOID else state.round + 1

    def state(self) -> AttemptState:
        """The attempt opened last."""
        state = self.ledger.latest()
        assert state is not None
        return state

    def put(self, *hospitals: Hospital) -> None:
        """Seats hospitals at the places that their sites name, beyond the roster too."""
        seats = {hospital.site.index: hospital for hospital in (*self.parties.hospitals, *hospitals)}
        self.parties = replace(self.parties, hospitals=tuple(seats[index] for index in sorted(seats)))

    def evidence(self) -> npt.NDArray[np.float64]:
        """The evidence against the hospitals after the attempts so far, put together from the validators' records."""
        return decode(reconstruct([standing.evidence for standing in self.standings()]))

    def standings(self) -> list[SharedStanding]:
        """What each validator of the last committee keeps of the hospitals after the attempts so far, by rank."""
        state, n = self.state(), len(self.prepared.sites)
        last = state if state.phase in (Phase.RELEASED, Phase.ROLLED_BACK) else precedent(self.ledger, state)
        if last is None:
            return [SharedStanding.of(rank, n) for rank in range(3)]
        every = self.parties.committee.every
        kept = [every[place]._succession.standings.after(last, n) for place in last.committee]
        return [standing for standing in kept if standing is not None]

    def curated(self, base: bytes, round_number: int, generation: int = 0) -> tuple[Any, Any]:
        """The curator's own update and the direction of use of a round, float64 (d,) each, by the curator's records."""
        prepared, study = self.prepared, self.prepared.study
        vector, module = from_safetensors(self.parties.store.get(base.hex()), prepared.layout), self._module
        numbers = ("curator", round_number, generation)
        rng = np.random.default_rng(derive_seed(study.seed, *numbers))
        moved = []
        for index, records in enumerate(lessons(prepared.split.reference, study.defence.probes, rng)):
            seed = derive_seed(study.seed, *numbers, index)
            moved.append(train(module, vector, records, study.training, seed=seed).vector.astype(np.float64) - vector)
        direction = direction_of_use(module, vector, prepared.split.reference, moved[1:3], moved[3:])
        return clip_l2(moved[0], study.clipping.norm), direction

    def in_the_clear(
        self,
        base: bytes,
        members: Sequence[int],
        round_number: int,
        generation: int = 0,
        *,
        curator: bool | None = None,
    ) -> str:
        """Hash of the model that plain averaging of just these hospitals' updates gives, by the hospitals' sites.

        With the curator's update at its weight, where the study has it so, unless `curator` says otherwise.
        """
        prepared = self.prepared
        vector = from_safetensors(self.parties.store.get(base.hex()), prepared.layout)
        sites = [prepared.sites[index] for index in members]
        trained = {site.index: site.update(vector, round_number, generation) for site in sites}
        colluders = [site for site in sites if site.colludes(round_number)]
        sent = trained | agreed(colluders, trained, vector, (), round_number, len(prepared.sites))
        updates = [encode(sent[index]) for index in members]
        weights = [len(site.dataset) for site in sites]
        settings = prepared.study.defence
        if settings.curated if curator is None else curator:
            enrolled = sum(len(site.dataset) for site in prepared.sites)
            weights.append(curator_records(settings, sum(weights), enrolled))
            updates.append(encode(self.curated(base, round_number, generation)[0]))
        aggregator = aggregators.get(prepared.study.aggregation.name)
        step = aggregator.finish(aggregator.combine(np.stack(updates), weights).view(np.int64), weights)
        return hashlib.sha256(to_safetensors(next_model(vector, step), prepared.layout)).hexdigest()


Seat = Callable[..., Federation]


@pytest.fixture(scope="session")
def lenient() -> dict[str, Any]:
    return LENIENT


@pytest.fixture(scope="session")
def study_of() -> Callable[..., Study]:
    return small_study


@pytest.fixture(scope="module")
def federation_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    """Seats the parties of a small study; closes them when the module is done."""
    seated: list[Federation] = []

    def seat_small(**tables: Any) -> Federation:
        seated.append(Federation(small_study(**tables), tmp_path_factory.mktemp("run") / "run"))
        return seated[-1]

    yield seat_small
    for federation in seated:
        federation.parties.close()
