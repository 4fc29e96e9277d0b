"""SecAgg+ of one round with Flower's own workflow and client mod, called as a ServerApp and a ClientApp call them.

Source: J. Bell, K. Bonawitz, A. Gascon, T. Lepoint, M. Raykova, "Secure Single-Server Aggregation with
(Poly)Logarithmic Overhead", ACM CCS 2020, as Flower implements it. Imports Flower, so only Flower's own interpreter
loads it (`flower.py`).
"""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common import recorddict_compat as compat
from flwr.server import LegacyContext, ServerConfig
from flwr.server.client_manager import SimpleClientManager
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.server.strategy import FedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key
from flwr.supercore.task_identity import TaskIdentity

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.clock import Clock
from mithridate.evaluation.federation.flower_grid import CLIENT, SIZED, Bytes, ProcessGrid
from mithridate.evaluation.federation.work import SECAGG, SECAGG_LEAST, Work
from mithridate.evaluation.federation.workload import Workload

SERVER, STRATEGY, UNCOUNTED = "server", "strategy", "uncounted"
CLIP, LEVELS = 8.0, 2**22
"""Flower's defaults."""
TOLERANCE = 4 * 2 * CLIP / LEVELS
"""Stochastic rounding is off by less than a level, and an update is scaled by half or more before it."""


class _Clients:
    """All clients' sides: each keeps its state between stages; some are gone when masked updates are due."""

    def __init__(self, workload: Workload, clock: Clock) -> None:
        self._workload = workload
        self._clock = clock
        self._states: dict[int, Context] = {}
        self._stages: defaultdict[int, int] = defaultdict(int)
        self._sized = set(workload.present[:SIZED])
        self._present = set(workload.present)
        self.bytes = Bytes()

    def answer(self, node: int, message: Message) -> Message | None:
        hospital = node - 1
        self._stages[hospital] += 1
        if self._stages[hospital] > 2 and hospital not in self._present:
            return None
        context = self._states.setdefault(hospital, Context(1, node, {}, RecordDict(), {}))
        stays = hospital in self._present
        sent = message.content
        # The mod takes entries out of what the workflow may have put into several messages; a network copies them.
        message.content = RecordDict({key: _copied(record) for key, record in sent.items()})
        with self._clock.on(CLIENT if stays else UNCOUNTED):
            reply = secaggplus_mod(message, context, self._train)
        if hospital in self._sized:
            self.bytes.add(sent, reply.content)
        return reply

    def _train(self, message: Message, _: Context) -> Message:
        """What a NumPyClient's fit answers, training left out."""
        with self._clock.on(UNCOUNTED):
            hospital = message.metadata.dst_node_id - 1
            update = ndarrays_to_parameters([self._workload.update(hospital)])
            result = FitRes(Status(Code.OK, ""), update, self._workload.weight(hospital), {})
            return Message(compat.fitres_to_recorddict(result, keep_input=False), reply_to=message)


def _copied(record: Any) -> Any:
    return ConfigRecord(dict(record)) if isinstance(record, ConfigRecord) else record


def measure(workload: Workload, shares: int, threshold: int) -> Work:
    """Plays the round's aggregation in this process.

    Args:
        workload: n hospitals and d parameters.
        shares: into which each secret is split: a client and its neighbours.
        threshold: shares that restore a secret.

    Raises:
        BenchmarkError: Flower halted the protocol, or the aggregate is wrong.
    """
    # As Flower's runtime does before it starts an app: messages are made out for this run.
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    clock = Clock()
    clients = _Clients(workload, clock)
    grid = ProcessGrid(clock, clients.answer)
    context = _server_context(workload, grid, clock)
    before = context.state.array_records[MAIN_PARAMS_RECORD]
    workflow = SecAggPlusWorkflow(shares, threshold, clipping_range=CLIP, quantization_range=LEVELS)
    with clock.on(SERVER):
        workflow(grid, context)
    record = context.state.array_records[MAIN_PARAMS_RECORD]
    if record is before:
        raise BenchmarkError(f"SecAgg+ halted: too few of the {shares} shares' holders were left")
    (aggregate,) = parameters_to_ndarrays(compat.arrayrecord_to_parameters(record, keep_input=True))
    arm = SECAGG_LEAST if shares == 3 else SECAGG
    sized = min(SIZED, len(workload.present))
    return Work(
        arm=arm,
        hospitals=workload.hospitals,
        parameters=workload.parameters,
        dropped=workload.dropped,
        hospital=clock.seconds[CLIENT] / len(workload.present),
        servers=clock.seconds[SERVER],
        parts={SERVER: clock.seconds[SERVER], STRATEGY: clock.seconds[STRATEGY], "shares": shares},
        up=clients.bytes.up / sized,
        down=clients.bytes.down / sized,
        error=workload.check(arm, aggregate, TOLERANCE),
    )


def _server_context(workload: Workload, grid: ProcessGrid, clock: Clock) -> LegacyContext:
    manager = SimpleClientManager()
    for hospital in range(workload.hospitals):
        manager.register(GridClientProxy(hospital + 1, grid, 1))
    context = LegacyContext(
        Context(1, 0, {}, RecordDict(), {}), ServerConfig(1), _strategy(workload.hospitals, clock), manager
    )
    context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: 1})
    base = ndarrays_to_parameters([np.zeros(workload.parameters, dtype=np.float32)])
    context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(base, keep_input=False)
    return context


def _strategy(hospitals: int, clock: Clock) -> Any:
    """FedAvg on an account of its own: after SecAgg+ it averages n copies of the aggregate, which nobody needs."""
    strategy = FedAvg(min_available_clients=hospitals, min_fit_clients=hospitals)

    def aggregate_fit(*arguments: Any) -> Any:
        with clock.on(STRATEGY):
            return strategy.aggregate_fit(*arguments)

    return SimpleNamespace(configure_fit=strategy.configure_fit, aggregate_fit=aggregate_fit)
