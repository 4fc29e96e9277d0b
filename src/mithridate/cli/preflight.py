"""`mithridate preflight`: is this participant fit to start?"""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held
from mithridate.cli.passwords import PasswordFile, password
from mithridate.errors import EnrolmentError

MARKS = {"PASSED": "green", "PROBLEM": "red", "NOT RUN": "yellow"}


def preflight(
    kit: Annotated[Path, typer.Argument(metavar="KIT", help="The start-up kit's folder.", show_default=False)],
    password_file: PasswordFile = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check kit, keys, clock, ledger, records, policy, ports, disk and the ways to the others; nothing is changed."""
    with stdout_held() if json else contextlib.nullcontext():
        from mithridate.operation.preflight.procedure import examine
        from mithridate.operation.site import Site
        from mithridate.provisioning.settings import read_settings
        from mithridate.proxies import go_through

        # What is wrong with the settings, the kit's own check tells.
        with contextlib.suppress(EnrolmentError):
            go_through(read_settings(kit).proxy)
        findings = []
        for finding in examine(Site(kit, lambda: password(password_file))):
            findings.append(finding)
            if not json:
                label = typer.style(f"{finding.outcome:8}", fg=MARKS[finding.outcome])
                typer.echo(f"{label} {finding.check}: {finding.text}")
    good = all(finding.outcome == "PASSED" for finding in findings)
    if json:
        lines = [{"check": f.check, "outcome": f.outcome, "text": f.text} for f in findings]
        print_json({"kit": str(kit), "passed": good, "checks": lines})
    raise typer.Exit(0 if good else 1)
