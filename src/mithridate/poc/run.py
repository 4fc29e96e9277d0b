"""Runs the proof of concept: starts everybody, begins the study, follows it on the ledger, and restarts who falls."""

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mithridate.emulation.conditions import Conditions
from mithridate.emulation.host import Hosts, on_loopback
from mithridate.emulation.network import EmulatedNetwork
from mithridate.errors import ModelAltered, RunError
from mithridate.evaluation.prediction import INPUTS_FILE, ModelInputs
from mithridate.evaluation.records import Observer, RoundRecord, append_record
from mithridate.federation.outcome import STATUS, model_after, outcome
from mithridate.federation.prepared import Prepared
from mithridate.federation.remote.deploying import initial_model
from mithridate.federation.seats import possible_seats
from mithridate.federation.site import hospital_name
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.ledger.keystore import PASSWORD_VARIABLE, read_keystore
from mithridate.ledger.run_ledger import ledger_of
from mithridate.ledger.shared import SharedLedger
from mithridate.ledger.store import ModelStore
from mithridate.ledger.verify import MODELS_FOLDER, attempts
from mithridate.models.files import from_safetensors
from mithridate.poc.consortium import (
    ADMINISTRATOR,
    COORDINATOR,
    CURATOR,
    Pace,
    Place,
    ProvisionedConsortium,
    provision_consortium,
)
from mithridate.poc.ground import LEDGER, SEALERS, Ground, start_ground
from mithridate.poc.process import PocProcess
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.keys import ACCOUNT_FILE
from mithridate.study import Study

DRIVER = "driver"
"""Our own host in an emulated network: what it asks is neither delayed nor lost."""
STARTED = (Role.COORDINATOR, Role.VALIDATOR, Role.CURATOR, Role.HOSPITAL)
BEGIN_S = 240.0
LOOK_S = 0.5
MAX_STARTS = 20
MAX_FAILURES = 3
"""So often a participant may end with an error of its own while no attempt ends; whoever is killed does not fail."""


