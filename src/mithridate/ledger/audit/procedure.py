"""The audit of a chain: its past played under the rules, and compared with what the chain says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mithridate.errors import LedgerError, SealRefused
from mithridate.ledger.accounts import new_account
from mithridate.ledger.audit.announced import announced
from mithridate.ledger.audit.compare import Seen, compare
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.replay import RuleReplay
from mithridate.ledger.audit.tally import AttemptTally, Tally
from mithridate.ledger.audit.topics import CHAIN, RULES, SEALS
from mithridate.ledger.chronicle import Block, Chronicle, Log, Receipt, Transaction
from mithridate.ledger.client import ContractLedger
from mithridate.ledger.deployment import Deployment, check
from mithridate.ledger.interface import Ledger
from mithridate.ledger.reading import Said
from mithridate.ledger.seals.chain import SealedChain
from mithridate.ledger.words import in_words

TRANSITIONS = frozenset(
    {
        ("Study", "Begun"),
        ("Models", "ModelAttested"),
        ("Models", "ModelReleased"),
        ("Models", "ModelWithdrawn"),
        ("Models", "RolledBackTo"),
        ("Models", "Certified"),
        ("Models", "FindingFiled"),
        ("Models", "StatementWithdrawn"),
        ("Models", "StatementStruck"),
    }
)


@dataclass
class ChainAudit:
    """What the audit of a chain came to.

    Attributes:
        source: what was read.
        findings: what is wrong; the caller may add its own.
        height: number of the last block read.
        head: its hash.
        transactions: of the study.
        refused: transactions of the study that the chain refused.
        others: contracts of other studies on the same chain.
        attempts: votes by attempt.
        reputation: each finished attempt and every hospital's reputation after it.
        transitions: block, date and sentence of every change of a model.
        ledger: the state that the rules give, None if there is no study.
        state_compared: whether the chain's own state was there to compare.
        sealed: of a network, who sealed its blocks; None of an embedded chain.
    """

    source: str
    findings: Findings = field(default_factory=Findings)
    height: int = 0
    head: bytes = b""
    transactions: int = 0
    refused: int = 0
    others: tuple[str, ...] = ()
    attempts: Mapping[tuple[int, int], AttemptTally] = field(default_factory=dict)
    reputation: list[tuple[str, list[float]]] = field(default_factory=list)
    transitions: list[tuple[int, int, str]] = field(default_factory=list)
    ledger: Ledger | None = None
    deployment: Deployment | None = None
    state_compared: bool = False
    sealed: SealedChain | None = None


def audit_chain(chronicle: Chronicle, *, study: str | None = None) -> ChainAudit:
    """Plays a chronicle from its first block to its last, and compares.

    What cannot be read ends the replay and is a finding; what came before is still compared.

    Args:
        chronicle: the chain's past.
        study: address of the study's contract; None takes the first on the chain.
    """
    result = ChainAudit(chronicle.source)
    play = _Play(chronicle, result, study)
    try:
        for block in chronicle.blocks():
            play.block(block)
    except LedgerError as error:
        topic = SEALS if isinstance(error, SealRefused) else CHAIN
        result.findings.add(topic, f"after block {result.height}", str(error))
    result.sealed = chronicle.sealed
    _check_sealed(result, chronicle.witnesses)
    play.finish(chronicle)
    return result


def _check_sealed(result: ChainAudit, witnesses: int) -> None:
    if result.sealed is None:
        return
    result.findings.compared[SEALS] += result.sealed.sealed.total()
    if result.sealed.consensus is None and witnesses == 1:
        # A node that lies about the genesis block must not get by unchecked.
        what = "this network's consensus is not known here, so that all is one node's word: name another's with --rpc"
        result.findings.add(SEALS, "genesis block", what)


class _Play:
    def __init__(self, chronicle: Chronicle, result: ChainAudit, study: str | None) -> None:
        self._result, self._findings = result, result.findings
        self._rules = RuleReplay(result.findings, chronicle.chain_id, own=chronicle.own, study=study)
        self._tally: Tally | None = None
        self._seen = Seen()
        self._sent: dict[str, int] = {}
        self._own = chronicle.own

    def block(self, block: Block) -> None:
        for transaction, receipt in zip(block.transactions, block.receipts, strict=True):
            self._transaction(block, transaction, receipt)
        self._findings.compared[CHAIN] += 1
        self._result.height, self._result.head = block.number, block.hash

    def _sequence(self, block: Block, transaction: Transaction) -> None:
        # A network's chain may be told from a later block on.
        expected = self._sent.get(transaction.sender, 0 if self._own else transaction.number)
        what = f"{transaction.sender} signed number {transaction.number} where {expected} is due"
        self._findings.check(CHAIN, transaction.number == expected, f"block {block.number}", what)
        self._sent[transaction.sender] = transaction.number + 1

    def _transaction(self, block: Block, transaction: Transaction, receipt: Receipt) -> None:
        self._sequence(block, transaction)
        said = self._rules.take(block, transaction, receipt)
        if self._tally is None and self._rules.book is not None:
            validators = [self._rules.book.read("Study", "pool", rank) for rank in range(self._pool_size())]
            self._tally = Tally(self._findings, validators)
        if self._tally is None or self._rules.reader is None:
            return
        reader = self._rules.reader
        ours = reader.contract_at(transaction.to) is not None
        self._result.transactions += ours
        if said is not None:
            self._tally.call(transaction.sender, said)
        elif ours and receipt.succeeded:
            self._signed_though_refused(transaction)
        for log in receipt.logs:
            self._event(block, transaction, log, ours)

    def _signed_though_refused(self, transaction: Transaction) -> None:
        # The rules refuse it, yet it was signed: the count of signatures is about who signed what.
        try:
            said = self._rules.reader.call(str(transaction.to), transaction.data) if self._rules.reader else None
        except LedgerError:
            return
        if said is not None and self._tally is not None:
            self._tally.call(transaction.sender, said)

    def _event(self, block: Block, transaction: Transaction, log: Log, ours: bool) -> None:
        where = f"block {block.number}"
        reader, book, tally = self._rules.reader, self._rules.book, self._tally
        if reader is None or book is None or tally is None:
            return
        try:
            said = reader.event(log)
        except LedgerError as error:
            self._findings.add(RULES, where, str(error))
            return
        if said is None:
            return
        if not ours and transaction.to is not None:
            what = f"{transaction.to}, no contract of the study, called it: this cannot be played again"
            self._findings.add(RULES, where, f"{in_words(said)}: {what}")
        self._note(block, said)
        tally.event(said, where)
        announced(self._findings, book, said, block.timestamp, where)

    def _note(self, block: Block, said: Said) -> None:
        self._seen.note(said.values.items(), said.name)
        if (said.contract, said.name) in TRANSITIONS:
            self._result.transitions.append((block.number, block.timestamp, in_words(said)))

    def _pool_size(self) -> int:
        return int(self._rules.book.read("Study", "pool_size")) if self._rules.book else 0

    def finish(self, chronicle: Chronicle) -> None:
        result = self._result
        self._rules.finish()
        result.ledger, result.deployment = self._rules.ledger(), self._rules.deployment
        result.refused, result.others = self._rules.refused, tuple(self._rules.others)
        if self._tally is None or result.ledger is None or result.deployment is None:
            return
        result.attempts, result.reputation = self._tally.attempts, self._tally.finished
        self._tally.compare(result.ledger.track_records(), "the rules")
        network = chronicle.state()
        if network is None:
            return
        chain: Any = ContractLedger(network, result.deployment, new_account())
        try:
            check(network, result.deployment)
            self._tally.compare(chain.track_records(), "the chain")
            compare(self._findings, chain, result.ledger, self._seen)
            result.state_compared = True
        except LedgerError as error:
            self._findings.add(CHAIN, "the state at the end", str(error))
