"""`mithridate provision`: the authority writes a start-up kit for every participant."""

from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held
from mithridate.cli.passwords import PasswordFile, password


def provision(
    consortium: Annotated[Path, typer.Argument(metavar="CONSORTIUM.yml", help="The consortium's file.")],
    authority: Annotated[Path, typer.Option(metavar="FOLDER", help="The key authority's folder.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder for the kits.")] = Path("kits"),
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of a study whose contracts are deployed: kits then name contracts, code and study.",
            show_default=False,
        ),
    ] = None,
    genesis: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The genesis file of the ledger's network (geth's or polygon-edge's): kits then let participants run"
            " nodes of their own.",
            show_default=False,
        ),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="ENODE", help="A geth node that the participants' nodes dial; repeatable."),
    ] = None,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a start-up kit for every participant that has a certificate; no kit holds a private key."""
    with stdout_held():
        from mithridate.provisioning.authority import open_authority
        from mithridate.provisioning.kit import Contents, read_network, write_kits
        from mithridate.provisioning.ledger_terms import deployed
        from mithridate.provisioning.study_inputs import read_inputs

        opened = open_authority(authority, password(password_file))
        opened.refuse_other(consortium)
        terms, study = deployed(run) if run else (None, None)
        network = read_network(genesis, peer or ())
        kits = write_kits(opened, out, Contents(terms, study, read_inputs(run) if run else None, network))
    missing = [person.name for person in opened.consortium.participants if person.name not in kits]
    if json:
        folders = {name: str(folder) for name, folder in kits.items()}
        print_json({"kits": folders, "missing": missing, "authority": opened.fingerprint})
        return
    for name, folder in kits.items():
        typer.echo(f"{name}: {folder}")
    for name in missing:
        typer.echo(f"{name}: no kit, it has not enrolled yet or was revoked")
    typer.echo(f"authority {opened.fingerprint}")
