"""The ServerApp of the networked comparison: Flower's FedAvg, plain or behind its SecAgg+ workflow.

Imports Flower, so only Flower's own interpreter loads it.
"""

import json
import time
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid, ServerApp

from mithridate.evaluation.federation.flower_settings import FlowerRun
from mithridate.federation.prepared import Prepared

app = ServerApp()


@app.main()  # type: ignore[untyped-decorator]
def main(grid: Grid, context: Context) -> None:
    """Plays all rounds; writes when each ended and how good its model is."""
    run = FlowerRun.of(context.run_config)
    prepared = Prepared.of(run.load())
    while len(list(grid.get_node_ids())) < run.clients:
        time.sleep(0.2)
    legacy = LegacyContext(context, ServerConfig(run.rounds), _strategy(run, prepared))
    fit = SecAggPlusWorkflow(run.shares, run.threshold, max_weight=1000.0) if run.secure else None
    DefaultWorkflow(fit_workflow=fit)(grid, legacy)


def _strategy(run: FlowerRun, prepared: Prepared) -> Any:
    ended: list[dict[str, float]] = []

    def note(round_number: int, parameters: list[Any], _: dict[str, Any]) -> None:
        # The time first: measuring the model is no part of the round.
        now = time.time()
        accuracy = prepared.measure(parameters[0].astype("float32"))["accuracy"]
        ended.append({"round": round_number, "ended": now, "noted": time.time(), "accuracy": accuracy})
        written = Path(run.out).with_suffix(".part")
        written.write_text(json.dumps(ended), encoding="utf-8")
        written.replace(run.out)

    return FedAvg(
        fraction_evaluate=0.0,
        min_fit_clients=run.clients,
        min_evaluate_clients=0,
        min_available_clients=run.clients,
        initial_parameters=ndarrays_to_parameters([prepared.initial]),
        on_fit_config_fn=lambda round_number: {"round": round_number},
        evaluate_fn=note,
    )
