"""One node of a local network: a process of its own, started, killed, paused and restarted by its own id."""

import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

from mithridate.emulation.host import LOOPBACK_HOST, Host
from mithridate.errors import LedgerError
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused

LOOPBACK = LOOPBACK_HOST.address
PORTS = range(20_000, 32_000)
"""Below what the system gives out for outgoing connections, so that a restarted node finds its port free."""
START_S = 60.0
STOP_S = 10.0
POLL_S = 0.1
LOG_END = 2000


class NodeProcess:
    """A node that can be started again on its data after it ended, in whatever way.

    Args:
        name: for messages.
        command: starts the node in the foreground.
        rpc_port: where its JSON-RPC answers.
        log: its output is appended here.
        host: where it runs.
    """

    def __init__(self, name: str, command: Sequence[str], rpc_port: int, log: Path, host: Host = LOOPBACK_HOST) -> None:
        self.name = name
        self.url = f"http://{host.address}:{rpc_port}"
        self._host = host
        self._command = list(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint = Endpoint(self.url, 2.0)

    @property
    def running(self) -> bool:
        """Whether the process lives, paused or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the process; `wait` says when it answers."""
        with self._log.open("ab") as log, self._host.inside():
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        """Waits until the node answers; raises LedgerError with the end of its log if it does not."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.running:
            try:
                self._endpoint.head()
                return
            except (EndpointFailed, Refused):
                time.sleep(POLL_S)
        end = self._log.read_text(encoding="utf-8", errors="replace")[-LOG_END:]
        raise LedgerError(f"{self.name} does not answer at {self.url}; its log {self._log} ends:\n{end}")

    def height(self) -> int:
        """Number of its last block."""
        return self._endpoint.head().number

    def request(self, method: str, *parameters: object) -> object:
        """One JSON-RPC request's result."""
        return self._endpoint.request(method, *parameters)

    def kill(self) -> None:
        """Ends the process at once (SIGKILL), as a power cut would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """Asks the process to end, and ends it if it does not."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            if self._process is not None:
                self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def pause(self) -> None:
        """Stops the process where it stands (SIGSTOP): its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused process go on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stops the process if it runs, starts it again and waits for its answer."""
        self.stop()
        self.start()
        self.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def free_ports(count: int) -> list[int]:
    """Different ports of loopback on which nothing listens now."""
    found: list[int] = []
    for port in SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise LedgerError(f"there are no {count} free ports on {LOOPBACK}")
