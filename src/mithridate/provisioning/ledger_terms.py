"""Which contracts a consortium's study lies in, as its participants check them before they believe a word of them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import CONTRACTS
from mithridate.ledger.run_ledger import STUDY_FILE, ledger_of
from mithridate.ledger.settings import LedgerSettings
from mithridate.section import Section
from mithridate.study import Study


class LedgerTerms(Section):
    """A deployed study, without a word about which nodes tell of it."""

    addresses: dict[str, str]
    """Contract's name to its checksummed address."""
    code: dict[str, str]
    """Contract's name to the SHA-256 of the code that lies at its address, immutable values included."""
    published: dict[str, str]
    """Contract's name to the SHA-256 of its published file."""
    study: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the study's configuration."""


def deployed(run: Path) -> tuple[LedgerTerms, Study]:
    """The terms and the study of a folder whose contracts are deployed, each contract checked where it lies.

    Raises:
        LedgerError: there is none, a contract is not the published one, or the network cannot be reached.
        StudyError: the folder's study cannot be read.
    """
    ledger = ledger_of(run)
    try:
        codes = {name: ledger.code(name) for name in CONTRACTS}
        addresses: Mapping[str, str] = ledger.deployment.addresses
    finally:
        ledger.close()
    study = Study.from_json((run / STUDY_FILE).read_text(encoding="utf-8"))
    terms = LedgerTerms(
        addresses=dict(addresses),
        code={name: hashlib.sha256(code).hexdigest() for name, code in codes.items()},
        published={name: contract(name).sha256 for name in CONTRACTS},
        study=study.configuration_hash().hex(),
    )
    return terms, study


def nodes_of(own: str | None, others: tuple[str, ...], settings: LedgerSettings) -> LedgerSettings:
    """How a participant reaches the ledger: its own node first; without one, what two of the others' say alike."""
    urls = list(dict.fromkeys([*([own] if own else []), *others, *settings.endpoints]))[:16]
    agreement = 1 if own or len(urls) < 2 else 2
    return LedgerSettings(endpoints=tuple(urls), finality=settings.finality, agreement=agreement)
