"""`mithridate poc`: a whole consortium as separate processes on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held


def poc(
    hospitals: Annotated[int, typer.Option(help="Number of hospitals, 5 to 100; two of five are malicious.")] = 5,
    study_file: Annotated[
        Path | None,
        typer.Option("--study", metavar="STUDY.toml", help="A study file. [default: breast cancer, 3 rounds]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.rounds=2. Repeatable."),
    ] = None,
    network: Annotated[
        str,
        typer.Option(help="The ledger's: clique (geth, four sealers), ibft (polygon-edge), embedded, or auto."),
    ] = "auto",
    latency: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Emulate a network with so much latency one way. Needs root on Linux."),
    ] = None,
    bandwidth: Annotated[
        float | None, typer.Option(metavar="MBIT", help="Emulate lines of so many Mbit/s, in each direction.")
    ] = None,
    loss: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="Emulate the loss of so many packets in a hundred.")
    ] = None,
    mtu: Annotated[
        int | None, typer.Option(metavar="BYTES", help="Size of an emulated network's packets. [default: 9000]")
    ] = None,
    out: Annotated[Path, typer.Option(help="A new folder for everybody's kits, keys, state and logs.")] = Path(
        "runs/poc"
    ),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Provision a consortium, start every participant in a process of its own with TLS, and run a study."""
    import contextlib
    import time

    from mithridate.cli.progress import RoundProgress

    with stdout_held() if json else contextlib.nullcontext():
        from mithridate.emulation.conditions import Conditions
        from mithridate.evaluation.records import read_records, summarise, write_summary
        from mithridate.evaluation.report import load_run, write_report
        from mithridate.poc.run import Poc
        from mithridate.poc.study import poc_study

        study = poc_study(study_file, hospitals, settings or [])
        given = {"latency_ms": latency, "bandwidth_mbit": bandwidth, "loss_percent": loss, "mtu": mtu}
        emulated = {key: value for key, value in given.items() if value is not None}
        conditions = Conditions(**emulated) if emulated else None  # type: ignore[arg-type]
        with RoundProgress(study.training.rounds, study.hospitals.count, lines=not json) as progress:
            if not json:
                many = f"{study.hospitals.count} hospitals, {study.validators.count} validators"
                typer.echo(f"provisioning {many} and the rest in {out}")
            with Poc(out, study, network, progress, conditions=conditions) as running:
                if not json:
                    typer.echo(f"network: {conditions or 'loopback'}")
                    typer.echo(f"ledger: {running.ground.kind}; starting {len(running.processes)} processes")
                running.start()
                started = time.perf_counter()
                last = running.follow()
                folder = running.consortium.study
                kind = running.ground.kind
        summary = summarise(study.name, read_records(folder), run=folder, seconds=time.perf_counter() - started)
        write_summary(summary)
        write_report(folder / "report.html", study.name, [load_run(folder, study.name, seconds=summary.seconds)])
    stopped = last.void_reason
    if json:
        emulation = conditions.to_dict() if conditions else None
        told = {"network": kind, "emulation": emulation, "folder": str(out), "stopped": stopped}
        print_json({**summary.to_dict(), **told})
        raise typer.Exit(1 if stopped else 0)
    typer.echo(
        f"{summary.name}: accuracy {summary.accuracy:.3f} after {summary.rounds} rounds, {summary.seconds:.1f} s"
    )
    if stopped:
        typer.echo(f"round {last.round} was void {last.attempt + 1} times, the last time for this reason: {stopped}")
        raise typer.Exit(1)
    typer.echo(f"model  {summary.model_hash}")
    typer.echo(f"report {folder / 'report.html'}; each participant's log is in {out}/NAME/log")
