"""The local runtime: a whole study with all its parties in one process."""

import time
from pathlib import Path

from mithridate.evaluation.prediction import INPUTS_FILE, ModelInputs
from mithridate.evaluation.records import (
    Observer,
    RunSummary,
    SilentObserver,
    read_records,
    summarise,
    write_summary,
)
from mithridate.federation.folder import RunFolder
from mithridate.federation.plain import run_plain
from mithridate.federation.prepared import Prepared
from mithridate.study import Study


def run_study(study: Study, out: Path, *, resume: bool = False, observer: Observer | None = None) -> RunSummary:
    """Runs a study in the folder `out`, or goes on with the one there.

    Args:
        study: what to run; `runtime.secure` chooses between the protocol and plain federated averaging.
        out: the run folder.
        resume: go on from where the folder's ledger, or its records in a plain run, stand.
        observer: told of phases and rounds.

    Raises:
        RunError: the folder holds a run and `resume` was not asked for, or another study's.
        InputError: the data or the model cannot be used.
        RoundVoid: a round could not be finished.
        LedgerError: the folder's ledger or models were altered.
    """
    start = time.perf_counter()
    watching = observer or SilentObserver()
    prepared = Prepared.of(study)
    folder = RunFolder(out)
    folder.begin(study, resume=resume)
    inputs = ModelInputs.of(prepared.split.test, prepared.split.preprocessing)
    (out / INPUTS_FILE).write_text(inputs.to_json(), encoding="utf-8")
    if study.runtime.secure:
        # Deferred: a plain run needs neither SPU nor the ledger.
        from mithridate.federation.secure import run_secure

        run_secure(prepared, folder, watching)
    else:
        run_plain(prepared, folder, watching)
    summary = summarise(study.name, read_records(out), run=out, seconds=time.perf_counter() - start)
    write_summary(summary)
    return summary
