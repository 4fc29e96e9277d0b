"""The rules of `contracts/Models.vy`: current, stable and withdrawn models, certificates and findings."""

from collections import Counter
from typing import TYPE_CHECKING

from mithridate.ledger.interface import ModelState, Role, Status
from mithridate.ledger.rulebook.base import EMPTY, Caller, require
from mithridate.ledger.rulebook.consortium import NAME as CONSORTIUM
from mithridate.ledger.rulebook.consortium import Consortium

if TYPE_CHECKING:
    from mithridate.ledger.rulebook.study import Study

CERTIFICATE, FINDING = 1, 2
MAX_UNDONE = 1024


class Models:
    """See the contract. `study` is attached once it is there.

    Args:
        consortium: knows who is an auditor.
        requires_certificate: whether deployment needs one.
    """

    study: "Study"

    def __init__(self, consortium: Consortium, requires_certificate: bool) -> None:
        self._consortium = consortium
        self._requires_certificate = requires_certificate
        self._initial = self._current = EMPTY
        self._history: list[bytes] = []
        self._states: dict[bytes, int] = {}
        self._statements: dict[bytes, dict[str, tuple[int, bytes, int]]] = {}
        self._votes: dict[tuple[bytes, bytes, int], set[int]] = {}
        self._rollbacks = 0

    def start(self, model: bytes) -> None:
        """The study begins with a model."""
        self._initial = self._current = model
        self._release()

    def attested(self, model: bytes) -> None:
        """A majority of the committee attested a model."""
        require(self._states.get(model) != ModelState.WITHDRAWN, "model was withdrawn")
        self._states.setdefault(model, ModelState.ATTESTED)
        self._current = model

    def released(self) -> None:
        """The current model passed the release check."""
        self._release()

    def withdrawn(self) -> None:
        """The current model did not pass: the stable one is current again."""
        if self._states[self._current] == ModelState.ATTESTED:
            self._states[self._current] = ModelState.WITHDRAWN
        self._current = self.stable_model()

    def vote_rollback(self, caller: Caller, model: bytes, reason: str) -> None:
        """A validator's vote to go back to a model released earlier."""
        rank = self.study.pool_rank(caller.sender)
        require(rank != 0, "only a validator")
        require(self._consortium.is_active(caller.sender, Role.VALIDATOR), "not an active member")
        require(self.study.is_idle(), "attempt still open")
        require(self._states.get(model) == ModelState.RELEASED, "model not released")
        require(not self._count(model, FINDING), "model has a finding")
        require(model != self.stable_model(), "already the stable model")
        require(bool(reason), "no reason given")
        ballot = (model, self.stable_model(), self._rollbacks)
        votes = self._votes.get(ballot, set())
        require(rank not in votes or self._is_majority(votes), "already voted")
        votes = votes | {rank}
        if self._is_majority(votes):
            self._roll_back(model)
        self._votes[ballot] = votes

    def certify(self, caller: Caller, model: bytes, report: bytes) -> None:
        """An auditor's certificate."""
        self._require_auditor(caller, model)
        require(report != EMPTY, "empty hash")
        require(self._states[model] != ModelState.WITHDRAWN, "model was withdrawn")
        self._say(caller, model, CERTIFICATE, report)

    def file_finding(self, caller: Caller, model: bytes, report: bytes, reason: str) -> None:
        """An auditor's finding."""
        self._require_auditor(caller, model)
        require(report != EMPTY, "empty hash")
        require(bool(reason), "no reason given")
        self._say(caller, model, FINDING, report)

    def withdraw_statement(self, caller: Caller, model: bytes, reason: str) -> None:
        """An auditor takes back its word."""
        self._require_auditor(caller, model)
        require(caller.sender in self._statements.get(model, {}), "nothing to withdraw")
        require(bool(reason), "no reason given")
        del self._statements[model][caller.sender]

    def strike_statement(self, caller: Caller, model: bytes, auditor: str, reason: str) -> None:
        """By decision: what a revoked auditor said counts no more."""
        require(caller.sender == CONSORTIUM, "only by decision")
        role, status, *_ = self._consortium.member(auditor)
        require(role == Role.AUDITOR and status == Status.REVOKED, "auditor not revoked")
        require(bool(reason), "no reason given")
        require(auditor in self._statements.get(model, {}), "nothing to withdraw")
        del self._statements[model][auditor]

    def initial_model(self) -> bytes:
        """The first model, zeros before the study begins."""
        return self._initial

    def current_model(self) -> bytes:
        """What the next round builds on."""
        return self._current

    def stable_model(self) -> bytes:
        """The last released model that stands."""
        return self._history[-1] if self._history else EMPTY

    def history_length(self) -> int:
        """How many released models stand."""
        return len(self._history)

    def history(self, index: int) -> bytes:
        """A released model that stands."""
        return self._history[index] if index < len(self._history) else EMPTY

    def requires_certificate(self) -> bool:
        """Whether deployment needs a certificate."""
        return self._requires_certificate

    def model(self, digest: bytes) -> tuple[int, int, int, int]:
        """State, certificates, findings and standing releases of a model."""
        counts = (self._count(digest, CERTIFICATE), self._count(digest, FINDING), Counter(self._history)[digest])
        return (self._states.get(digest, ModelState.UNKNOWN), *counts)

    def statement(self, model: bytes, auditor: str) -> tuple[int, bytes, int]:
        """Kind, report and date of what an auditor says."""
        return self._statements.get(model, {}).get(auditor, (0, EMPTY, 0))

    def may_train(self, model: bytes) -> bool:
        """Whether hospitals may train on a model."""
        return model == self._current != EMPTY and not self._count(model, FINDING)

    def may_deploy(self, model: bytes) -> bool:
        """Whether anyone may predict with a model."""
        released = self._states.get(model) == ModelState.RELEASED and not self._count(model, FINDING)
        return released and bool(self._count(model, CERTIFICATE) or not self._requires_certificate)

    def _release(self) -> None:
        self._states[self._current] = ModelState.RELEASED
        self._history.append(self._current)

    def _roll_back(self, model: bytes) -> None:
        last = len(self._history) - 1 - self._history[::-1].index(model)
        undone = self._history[last + 1 :]
        require(len(undone) <= MAX_UNDONE, "too far back")
        del self._history[last + 1 :]
        for each in set(undone) - set(self._history):
            self._states[each] = ModelState.WITHDRAWN
        self._current = model
        self._rollbacks += 1

    def _is_majority(self, ranks: set[int]) -> bool:
        # A ballot stays open until the stable model changes: whoever was excluded meanwhile does not count.
        active = [r for r in ranks if self._consortium.is_active(self.study.pool(r - 1), Role.VALIDATOR)]
        return 2 * len(active) > self.study.pool_size()

    def _require_auditor(self, caller: Caller, model: bytes) -> None:
        require(self._consortium.is_active(caller.sender, Role.AUDITOR), "only an auditor")
        require(model in self._states, "model not attested")

    def _say(self, caller: Caller, model: bytes, kind: int, report: bytes) -> None:
        self._statements.setdefault(model, {})[caller.sender] = (kind, report, caller.time)

    def _count(self, model: bytes, kind: int) -> int:
        return sum(said[0] == kind for said in self._statements.get(model, {}).values())
