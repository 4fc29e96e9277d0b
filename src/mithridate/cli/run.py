"""`mithridate run STUDY.toml`: a whole study in one process."""

from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.folders import default_folder, refuse_used
from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held


def run(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.", show_default=False)],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.rounds=3. Repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. [default: runs/NAME]", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a study with all its parties in this process and write a run folder with its report."""
    import contextlib

    from mithridate.cli.progress import RoundProgress
    from mithridate.study import load_study

    study = load_study(study_file, settings or [])
    folder = out or default_folder(study.name)
    if not resume:
        refuse_used(folder)
    with stdout_held() if json else contextlib.nullcontext():
        from mithridate.evaluation.report import load_run, write_report
        from mithridate.federation.local import run_study

        with RoundProgress(study.training.rounds, study.hospitals.count, lines=not json) as progress:
            summary = run_study(study, folder, resume=resume, observer=progress)
        write_report(folder / "report.html", study.name, [load_run(folder, study.name, seconds=summary.seconds)])
    if json:
        print_json(summary.to_dict())
        return
    typer.echo(
        f"{summary.name}: accuracy {summary.accuracy:.3f} after {summary.rounds} rounds, {summary.seconds:.1f} s"
    )
    typer.echo(f"model  {summary.model_hash}")
    typer.echo(f"report {folder / 'report.html'}")
