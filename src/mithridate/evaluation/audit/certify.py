"""An auditor's word on the ledger: a certificate or a finding, bound to a model's hash and to the report's."""

import hashlib
from pathlib import Path

from mithridate.errors import InputError, LedgerError
from mithridate.evaluation.audit.procedure import Audit
from mithridate.ledger.accounts import account_from_key
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import MAX_REASON_BYTES, Ledger, Role
from mithridate.ledger.verify import JOURNAL_FILE

MAX_KEY_BYTES = 32


def file_word(run: Path, key_file: Path, audit: Audit, report: bytes) -> str:
    """Files what an audit came to, in the auditor's name; returns it in words.

    A certificate if nothing was found, a finding otherwise. The journal is opened and checked once more to write to it:
    an altered one takes no word.

    Args:
        run: the run's folder.
        key_file: the auditor's account key, 32 bytes.
        audit: of this run, with a current model.
        report: the JSON report's bytes.

    Raises:
        InputError: the target takes no word, the key is none, or it is no auditor's.
        LedgerError: the ledger is altered, has moved on since, or refuses.
    """
    if audit.model is None:
        raise InputError("the study has no model yet: there is nothing to certify")
    ledger = EmbeddedLedger.open(run / JOURNAL_FILE)
    try:
        view: Ledger = ledger.as_party(account_from_key(_key(key_file)))
        if not view.is_active(view.address, Role.AUDITOR):
            raise InputError(f"{view.address} is no active auditor of this consortium: administrators enrol auditors")
        if view.current_model().hex() != audit.model:
            raise LedgerError("the current model is no longer the one that was audited: audit again")
        return _file(view, audit, hashlib.sha256(report).digest())
    finally:
        ledger.close()


def _file(view: Ledger, audit: Audit, digest: bytes) -> str:
    model = bytes.fromhex(audit.model or "")
    if audit.clean:
        view.certify(model, digest)
        return f"certificate for model {audit.model} filed by {view.address}, report {digest.hex()}"
    view.file_finding(model, digest, _reason(audit))
    return f"finding against model {audit.model} filed by {view.address}, report {digest.hex()}"


def _reason(audit: Audit) -> str:
    topics = list(dict.fromkeys(finding.topic for finding in audit.chain.findings))
    return f"{audit.chain.findings.count} findings: {', '.join(topics)}"[:MAX_REASON_BYTES]


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give the file of the auditor's key") from error
