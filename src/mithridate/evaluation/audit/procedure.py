"""A whole audit: the ledger, the files beside it, the model on the auditor's data; then the reports and the word."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mithridate.errors import InputError, LedgerError, MithridateError, RuleViolation
from mithridate.evaluation.audit.files import check_models, check_records, check_study, read_bytes
from mithridate.evaluation.audit.measure import Measured, Standard
from mithridate.ledger.audit.procedure import ChainAudit, audit_chain
from mithridate.ledger.audit.topics import MEANING, STANDARDS, STORE, STUDY
from mithridate.ledger.chronicle import Chronicle
from mithridate.ledger.chronicles import ALONE, ENDPOINTS, Witnesses, refuse_witnesses
from mithridate.ledger.store import ModelStore, study_store
from mithridate.ledger.verify import MODELS_FOLDER, STUDY_FILE, attempts
from mithridate.ledger.words import verdict_words

if TYPE_CHECKING:
    from mithridate.study import Study

JSON_REPORT, HTML_REPORT = "audit.json", "audit.html"
LIMITS = (
    "A verdict is computed by the committee on secret shares: nobody can compute it again from the ledger. Checked is"
    " that a majority of the committee signed equal verdicts, not that they are right.",
    "Measures, times and notes in rounds.jsonl, and preprocessing.json, are bound by nothing on the ledger.",
    "Whoever holds the keys of a majority of the committee can sign a history that never was: compare the hash of the"
    " last block with that of another party.",
)
"""What no audit can tell."""


@dataclass
class Audit:
    """What an audit came to.

    Attributes:
        target: what was audited.
        chain: the ledger's part; its findings are those of the whole audit.
        model: hash of the current model in hexadecimal, None where there is none.
        measured: the current model on the auditor's data, None without data.
        standards: the study's requirements against it.
        data_sha256: of the auditor's file, None without data.
        notes: what was not checked, and why.
    """

    target: str
    chain: ChainAudit
    model: str | None = None
    measured: Measured | None = None
    standards: list[Standard] = field(default_factory=list)
    data_sha256: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.chain.findings

    def to_dict(self) -> dict[str, Any]:
        """In plain values, the same for the same audit."""
        chain, findings = self.chain, self.chain.findings
        return {
            "format": "mithridate audit 1",
            "target": self.target,
            "source": chain.source,
            "height": chain.height,
            "head": chain.head.hex(),
            "study_id": _hex(chain, "study_id"),
            "configuration": _hex(chain, "configuration"),
            "contracts": dict(chain.deployment.addresses) if chain.deployment else {},
            "transactions": chain.transactions,
            "refused": chain.refused,
            "other_contracts": list(chain.others),
            "state_compared": chain.state_compared,
            "sealed": _sealed(chain),
            "clean": self.clean,
            "findings": [asdict(finding) for finding in findings],
            "findings_not_listed": findings.unlisted,
            "compared": {topic: findings.compared[topic] for topic in MEANING if findings.compared[topic]},
            "model": self.model,
            "measured": asdict(self.measured) if self.measured else None,
            "standards": [{**asdict(standard), "met": standard.met} for standard in self.standards],
            "data_sha256": self.data_sha256,
            "attempts": attempt_rows(chain),
            "reputation": [{"after": label, "hospitals": values} for label, values in chain.reputation],
            "transitions": [{"block": b, "time": t, "what": what} for b, t, what in chain.transitions],
            "notes": self.notes,
            "limits": list(LIMITS),
        }

    def to_json(self) -> bytes:
        """The JSON report; its SHA-256 is what a certificate names."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


@dataclass(frozen=True)
class Sources:
    """Where an audit finds what lies beside the ledger.

    Attributes:
        chronicle: the ledger's past.
        folder: with study.json, rounds.jsonl, preprocessing.json and the models; None if there is none.
        study: the bytes of study.json, None if there are none.
        contract: address of the study's contract, where the folder tells it.
    """

    chronicle: Chronicle
    folder: Path | None
    study: bytes | None
    contract: str | None = None


def open_target(target: str, folder: Path | None = None, witnesses: Witnesses = ALONE) -> Sources:
    """A run folder, a file written by `mithridate ledger export`, or the URL of a network's node.

    Args:
        target: one of these.
        folder: of the run's files, where the target is no run folder.
        witnesses: of a network, which other nodes are asked.

    Raises:
        InputError: it is neither.
        LedgerError: it cannot be read.
    """
    from mithridate.ledger.chronicles import chronicle_of
    from mithridate.ledger.export import ExportChronicle, is_export

    path, beside = Path(target), read_bytes(folder / STUDY_FILE) if folder else None
    if path.is_dir() or target.startswith(ENDPOINTS):
        chronicle, study = chronicle_of(target, witnesses)
        own = path.is_dir()
        return (
            Sources(chronicle, path, read_bytes(path / STUDY_FILE), study)
            if own
            else Sources(chronicle, folder, beside)
        )
    if not is_export(path):
        raise InputError(f"{target} is neither the folder of a run nor a file of `mithridate ledger export`")
    refuse_witnesses(witnesses)
    exported = ExportChronicle(path)
    return Sources(exported, folder, exported.study or beside)


def audit(
    target: str,
    *,
    data: Path | None = None,
    label: str | None = None,
    folder: Path | None = None,
    contract: str | None = None,
    witnesses: Witnesses = ALONE,
) -> Audit:
    """Audits a run, an export or a network's chain.

    Args:
        target: the run's folder, the export, or a node's URL.
        data: the auditor's own records: a CSV file with labels, or an `.npz` archive of images.
        label: the label column of a CSV file.
        folder: of the run's files, where the target is an export.
        contract: address of the study's contract, on a chain of several studies.
        witnesses: of a network, which other nodes are asked.

    Raises:
        InputError: the target is neither, or the data cannot be used.
        LedgerError: nothing of the ledger can be read.
    """
    sources = open_target(target, folder, witnesses)
    try:
        result = Audit(target, audit_chain(sources.chronicle, study=contract or sources.contract))
        study = _files(result, sources)
        result.notes += _notes(result.chain, sources.chronicle)
        if data is not None:
            _measure(result, sources, study, data, label)
    finally:
        sources.chronicle.close()
    return result


