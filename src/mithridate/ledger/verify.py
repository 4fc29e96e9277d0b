"""What anyone can check of a finished run: the journal replays, and study and models have the hashes it names."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mithridate.errors import LedgerError
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import AttemptState, Complaint, Ledger, Phase, Refusal
from mithridate.ledger.run_ledger import JOURNAL_FILE, ledger_of
from mithridate.ledger.shared import SharedLedger
from mithridate.ledger.store import ModelStore, study_store
from mithridate.verification.verdict import Rule

MODELS_FOLDER = "models"
STUDY_FILE = "study.json"


def verify_run(run: Path) -> list[str]:
    """Replays the journal, or checks a network's contracts; then the study, the initial and every attested model.

    Args:
        run: the run folder.

    Returns:
        What was checked, a line each.

    Raises:
        JournalAltered: the journal does not replay; the message names the first row that differs.
        ModelAltered: a model file is missing or its bytes have another hash; the message names it.
        LedgerError: this is no folder of a secure run, or its study is not the one the ledger was made for.
        StoreError: the model store cannot be read.
    """
    journal = run / JOURNAL_FILE
    ledger = EmbeddedLedger.open(journal, replay="all") if journal.exists() else ledger_of(run)
    try:
        view = ledger.reader
        store = run_store(run, view)
        replayed = f"journal: {view.height()} blocks replayed"
        contracts = "network: its contracts are the published ones; `mithridate audit` replays them"
        checked = [
            replayed if journal.exists() else contracts,
            f"study: {STUDY_FILE} has the hash the ledger names",
        ]
        for what, digest in _models(view):
            store.get(digest)
            checked.append(f"{what}: model {digest} matches its hash")
    finally:
        ledger.close()
    return checked


def history(ledger: SharedLedger) -> list[dict[str, Any]]:
    """Every attempt of every round in order, in plain values.

    Keys: round, attempt, phase, committee (places of validators), submissions (a number), verdicts (hospital to
    word), attested (a number), model, base and reason (hexadecimal or None).
    """
    return [_plain(state) for state in attempts(ledger.reader)]


def notices(ledger: SharedLedger) -> dict[str, list[dict[str, Any]]]:
    """What hospitals say of the study, in plain values: under `complaints` all, under `refusals` the current ones.

    Keys of each: hospital (its name), time (seconds since 1970) and reason; of a complaint also round and attempt.
    """
    view = ledger.reader
    return {
        "complaints": [{"round": each.round, "attempt": each.attempt, **_notice(each)} for each in view.complaints()],
        "refusals": [_notice(each) for each in view.refusals()],
    }


def attempts(ledger: Ledger) -> Iterator[AttemptState]:
    """Every attempt of every round, in the order in which they were opened."""
    latest = ledger.latest()
    for round_number in range(1, latest.round + 1 if latest else 1):
        for attempt in range(ledger.attempts(round_number)):
            yield ledger.attempt(round_number, attempt)


def run_store(run: Path, ledger: Ledger) -> ModelStore:
    """The model store that a run's study names, which must be the study that the ledger was made for.

    Raises:
        LedgerError: the study file is missing, altered, or no study.
        InputError: a package that the store needs is not installed.
    """
    try:
        url = json.loads(_checked_study(run, ledger)).get("store", {}).get("url", "")
    except (ValueError, AttributeError) as error:
        raise LedgerError(f"{run / STUDY_FILE} has the hash that the ledger names, but is no study") from error
    return study_store(str(url), run / MODELS_FOLDER, ledger.study_id())


def _checked_study(run: Path, ledger: Ledger) -> bytes:
    file = run / STUDY_FILE
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LedgerError(f"{file} cannot be read ({error.strerror}): the ledger names its hash") from error
    if hashlib.sha256(data).digest() != ledger.configuration():
        raise LedgerError(f"{file} was altered: the ledger was made for a study with another hash")
    return data


def _models(ledger: Ledger) -> Iterator[tuple[str, str]]:
    yield "initial", ledger.initial_model().hex()
    for state in attempts(ledger):
        if state.model_hash is not None:
            yield f"round {state.round}", state.model_hash.hex()


def _word(code: int) -> str:
    # The ledger binds whatever byte a majority of validators agreed on.
    return Rule(code).word if code in set(Rule) else f"rule {code}"


def _notice(said: Complaint | Refusal) -> dict[str, Any]:
    return {"hospital": f"hospital-{said.hospital}", "time": said.at, "reason": said.reason}


def _plain(state: AttemptState) -> dict[str, Any]:
    codes = state.verdicts or b""
    agreeing = sum(digest == state.model_hash for digest in state.attestations.values())
    return {
        "round": state.round,
        "attempt": state.attempt,
        "phase": Phase(state.phase).name.lower(),
        "committee": list(state.committee),
        "submissions": len(state.submissions),
        "verdicts": {f"hospital-{index}": _word(code) for index, code in enumerate(codes)},
        "attested": agreeing if state.model_hash else 0,
        "base": state.base_hash.hex(),
        "model": state.model_hash.hex() if state.model_hash else None,
        "reason": state.void_reason,
    }
