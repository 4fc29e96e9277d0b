"""The ledger service as a process of the proof of concept."""

import time
from pathlib import Path

from mithridate.emulation.host import LOOPBACK_HOST, Host
from mithridate.errors import LedgerError
from mithridate.evaluation.networks.process import free_ports
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused
from mithridate.poc.process import PocProcess

START_S = 60.0


class LedgerService:
    """`mithridate ledger serve` on a folder.

    Args:
        folder: for its journal.
        host: where it runs.
    """

    def __init__(self, folder: Path, host: Host = LOOPBACK_HOST) -> None:
        (port,) = free_ports(1)
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://{host.address}:{port}"
        arguments = ["ledger", "serve", str(folder / "chain"), "--port", str(port), "--host", host.address]
        self.process = PocProcess("ledger", arguments, folder / "log", {}, host)

    def start(self) -> "LedgerService":
        """Starts it and waits until it answers.

        Raises:
            LedgerError: it does not; the message holds the end of its log.
        """
        self.process.start()
        endpoint = Endpoint(self.url, 2.0)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.running:
            try:
                endpoint.head()
                return self
            except (EndpointFailed, Refused):
                time.sleep(0.1)
        raise LedgerError(f"the ledger service does not answer at {self.url}:\n{self.process.end_of_log()}")

    def stop(self) -> None:
        """Ends it."""
        self.process.stop()
