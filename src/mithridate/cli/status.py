"""`mithridate status`: who is up, in which round, doing what, since when."""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held
from mithridate.errors import InputError

if TYPE_CHECKING:
    from mithridate.operation.status import LedgerView, Overview


def status(
    kit: Annotated[Path, typer.Argument(metavar="KIT", help="The start-up kit's folder.", show_default=False)],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Tell what this participant does and since when, and where the ledger stands; exit 1 unless all is well."""
    with stdout_held() if json else contextlib.nullcontext():
        from mithridate.operation.site import Site
        from mithridate.operation.status import overview
        from mithridate.provisioning.settings import read_settings
        from mithridate.proxies import go_through

        go_through(read_settings(kit).proxy)
        found = overview(Site(kit, _no_password))
    if json:
        print_json(_document(found))
    else:
        warnings = [f"warning: {warning}" for warning in found.warnings]
        for line in (*_process(found), *_sites(found), _ledger(found), *warnings):
            typer.echo(line)
    raise typer.Exit(0 if found.well else 1)


def _no_password() -> str:
    raise InputError("no key is opened to tell a participant's status")


def _process(found: "Overview") -> Iterator[str]:
    who, told = f"{found.name} ({found.role})", found.process
    if told is None:
        yield f"{who}: {found.note}"
        return
    yield f"{who}: runs since {_moment(told['started'])}; {told['doing']} since {_moment(told['since'])}"
    if told["problem"]:
        yield f"problem: {told['problem']}"


def _sites(found: "Overview") -> Iterator[str]:
    if found.process is None or not found.expected:
        return
    up = set(found.process.get("sites", ()))
    missing = [name for name in found.expected if name not in up]
    rest = f"; missing: {', '.join(missing)}" if missing else ""
    yield f"sites: {len(found.expected) - len(missing)} of {len(found.expected)} connected{rest}"


def _ledger(found: "Overview") -> str:
    view = found.ledger
    if view is None:
        return f"ledger: {found.ledger_note}"
    if not view.begun:
        return "ledger: the study has not begun"
    if view.state is None:
        return "ledger: the study has begun, no round was opened yet"
    state = view.state
    reason = f" ({state.void_reason})" if state.void_reason else ""
    complaints = f", {view.complaints} complaints" if view.complaints else ""
    return (
        f"ledger: round {state.round} of {view.rounds}, attempt {state.attempt}, opened {_moment(view.opened)}:"
        f" {_phase(view)}{reason}; {len(state.submissions)} of {view.hospitals} hospitals submitted,"
        f" attested {len(state.attestations)}/{len(state.committee)}{complaints}"
    )


def _phase(view: "LedgerView") -> str:
    return "" if view.state is None else view.state.phase.name.lower().replace("_", " ")


def _moment(seconds: float) -> str:
    then = datetime.fromtimestamp(seconds).astimezone()
    waited = max(0, int(time.time() - seconds))
    days, hours, minutes = waited // 86_400, waited // 3_600 % 24, waited // 60 % 60
    ago = f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min {waited % 60} s"
    return f"{then:%Y-%m-%d %H:%M:%S} ({ago})"


def _document(found: "Overview") -> dict[str, Any]:
    view = found.ledger
    state = view.state if view else None
    ledger: dict[str, Any] | None = None
    if view is not None:
        ledger = {"begun": view.begun, "rounds": view.rounds, "hospitals": view.hospitals}
        ledger["complaints"] = view.complaints
    if ledger is not None and state is not None and view is not None:
        ledger |= {"round": state.round, "attempt": state.attempt, "phase": _phase(view), "opened": view.opened}
        ledger |= {"deadline": state.deadline, "submissions": sorted(state.submissions)}
        ledger |= {"attestations": sorted(state.attestations), "void_reason": state.void_reason}
    return {
        "name": found.name,
        "role": found.role,
        "running": found.running,
        "well": found.well,
        "process": found.process,
        "note": found.note,
        "expected_sites": list(found.expected),
        "ledger": ledger,
        "ledger_note": found.ledger_note,
        "certificate_expires": int(found.expiry.certificate.timestamp()),
        "revocations_expire": int(found.expiry.revocations.timestamp()),
        "warnings": list(found.warnings),
    }
