"""The commands, one file each. A command imports what it needs when it runs, so that `--help` answers at once."""

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from mithridate.cli import (
    attack,
    audit,
    authority,
    backup,
    bench,
    calibrate,
    defence,
    demo,
    enrol,
    ledger,
    participants,
    poc,
    predict,
    preflight,
    provision,
    renew,
    run,
    status,
    store,
    study,
)
from mithridate.errors import MithridateError

EXIT_FAILED = 1

app = typer.Typer(
    name="mithridate",
    help="Federated learning for hospitals that stays correct when some of them are poisoned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("poc")(poc.poc)
app.command("predict")(predict.predict)
app.command("audit")(audit.audit)
app.command("bench")(bench.bench)
app.command("calibrate")(calibrate.calibrate)
app.command("enrol")(enrol.enrol)
app.command("renew")(renew.renew)
app.command("provision")(provision.provision)
app.command("preflight")(preflight.preflight)
app.command("status")(status.status)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(authority.app, name="authority")
app.add_typer(ledger.app, name="ledger")
for role in participants.ROLES:
    app.add_typer(participants.command(role), name=role)
app.add_typer(study.app, name="study")
app.add_typer(store.app, name="store")
app.add_typer(attack.app, name="attack")
app.add_typer(defence.app, name="defence")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mithridate {version('mithridate')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the `mithridate` command.

    Args:
        arguments: what follows the command's name; None takes the process's own.

    Raises:
        SystemExit: always; 0 done, 2 bad input, 130 interrupted, 1 anything else.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given, prog_name="mithridate")
    except MithridateError as error:
        _fail(str(error), error.exit_code, debug="--debug" in given)
    except ModuleNotFoundError as error:
        mend = "" if str(error.name).startswith("mithridate") else "; install mithridate[all]"
        _fail(f"{error}{mend}", EXIT_FAILED, debug="--debug" in given)
    except Exception as error:
        _fail(f"{type(error).__name__}: {error} (--debug shows where)", EXIT_FAILED, debug="--debug" in given)
    raise SystemExit(0)


def _fail(message: str, code: int, *, debug: bool) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    if debug:
        typer.echo(traceback.format_exc(), err=True)
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text("error: ", style="bold red") + Text(message))
    raise SystemExit(code)
