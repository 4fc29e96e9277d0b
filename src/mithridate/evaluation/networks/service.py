"""A network of one node: the embedded chain, served to many processes (`mithridate ledger serve`)."""

import sys
from pathlib import Path

from mithridate.evaluation.networks.local import LocalNetwork
from mithridate.evaluation.networks.process import NodeProcess, free_ports


class ServiceNetwork(LocalNetwork):
    """It seals a block where there is a change and none otherwise, so there is no first one to wait for."""

    def start(self) -> "ServiceNetwork":
        """Starts the service and waits until it answers."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()
        return self


def service_network(folder: Path) -> ServiceNetwork:
    """A service with its ledger in `folder`; `start` starts it.

    Args:
        folder: made if missing; one that holds a ledger goes on with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    run = "from mithridate.cli import main; main()"
    command = [sys.executable, "-c", run, "ledger", "serve", str(folder), "--port", str(port)]
    node = NodeProcess("the ledger service", command, port, folder / "service.log")
    # Not a sealer: parties reach a network through those that follow it.
    return ServiceNetwork("service", (), (node,), 0, None)
