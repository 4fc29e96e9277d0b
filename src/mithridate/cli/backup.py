"""`mithridate backup` and `mithridate restore`: a participant's kit, keys and state in one archive, and back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json

if TYPE_CHECKING:
    from mithridate.operation.archive import Copied


def backup(
    kit: Annotated[Path, typer.Argument(metavar="KIT", help="The start-up kit's folder.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new archive.", show_default=False)],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Copy a participant's kit, encrypted keys and state into one archive; the participant may run meanwhile."""
    from mithridate.operation.backup import back_up

    copied = back_up(kit, out)
    if json:
        print_json({"archive": str(out), **_told(copied)})
        return
    typer.echo(f"{out}: {copied.files} files, {copied.size} bytes")
    typer.echo("keep it like the machine's own disk: whoever has it and the keys' password is this participant")


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What `mithridate backup` wrote.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder, for kit, keys and state.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Unpack a backup into a new folder, every file compared with the archive's manifest."""
    from mithridate.operation.restore import restore as restored

    copied = restored(archive, to)
    if json:
        print_json({"folder": str(to), **_told(copied)})
        return
    made = datetime.fromtimestamp(copied.made, UTC)
    typer.echo(f"{to}: {copied.files} files, {copied.size} bytes, as of {made:%Y-%m-%d %H:%M} UTC")
    for name, place in copied.folders.items():
        typer.echo(f"{to / name}: lay at {place}")
    typer.echo("compare `keys`, `state`, `data` and `policy` in local/participant.toml with where they lie now;")
    typer.echo("then run `mithridate preflight` on the kit, and never run two copies of one participant")


def _told(copied: "Copied") -> dict[str, object]:
    return {"files": copied.files, "bytes": copied.size, "folders": copied.folders, "made": copied.made}
