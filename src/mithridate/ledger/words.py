"""The contracts' events in plain words: one sentence an event."""

from collections.abc import Callable, Mapping
from typing import Any

from mithridate.ledger.interface import Role, Status
from mithridate.ledger.reading import Said
from mithridate.verification.verdict import Rule

SENTENCES = {
    "Consortium.Voted": "administrator {administrator} voted for a decision ({action})",
    "Consortium.Decided": "the administrators decided ({action})",
    "Consortium.Enrolled": "{account} was enrolled as {role} {index}",
    "Consortium.KeysRegistered": "{account} registered keys, version {version}",
    "Consortium.StatusChanged": "{account} is now {status}: {reason}",
    "Consortium.ThresholdSet": "{threshold} equal votes of administrators decide from now on",
    "Consortium.StudyAdded": "study {number} of the consortium is the contract {study}",
    "Models.ModelAttested": "model {model} is attested and current",
    "Models.ModelReleased": "model {model} is released and stable",
    "Models.ModelWithdrawn": "model {model} is withdrawn; current again is {current}",
    "Models.RollbackVoted": "validator {validator} voted to go back to model {model}: {reason}",
    "Models.RolledBackTo": "the validators went back to model {model}: {reason}",
    "Models.Certified": "auditor {auditor} certified model {model}, report {report}",
    "Models.FindingFiled": "auditor {auditor} filed a finding against model {model}: {reason}, report {report}",
    "Models.StatementWithdrawn": "auditor {auditor} took back its word on model {model}: {reason}",
    "Models.StatementStruck": "the consortium struck the word of auditor {auditor} on model {model}: {reason}",
    "Reputation.Counted": "reputation was counted from the verdicts {verdicts}",
    "Committees.DrawOpened": "draw {number} opened: commit until {commit_deadline}, reveal until {reveal_deadline}",
    "Committees.DrawCommitted": "draw {number}: validator {rank} committed a random value",
    "Committees.DrawRevealed": "draw {number}: validator {rank} revealed its random value",
    "Committees.Withheld": "draw {number}: validator {validator} committed a random value and withheld it",
    "Committees.CommitteeDrawn": "draw {number}: validators {committee} are the committee",
    "Committees.DrawFailed": "draw {number} failed: fewer than three validators are left",
    "Access.Requested": "physician {physician} asked {custodian} for a record, request {handle}, until {expiry}",
    "Access.Admitted": "request {handle}: {threshold} of the record's doctors must approve",
    "Access.Approved": "request {handle}: physician {physician} approved",
    "Access.Refused": "request {handle}: physician {physician} refused",
    "Access.Granted": "request {handle} is granted until {expiry}",
    "Access.Denied": "request {handle} is denied",
    "Access.AccessWithdrawn": "request {handle} was withdrawn by {by}",
    "Access.Opened": "request {handle}: the record was opened for physician {physician}, opening {opening}",
    "Notices.Complained": "{at}: hospital-{hospital} complains: {reason}",
    "Notices.StudyRefused": "hospital-{hospital} refuses the study: {reason}",
    "Notices.RefusalWithdrawn": "hospital-{hospital} takes its refusal of the study back: {reason}",
    "Study.Admitted": "{account} joined the study as hospital-{index} with up to {records} records",
    "Study.Begun": "the study began with model {initial_model} and reference set {reference}",
    "Study.RoundOpened": "{at} opened on model {base}, committee {committee}, until {deadline}",
    "Study.RandomnessCommitted": "{at}: validator {rank} committed a random value",
    "Study.Submitted": "{at}: hospital-{hospital} committed its update",
    "Study.CloseVoted": "{at}: validator {rank} voted to close submissions",
    "Study.SubmissionsClosed": "{at}: closed with {submissions} submissions",
    "Study.RandomnessRevealed": "{at}: validator {rank} revealed its random value",
    "Study.Drawn": "{at}: the round's randomness is drawn, {seed}",
    "Study.VerdictsAttested": "{at}: validator {rank} attested the verdicts {verdicts}",
    "Study.Bound": "{at}: the verdicts are bound, {accepted} accepted ({verdicts})",
    "Study.Suspended": "{at}: hospital-{hospital} is suspended for the rest of the study",
    "Study.ModelAttested": "{at}: validator {rank} attested model {model}",
    "Study.Finalised": "{at}: a majority attested model {model}",
    "Study.ReleaseVoted": "{at}: validator {rank} voted {passed} the release",
    "Study.Released": "{at}: model {model} is released",
    "Study.RolledBack": "{at}: the new model fell behind; stable stays {stable}",
    "Study.VoidVoted": "{at}: {voter} voted to void it: {reason}",
    "Study.Voided": "{at} is void: {reason}",
    "Study.Withheld": "{at}: validator {validator} withheld its random value",
}
"""Contract and event: what it says, with the event's own values; `at` is the attempt."""


def in_words(said: Said) -> str:
    """An event as a sentence."""
    sentence = SENTENCES.get(f"{said.contract}.{said.name}", f"{said.contract} announced {said.name}")
    values = {name: _value(name, value) for name, value in said.values.items()}
    at = f"round {values.get('round_number')}, attempt {values.get('attempt')}"
    return sentence.format(at=at, **values)


def plain_values(said: Said) -> dict[str, Any]:
    """An event's values for JSON: bytes in hexadecimal."""
    return {name: _json(value) for name, value in said.values.items()}


def verdict_words(verdicts: bytes) -> str:
    """Verdicts as words, those accepted left out."""
    words = [f"hospital-{index}: {_rule(code)}" for index, code in enumerate(verdicts) if code]
    return "; ".join(words) or "all accepted"


def _rule(code: int) -> str:
    return Rule(code).word if code in set(Rule) else f"rule {code}"


def _value(name: str, value: Any) -> str:
    if name in _SPECIAL:
        return _SPECIAL[name](value)
    if isinstance(value, bytes):
        return value.hex()[:16]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _role(value: int) -> str:
    return Role(value).name.lower() if value in set(Role) else str(value)


def _status(value: int) -> str:
    return Status(value).name.lower() if value in set(Status) else str(value)


_SPECIAL: Mapping[str, Callable[[Any], str]] = {
    "verdicts": verdict_words,
    "role": _role,
    "status": _status,
    "passed": lambda value: "for" if value else "against",
}


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_json(each) for each in value] if isinstance(value, list | tuple) else value
