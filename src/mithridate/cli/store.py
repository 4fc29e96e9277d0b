"""`mithridate store`: what lies in a run's model store, and the removal of what its ledger does not name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mithridate.cli.folders import require_ledger
from mithridate.cli.options import Debug, Json, RunFolder
from mithridate.cli.output import print_json, stdout_held

if TYPE_CHECKING:
    from mithridate.ledger.store import ModelStore

app = typer.Typer(help="List a run's models, or remove those that its ledger does not name.", no_args_is_help=True)


@app.command("list")
def list_models(run: RunFolder, json: Json = False, debug: Debug = False) -> None:
    """Show every object in a run's model store, whether the ledger names it, and the models that are missing."""
    with stdout_held(), _opened(run) as (store, named):
        answer = _listing(run, store, named)
    if json:
        print_json(answer)
        return
    for entry in answer["objects"]:
        typer.echo(f"{entry['state']:<8} {entry['size']:>12} {entry['name']}")
    for digest in answer["missing"]:
        typer.echo(f"{'missing':<8} {'':>12} {digest}")
    typer.echo(f"{answer['store']}: {len(answer['objects'])} objects, {len(answer['missing'])} missing")


@app.command("gc")
def collect_garbage(
    run: RunFolder,
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="HOURS", min=1, max=87_600, help="Keep what is younger.")
    ] = 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove models that neither the ledger nor the records name, and drafts of writes that were cut short.

    A ledger that does not replay, or whose study file was altered, removes nothing.
    """
    with stdout_held(), _opened(run) as (store, named):
        from mithridate.ledger.collection import collect

        done = collect(store, named, older_than=older_than * 3600, dry_run=dry_run)
        place = str(store)
    if json:
        print_json({"run": str(run), "store": place, "dry_run": dry_run, **asdict(done)})
        return
    for name in done.removed:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {name}")
    typer.echo(
        f"{place}: {len(done.removed)} removed{' (dry run)' if dry_run else ''}, {done.removed_bytes} bytes; "
        f"{done.kept} kept, {done.young} too young, {done.foreign} not the store's own"
    )


@contextmanager
def _opened(run: Path) -> Iterator[tuple["ModelStore", frozenset[str]]]:
    """A run's store and the hashes of the models that its ledger and its records name."""
    require_ledger(run)
    from mithridate.ledger.collection import named_models
    from mithridate.ledger.run_ledger import ledger_of
    from mithridate.ledger.verify import run_store

    ledger = ledger_of(run)
    try:
        store, named = run_store(run, ledger.reader), named_models(ledger.reader)
    finally:
        ledger.close()
    yield store, named | _recorded(run)


def _recorded(run: Path) -> frozenset[str]:
    # A ledger put back from an old copy replays well and lacks the rounds since.
    from mithridate.evaluation.records import ROUNDS_FILE, read_records

    if not (run / ROUNDS_FILE).exists():
        return frozenset()
    records = read_records(run)
    return frozenset(digest for record in records for digest in (record.base_hash, record.model_hash) if digest)


def _listing(run: Path, store: "ModelStore", named: frozenset[str]) -> dict[str, Any]:
    entries = list(store.entries())
    found = {entry.digest for entry in entries}
    objects = [
        {"name": entry.name, "size": entry.size, "state": _state(entry.digest, entry.is_draft, named)}
        for entry in entries
    ]
    return {"run": str(run), "store": str(store), "objects": objects, "missing": sorted(named - found)}


def _state(digest: str | None, is_draft: bool, named: frozenset[str]) -> str:
    if digest is None:
        return "draft" if is_draft else "foreign"
    return "named" if digest in named else "unnamed"
