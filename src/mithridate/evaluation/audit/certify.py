"""An auditor's word on the ledger: a certificate or a finding, bound to a model's hash and to the report's."""

import hashlib
from pathlib import Path

from mithridate.errors import InputError, LedgerError
from mithridate.evaluation.audit.procedure import Audit
from mithridate.ledger.accounts import KEY_BYTES, Account, account_from_key
from mithridate.ledger.chronicles import ALONE, ENDPOINTS, Witnesses
from mithridate.ledger.deployment import Deployment
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import MAX_REASON_BYTES, Ledger, Role
from mithridate.ledger.run_ledger import JOURNAL_FILE, ledger_of
from mithridate.ledger.shared import SharedLedger


def file_word(target: str, key_file: Path, audit: Audit, report: bytes, witnesses: Witnesses = ALONE) -> str:
    """Files what an audit came to, in the auditor's name; returns it in words.

    A certificate if nothing was found, a finding otherwise. A journal is checked once more as it is opened to write to
    it: an altered one takes no word.

    Args:
        target: the run's folder, or a node's URL.
        key_file: the auditor's account key, 32 bytes, or its keystore with the password in the environment.
        audit: of this target, with a current model.
        report: the JSON report's bytes.
        witnesses: of a node by its URL, who else is asked.

    Raises:
        InputError: the target takes no word, the key is none, or it is no auditor's.
        LedgerError: the ledger is altered, has moved on since, or refuses.
    """
    if audit.model is None or audit.chain.deployment is None:
        raise InputError("the study has no model yet: there is nothing to certify")
    account = _account(key_file)
    ledger = _open(target, audit.chain.deployment, witnesses)
    try:
        view: Ledger = ledger.as_party(account)
        if not view.is_active(view.address, Role.AUDITOR):
            raise InputError(f"{view.address} is no active auditor of this consortium: administrators enrol auditors")
        if view.current_model().hex() != audit.model:
            raise LedgerError("the current model is no longer the one that was audited: audit again")
        return _file(view, audit, hashlib.sha256(report).digest())
    finally:
        ledger.close()


def _open(target: str, deployment: Deployment, witnesses: Witnesses) -> SharedLedger:
    if not target.startswith(ENDPOINTS):
        # A journal needs no study file to be opened: that it was altered may be what is to be filed.
        journal = Path(target) / JOURNAL_FILE
        return EmbeddedLedger.open(journal) if journal.exists() else ledger_of(Path(target))
    from mithridate.ledger.evm import EvmNetwork

    urls, agreement = witnesses.urls([target]), witnesses.needed()
    return SharedLedger(EvmNetwork(urls, finality=witnesses.finality, agreement=agreement), deployment)


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


def _account(path: Path) -> Account:
    try:
        with path.open("rb") as file:
            data = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give the file of the auditor's key") from error
    if data.startswith(b"{"):
        from mithridate.ledger.keystore import read_keystore, read_password

        return read_keystore(path, read_password())
    return account_from_key(data)
