"""The files beside a ledger, as far as the ledger binds them: study, models, records of the rounds."""

import hashlib
from pathlib import Path
from typing import Any

from mithridate.errors import LedgerError, RuleViolation, RunError
from mithridate.evaluation.records import ROUNDS_FILE, RoundRecord, read_records
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.topics import RECORDS, STORE, STUDY
from mithridate.ledger.collection import named_models
from mithridate.ledger.interface import AttemptState, Ledger, Phase
from mithridate.ledger.store import ModelStore
from mithridate.ledger.verify import STUDY_FILE, attempts
from mithridate.verification.verdict import Rule

STATUS = {Phase.RELEASED: "released", Phase.ROLLED_BACK: "rolled_back", Phase.VOID: "void"}


def check_study(findings: Findings, data: bytes | None, ledger: Ledger) -> bool:
    """Whether the study file's bytes have the hash that the ledger names; None means that there is no file."""
    if data is None:
        findings.add(STUDY, STUDY_FILE, "it is missing: the ledger names its hash")
        return False
    found, named = hashlib.sha256(data).hexdigest(), ledger.configuration().hex()
    what = f"it has the hash {found[:16]}, the ledger was made for {named[:16]}"
    return findings.check(STUDY, found == named, STUDY_FILE, what)


def check_models(findings: Findings, store: ModelStore, ledger: Ledger) -> None:
    """Every model that a majority attested or a round began with: there, whole, and of its hash."""
    try:
        wanted = _attested(ledger)
    except RuleViolation:
        return
    for digest in sorted(wanted):
        try:
            store.get(digest)
            findings.compared[STORE] += 1
        except LedgerError as error:
            findings.add(STORE, f"model {digest[:16]}", str(error))


def check_records(findings: Findings, run: Path, ledger: Ledger) -> None:
    """Every line of rounds.jsonl against the attempt it tells of; times, bytes and measures are nowhere bound."""
    try:
        records = read_records(run)
    except RunError as error:
        findings.add(RECORDS, ROUNDS_FILE, str(error))
        return
    told = {(record.round, record.attempt): record for record in records if record.status != "initial"}
    ended = {(state.round, state.attempt): state for state in attempts(ledger) if state.phase in STATUS}
    _initial(findings, records, ledger)
    for key in sorted(told.keys() - ended.keys()):
        findings.add(RECORDS, _name(*key), "the ledger holds no such attempt, or it has not ended")
    # A run that is still going on writes its line after the ledger's block.
    last = {max(ended)} if ended else set()
    for key in sorted(ended.keys() - told.keys() - last):
        findings.add(RECORDS, _name(*key), f"{ROUNDS_FILE} does not tell of it")
    for key in sorted(told.keys() & ended.keys()):
        for what, recorded, bound in _pairs(told[key], ended[key]):
            findings.check(
                RECORDS, recorded == bound, _name(*key), f"{what} is {recorded} in the record, {bound} on the ledger"
            )


def _initial(findings: Findings, records: list[RoundRecord], ledger: Ledger) -> None:
    try:
        first = ledger.initial_model().hex()
    except RuleViolation:
        return
    for record in records:
        if record.status == "initial":
            findings.check(RECORDS, record.model_hash == first, "round 0", f"its model is not the initial one, {first}")


def _attested(ledger: Ledger) -> set[str]:
    bases = {state.base_hash.hex() for state in attempts(ledger)}
    finals = {state.model_hash.hex() for state in attempts(ledger) if state.model_hash is not None}
    return (bases | finals | {ledger.initial_model().hex(), ledger.stable_model().hex()}) & named_models(ledger)


def _pairs(record: RoundRecord, state: AttemptState) -> list[tuple[str, Any, Any]]:
    released = state.phase is Phase.RELEASED and state.model_hash is not None
    current = state.model_hash if released and state.model_hash else state.base_hash
    agreeing = sum(digest == state.model_hash for digest in state.attestations.values() if state.model_hash)
    return [
        ("the status", record.status, STATUS[state.phase]),
        ("the reason", record.reason, state.void_reason),
        ("the base", record.base_hash, state.base_hash.hex()),
        ("the model", record.model_hash, current.hex()),
        ("the number of submissions", record.submitted, len(state.submissions)),
        # A validator may attest late, after the line was written.
        ("the number of attestations", min(record.attested, agreeing), record.attested),
        ("the verdicts", record.verdicts, _words(state.verdicts or b"")),
    ]


def _words(verdicts: bytes) -> dict[str, str]:
    known = set(Rule)
    return {f"hospital-{i}": Rule(code).word if code in known else f"rule {code}" for i, code in enumerate(verdicts)}


def _name(number: int, attempt: int) -> str:
    return f"round {number}, attempt {attempt}"


def read_bytes(path: Path) -> bytes | None:
    """A file's bytes, None if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
