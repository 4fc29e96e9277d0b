"""`mithridate bench NAME`: one benchmark, printed as a table."""

import contextlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held
from mithridate.errors import InputError

BENCHMARKS = {
    "aggregation": "sharing, sealing and summing 10 updates of 1M parameters, beside AES-GCM and SHA-256",
    "demo": "the demo's comparison over five seeds",
    "detection": "who is caught: attacks x defences x datasets, encrypted and in the clear; smoke, everyday or full",
    "faults": "kills in a consortium of processes: smoke (3 a role) or full (20 a role)",
    "federation": "a round beside Flower's FedAvg and SecAgg+: work, bytes, seconds over loopback",
    "inference": "encrypted inference beside plaintext",
    "ledger": "changes, rounds and openings, embedded, served and on two networks of four sealers",
    "memory": "peak memory of a study of 10 hospitals x 1M parameters",
    "network": "a round over emulated networks beside what the local runtime predicts; needs root on Linux",
    "training": "a plain round beside a bare PyTorch loop",
    "verification": "a secure round beside a plain one; time, megabytes and rounds of each gate",
}
"""Name -> what it measures; its module is `mithridate.evaluation.bench_NAME`, its function `run()`."""
SETTINGS = {
    "detection": ("profile", "out", "workers"),
    "faults": ("profile",),
    "federation": ("profile", "out"),
    "network": ("profile", "out"),
}
"""The benchmarks with settings."""


def bench(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help=f"One of {', '.join(BENCHMARKS)}.", show_default=False)
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="detection: smoke (ten minutes), everyday (an hour), full (hours); "
            "faults: smoke, full; federation: smoke (two minutes), work and rounds (its halves), full (half an hour); "
            "network: smoke (two networks), full (four).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="detection: folder of results and report, from which a stopped run goes on; "
            "federation, network: a new folder.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="detection: processes; one a core if left out.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a benchmark; without a name, list them."""
    if name is None:
        _answer_list(json=json)
        return
    if name not in BENCHMARKS:
        raise InputError(f"unknown benchmark {name!r}: one of {', '.join(BENCHMARKS)}")
    given = {"profile": profile, "out": out, "workers": workers}
    chosen = {key: value for key, value in given.items() if value is not None}
    for key in chosen.keys() - set(SETTINGS.get(name, ())):
        takers = " and ".join(f"`mithridate bench {each}`" for each, keys in SETTINGS.items() if key in keys)
        raise InputError(f"--{key} is for {takers}; {name} does not have it")
    with stdout_held() if json else contextlib.nullcontext():
        result: dict[str, Any] = import_module(f"mithridate.evaluation.bench_{name}").run(**chosen)
    if json:
        print_json(result)
        return
    _print_notes(result)
    _print_table(result)
    if "report" in result:
        typer.echo(f"Report: {result['report']}")


def _answer_list(*, json: bool) -> None:
    if json:
        print_json({"benchmarks": BENCHMARKS})
        return
    for name, measures in BENCHMARKS.items():
        typer.echo(f"{name:<12} {measures}")


def _print_notes(result: Mapping[str, Any]) -> None:
    """What a benchmark says before its table: the goals it misses, then what to know of its figures."""
    for shortfall in result.get("shortfalls", ()):
        typer.echo(f"short of its goal: {shortfall}")
    for fact in result.get("facts", ()):
        typer.echo(f"note: {fact}")


def _print_table(result: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "unit", "baseline", "ratio", title=str(result["bench"]))
    for figure in result["figures"]:
        numbers = (figure["value"], figure["baseline"], figure["ratio"])
        value, baseline, ratio = ("–" if number is None else f"{number:.4g}" for number in numbers)
        table.add_row(str(figure["name"]), value, str(figure["unit"]), baseline, ratio)
    Console(highlight=False).print(table)
