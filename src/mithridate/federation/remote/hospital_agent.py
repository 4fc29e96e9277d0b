"""A hospital's process: trains and hands in when an attempt opens, and checks on the ledger that it was answered."""

import logging
from collections.abc import Callable
from typing import Literal

from mithridate.errors import EncodingError, ModelRefused, RuleViolation
from mithridate.federation.hospital import Hospital
from mithridate.federation.remote.agent import Agent, Opening, Pace, Step, opening
from mithridate.federation.remote.malice import Malice
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.wire import RelayRefused
from mithridate.ledger.interface import MAX_REASON_BYTES, AttemptState, Ledger, Phase
from mithridate.ledger.store import ModelStore
from mithridate.mpc.shares import VALIDATORS
from mithridate.verification.verdict import Rule

When = Literal["before", "after"]
LOG = logging.getLogger(__name__)
UNANSWERED = (Rule.ABSENT, Rule.ENVELOPE)
"""Verdicts that tell a hospital which handed in a message that it did not arrive."""


class HospitalAgent(Agent):
    """One hospital.

    Args:
        hospital: its role.
        ledger: the ledger, from its own account.
        desk: the coordinator's.
        store: its own copies of global models.
        rounds: of the study.
        pace: how it follows the ledger.
        malice: of a hospital that the study simulates as malicious.
        drops: whether the study simulates that it drops out of an attempt, "before" or "after" it commits.
    """

    def __init__(
        self,
        hospital: Hospital,
        ledger: Ledger,
        desk: CoordinatorDesk,
        store: ModelStore,
        rounds: int,
        pace: Pace,
        malice: Malice | None = None,
        drops: Callable[[When, AttemptState], bool] = lambda when, state: False,
    ) -> None:
        super().__init__(hospital.name, ledger, rounds, pace)
        self._hospital = hospital
        self._desk = desk
        self._store = store
        self._index = hospital.site.index
        self._malice = malice
        self._drops = drops
        self._trained: Opening | None = None
        self._given_up: Opening | None = None
        self._checked: tuple[int, int] | None = None

    def step(self, state: AttemptState, *, settled: bool) -> Step:
        """See `Agent.step`."""
        opened = opening(state)
        if state.phase is not Phase.SUBMITTING or self._index in state.submissions or self._given_up == opened:
            self.status.now("waiting for the validators")
            return self._check(state)
        if self._index in self._ledger.suspended():
            self.status.now("suspended: takes no part")
            return Step.IDLE
        if self._trained != opened:
            return self._train(state)
        if not settled:
            self.status.now("waiting until the attempt is open for good")
            return Step.IDLE
        if len(state.committed) < VALIDATORS:
            self.status.now("waiting for the validators to commit their randomness")
            return Step.IDLE
        return self._submit(state)

    def over(self, state: AttemptState) -> None:
        """See `Agent.over`."""
        self._check(state)
        # By now it may have trained for the next attempt.
        if self._trained == opening(state):
            self._hospital.forget()

    def _train(self, state: AttemptState) -> Step:
        self.status.now("training")
        if self._drops("before", state):
            self._given_up = opening(state)
            return Step.IDLE
        self._desk.fetch_model(state.base_hash, self._store)
        try:
            self._update(state)
        except (EncodingError, ModelRefused) as error:
            LOG.warning("%s sits out round %d: %s", self.name, state.round, error)
            self._given_up = opening(state)
            return Step.IDLE
        self._trained = opening(state)
        return Step.ACTED

    def _update(self, state: AttemptState) -> None:
        if self._malice is None:
            self._hospital.train(state)
            return
        self._malice.look_back(state, self._ledger, self._desk, self._store)
        self._hospital.train(state)
        self._malice.conspire(self._hospital, state, self._ledger, self._store)

    def _submit(self, state: AttemptState) -> Step:
        self.status.now("submitting")
        message = self._hospital.seal(state)
        try:
            # Before the commitment: once the ledger says that all have submitted, all messages are there.
            if not self._drops("after", state):
                self._desk.hand_in(state, message)
            self._hospital.commit(state)
        except (RelayRefused, RuleViolation) as error:
            LOG.warning("%s could not submit in round %d: %s", self.name, state.round, error)
            self._given_up = opening(state)
            return Step.IDLE
        return Step.ACTED

    def _check(self, state: AttemptState) -> Step:
        """Whether the message that this hospital committed to, and so had handed in, was answered by a verdict."""
        place = (state.round, state.attempt)
        if place == self._checked or state.verdicts is None or self._index not in state.submissions:
            return Step.IDLE
        self._checked = place
        verdict = Rule(state.verdicts[self._index])
        LOG.info("%s: round %d attempt %d: %s", self.name, *place, verdict.word)
        if verdict in UNANSWERED and not self._drops("after", state):
            self._complain(state, verdict)
        return Step.ACTED

    def _complain(self, state: AttemptState, verdict: Rule) -> None:
        """Says on the ledger, for good, that a message which the coordinator took did not arrive."""
        reason = f"the coordinator took it, the validators found it {verdict.word}"
        LOG.error("%s complains of round %d: %s", self.name, state.round, reason)
        try:
            self._ledger.complain(state.round, state.attempt, reason[:MAX_REASON_BYTES])
        except RuleViolation as error:
            LOG.warning("%s: the complaint is not taken: %s", self.name, error)
