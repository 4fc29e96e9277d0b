"""A following node as a child process: it ends with its parent, and what it says goes to the parent's stderr."""

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from mithridate.errors import LedgerError
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused
from mithridate.ledger.node.software import LOOPBACK, FollowingNode

START_S = 120.0
STOP_S = 30.0
"""For a node to write down what it holds in memory."""
POLL_S = 0.2
ANSWER_S = 5.0
_LINES = 20
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


class RunningNode:
    """A node that runs, as a context: it is ended at its end.

    Args:
        node: prepared.
    """

    def __init__(self, node: FollowingNode) -> None:
        self.node = node
        self.url = f"http://{LOOPBACK}:{node.rpc_port}"
        self.endpoint = Endpoint(self.url, ANSWER_S)
        self._said: deque[str] = deque(maxlen=_LINES)
        # Also where this process is killed, nobody is left who holds the port and the data.
        self._process = subprocess.Popen(
            node.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pass_on, name="node", daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    def wait(self, stopped: Callable[[], bool]) -> bool:
        """Waits until it answers; False if it was to be stopped before.

        Raises:
            LedgerError: it ended, or does not answer within two minutes.
        """
        deadline = time.monotonic() + START_S
        while not stopped():
            try:
                self.endpoint.head()
                return True
            except (EndpointFailed, Refused):
                self.refuse_ended()
            if time.monotonic() > deadline:
                raise LedgerError(f"{self.node.terms.software} does not answer at {self.url} within {START_S:g} s")
            time.sleep(POLL_S)
        return False

    def refuse_ended(self) -> None:
        """Returns if it lives; raises LedgerError with its last words otherwise."""
        if not self.running:
            self._reader.join(STOP_S)
            raise self.node.failure(f"ended with status {self._process.returncode}", "".join(self._said))

    def stop(self) -> None:
        """Asks it to end, and ends it if it does not."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(STOP_S)
        self.endpoint.close()

    def __enter__(self) -> "RunningNode":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _pass_on(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            for line in iter(lambda: stream.readline(1 << 12), b""):
                text = line.decode(errors="replace")
                self._said.append(text)
                sys.stderr.write(text)
        sys.stderr.flush()


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
