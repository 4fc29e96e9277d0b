"""`mithridate audit`: everything that a study's ledger says, derived again; the model on the auditor's own data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mithridate.cli.folders import require_ledger
from mithridate.cli.options import Agreement, Contract, Debug, Finality, Json, Rpc, is_endpoint
from mithridate.cli.output import print_json, stdout_held
from mithridate.errors import InputError

if TYPE_CHECKING:
    from mithridate.evaluation.audit.procedure import Audit
    from mithridate.ledger.chronicles import Witnesses

FOUND = 1
REPORTS = "audit"


def audit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A run's folder, a file of `ledger export`, or the URL of a network's node.",
            show_default=False,
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own labelled records, CSV or .npz, to measure the current model on."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The CSV file's label column. [default: the study's, or label]")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of an export or a network: the folder with models, records and study.json.",
        ),
    ] = None,
    contract: Contract = None,
    finality: Finality = 0,
    rpc: Rpc = None,
    agreement: Agreement = None,
    certify: Annotated[
        Path | None,
        typer.Option(metavar="KEYFILE", help="File a certificate, or what was found, with this auditor's account key."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For audit.json and audit.html. [default: RUN/audit, or ./audit]"),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Replay the ledger from its genesis under the rules, compare all that it says, and report; exit 1 on any finding.

    Verdicts were computed in MPC and cannot be computed again: checked is who signed them.
    """
    _check(target, data, certify)
    with stdout_held():
        from mithridate.evaluation.audit.procedure import audit as audited
        from mithridate.evaluation.audit.report import write_reports
        from mithridate.ledger.chronicles import Witnesses

        witnesses = Witnesses(tuple(rpc or ()), agreement, finality)
        result = audited(target, data=data, label=label, folder=run, contract=contract, witnesses=witnesses)
        folder = out or (Path(target) / REPORTS if Path(target).is_dir() else Path(REPORTS))
        report = write_reports(result, folder)
        word = _word(target, certify, result, report, witnesses) if certify else None
    if json:
        print_json({**result.to_dict(), "report": str(folder / "audit.html"), "filed": word})
    else:
        _print(result, folder, word)
    if not result.clean:
        raise SystemExit(FOUND)


def _check(target: str, data: Path | None, certify: Path | None) -> None:
    path = Path(target)
    if path.is_dir():
        require_ledger(path, study=False)
    elif is_endpoint(target):
        pass
    elif not path.is_file():
        raise InputError(f"there is no {target}: give a run's folder, a file of `mithridate ledger export`, or a URL")
    elif certify is not None:
        raise InputError("an export takes no certificate: give the run's folder, or a node's URL, to --certify")
    if data is not None and not data.is_file():
        raise InputError(f"no file {data}: give your records with --data")


def _word(target: str, key: Path, result: "Audit", report: bytes, witnesses: "Witnesses") -> str:
    from mithridate.evaluation.audit.certify import file_word

    return file_word(target, key, result, report, witnesses)


def _print(result: "Audit", folder: Path, word: str | None) -> None:
    told: dict[str, Any] = result.to_dict()
    typer.echo(f"{told['source']}: {told['height']} blocks, {told['transactions']} transactions, head {told['head']}")
    if told["sealed"]:
        kind, count = told["sealed"]["consensus"] or "unknown consensus", len(told["sealed"]["blocks"])
        typer.echo(f"sealed by {count} sealers ({kind}) from genesis {told['sealed']['genesis']} on")
    for topic, count in told["compared"].items():
        typer.echo(f"{topic:<16} {count} compared")
    for standard in result.standards:
        required = "none required" if standard.required is None else f"{standard.required:.4f} required"
        typer.echo(f"{standard.name:<16} {standard.measured:.4f}, {required}")
    for note in result.notes:
        typer.echo(note)
    for finding in result.chain.findings:
        typer.echo(f"FINDING {finding}")
    if result.chain.findings.unlisted:
        typer.echo(f"and {result.chain.findings.unlisted} more findings")
    typer.echo("nothing was found" if result.clean else f"{result.chain.findings.count} findings")
    if word:
        typer.echo(word)
    typer.echo(f"report {folder / 'audit.html'}")
