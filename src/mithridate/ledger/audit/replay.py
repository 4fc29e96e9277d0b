"""Feeds a chain's transactions to the rulebook: the same rules in plain Python, without any EVM."""

import hashlib
from typing import Any

from mithridate.errors import LedgerError, RuleViolation
from mithridate.ledger.accounts import new_account
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.topics import RULES
from mithridate.ledger.chronicle import Block, Creation, Receipt, Transaction, deployment_of
from mithridate.ledger.deployment import ATTACHED, Deployment, StudyTerms
from mithridate.ledger.interface import Ledger
from mithridate.ledger.reading import Reader, Said, creation_of
from mithridate.ledger.rulebook.base import Caller
from mithridate.ledger.rulebook.book import Rulebook, RulebookLedger

STUDY_DOMAIN = b"mithridate/study/1"
_ONLY_THE_STUDY = {("Models", "start"), ("Models", "attested"), ("Models", "released"), ("Models", "withdrawn")}
_ONLY_CONTRACTS = _ONLY_THE_STUDY | {("Reputation", "count")}


class RuleReplay:
    """A study's past under the rules.

    Args:
        findings: where disagreements go.
        chain_id: of the chain, which the study's identifier depends on.
        own: the chain is one study's own: only its first sender makes contracts that count.
        study: the address of the study's contract; None takes the first on the chain.
    """

    def __init__(self, findings: Findings, chain_id: int, *, own: bool, study: str | None = None) -> None:
        self._findings, self._chain_id, self._own, self._wanted = findings, chain_id, own, study
        self._made: dict[str, Creation] = {}
        self._first_sender: str | None = None
        self._attached: set[str] = set()
        self.others: list[str] = []
        """Addresses of other studies' contracts on the chain."""
        self.refused = 0
        """Transactions to the study that the chain itself refused; they changed nothing."""
        self.deployment: Deployment | None = None
        self.reader: Reader | None = None
        self.book: Rulebook | None = None
        self.now = 0

    def take(self, block: Block, transaction: Transaction, receipt: Receipt) -> Said | None:
        """Plays one transaction; returns what it called, None where it concerns no contract of the study."""
        self.now = block.timestamp
        where = f"block {block.number}, transaction {transaction.hash.hex()[:16]}"
        self._first_sender = self._first_sender or transaction.sender
        if transaction.to is None:
            if receipt.succeeded:
                self._create(block, transaction, where)
            return None
        if self.reader is None or self.reader.contract_at(transaction.to) is None:
            return None
        if not receipt.succeeded:
            self.refused += 1
            return None
        try:
            said = self.reader.call(transaction.to, transaction.data)
            if said is not None:
                self._change(said, transaction, block.timestamp)
        except (LedgerError, RecursionError) as error:
            word = f"the rules refuse it ({error})" if isinstance(error, RuleViolation) else str(error)
            self._findings.add(RULES, where, f"{_who(transaction)}: the chain took it, yet {word}")
            return None
        self._findings.compared[RULES] += 1
        return said

    def ledger(self) -> Ledger | None:
        """The rulebook as a ledger to read, None before the study's contract was made."""
        if self.book is None:
            return None
        return RulebookLedger(self.book, new_account(), lambda: self.now)

    def finish(self) -> None:
        """Checks what must have happened by the end."""
        if self.book is None:
            self._findings.add(RULES, "the chain", "no study's contracts were made on it")
            return
        for name in ATTACHED:
            self._findings.check(RULES, name in self._attached, name, "it was never attached to the study's contract")

    def _create(self, block: Block, transaction: Transaction, where: str) -> None:
        try:
            creation = creation_of(transaction)
        except LedgerError as error:
            self._findings.add(RULES, where, str(error))
            return
        if creation is None:
            return
        if self._own and creation.sender != self._first_sender:
            self.others.append(creation.address)
            return
        if creation.name != "Study":
            self._made.setdefault(creation.address, creation)
        elif self.book is not None or (self._wanted and creation.address != self._wanted):
            self.others.append(creation.address)
        else:
            self._begin(block, creation, where)

    def _begin(self, block: Block, study: Creation, where: str) -> None:
        names = ("Consortium", "Models", "Reputation", "Committees")
        parts = dict(zip(names, study.arguments, strict=False))
        asking = [made for made in self._made.values() if made.arguments[:1] == (parts["Consortium"],)]
        access = [made for made in asking if made.name == "Access"]
        # A consortium may have several studies, each with notices of its own, made and attached with the study.
        notices = [made for made in asking if made.name == "Notices" and made.sender == study.sender]
        found = [self._made.get(address) for address in parts.values()]
        tied = all(made is not None and made.name == name for name, made in zip(names, found, strict=True))
        if not tied or not access or not notices:
            self._findings.add(RULES, where, "the study names contracts that are not the published ones")
            return
        creations = [made for made in (*found, access[0], notices[-1], study) if made is not None]
        self.deployment = deployment_of(creations)
        self.reader = Reader(self.deployment)
        for made in creations:
            asked = made.arguments[0] if made.name in ("Models", "Committees", "Access") else parts["Consortium"]
            self._findings.check(RULES, asked == parts["Consortium"], made.name, "it asks another consortium")
        consortium, models = found[0], found[1]
        if consortium is not None and models is not None:
            terms = _terms(consortium, models, study)
            identifier = study_identifier(self._chain_id, study.address, terms.configuration, block.parent)
            try:
                first = consortium.arguments[0][0]
                self.book = Rulebook(first, terms, identifier, block.timestamp, decided=False)
            except RuleViolation as error:
                self._findings.add(RULES, where, f"the rules refuse these terms ({error})")

    def _change(self, said: Said, transaction: Transaction, time: int) -> None:
        if self.book is None or self.reader is None:
            return
        if said.name == "attach":
            self._attach(said)
            return
        if (said.contract, said.name) in _ONLY_CONTRACTS:
            raise LedgerError(f"only the study's own contract may call {said.contract}.{said.name}")
        caller = Caller(transaction.sender, time)
        self.book.change(caller, said.contract, said.name, *self._arguments(said))

    def _arguments(self, said: Said) -> tuple[Any, ...]:
        if said.name != "decide" or self.reader is None or self.deployment is None:
            return said.arguments
        decision = self.reader.decision(*said.arguments)
        given = decision.arguments
        if decision.name == "add_study" and given[0] == self.deployment.addresses["Study"]:
            given = ("Study",)
        return decision.contract, decision.name, given

    def _attach(self, said: Said) -> None:
        wanted = self.deployment.addresses["Study"] if self.deployment else None
        if said.arguments != (wanted,) or said.contract in self._attached:
            raise LedgerError("it attaches the contract to another study")
        self._attached.add(said.contract)


def study_identifier(chain_id: int, study: str, configuration: bytes, parent: bytes) -> bytes:
    """What tells a study from every other, as `contracts/Study.vy` makes it.

    Args:
        chain_id: of the chain.
        study: the contract's address.
        configuration: hash of the study's configuration, 32 bytes.
        parent: hash of the block before the one that holds the contract's creation.
    """
    address = bytes(12) + bytes.fromhex(study.removeprefix("0x"))
    return hashlib.sha256(STUDY_DOMAIN + chain_id.to_bytes(32) + address + configuration + parent).digest()


def _terms(consortium: Creation, models: Creation, study: Creation) -> StudyTerms:
    administrators, threshold, ballot = consortium.arguments
    configuration, coordinator, validators, quorum, min_accepted, grace, rotation = study.arguments[4:]
    return StudyTerms(
        configuration=configuration,
        coordinator=coordinator,
        validators=validators,
        quorum=quorum,
        min_accepted=min_accepted,
        grace=grace,
        administrators=administrators[1:],
        threshold=threshold,
        ballot=ballot,
        requires_certificate=models.arguments[1],
        rotation=rotation,
    )


def _who(transaction: Transaction) -> str:
    return f"a call by {transaction.sender}"
