"""`mithridate renew`: a participant asks for a new certificate in place of its own, its ledger account kept."""

from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json
from mithridate.cli.participants import KitFolder
from mithridate.cli.passwords import PasswordFile, password
from mithridate.errors import InputError


def renew(
    kit: KitFolder,
    new: Annotated[
        list[str] | None,
        typer.Option("--new", metavar="KEY", help="Replace this key, too: signing or envelope. Repeatable."),
    ] = None,
    keys: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder for the private keys.")] = Path("new-keys"),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The request to write. [default: NAME.renewal.json]")
    ] = None,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make the next keys of a participant whose certificate ends or whose keys were lost, in a running study, too."""
    from mithridate.provisioning.enrolment import read_enrolment
    from mithridate.provisioning.keys import Replaceable
    from mithridate.provisioning.renewal import renew as renewed
    from mithridate.provisioning.settings import read_settings

    replaced = new or []
    unknown = [key for key in replaced if key not in set(Replaceable)]
    if unknown:
        raise InputError(
            f"--new {unknown[0]!r} is unknown: one of {', '.join(Replaceable)}; the account is always kept"
        )
    name = read_enrolment(kit.resolve() / read_settings(kit.resolve()).keys).participant
    request = out or Path(f"{name}.renewal.json")
    made = renewed(kit, keys, request, password(password_file), [Replaceable(key) for key in replaced])
    if json:
        print_json({"request": str(request), "fingerprint": made, "keys": str(keys)})
        return
    typer.echo(f"{keys}: private keys for the new certificate; the participant goes on with those before until then")
    typer.echo(f"{request}: send it to the key authority, and tell by another way, such as the telephone:")
    typer.echo(f"fingerprint {made}")