class Poc:
    """A consortium of processes.

    Args:
        folder: new; everything lies below it.
        study: as the user wrote it; the network is put into it here.
        network: `clique`, `ibft`, `embedded` or `auto`.
        observer: told of rounds.
        pace: how fast participants look and wait.
        conditions: of the network between the participants, each then on a host of its own; None for loopback. The
            thread that made the consortium, and uses it, is in the emulated network until `stop`.

    Raises:
        RunError: the folder holds something.
        EmulationUnavailable: networks cannot be emulated here.
    """

    def __init__(
        self,
        folder: Path,
        study: Study,
        network: str,
        observer: Observer,
        pace: Pace | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        if folder.exists() and any(folder.iterdir()):
            raise RunError(f"{folder} holds something: choose a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self._observer = observer
        self._password = secrets.token_urlsafe(24)
        self._chain: SharedLedger | None = None
        self._recorded: set[tuple[int, int]] = set()
        self._failures: Counter[str] = Counter()
        self.lost: set[str] = set()
        """Participants that are not started again."""
        with ExitStack() as stack:
            self.hosts = _hosts(study, conditions, stack)
            self.ground: Ground = start_ground(network, self.folder / "network", self.hosts)
            stack.callback(self.ground.stop)
            self.prepared = Prepared.of(_on(study, self.ground))
            self.consortium: ProvisionedConsortium = provision_consortium(
                self.folder, self.prepared, self.ground, self._password, pace or Pace(), self.hosts
            )
            self.processes = {place.name: self._process(place) for place in self.consortium.of(*STARTED)}
            self._open = stack.pop_all()

    @property
    def chain(self) -> SharedLedger:
        """The study's ledger."""
        if self._chain is None:
            self._chain = ledger_of(self.consortium.study)
        return self._chain

    def start(self) -> None:
        """Starts everybody, and begins the study once the curator has handed in the reference set.

        Raises:
            RunError: somebody does not start; the message holds the end of its log.
        """
        for process in self.processes.values():
            process.start()
        digest = self._await_reference()
        account = read_keystore(self.consortium.places[ADMINISTRATOR].keys / ACCOUNT_FILE, self._password)
        store = ModelStore(self.consortium.study / MODELS_FOLDER)
        initial = bytes.fromhex(store.put(initial_model(self.prepared.material)))
        split = self.prepared.split
        inputs = ModelInputs.of(split.test, split.preprocessing)
        (self.consortium.study / INPUTS_FILE).write_text(inputs.to_json(), encoding="utf-8")
        self.chain.as_party(account).begin(initial, digest)
        self._keep(self.prepared.initial_record(initial.hex()))

    def follow(
        self,
        each: Callable[[], None] = lambda: None,
        timeout: float | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> AttemptState:
        """Follows the study to its end, writing down every attempt.

        Args:
            each: called at every look.
            timeout: seconds for the whole.
            until: ends it before the study's end, once an attempt is over.

        Returns:
            The last attempt: of the last round, or the one at which the study stopped.

        Raises:
            RunError: the time ran out, or a participant cannot be kept running.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            each()
            self.record()
            state = self.chain.reader.latest()
            if state is not None and (self._is_over(state) or (state.phase in STATUS and until())):
                self.record()
                return state
            self.keep_running()
            if deadline is not None and time.monotonic() > deadline:
                raise RunError(f"the study did not end within {timeout:g} s; the logs are in {self.folder}")
            time.sleep(LOOK_S)

    def keep_running(self) -> None:
        """Starts again whoever ended without being done, as a service manager does.

        Raises:
            RunError: somebody ended too often; the message holds the end of its log.
        """
        for process in self.processes.values():
            status = process.status
            if not status or process.name in self.lost or self._study_over():
                continue
            self._failures[process.name] += status > 0
            if process.starts >= MAX_STARTS or self._failures[process.name] >= MAX_FAILURES:
                raise RunError(f"{process.name} ended {process.starts} times; its log ends:\n{process.end_of_log()}")
            process.start()

    def lose(self, name: str) -> None:
        """Ends a participant's process for good, as where its machine is gone."""
        self.lost.add(name)
        self.processes[name].kill()

    def record(self) -> list[RoundRecord]:
        """Writes down the attempts that ended since the last call."""
        made = []
        for state in attempts(self.chain.reader):
            if state.phase in STATUS and (state.round, state.attempt) not in self._recorded:
                self._recorded.add((state.round, state.attempt))
                self._failures.clear()
                made.append(self._record(state))
                self._keep(made[-1])
        return made

    def stop(self) -> None:
        """Ends everybody, the coordinator last: until then the others can take their leave of it."""
        sites = [process for name, process in self.processes.items() if name != COORDINATOR]
        for process in sites:
            process.resume()
            process.ask_to_stop()
        for process in [*sites, self.processes[COORDINATOR]]:
            process.stop()
        if self._chain is not None:
            self._chain.close()
            self._chain = None
        self._open.close()

    def __enter__(self) -> "Poc":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _process(self, place: Place) -> PocProcess:
        arguments = [place.role.value, "start", str(place.kit), "--debug"]
        # Each on its own, so that one machine carries them all.
        environment = {PASSWORD_VARIABLE: self._password, "OMP_NUM_THREADS": "1"}
        return PocProcess(place.name, arguments, place.folder / "log", environment, self.hosts(place.name))

    def _await_reference(self) -> bytes:
        file = self.consortium.places[CURATOR].state / "reference.sha256"
        deadline = time.monotonic() + BEGIN_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if self._handed_in():
                    return bytes.fromhex(file.read_text(encoding="ascii").strip())
            for process in self.processes.values():
                if process.status not in (None, 0):
                    raise RunError(f"{process.name} did not start; its log ends:\n{process.end_of_log()}")
            time.sleep(LOOK_S)
        raise RunError(f"the curator did not hand in the reference set within {BEGIN_S:g} s; see {self.folder}")

    def _handed_in(self) -> bool:
        handed_in = (self.consortium.places[COORDINATOR].state / "mailbox").glob("reference-*.msg")
        return len(list(handed_in)) == len(possible_seats(self.prepared.study.validators.count))

    def _is_over(self, state: AttemptState) -> bool:
        if state.phase is Phase.VOID:
            return self.processes[COORDINATOR].status == 1
        return state.round == self.prepared.study.training.rounds and state.phase in STATUS

    def _study_over(self) -> bool:
        state = self.chain.reader.latest()
        return state is not None and self._is_over(state)

    def _record(self, state: AttemptState) -> RoundRecord:
        return RoundRecord(
            hospitals=len(self.prepared.sites),
            trained=len(state.submissions),
            height=self.chain.height(),
            **outcome(state),
            **self._measured(model_after(state)),
        )

    def _measured(self, model: bytes) -> dict[str, Any]:
        store = ModelStore(self.consortium.study / MODELS_FOLDER)
        source = ModelStore(self.consortium.places[COORDINATOR].state / "models")
        try:
            data = store.get(model.hex())
        except ModelAltered:
            data = source.get(model.hex())
            store.put(data)
        return self.prepared.measure(from_safetensors(data, self.prepared.layout))

    def _keep(self, record: RoundRecord) -> None:
        append_record(self.consortium.study, record)
        self._observer.round_done(record)


def _hosts(study: Study, conditions: Conditions | None, stack: ExitStack) -> Hosts:
    """Where everybody runs, and this thread with them; `stack` ends it."""
    if conditions is None:
        return on_loopback
    hospitals = [hospital_name(index) for index in range(study.hospitals.count)]
    validators = [f"validator-{place}" for place in range(study.validators.count)]
    # Three of the validators seal.
    names = dict.fromkeys([COORDINATOR, *SEALERS, *validators, LEDGER, CURATOR, *hospitals, DRIVER])
    emulated = stack.enter_context(EmulatedNetwork(list(names), conditions, watchers=[DRIVER]))
    stack.enter_context(emulated.host(DRIVER).inside())
    return emulated.host


def _on(study: Study, ground: Ground) -> Study:
    """The study on the proof of concept's network."""
    document = study.model_dump(mode="json")
    document["ledger"] = ground.settings.model_dump(mode="json")
    return Study.model_validate(document)
