"""The ledger of a run: a journal in the run's folder, or contracts on a network whose addresses the folder keeps."""

import json
import os
from pathlib import Path

from eth_utils.address import is_checksum_address
from pydantic_core import from_json

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.deployment import CONTRACTS, Deployment, StudyTerms, check, deploy
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.settings import LedgerSettings
from mithridate.ledger.shared import SharedLedger

JOURNAL_FILE = "ledger.sqlite"
DEPLOYMENT_FILE = "deployment.json"
STUDY_FILE = "study.json"
MAX_BYTES = 65_536


def has_ledger(run: Path) -> bool:
    """Whether a run's folder holds a ledger, or says where it lies."""
    return (run / JOURNAL_FILE).exists() or (run / DEPLOYMENT_FILE).exists()


def new_ledger(run: Path, settings: LedgerSettings, administrator: Account, terms: StudyTerms) -> SharedLedger:
    """A new ledger for a run, on this machine or on the network that the settings name.

    Raises:
        RuleViolation: a contract refuses these terms.
        LedgerError: there is a ledger already, or it cannot be written or reached.
    """
    if not settings.endpoints:
        return EmbeddedLedger.create(run / JOURNAL_FILE, administrator, terms)
    network = _network(settings)
    try:
        with network.block():
            deployment = deploy(network, administrator, terms)
        check(network, deployment)
        _write(run / DEPLOYMENT_FILE, deployment)
    except BaseException:
        network.close()
        raise
    return SharedLedger(network, deployment)


def open_ledger(run: Path, settings: LedgerSettings) -> SharedLedger:
    """The ledger of a run, checked.

    Raises:
        JournalAltered: the journal is not as it was written; the message names the row.
        LedgerError: there is no ledger, its contracts are not the published ones, or it cannot be reached.
    """
    if not settings.endpoints:
        return EmbeddedLedger.open(run / JOURNAL_FILE)
    deployment, network = _read(run / DEPLOYMENT_FILE), _network(settings)
    try:
        check(network, deployment)
    except BaseException:
        network.close()
        raise
    return SharedLedger(network, deployment)


def ledger_of(run: Path) -> SharedLedger:
    """The ledger of a run, by the study that its folder holds; see `open_ledger`.

    Raises:
        LedgerError: this is no folder of a secure run.
        StudyError: its study cannot be read.
    """
    from mithridate.study import Study

    try:
        study = Study.from_json((run / STUDY_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{run} is no folder of a secure run: {STUDY_FILE} cannot be read ({error})") from error
    return open_ledger(run, study.ledger)


def _network(settings: LedgerSettings) -> EvmNetwork:
    return EvmNetwork(settings.endpoints, finality=settings.finality, agreement=settings.agreement)


def _write(file: Path, deployment: Deployment) -> None:
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(dict(deployment.addresses), indent=1))
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _read(file: Path) -> Deployment:
    try:
        with file.open("rb") as stream:
            addresses = from_json(stream.read(MAX_BYTES))
    except (OSError, ValueError) as error:
        raise LedgerError(f"{file}, which says where the study's contracts lie, cannot be read: {error}") from error
    if not isinstance(addresses, dict) or set(addresses) != set(CONTRACTS):
        raise LedgerError(f"{file} should name the contracts {', '.join(CONTRACTS)}, each with its address")
    for name, address in addresses.items():
        if not isinstance(address, str) or not is_checksum_address(address):
            raise LedgerError(f"{file}: the contract {name} has no valid address")
    return Deployment(addresses)
