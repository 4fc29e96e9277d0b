"""FedAvg of one round with Flower's own strategy and serialisation.

Imports Flower, so only Flower's own interpreter loads it (`flower.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from flwr.common import Code, FitRes, Parameters, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common import recorddict_compat as compat
from flwr.server.strategy import FedAvg

from mithridate.evaluation.federation.clock import Clock
from mithridate.evaluation.federation.flower_grid import CLIENT, SIZED, Bytes
from mithridate.evaluation.federation.work import FEDAVG, Work
from mithridate.evaluation.federation.workload import Workload

SERVER, UNCOUNTED = "server", "uncounted"
TOLERANCE = 2.0**-18
"""Float32 sums of values far below one."""


class _Results(Sequence[Any]):
    """(proxy, result) of each client in turn, made when asked for, so that 1,000 x 1M need no memory."""

    def __init__(self, workload: Workload, clock: Clock, hospitals: list[int]) -> None:
        self._workload = workload
        self._clock = clock
        self._hospitals = hospitals

    def __len__(self) -> int:
        return len(self._hospitals)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "_Results": ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return _Results(self._workload, self._clock, self._hospitals[index])
        return self._one(self._hospitals[index])

    def __iter__(self) -> Iterator[Any]:
        return map(self._one, self._hospitals)

    def _one(self, hospital: int) -> Any:
        with self._clock.on(UNCOUNTED):
            return None, _result(self._workload, hospital, ndarrays_to_parameters([self._workload.update(hospital)]))


def measure(workload: Workload) -> Work:
    """Plays the round's aggregation in this process.

    Raises:
        BenchmarkError: the aggregate is wrong.
    """
    clock = Clock()
    for hospital in workload.present:
        update = workload.update(hospital)
        with clock.on(CLIENT):
            ndarrays_to_parameters([update])
    strategy = FedAvg()
    with clock.on(SERVER):
        parameters, _ = strategy.aggregate_fit(1, _Results(workload, clock, workload.present), [])
    (aggregate,) = parameters_to_ndarrays(parameters)
    sizes = _sizes(workload)
    return Work(
        arm=FEDAVG,
        hospitals=workload.hospitals,
        parameters=workload.parameters,
        dropped=workload.dropped,
        hospital=clock.seconds[CLIENT] / len(workload.present),
        servers=clock.seconds[SERVER],
        parts={SERVER: clock.seconds[SERVER]},
        up=sizes.up / SIZED,
        down=sizes.down / SIZED,
        error=workload.check(FEDAVG, aggregate, TOLERANCE),
    )


def _result(workload: Workload, hospital: int, parameters: Parameters) -> FitRes:
    return FitRes(Status(Code.OK, ""), parameters, workload.weight(hospital), {})


def _sizes(workload: Workload) -> Bytes:
    from flwr.common import FitIns

    counted = Bytes()
    base = ndarrays_to_parameters([np.zeros(workload.parameters, dtype=np.float32)])
    for hospital in workload.present[:SIZED]:
        update = ndarrays_to_parameters([workload.update(hospital)])
        sent = compat.fitins_to_recorddict(FitIns(base, {}), keep_input=True)
        counted.add(sent, compat.fitres_to_recorddict(_result(workload, hospital, update), keep_input=True))
    return counted
