"""`mithridate study`: what the curator and the administrators do for a study among machines."""

from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held
from mithridate.cli.participants import KitFolder, opened
from mithridate.cli.passwords import PasswordFile
from mithridate.errors import EnrolmentError, InputError

app = typer.Typer(
    help="Publish a study's inputs, deploy its contracts, begin it, and exclude a member.", no_args_is_help=True
)
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.", show_default=False)]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the study. Repeatable.")
]


@app.command("inputs")
def inputs(
    study_file: StudyFile,
    records: Annotated[
        Path | None,
        typer.Option(help="The curator's records, CSV or .npz. [default: the reference part of the study's own data]"),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file.")] = Path("inputs.json"),
    settings: Settings = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The curator: write what the model takes and gives, with the reference set's statistics; no record is in it."""
    with stdout_held():
        from mithridate.federation.remote.records import study_inputs
        from mithridate.provisioning.private_files import write_new
        from mithridate.study import load_study

        made = study_inputs(load_study(study_file, settings or []), records)
        write_new(out, made.to_json().encode())
    if json:
        print_json({"inputs": str(out), "reference_records": made.reference_records, "shape": list(made.model.shape)})
        return
    typer.echo(
        f"{out}: {made.reference_records} reference records of shape {made.model.shape}; send it to the administrator"
    )


@app.command("deploy")
def deploy(
    study_file: StudyFile,
    kit: Annotated[Path, typer.Option(metavar="KIT", help="The administrator's start-up kit, which has the roster.")],
    inputs: Annotated[Path, typer.Option(metavar="FILE", help="What `study inputs` wrote.")],
    out: Annotated[Path, typer.Option(metavar="RUN", help="A new folder, for `mithridate provision --run`.")],
    threshold: Annotated[int, typer.Option(min=1, help="How many administrators' equal votes decide.")] = 1,
    grace: Annotated[
        int, typer.Option(min=0, help="Seconds after a deadline when one party may close an attempt.")
    ] = 3600,
    settings: Settings = None,
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """An administrator: put the study's contracts on its network, and enrol the roster."""
    with stdout_held():
        from mithridate.federation.remote.deploying import deploy_study
        from mithridate.provisioning.study_inputs import read_inputs_file
        from mithridate.study import load_study

        found, keys = opened(kit, password_file)
        _require_administrator(found.member.participant.role.value, kit)
        study = load_study(study_file, settings or [])
        made = deploy_study(study, read_inputs_file(inputs), found.roster, keys.account, out, grace, threshold)
    if json:
        print_json({"run": str(out), "study": made.study_id.hex(), "contracts": dict(made.addresses)})
        return
    typer.echo(f"{out}: study {made.study_id.hex()[:16]} of {len(made.hospitals)} hospitals is deployed")
    typer.echo("now the key authority writes everybody's kit: mithridate provision ... --run " + str(out))


@app.command("begin")
def begin(
    kit: KitFolder,
    reference: Annotated[
        str, typer.Option(metavar="SHA256", help="Of the reference set, as the curator's process told it.")
    ],
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """An administrator: vote to freeze the roster and to begin with the agreed model and reference set."""
    with stdout_held():
        import hashlib

        from mithridate.federation.remote.deploying import initial_model
        from mithridate.federation.remote.participant import stand

        found, keys = opened(kit, password_file)
        _require_administrator(found.member.participant.role.value, kit)
        try:
            digest = bytes.fromhex(reference)
        except ValueError:
            raise InputError("--reference has 64 hexadecimal digits: the curator's log tells it") from None
        standing = stand(found, keys)
        initial = hashlib.sha256(initial_model(standing.material)).digest()
        standing.ledger.begin(initial, digest)
        begun = standing.ledger.begun()
        standing.network.close()
    if json:
        print_json({"begun": begun, "initial_model": initial.hex()})
        return
    typer.echo("the study has begun" if begun else "voted; other administrators have to vote the same")


@app.command("revoke")
def revoke(
    kit: KitFolder,
    member: Annotated[str, typer.Argument(metavar="NAME", help="A participant of the kit's roster, or an account.")],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for everyone to read; the same in every administrator's vote.")
    ],
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """An administrator: vote to exclude a member's account from the ledger, for good."""
    with stdout_held():
        from eth_utils.address import is_address

        from mithridate.federation.remote.participant import stand
        from mithridate.ledger.interface import Role, Status

        found, keys = opened(kit, password_file)
        _require_administrator(found.member.participant.role.value, kit)
        account = member if member.startswith("0x") else found.roster.member(member).keys.account
        if not is_address(account):
            raise InputError(f"{account} is no account: 0x and 40 hexadecimal digits")
        standing = stand(found, keys)
        standing.ledger.revoke(account, reason)
        records = [record for role in Role for record in standing.ledger.members(role)]
        revoked = any(r.status is Status.REVOKED for r in records if r.address.lower() == account.lower())
        standing.network.close()
    if json:
        print_json({"account": account, "revoked": revoked})
        return
    state = "is revoked, for good" if revoked else "voted; other administrators have to vote the same, reason included"
    typer.echo(f"{account}: {state}")


def _require_administrator(role: str, kit: Path) -> None:
    if role != "administrator":
        raise EnrolmentError(f"{kit} is the kit of a {role}; an administrator's is needed")
