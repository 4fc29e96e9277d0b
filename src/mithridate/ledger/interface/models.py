"""The models of a study on the ledger: current, stable, withdrawn, certified or found against."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class ModelState(IntEnum):
    """What the ledger knows of a hash. A withdrawn model never comes back."""

    UNKNOWN = 0
    ATTESTED = 1
    RELEASED = 2
    WITHDRAWN = 3


@dataclass(frozen=True)
class ModelRecord:
    """A model on the ledger; `certificates` and `findings` count auditors whose latest word it is."""

    state: ModelState
    certificates: int
    findings: int


@dataclass(frozen=True)
class Statement:
    """What one auditor says of one model.

    Attributes:
        certified: True for a certificate, False for a finding.
        report: hash of the auditor's report, 32 bytes.
        at: when it was filed, in seconds of the ledger's clock.
    """

    certified: bool
    report: bytes
    at: int


class ModelRecords(Protocol):
    """Model transitions outside a round, and who may use a model."""

    def current_model(self) -> bytes:
        """Hash of the model that the next round builds on; raises RuleViolation before `begin`."""
        ...

    def stable_model(self) -> bytes:
        """Hash of the last released model; raises RuleViolation before `begin`."""
        ...

    def initial_model(self) -> bytes:
        """Hash of the model the study began with; raises RuleViolation before `begin`."""
        ...

    def released_models(self) -> list[bytes]:
        """Released models that still stand, the initial one first and the stable one last."""
        ...

    def model_record(self, model_hash: bytes) -> ModelRecord:
        """What the ledger holds of a model; UNKNOWN for a hash nobody attested."""
        ...

    def may_train(self, model_hash: bytes) -> bool:
        """Whether a hospital may train on a model: it is the current one and no finding stands against it."""
        ...

    def may_deploy(self, model_hash: bytes) -> bool:
        """Whether anyone may predict with a model: released, not withdrawn, no finding, certified where required."""
        ...

    def requires_certificate(self) -> bool:
        """Whether the study lets a model be deployed only with an auditor's certificate."""
        ...

    def vote_rollback(self, model_hash: bytes, reason: str) -> None:
        """A validator votes, between attempts, to go back to an earlier released model; more than half decide."""
        ...

    def certify(self, model_hash: bytes, report: bytes) -> None:
        """An auditor certifies a model; replaces its own earlier word on it."""
        ...

    def file_finding(self, model_hash: bytes, report: bytes, reason: str) -> None:
        """An auditor speaks against a model; replaces its own earlier word on it."""
        ...

    def withdraw_statement(self, model_hash: bytes, reason: str) -> None:
        """An auditor takes back what it said of a model."""
        ...

    def strike_statement(self, model_hash: bytes, auditor: str, reason: str) -> None:
        """An administrator votes to strike what a revoked auditor said of a model."""
        ...

    def statement(self, model_hash: bytes, auditor: str) -> Statement | None:
        """What an auditor says of a model, None if nothing."""
        ...
