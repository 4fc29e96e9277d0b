"""`mithridate ledger`: what a run's ledger holds, and whether it is what was written."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from mithridate.cli.folders import ledger_path
from mithridate.cli.options import Debug, Json, RunFolder
from mithridate.cli.output import print_json, stdout_held

HASH = re.compile(r"[0-9a-f]{64}")

app = typer.Typer(help="Show a run's ledger, or check it.", no_args_is_help=True)


@app.command("show")
def show(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Show every attempt of every round: its phase, its verdicts, its attestations and the model it led to."""
    path = ledger_path(run)
    with stdout_held():
        answer = _state(run, path)
    if json:
        print_json(answer)
        return
    _print_state(answer)


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


def _state(run: Path, path: Path) -> dict[str, Any]:
    from mithridate.ledger.embedded import EmbeddedLedger
    from mithridate.ledger.verify import history

    ledger = EmbeddedLedger.open(path)
    try:
        return {
            "run": str(run),
            "current": ledger.current_model().hex(),
            "stable": ledger.stable_model().hex(),
            "height": ledger.height(),
            "attempts": history(ledger),
        }
    finally:
        ledger.close()


def _print_state(state: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    for name in ("current", "stable", "height"):
        typer.echo(f"{name:<8} {state[name]}")
    attempts: list[Mapping[str, Any]] = state["attempts"]
    if not attempts:
        typer.echo("no round was opened yet")
        return
    table = Table(*(name.replace("_", " ") for name in attempts[0]))
    for attempt in attempts:
        table.add_row(*(_shown(name, value) for name, value in attempt.items()))
    Console(highlight=False).print(table)


def _shown(name: str, value: object) -> str:
    """A ledger's value in a few words: rejections by name, other mappings by size, hashes by their beginning."""
    if name == "verdicts" and isinstance(value, Mapping):
        words = [f"{hospital}: {word}" for hospital, word in value.items() if word != "accepted"]
        return "; ".join([f"{len(value) - len(words)} accepted", *words])
    if isinstance(value, Mapping | list | tuple):
        return str(len(value))
    text = "–" if value is None else str(value)
    return text[:12] if HASH.fullmatch(text) else text
