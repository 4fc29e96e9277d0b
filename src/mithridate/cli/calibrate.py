"""`mithridate calibrate`: the defence's thresholds, from studies that no benchmark reports."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held

if TYPE_CHECKING:
    from mithridate.evaluation.calibration.procedure import Calibration

TOML, JSON, FIGURE, RECORDINGS = "defence.toml", "calibration.json", "calibration.png", "recordings"


def calibrate(
    profile: Annotated[
        str, typer.Option(help="smoke (minutes: shows that it works), everyday (a quarter of an hour).")
    ] = "everyday",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of results, and of recordings from which a stopped run goes on.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a core if left out.", show_default=False)
    ] = None,
    honest_error: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of honest hospitals that a study may suspend.")
    ] = 0.01,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the defence's thresholds on other data, seeds and attacks than the benchmark's; needs MITHRIDATE_DATA."""
    folder = Path("runs") / f"calibrate-{profile}" if out is None else out
    with stdout_held() if json else contextlib.nullcontext():
        from rich.console import Console

        from mithridate.evaluation.calibration.procedure import Workers
        from mithridate.evaluation.calibration.procedure import calibrate as run
        from mithridate.evaluation.calibration.studies import profile as plans

        chosen = plans(profile)
        folder.mkdir(parents=True, exist_ok=True)
        found = run(chosen, honest_error, Workers(workers, folder / RECORDINGS, Console(stderr=True)))
        answer = _written(found, folder)
    if json:
        print_json(answer)
        return
    _print(found, folder)


def _written(found: "Calibration", out: Path) -> dict[str, object]:
    import json

    from mithridate.evaluation.calibration.figure import write_figure
    from mithridate.evaluation.calibration.tables import answer, toml

    described = answer(found)
    (out / TOML).write_text(toml(found), encoding="utf-8")
    (out / JSON).write_text(json.dumps(described, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    write_figure(found, out / FIGURE)
    return {**described, "files": [str(out / name) for name in (TOML, JSON, FIGURE)]}


def _print(found: "Calibration", out: Path) -> None:
    from rich.console import Console

    from mithridate.evaluation.calibration.tables import check_table, threshold_table, toml

    console = Console(highlight=False)
    console.print(threshold_table(found))
    console.print(check_table(found))
    typer.echo(toml(found), nl=False)
    typer.echo(f"{out / TOML}, {out / JSON}, {out / FIGURE}")
