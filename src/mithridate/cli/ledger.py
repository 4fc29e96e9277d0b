"""`mithridate ledger`: what a run's ledger holds, and whether it is what was written."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mithridate.cli.folders import require_ledger
from mithridate.cli.options import Agreement, Contract, Debug, Finality, Json, Rpc, RunFolder, Source, is_endpoint
from mithridate.cli.output import print_json, stdout_held
from mithridate.errors import JournalAltered, MithridateError

if TYPE_CHECKING:
    from mithridate.ledger.chronicles import Followed
    from mithridate.ledger.shared import SharedLedger

app = typer.Typer(help="Show a run's ledger, check it, export or follow it; serve one.", no_args_is_help=True)


@app.command("show")
def show(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Show every attempt of every round: its phase, its verdicts, its attestations and the model it led to.

    Then what hospitals complain of, and which of them refuse the study, with their reasons.
    Of a damaged ledger, show what is readable, then name the damage and exit 1.
    """
    require_ledger(run)
    with stdout_held():
        answer, altered = _state(run)
    if json:
        print_json(answer)
    else:
        _print_state(answer)
    if altered:
        raise altered


@app.command("verify")
def verify(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Replay the journal and check every model file against its hash; exit 1 at the first mismatch, naming it."""
    require_ledger(run)
    with stdout_held():
        from mithridate.ledger.verify import verify_run

        checked = verify_run(run)
    if json:
        print_json({"run": str(run), "verified": True, "checked": checked})
        return
    for line in checked:
        typer.echo(line)
    typer.echo(f"{run}: the ledger and the models are what was written")


@app.command("export")
def export(
    ledger: Source,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write; it must not exist.")],
    finality: Finality = 0,
    rpc: Rpc = None,
    agreement: Agreement = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the ledger's whole past to one file: blocks, signed transactions and receipts, to audit with no node."""
    with stdout_held():
        from mithridate.ledger.export import export as exported

        chronicle, _ = _chronicle(ledger, finality, tuple(rpc or ()), agreement)
        study = b"" if is_endpoint(ledger) else (Path(ledger) / "study.json").read_bytes()
        try:
            written = exported(chronicle, out, study)
        finally:
            chronicle.close()
    if json:
        print_json({"run": ledger, "file": str(out), **asdict(written)})
        return
    typer.echo(f"{out}: {written.blocks} blocks, {written.transactions} transactions, {written.size} bytes")
    typer.echo(f"head   {written.head}")
    typer.echo(f"sha256 {written.sha256}")


@app.command("watch")
def watch(
    ledger: Source,
    from_block: Annotated[
        int | None, typer.Option("--from-block", metavar="N", min=1, help="Tell what happened from this block on, too.")
    ] = None,
    contract: Contract = None,
    finality: Finality = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    debug: Debug = False,
) -> None:
    """Follow a ledger's events in plain words while others write it, until interrupted."""
    from mithridate.ledger.watch import watch as happened

    chronicle, study = _chronicle(ledger, finality)
    for event in happened(chronicle, start=from_block, study=contract or study):
        told = event.to_dict()
        if json:
            typer.echo(dumps(told, allow_nan=False))
        else:
            typer.echo(f"{_date(event.timestamp)} block {event.block}: {told['words']}")


@app.command("serve")
def serve(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds the ledger; made if missing.")],
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65_535, help="0 takes a free one.")] = 0,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="To listen at. Whoever reaches it may write: not beyond a closed network."
        ),
    ] = "127.0.0.1",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Serve an embedded ledger over JSON-RPC to this machine's processes, until interrupted; print its URL."""
    from mithridate.ledger.service.server import serve as served

    def started(url: str) -> None:
        if json:
            print_json({"folder": str(folder), "url": url})
        else:
            typer.echo(url)

    served(folder, port, started, host)


def _chronicle(
    ledger: str, finality: int, rpc: tuple[str, ...] = (), agreement: int | None = None
) -> "tuple[Followed, str | None]":
    """The ledger's past, and where in it the study's contract lies, if that is known."""
    if not is_endpoint(ledger):
        require_ledger(Path(ledger))
    from mithridate.ledger.chronicles import Witnesses, chronicle_of

    return chronicle_of(ledger, Witnesses(rpc, agreement, finality), thorough=False)


def _state(run: Path) -> tuple[dict[str, Any], MithridateError | None]:
    """What the ledger tells, and what is altered in its journal, None if nothing is."""
    from mithridate.ledger.verify import history, notices

    ledger, altered = _opened(run)
    try:
        begun = ledger.reader.begun()
        answer = {
            "run": str(run),
            "current": ledger.current_model().hex() if begun else None,
            "stable": ledger.stable_model().hex() if begun else None,
            "height": ledger.height(),
            "validators": len(ledger.reader.validators()),
            "attempts": history(ledger),
            **notices(ledger),
            "altered": str(altered) if altered else None,
        }
    finally:
        ledger.close()
    return answer, altered


def _opened(run: Path) -> "tuple[SharedLedger, MithridateError | None]":
    from mithridate.ledger.embedded import EmbeddedLedger
    from mithridate.ledger.run_ledger import JOURNAL_FILE, ledger_of

    if not (run / JOURNAL_FILE).exists():
        return ledger_of(run), None
    try:
        return EmbeddedLedger.open(run / JOURNAL_FILE), None
    except JournalAltered:
        return EmbeddedLedger.salvage(run / JOURNAL_FILE)


def _print_state(state: Mapping[str, Any]) -> None:
    for name in ("current", "stable", "height"):
        typer.echo(f"{name:<8} {'none yet' if state[name] is None else state[name]}")
    attempts: list[Mapping[str, Any]] = state["attempts"]
    if not attempts:
        typer.echo("no round was opened yet")
    for attempt in attempts:
        drawn = ", ".join(map(str, attempt["committee"])) if state["validators"] > len(attempt["committee"]) else ""
        typer.echo(f"{_line(attempt)}{drawn and f', by validators {drawn}'}")
    for said in state["complaints"]:
        place = f"round {said['round']}, attempt {said['attempt']}"
        typer.echo(f"{place}: {said['hospital']} complained on {_date(said['time'])}: {said['reason']}")
    for said in state["refusals"]:
        typer.echo(f"{said['hospital']} refuses the study since {_date(said['time'])}: {said['reason']}")


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _line(attempt: Mapping[str, Any]) -> str:
    """One attempt: its phase, its verdicts in a few words, and the model it led to or why there is none."""
    rejected = [f"{hospital}: {word}" for hospital, word in attempt["verdicts"].items() if word != "accepted"]
    parts = [attempt["phase"].replace("_", " "), f"{attempt['submissions']} submitted"]
    if attempt["verdicts"]:
        accepted = f"{len(attempt['verdicts']) - len(rejected)} accepted"
        parts.append(f"{accepted} ({'; '.join(rejected)})" if rejected else accepted)
    if attempt["model"] is not None:
        parts += [f"{attempt['attested']} attested", f"model {attempt['model']}"]
    if attempt["reason"] is not None:
        parts.append(attempt["reason"])
    return f"round {attempt['round']}, attempt {attempt['attempt']}: {', '.join(parts)}"