def attempt_rows(chain: ChainAudit) -> list[dict[str, Any]]:
    """Every attempt as the reports show it: phase, verdicts, and how many of the committee signed what took effect."""
    if chain.ledger is None:
        return []
    return [
        {
            "round": state.round,
            "attempt": state.attempt,
            "phase": state.phase.name.lower(),
            "submissions": len(state.submissions),
            "committee": list(state.committee),
            "verdicts": verdict_words(state.verdicts) if state.verdicts else None,
            "verdicts_signed": _supporters(chain, state.round, state.attempt, "Bound"),
            "model": state.model_hash.hex() if state.model_hash else None,
            "model_signed": _supporters(chain, state.round, state.attempt, "Finalised"),
            "release_signed": _supporters(chain, state.round, state.attempt, "release"),
            "seed": state.seed.hex() if state.seed else None,
            "reason": state.void_reason,
        }
        for state in attempts(chain.ledger)
    ]


def _supporters(chain: ChainAudit, number: int, attempt: int, what: str) -> int | None:
    tally = chain.attempts.get((number, attempt))
    return tally.supporters.get(what) if tally else None


def _sealed(chain: ChainAudit) -> dict[str, Any] | None:
    if chain.sealed is None:
        return None
    blocks = {sealer: chain.sealed.sealed[sealer] for sealer in chain.sealed.sealers}
    return {"consensus": chain.sealed.consensus, "genesis": chain.sealed.genesis_hash.hex(), "blocks": blocks}


def _notes(chain: ChainAudit, chronicle: Chronicle) -> list[str]:
    notes = []
    if not chain.state_compared:
        notes.append("The chain's own state was not there to compare.")
    if chain.sealed is not None and chain.sealed.consensus:
        notes.append("The sealers are those of the genesis block: compare its hash with that of a party you trust.")
    elif chain.sealed is not None:
        notes.append(
            "Who sealed the blocks was not checked, for this network's consensus is not known here: compare the hash of"
            " the last block with that of a party you trust."
        )
    if unbound := getattr(chronicle, "unbound", 0):
        notes.append(f"{unbound} blocks have a hash that is not their header's: what they hold is the nodes' word.")
    suspects: dict[str, str] = getattr(chronicle, "suspects", {})
    return notes + [f"{name} {why}: it lies or is broken, tell its operator." for name, why in suspects.items()]


def _files(result: Audit, sources: Sources) -> "Study | None":
    chain = result.chain
    if chain.ledger is None:
        return None
    try:
        result.model = chain.ledger.current_model().hex()
    except RuleViolation:
        result.notes.append("The study has not begun: there is no model.")
    study = None
    if sources.study is None and sources.folder is None:
        result.notes.append("There is no study.json beside the ledger: it was not compared.")
    elif check_study(chain.findings, sources.study, chain.ledger):
        study = _study(result, sources.study or b"")
    if sources.folder is None:
        result.notes.append("There is no folder of the run: models and records were not compared (--run FOLDER).")
        return study
    check_records(chain.findings, sources.folder, chain.ledger)
    store = _store(result, sources, study)
    if store is not None:
        check_models(chain.findings, store, chain.ledger)
    return study


def _study(result: Audit, data: bytes) -> "Study | None":
    from mithridate.study import Study

    try:
        return Study.from_json(data.decode())
    except (MithridateError, UnicodeDecodeError) as error:
        result.chain.findings.add(STUDY, STUDY_FILE, f"it has the hash that the ledger names, but is no study: {error}")
        return None


def _store(result: Audit, sources: Sources, study: "Study | None") -> ModelStore | None:
    ledger = result.chain.ledger
    if ledger is None or sources.folder is None:
        return None
    try:
        return study_store(study.store.url if study else "", sources.folder / MODELS_FOLDER, ledger.study_id())
    except MithridateError as error:
        result.chain.findings.add(STORE, "the model store", str(error))
        return None


def _measure(result: Audit, sources: Sources, study: "Study | None", data: Path, label: str | None) -> None:
    from mithridate.evaluation.audit.measure import measure, read_records, standards
    from mithridate.evaluation.prediction import INPUTS_FILE, ModelInputs

    findings = result.chain.findings
    if study is None or sources.folder is None or result.model is None:
        findings.add(STANDARDS, str(data), "the model cannot be measured: study, folder or model is missing")
        return
    store = _store(result, sources, study)
    inputs = ModelInputs.from_json((sources.folder / INPUTS_FILE).read_text(encoding="utf-8"))
    records = read_records(data, inputs, study, label)
    result.data_sha256 = hashlib.sha256(data.read_bytes()).hexdigest()
    try:
        model = store.get(result.model) if store else b""
    except LedgerError as error:
        findings.add(STANDARDS, f"model {result.model[:16]}", f"it cannot be measured: {error}")
        return
    result.measured = measure(study, inputs, model, records, secrets.randbits(63))
    result.standards = standards(study, result.measured)
    for standard in result.standards:
        if standard.required is not None:
            what = f"{standard.measured:.4f} on the auditor's data, the study requires {standard.required:.4f}"
            findings.check(STANDARDS, standard.met, standard.name, what)


def _hex(chain: ChainAudit, name: str) -> str | None:
    return getattr(chain.ledger, name)().hex() if chain.ledger else None
