"""`mithridate coordinator|validator|hospital|curator start KIT`: a participant's process."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json
from mithridate.cli.passwords import PasswordFile, password
from mithridate.errors import EnrolmentError

if TYPE_CHECKING:
    from mithridate.provisioning.keys import ParticipantKeys
    from mithridate.provisioning.opened_kit import Kit

KitFolder = Annotated[Path, typer.Argument(metavar="KIT", help="The start-up kit's folder.", show_default=False)]
ROLES = {
    "coordinator": "Open rounds and relay sealed messages.",
    "validator": "Verify and aggregate shares with the two other validators.",
    "hospital": "Train beside this hospital's records.",
    "curator": "Hand in the reference set, and in each round what updates are tested by.",
}


def opened(folder: Path, file: Path | None) -> "tuple[Kit, ParticipantKeys]":
    """A participant's kit and keys.

    Raises:
        EnrolmentError, CertificateRefused: they cannot be used.
    """
    from mithridate.ledger.keystore import PASSWORD_VARIABLE
    from mithridate.provisioning.enrolment import read_enrolment
    from mithridate.provisioning.keys import read_keys
    from mithridate.provisioning.opened_kit import open_kit
    from mithridate.provisioning.settings import read_settings
    from mithridate.proxies import go_through

    place = folder.resolve()
    settings = read_settings(place)
    go_through(settings.proxy)
    keys = place / settings.keys
    kit = open_kit(place, read_enrolment(keys).authority)
    secret = password(file)
    if file is None:
        # A validator replaces its process by a fresh one at times, with nobody at the terminal to ask.
        os.environ[PASSWORD_VARIABLE] = secret
    return kit, read_keys(keys, secret)


def command(role: str) -> typer.Typer:
    """The commands of one role."""
    app = typer.Typer(help=ROLES[role], no_args_is_help=True)

    @app.command("start")
    def start(
        kit: KitFolder,
        stay: Annotated[
            bool, typer.Option("--stay", help="Go on after the study's last round, until stopped.")
        ] = False,
        password_file: PasswordFile = None,
        debug: Debug = False,
    ) -> None:
        """Run this participant until the study is over; SIGTERM or SIGINT stops it, and a new start goes on."""
        _end_when_told()
        from mithridate.federation.remote.process import run_participant

        found, keys = opened(kit, password_file)
        if found.member.participant.role.value != role:
            raise EnrolmentError(f"{kit} is the kit of a {found.member.participant.role}, not of a {role}")
        raise typer.Exit(run_participant(found, keys, stay=stay))

    if role == "hospital":
        app.command("terms")(_terms)
        app.command("node")(_node)
    return app


def _terms(kit: KitFolder, json: Json = False, password_file: PasswordFile = None, debug: Debug = False) -> None:
    """Print what this hospital's policy has to list for the kit's study; nothing of the study runs."""
    from mithridate.models.code import code_hash
    from mithridate.provisioning.consortium import Role

    found, _ = opened(kit, password_file)
    if found.study is None:
        raise EnrolmentError(f"{kit} was written before the study was deployed: ask for a new kit")
    validators = [member.keys.account for member in found.roster.of(Role.VALIDATOR)]
    needed = {
        "studies": [found.study.configuration_hash().hex()],
        "model_code": [code_hash(found.study.model.name)],
        "validators": validators,
    }
    if json:
        print_json(needed)
        return
    for key, values in needed.items():
        typer.echo(f"{key} = [{', '.join(repr(value).replace(chr(39), chr(34)) for value in values)}]")


def _end_when_told() -> None:
    """Until engine or node is started, which have their own ways to end, nothing is held that is to be given back."""
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))


def _node(
    kit: KitFolder,
    programs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Holds geth or polygon-edge. [default: that of the variable MITHRIDATE_NETWORKS, else the PATH]",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Run this hospital's own node of the ledger's network, which follows and never seals, until SIGTERM or SIGINT."""
    _end_when_told()
    from mithridate.operation.node import run_node
    from mithridate.operation.site import Site
    from mithridate.proxies import go_through

    found = Site(kit, _no_password).kit
    go_through(found.settings.proxy)
    run_node(found, programs, typer.echo)


def _no_password() -> str:
    raise EnrolmentError("no key is opened to run a node")
