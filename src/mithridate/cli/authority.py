"""`mithridate authority`: the key authority of a consortium, on a machine that needs no network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json
from mithridate.cli.passwords import PasswordFile, password
from mithridate.errors import EnrolmentError

if TYPE_CHECKING:
    from mithridate.provisioning.register import Entry
    from mithridate.provisioning.request import EnrolmentRequest

app = typer.Typer(help="Sign certificates for a consortium's participants, and take them back.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The authority's folder.", show_default=False)]
KEEP = "keep"
ConsortiumFile = Annotated[Path, typer.Argument(metavar="CONSORTIUM.yml", help="The consortium's file.")]


@app.command("init")
def init(
    consortium: ConsortiumFile,
    folder: Folder,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make the authority's key and certificate, and tell the fingerprint that every participant has to know."""
    from mithridate.provisioning.authority import new_authority

    made = new_authority(folder, consortium, password(password_file, new=True))
    if json:
        print_json({"consortium": made.consortium.consortium, "authority": made.fingerprint})
        return
    typer.echo(
        f"{folder}: the authority of {made.consortium.consortium}; keep it off the network, and a copy in a safe"
    )
    typer.echo("tell every participant, by another way than you send its kit:")
    typer.echo(f"authority {made.fingerprint}")


@app.command("sign")
def sign(
    folder: Folder,
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="The file that `mithridate enrol` wrote.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="What the sender told, by another way. [default: shown, and asked about]"),
    ] = None,
    earlier: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help="Of a renewal: why the certificate before is revoked, superseded or keyCompromise; or keep, which"
            " leaves it until it expires.",
        ),
    ] = "superseded",
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Sign a participant's request, once you made sure that it is the one the participant sent."""
    from mithridate.provisioning.authority import open_authority
    from mithridate.provisioning.private_files import read_bounded
    from mithridate.provisioning.renewal_rules import news
    from mithridate.provisioning.request import MAX_BYTES, read_request
    from mithridate.provisioning.revocation import Reason

    reasons = {KEEP: None, **{reason.value: reason for reason in (Reason.SUPERSEDED, Reason.KEY_COMPROMISE)}}
    if earlier not in reasons:
        raise EnrolmentError(f"--earlier {earlier!r} is unknown: one of {', '.join(reasons)}")
    asked = read_request(read_bounded(request, MAX_BYTES, "an enrolment request"))
    _make_sure(asked, fingerprint)
    after, entry = open_authority(folder, password(password_file)).sign(asked, reasons[earlier])
    renewed = after.consortium.participant(entry.participant)
    told = list(news(after.consortium, renewed, revoked=earlier != KEEP)) if asked.body.renews else []
    if json:
        print_json({**_told(entry), "news": [{"participant": name, "does": text} for name, text in told]})
        return
    typer.echo(f"{entry.participant}: certificate {entry.serial}, valid until {_date(entry.expires)}")
    if told:
        state = "is valid until it expires" if earlier == KEEP else f"is revoked ({earlier})"
        typer.echo(f"it renews {asked.body.renews}, which {state}; now run `mithridate provision`, and then:")
    for name, text in told:
        typer.echo(f"{name}: {text}")


@app.command("revoke")
def revoke(
    folder: Folder,
    participant: Annotated[str, typer.Argument(metavar="NAME", help="Whose certificates.")],
    reason: Annotated[
        str,
        typer.Option(
            help="keyCompromise, cessationOfOperation, superseded, privilegeWithdrawn or unspecified.",
            metavar="REASON",
        ),
    ] = "unspecified",
    serial: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="One certificate only. [default: all that count]")
    ] = None,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take certificates back; put the new list, revoked.crl, into the startup folder of every kit."""
    from mithridate.provisioning.authority import open_authority
    from mithridate.provisioning.revocation import LIST_FILE, Reason

    if reason not in set(Reason):
        raise EnrolmentError(f"--reason {reason!r} is unknown: one of {', '.join(Reason)}")
    _, entries = open_authority(folder, password(password_file)).revoke(participant, Reason(reason), serial)
    if json:
        print_json({"revoked": [_told(entry) for entry in entries], "list": str(folder / LIST_FILE)})
        return
    for entry in entries:
        typer.echo(f"{entry.participant}: certificate {entry.serial} revoked ({reason})")
    typer.echo(f"{folder / LIST_FILE}: put it into the startup folder of every kit, the coordinator's first")


@app.command("amend")
def amend(
    folder: Folder,
    consortium: ConsortiumFile,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take the consortium's next file; whoever is struck from it, or changes its part, loses its certificates."""
    from mithridate.provisioning.authority import MAX_CONSORTIUM_BYTES, open_authority
    from mithridate.provisioning.private_files import read_bounded

    content = read_bounded(consortium, MAX_CONSORTIUM_BYTES, "a consortium file")
    after, gone = open_authority(folder, password(password_file)).amend(content, str(consortium))
    if json:
        print_json({"participants": len(after.consortium.participants), "revoked": gone})
        return
    typer.echo(f"{after.consortium.consortium}: {len(after.consortium.participants)} participants")
    for name in gone:
        typer.echo(f"{name}: its certificates are revoked")


@app.command("show")
def show(folder: Folder, json: Json = False, debug: Debug = False) -> None:
    """Show every certificate that was signed; needs no password."""
    from mithridate.provisioning.authority import register_of

    register = register_of(folder)
    if json:
        print_json({"certificates": [_told(entry) for entry in register.entries]})
        return
    if not register.entries:
        typer.echo("no certificate was signed yet")
    for entry in register.entries:
        state = f"revoked ({entry.revoked.reason})" if entry.revoked else f"valid until {_date(entry.expires)}"
        typer.echo(f"{entry.participant}: certificate {entry.serial}, {state}")


def _make_sure(request: "EnrolmentRequest", told: str | None) -> None:
    body = request.body
    if told is None:
        typer.echo(f"{body.participant}, {body.role} of {body.organisation}, account {body.keys.account}", err=True)
        if body.renews:
            typer.echo(f"asks to renew certificate {body.renews}", err=True)
        typer.echo(f"fingerprint {request.fingerprint}", err=True)
        if not typer.confirm("Did the participant tell you this fingerprint, by another way?", err=True):
            raise EnrolmentError("not signed: ask the participant for the fingerprint of its request")
    elif told.replace(" ", "").lower() != request.fingerprint:
        raise EnrolmentError(
            f"not signed: the request's fingerprint is {request.fingerprint}, not the one given; somebody may have"
            " exchanged the request on its way"
        )


def _told(entry: "Entry") -> dict[str, Any]:
    revoked = entry.revoked.reason.value if entry.revoked else None
    return {
        "participant": entry.participant,
        "serial": entry.serial,
        "expires": entry.expires,
        "request": entry.request,
        "revoked": revoked,
    }


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
