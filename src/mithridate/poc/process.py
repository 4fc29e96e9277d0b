"""One process of the proof of concept: started, watched, killed and started again by its own id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mithridate.emulation.host import LOOPBACK_HOST, Host

STOP_S = 20.0
LOG_END = 2000


class PocProcess:
    """A `mithridate` command in a process group of its own; started again, it appends to the same log.

    Args:
        name: for messages.
        arguments: what follows `mithridate`.
        log: its output.
        environment: what it finds in its environment besides ours.
        host: where it runs.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: dict[str, str],
        host: Host = LOOPBACK_HOST,
    ) -> None:
        self.name = name
        self._host = host
        self.log = log
        self.starts = 0
        self._command = [sys.executable, "-m", "mithridate", *arguments]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status, None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it lives, paused or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> "PocProcess":
        """Starts it, again after it ended."""
        if self.running:
            return self
        self.starts += 1
        with self.log.open("ab") as log, self._host.inside():
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        return self

    def kill(self) -> None:
        """Ends it and its children at once (SIGKILL), as a power cut would."""
        self._signal_all(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def pause(self) -> None:
        """Stops it where it stands (SIGSTOP): its connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused process go on."""
        self._signal_all(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """Sends SIGTERM."""
        if self.running and self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int | None:
        """Exit status, None if it still runs after so long."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.status

    def stop(self) -> None:
        """Asks it to end, and ends it if it does not."""
        self.resume()
        self.ask_to_stop()
        if self.wait(STOP_S) is None:
            self.kill()

    def end_of_log(self) -> str:
        """The last lines it wrote."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")[-LOG_END:]
        except OSError:
            return ""

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return
