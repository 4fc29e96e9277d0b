"""`mithridate ledger`: what a run's ledger holds, and whether it is what was written."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mithridate.cli.folders import ledger_path
from mithridate.cli.options import Debug, Json, RunFolder
from mithridate.cli.output import print_json, stdout_held
from mithridate.errors import JournalAltered, MithridateError

if TYPE_CHECKING:
    from mithridate.ledger.embedded import EmbeddedLedger

app = typer.Typer(help="Show a run's ledger, or check it.", no_args_is_help=True)


@app.command("show")
def show(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Show every attempt of every round: its phase, its verdicts, its attestations and the model it led to.

    Of a damaged ledger, show what is readable, then name the damage and exit 1.
    """
    path = ledger_path(run)
    with stdout_held():
        answer, altered = _state(run, path)
    if json:
        print_json(answer)
    else:
        _print_state(answer)
    if altered:
        raise altered


@app.command("verify")
def verify(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Replay the journal and check every model file against its hash; exit 1 at the first mismatch, naming it."""
    ledger_path(run)
    with stdout_held():
        from mithridate.ledger.verify import verify_run

        checked = verify_run(run)
    if json:
        print_json({"run": str(run), "verified": True, "checked": checked})
        return
    for line in checked:
        typer.echo(line)
    typer.echo(f"{run}: the ledger and the models are what was written")


def _state(run: Path, path: Path) -> tuple[dict[str, Any], MithridateError | None]:
    """What the ledger tells, and what is altered in its journal, None if nothing is."""
    from mithridate.ledger.verify import history

    ledger, altered = _opened(path)
    try:
        begun = ledger.reader.begun()
        answer = {
            "run": str(run),
            "current": ledger.current_model().hex() if begun else None,
            "stable": ledger.stable_model().hex() if begun else None,
            "height": ledger.height(),
            "attempts": history(ledger),
            "altered": str(altered) if altered else None,
        }
    finally:
        ledger.close()
    return answer, altered


def _opened(path: Path) -> "tuple[EmbeddedLedger, MithridateError | None]":
    from mithridate.ledger.embedded import EmbeddedLedger

    try:
        return EmbeddedLedger.open(path), None
    except JournalAltered:
        return EmbeddedLedger.salvage(path)


def _print_state(state: Mapping[str, Any]) -> None:
    for name in ("current", "stable", "height"):
        typer.echo(f"{name:<8} {'none yet' if state[name] is None else state[name]}")
    attempts: list[Mapping[str, Any]] = state["attempts"]
    if not attempts:
        typer.echo("no round was opened yet")
    for attempt in attempts:
        typer.echo(_line(attempt))


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
