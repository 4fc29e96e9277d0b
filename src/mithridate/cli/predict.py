"""`mithridate predict RUN --csv FILE`: class probabilities from the ledger's current model."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from mithridate.cli.folders import require_ledger
from mithridate.cli.options import Debug, RunFolder
from mithridate.cli.output import stdout_held
from mithridate.errors import InputError

if TYPE_CHECKING:
    from mithridate.evaluation.prediction import Prediction


def predict(
    run: RunFolder,
    records: Annotated[
        Path, typer.Option("--csv", metavar="FILE", help="The records, with the columns of the training data.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write. [default: stdout]")] = None,
    debug: Debug = False,
) -> None:
    """Print a probability for each class, one line a record, as CSV.

    Refused when the ledger's journal was altered, or the model's file does not have the hash that the ledger holds.
    """
    require_ledger(run)
    if not records.is_file():
        raise InputError(f"no file {records}: give a CSV file with --csv")
    with stdout_held():
        from mithridate.evaluation.prediction import predict as predict_records

        prediction = predict_records(run, records)
    if out is None:
        _write(prediction, sys.stdout)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            _write(prediction, file)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from None


def _write(prediction: "Prediction", file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(prediction.classes)
    writer.writerows([f"{probability:.6f}" for probability in row] for row in prediction.probabilities)
