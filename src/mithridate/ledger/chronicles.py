"""Where a ledger's past is read: a run's journal, the network that a run's study names, or a node by its URL."""

from pathlib import Path
from typing import Protocol

from mithridate.errors import LedgerError
from mithridate.ledger.chronicle import Chronicle
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.run_ledger import DEPLOYMENT_FILE, JOURNAL_FILE, STUDY_FILE, ledger_of

ENDPOINTS = ("http://", "https://")


class Followed(Chronicle, Protocol):
    """A chronicle that goes on."""

    def refresh(self) -> None:
        """Looks again: `blocks` then goes on after those it told."""
        ...


def chronicle_of(target: str, finality: int = 0, *, thorough: bool = True) -> tuple[Followed, str | None]:
    """The past of a ledger, and the address of the study's contract where the run's folder tells it.

    Args:
        target: a run's folder, or the URL of a node.
        finality: of a node by its URL, blocks on top of one that make it final; a run's study has its own.
        thorough: of a journal, also check what lies beside the blocks.

    Raises:
        InputError: the URL is none.
        LedgerError: there is no ledger, or it cannot be read or reached.
    """
    # Deferred: a journal needs no network.
    from mithridate.ledger.chronicle_network import NetworkChronicle

    if target.startswith(ENDPOINTS):
        return NetworkChronicle(target, finality), None
    run = Path(target)
    if (run / DEPLOYMENT_FILE).exists() and not (run / JOURNAL_FILE).exists():
        from mithridate.study import Study

        study, ledger = Study.from_json(_text(run / STUDY_FILE)), ledger_of(run)
        ledger.close()
        settings = study.ledger
        return NetworkChronicle(settings.endpoints[0], settings.finality), ledger.deployment.addresses["Study"]
    return JournalChronicle(run / JOURNAL_FILE, thorough=thorough), None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error
