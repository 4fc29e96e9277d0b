"""The ClientApp of the networked comparison: a hospital's own training, as the study's hospitals do it.

Imports Flower, so only Flower's own interpreter loads it. Flower starts a process a message; PyTorch is imported only
where one trains, so that SecAgg+'s other stages need not wait for it.
"""

from typing import Any

from flwr.app import Context, Message
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable

from mithridate.evaluation.federation.flower_settings import FlowerRun


class HospitalClient(NumPyClient):  # type: ignore[misc]
    """One hospital.

    Args:
        run: the run's settings.
        index: in the roster.
    """

    def __init__(self, run: FlowerRun, index: int) -> None:
        self._run = run
        self._index = index

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> tuple[list[Any], int, dict[str, Any]]:
        """Trains from the round's model and returns the trained one, with the number of records."""
        from mithridate.federation.prepared import Prepared

        site = Prepared.of(self._run.load()).sites[self._index]
        (base,) = parameters
        base = base.astype("float32")
        trained = base + site.update(base, int(config["round"]), 0)
        return [trained.astype("float32")], len(site.dataset), {}


def client_fn(context: Context) -> Any:
    """The client of one SuperNode."""
    return HospitalClient(FlowerRun.of(context.run_config), int(context.node_config["partition-id"])).to_client()


def secure(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """SecAgg+ where the run asks for it."""
    if not FlowerRun.of(context.run_config).secure:
        return call_next(message, context)
    return secaggplus_mod(message, context, call_next)


app = ClientApp(client_fn=client_fn, mods=[secure])
