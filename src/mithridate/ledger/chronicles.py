"""Where a ledger's past is read: a run's journal, the network that a run's study names, or nodes by their URLs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mithridate.errors import InputError, LedgerError
from mithridate.ledger.chronicle import Chronicle
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.run_ledger import DEPLOYMENT_FILE, JOURNAL_FILE, STUDY_FILE, ledger_of

ENDPOINTS = ("http://", "https://")


class Followed(Chronicle, Protocol):
    """A chronicle that goes on."""

    def refresh(self) -> None:
        """Looks again: `blocks` then goes on after those it told."""
        ...


@dataclass(frozen=True)
class Witnesses:
    """Of a network: which nodes are asked beside the first, and what makes their word count.

    Attributes:
        rpc: URLs of other organisations' nodes.
        agreement: how many of all nodes must tell the same; None asks for the first and all of `rpc`.
        finality: blocks on top of one that make it final; a run's study has its own.
    """

    rpc: tuple[str, ...] = ()
    agreement: int | None = None
    finality: int = 0

    def needed(self, least: int = 1) -> int:
        """How many must tell the same; `least` where nothing more is asked for."""
        return self.agreement or max(least, 1 + len(self.rpc))

    def urls(self, first: Sequence[str]) -> list[str]:
        """All nodes, those in `first` before the others."""
        return list(dict.fromkeys((*first, *self.rpc)))


ALONE = Witnesses()


def chronicle_of(target: str, witnesses: Witnesses = ALONE, *, thorough: bool = True) -> tuple[Followed, str | None]:
    """The past of a ledger, and the address of the study's contract where the run's folder tells it.

    Args:
        target: a run's folder, or the URL of a node.
        witnesses: of a network, who else is asked.
        thorough: of a journal, also check what lies beside the blocks.

    Raises:
        InputError: a URL is none, or a run without a network is to be compared with nodes.
        LedgerError: there is no ledger, or it cannot be read or reached.
    """
    # Deferred: a journal needs no network.
    from mithridate.ledger.chronicle_network import NetworkChronicle

    if target.startswith(ENDPOINTS):
        return NetworkChronicle(witnesses.urls([target]), witnesses.finality, witnesses.needed()), None
    run = Path(target)
    if (run / DEPLOYMENT_FILE).exists() and not (run / JOURNAL_FILE).exists():
        from mithridate.study import Study

        study, ledger = Study.from_json(_text(run / STUDY_FILE)), ledger_of(run)
        ledger.close()
        settings = study.ledger
        needed, urls = witnesses.needed(settings.agreement), witnesses.urls(settings.endpoints)
        return NetworkChronicle(urls, settings.finality, needed), ledger.deployment.addresses["Study"]
    refuse_witnesses(witnesses)
    return JournalChronicle(run / JOURNAL_FILE, thorough=thorough), None


def refuse_witnesses(witnesses: Witnesses) -> None:
    """Raises InputError where nodes are named beside a ledger that lies in a file."""
    if witnesses.rpc or witnesses.agreement:
        raise InputError("this ledger lies in a file: --rpc and --agreement are for a network")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error
