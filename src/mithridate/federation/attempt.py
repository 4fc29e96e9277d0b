"""One attempt of one round, played through by all parties of a process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mithridate.errors import (
    EncodingError,
    MessageError,
    MithridateError,
    ModelRefused,
    ProtocolError,
    RoundVoid,
    RuleViolation,
)
from mithridate.evaluation.records import Observer, RoundRecord
from mithridate.federation.collusion import agreed, earlier_models
from mithridate.federation.dropout import drops
from mithridate.federation.opened import OpenedUpdates
from mithridate.federation.outcome import model_after, outcome
from mithridate.federation.parties import Parties
from mithridate.federation.prepared import Prepared
from mithridate.federation.site import hospital_name
from mithridate.federation.stopwatch import Stopwatch
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import MAX_REASON_BYTES, AttemptState, Phase
from mithridate.models.files import from_safetensors
from mithridate.mpc.spu_log import bytes_sent


class AttemptRun:
    """Drives one attempt and keeps its times, bytes and notes.

    Args:
        prepared: data, model and sites.
        parties: everybody.
        observer: told of phases.
        round_number: of the attempt.
    """

    def __init__(self, prepared: Prepared, parties: Parties, observer: Observer, round_number: int) -> None:
        self._prepared = prepared
        self._parties = parties
        self._observer = observer
        self._round = round_number
        self._watch = Stopwatch(round_number, observer)
        self._notes: dict[str, str] = {}
        self._trained = 0
        self._stages: dict[str, int] = {}
        self._uploads: list[int] = []
        self._linear_bytes = parties.committee.sent_bytes
        self._mpc_bytes = bytes_sent()

    def play(self) -> RoundRecord:
        """Opens the round's next attempt and carries it to its end: released, rolled back or void."""
        study = self._prepared.study
        with self._watch.phase("ledger"):
            self._parties.draw(study.validators.draw_seconds)
            state = self._parties.coordinator.open_round(self._round, study.runtime.deadline_seconds)
        return self._guarded(state, self._from_the_start)

    def finish(self, state: AttemptState) -> RoundRecord:
        """Carries on with an attempt that a killed run left open.

        With the members bound, the aggregate is opened with just those members; with a model, only the release is
        left. Before that nothing was opened, so the attempt is closed as void.
        """
        return self._guarded(state, self._from_where_it_stands)

    def record(self, state: AttemptState) -> RoundRecord:
        """The record of an attempt that is over, from the ledger and what was measured here."""
        vector = from_safetensors(self._parties.store.get(model_after(state).hex()), self._prepared.layout)
        sizes = {
            "hospital_upload": sum(self._uploads) / len(self._uploads) if self._uploads else 0.0,
            "validators": float(self._parties.committee.sent_bytes - self._linear_bytes),
            "mpc": float(bytes_sent() - self._mpc_bytes),
        }
        return RoundRecord(
            hospitals=len(self._prepared.sites),
            trained=self._trained,
            notes=self._notes,
            inference=self._stages,
            seconds=self._watch.seconds(),
            bytes=sizes,
            height=self._parties.chain.height(),
            **outcome(state),
            **self._prepared.measure(vector),
        )

    def _guarded(self, state: AttemptState, steps: Callable[[AttemptState], None]) -> RoundRecord:
        try:
            self._parties.seat(state.committee)
            self._linear_bytes = self._parties.committee.sent_bytes
            steps(state)
        except ProtocolError as error:
            self._void(self._now(state), error)
        for hospital in self._parties.hospitals:
            hospital.forget()
        for validator in self._parties.committee.every:
            validator.forget()
        self._parties.coordinator.discard(state)
        return self.record(self._now(state))

    def _from_the_start(self, state: AttemptState) -> None:
        with self._on_ledger() as validators:
            for validator in validators:
                validator.commit_randomness(state)
        self._hand_over(state)
        self._train(state)
        self._submit(state)
        state = self._draw(state)
        if state.phase is Phase.VOID:
            return
        self._open(state)
        with self._watch.phase("verify"):
            verdicts = self._parties.committee.all(lambda validator: validator.judge())
        if self._prepared.study.defence.curated and not verdicts[0].curator:
            self._notes.setdefault("curator", "its part was refused: encrypted inference alone decided")
        self._stages = {hospital_name(index): stage for index, stage in verdicts[0].stages.items()}
        with self._on_ledger() as validators:
            for validator, verdict in zip(validators, verdicts, strict=True):
                validator.attest_verdicts(state, verdict.rules)
        self._aggregate_and_release(self._now(state))

    def _from_where_it_stands(self, state: AttemptState) -> None:
        if state.phase < Phase.BOUND:
            raise RoundVoid("interrupted before its members were bound")
        if state.phase is Phase.BOUND:
            self._hand_over(state)
            self._open(state)
        self._aggregate_and_release(state)

    def _aggregate_and_release(self, state: AttemptState) -> None:
        committee = self._parties.committee
        if state.phase is Phase.BOUND:
            with self._watch.phase("aggregate"):
                hashes = committee.all(lambda validator: validator.aggregate(state))
            self._attest(state, hashes)
            state = self._now(state)
            if state.phase is Phase.BOUND:
                raise RoundVoid("the validators attested different models")
        if state.phase is Phase.FINAL:
            with self._watch.phase("release"):
                votes = committee.all(lambda validator: validator.check_release())
            with self._on_ledger() as validators:
                for rank, (validator, vote) in enumerate(zip(validators, votes, strict=True)):
                    if rank not in state.votes:
                        validator.vote_release(state, vote)

    def _attest(self, state: AttemptState, hashes: Sequence[bytes]) -> None:
        with self._watch.phase("attest"), self._on_ledger() as validators:
            for rank, (validator, model_hash) in enumerate(zip(validators, hashes, strict=True)):
                if rank not in state.attestations:
                    validator.attest_model(state, model_hash)

    def _hand_over(self, state: AttemptState) -> None:
        """The validators of the last committee hand what they keep to this one."""
        for validator in self._parties.committee.every:
            try:
                message = validator.hand_over(state)
            except RoundVoid as error:
                self._notes[validator.name] = str(error)
                continue
            if message is not None:
                self._parties.coordinator.accept_handover(state, validator.place, message)

    def _train(self, state: AttemptState) -> None:
        study, sites = self._prepared.study, self._prepared.sites

        def train(index: int) -> None:
            hospital = self._parties.hospitals[index]
            try:
                hospital.train(state)
            except (EncodingError, ModelRefused) as error:
                self._notes[hospital.name] = str(error)
            self._observer.hospital_done(self._round, hospital.name)

        out = self._parties.chain.reader.suspended()
        indices = [site.index for site in sites if site.index not in out]
        present = [index for index in indices if not drops(study, "before", index, state.round, state.attempt)]
        with self._watch.phase("train"):
            self._prepared.at_each_site(train, present, beside=lambda: self._curate(state))
            self._collude(state)
        self._trained = sum(hospital.trained for hospital in self._parties.hospitals)

    def _curate(self, state: AttemptState) -> None:
        if not self._prepared.study.curated:
            return
        try:
            self._parties.coordinator.accept_curated(state, self._parties.curator.curate(state))
        except (EncodingError, MessageError) as error:
            self._notes["curator"] = str(error)

    def _collude(self, state: AttemptState) -> None:
        """Malicious hospitals agree on what they send; the honest have no part in it."""
        hospitals, store, layout = self._parties.hospitals, self._parties.store, self._prepared.layout
        trained = {h.site.index: update for h in hospitals if (update := h.shown(state)) is not None}
        if not trained:
            return
        colluders = {hospital.site.index: hospital for hospital in hospitals if hospital.site.index in trained}
        sites = [hospital.site for hospital in colluders.values()]
        base = from_safetensors(store.get(state.base_hash.hex()), layout)
        earlier = earlier_models(self._parties.chain.reader, store, layout, state)
        sent = agreed(sites, trained, base, earlier, state.round, len(self._prepared.sites))
        for index, update in sent.items():
            try:
                colluders[index].replace(update)
            except EncodingError as error:
                self._notes[colluders[index].name] = str(error)

    def _submit(self, state: AttemptState) -> None:
        ready = [hospital for hospital in self._parties.hospitals if hospital.trained]
        with self._watch.phase("share"):
            messages = {hospital.site.index: hospital.seal(state) for hospital in ready}
        with self._on_ledger():
            for hospital in ready:
                try:
                    hospital.commit(state)
                except RuleViolation as error:
                    self._notes[hospital.name] = str(error)
                    del messages[hospital.site.index]
        with self._watch.phase("share"):
            for index, message in messages.items():
                if not drops(self._prepared.study, "after", index, state.round, state.attempt):
                    self._deliver(state, index, message)

    def _deliver(self, state: AttemptState, index: int, message: bytes) -> None:
        self._uploads.append(len(message))
        try:
            self._parties.coordinator.accept(state, index, message)
        except MessageError as error:
            self._notes[hospital_name(index)] = str(error)

    def _draw(self, state: AttemptState) -> AttemptState:
        with self._watch.phase("draw"), self._on_ledger() as validators:
            # A majority closes the submissions; the third vote would come too late to count.
            for validator in validators[:2]:
                validator.close_submissions(state)
            # What is drawn is revealed once the ledger says that nothing more is taken, in the same block.
            state = self._now(state)
            if state.phase is Phase.CLOSED:
                for validator in validators:
                    validator.reveal_randomness(state)
        return self._now(state)

    def _open(self, state: AttemptState) -> None:
        coordinator = self._parties.coordinator

        def open_parts(validator: Validator) -> OpenedUpdates:
            rank = state.committee.index(validator.place)
            parts, curated = coordinator.parts(state, rank), coordinator.curated_part(state, rank)
            return validator.open(state, parts, curated, coordinator.handover_parts(state, rank))

        with self._watch.phase("open"):
            opened = self._parties.committee.all(open_parts)
        for updates in opened:
            for index, reason in updates.reasons.items():
                self._notes.setdefault(hospital_name(index), reason)
            if updates.curator:
                self._notes.setdefault("curator", updates.curator)

    def _void(self, state: AttemptState, error: MithridateError) -> None:
        if state.phase > Phase.FINAL:
            raise error
        reason = str(error).encode("ascii", "replace").decode()[:MAX_REASON_BYTES]
        self._notes["round"] = str(error)
        with self._on_ledger() as validators:
            for validator in validators[:2]:
                validator.vote_void(state, reason)
        # The three may have stopped at different messages: what is left in the old channels must not be read.
        self._parties.committee.assemble()
        self._linear_bytes = 0

    @contextmanager
    def _on_ledger(self) -> Iterator[tuple[Validator, ...]]:
        """A phase's transactions share one block."""
        with self._watch.phase("ledger"), self._parties.chain.block():
            yield self._parties.committee.validators

    def _now(self, state: AttemptState) -> AttemptState:
        return self._parties.chain.reader.attempt(state.round, state.attempt)
