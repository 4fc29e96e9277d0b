"""`mithridate enrol`: a participant makes its keys and the request that it sends to the key authority."""

from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json
from mithridate.cli.passwords import PasswordFile, password


def enrol(
    consortium: Annotated[Path, typer.Argument(metavar="CONSORTIUM.yml", help="The consortium's file.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="This participant's name in that file.")],
    authority: Annotated[
        str,
        typer.Option(metavar="SHA256", help="The authority's fingerprint, learned by another way than its kits come."),
    ],
    keys: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder for the private keys.")] = Path("keys"),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The request to write. [default: NAME.request.json]")
    ] = None,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make this participant's private keys here, encrypted, and a request to send to the key authority."""
    from mithridate.provisioning.enrolment import enrol as enrolled

    request = out or Path(f"{name}.request.json")
    made = enrolled(consortium, name, authority, keys, request, password(password_file, new=True))
    if json:
        print_json({"request": str(request), "fingerprint": made, "keys": str(keys)})
        return
    typer.echo(f"{keys}: private keys; they stay here, so keep a copy in a safe place")
    typer.echo(f"{request}: send it to the key authority, and tell by another way, such as the telephone:")
    typer.echo(f"fingerprint {made}")
