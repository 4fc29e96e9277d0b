"""`mithridate demo`: one study clean, attacked without a defence, attacked with it."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mithridate.cli.folders import fresh_folder, refuse_used
from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held

if TYPE_CHECKING:
    from mithridate.evaluation.demo import Comparison
    from mithridate.evaluation.records import Observer
    from mithridate.study import Study

HEADINGS = {
    "clean": "clean: no attack, plain federated averaging",
    "undefended": "undefended: attacked, plain federated averaging",
    "defended": "defended: attacked, verified and aggregated on shares",
}


def demo(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to run, from the study's own on.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write. [default: runs/demo]", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what Mithridate is for: breast cancer data at ten hospitals, four of them poisoned, with and without it."""
    folder = out or fresh_folder("demo")
    refuse_used(folder)
    with stdout_held() if json else contextlib.nullcontext():
        comparisons = _compare(folder, seeds, lines=not json)
    if json:
        print_json(_answer(comparisons))
        return
    _print_table(comparisons)
    for comparison in comparisons:
        typer.echo(f"report {comparison.report}")


def _compare(folder: Path, seeds: int, *, lines: bool) -> "list[Comparison]":
    from mithridate.cli.progress import RoundProgress
    from mithridate.evaluation.demo import compare_seeds, demo_study

    @contextlib.contextmanager
    def watch(arm: str, study: "Study") -> "Iterator[Observer]":
        if lines:
            typer.echo(f"\n{HEADINGS[arm]} (seed {study.seed})")
        with RoundProgress(study.training.rounds, study.hospitals.count, label=arm, lines=lines) as progress:
            yield progress

    with demo_study() as path:
        return compare_seeds(path, folder, seeds=seeds, watch=watch)


def _answer(comparisons: "Sequence[Comparison]") -> dict[str, Any]:
    """The demo as one JSON object; over several seeds its figures are means, and `seeds` holds those of each."""
    from mithridate.evaluation.rejections import mostly_rejected

    pooled = [record for comparison in comparisons for record in comparison.defended.judged]
    answer: dict[str, Any] = {
        arm: {"accuracy": mean(getattr(c, arm).summary.accuracy for c in comparisons)}
        for arm in ("clean", "undefended", "defended")
    }
    answer["attackers"] = list(comparisons[0].attackers)
    answer["defended"] |= {
        "rejected": mostly_rejected(pooled),
        "honest_rejections": mean(c.honest_rejections for c in comparisons),
    }
    answer["overhead"] = mean(c.overhead for c in comparisons)
    answer["seconds"] = sum(c.seconds for c in comparisons)
    answer["report"] = str(comparisons[-1].report)
    if len(comparisons) > 1:
        answer["seeds"] = [{"seed": c.seed, **_answer([c])} for c in comparisons]
    return answer


def _print_table(comparisons: "Sequence[Comparison]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("seed", "clean", "undefended", "defended", "attackers rejected", "honest rejected", "overhead")
    for c in comparisons:
        caught = sum(hospital in c.rejected for hospital in c.attackers)
        table.add_row(
            str(c.seed),
            *(f"{getattr(c, arm).summary.accuracy:.3f}" for arm in ("clean", "undefended", "defended")),
            f"{caught} of {len(c.attackers)}",
            f"{100 * c.honest_rejections:.1f} %",
            f"{c.overhead:.1f} x",
        )
    typer.echo()
    Console(highlight=False).print(table)
