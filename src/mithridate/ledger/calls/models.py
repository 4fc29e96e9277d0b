"""See `ModelRecords`: the contract of the study's models."""

from mithridate.ledger.calls.base import ContractCalls, as_reason
from mithridate.ledger.deployment import as_hash
from mithridate.ledger.interface import ModelRecord, ModelState, Statement
from mithridate.ledger.rules import rule_violation

CERTIFICATE = 1


class ModelCalls(ContractCalls):
    """Model transitions outside a round, and who may use a model."""

    def current_model(self) -> bytes:
        """See `ModelRecords.current_model`."""
        return self._after_begin("current_model")

    def stable_model(self) -> bytes:
        """See `ModelRecords.stable_model`."""
        return self._after_begin("stable_model")

    def initial_model(self) -> bytes:
        """See `ModelRecords.initial_model`."""
        return self._after_begin("initial_model")

    def released_models(self) -> list[bytes]:
        """See `ModelRecords.released_models`."""
        count = int(self._read("Models", "history_length"))
        return [bytes(self._read("Models", "history", index)) for index in range(count)]

    def model_record(self, model_hash: bytes) -> ModelRecord:
        """See `ModelRecords.model_record`."""
        state, certificates, findings, _ = self._read("Models", "model", as_hash(model_hash))
        return ModelRecord(ModelState(state), int(certificates), int(findings))

    def may_train(self, model_hash: bytes) -> bool:
        """See `ModelRecords.may_train`."""
        return bool(self._read("Models", "may_train", as_hash(model_hash)))

    def may_deploy(self, model_hash: bytes) -> bool:
        """See `ModelRecords.may_deploy`."""
        return bool(self._read("Models", "may_deploy", as_hash(model_hash)))

    def requires_certificate(self) -> bool:
        """See `ModelRecords.requires_certificate`."""
        return bool(self._read("Models", "requires_certificate"))

    def vote_rollback(self, model_hash: bytes, reason: str) -> None:
        """See `ModelRecords.vote_rollback`."""
        self._write("Models", "vote_rollback", as_hash(model_hash), as_reason(reason))

    def certify(self, model_hash: bytes, report: bytes) -> None:
        """See `ModelRecords.certify`."""
        self._write("Models", "certify", as_hash(model_hash), as_hash(report))

    def file_finding(self, model_hash: bytes, report: bytes, reason: str) -> None:
        """See `ModelRecords.file_finding`."""
        self._write("Models", "file_finding", as_hash(model_hash), as_hash(report), as_reason(reason))

    def withdraw_statement(self, model_hash: bytes, reason: str) -> None:
        """See `ModelRecords.withdraw_statement`."""
        self._write("Models", "withdraw_statement", as_hash(model_hash), as_reason(reason))

    def strike_statement(self, model_hash: bytes, auditor: str, reason: str) -> None:
        """See `ModelRecords.strike_statement`."""
        self._decide("Models", "strike_statement", as_hash(model_hash), auditor, as_reason(reason))

    def statement(self, model_hash: bytes, auditor: str) -> Statement | None:
        """See `ModelRecords.statement`."""
        kind, report, at = self._read("Models", "statement", as_hash(model_hash), auditor)
        return Statement(kind == CERTIFICATE, bytes(report), int(at)) if kind else None

    def _after_begin(self, name: str) -> bytes:
        value = bytes(self._read("Models", name))
        if not any(value):
            raise rule_violation("not begun")
        return value
