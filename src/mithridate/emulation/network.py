"""An emulated network: participants by name, each on a host of its own, and the switch between them."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from types import TracebackType

from mithridate.emulation import switch
from mithridate.emulation.conditions import Conditions
from mithridate.emulation.host import Host
from mithridate.emulation.lines import Counts
from mithridate.emulation.namespaces import Namespace, new_namespace, open_tun
from mithridate.errors import EmulationUnavailable, InputError

STOP_S = 5.0


class EmulatedNetwork:
    """Namespaces without a way to anything but each other; all is gone when it is closed, or this process ends.

    Args:
        names: of the participants, 250 at most.
        conditions: of the way between any two.
        watchers: those of them whose packets are neither delayed nor lost.
        seed: of the packets that are lost.

    Raises:
        InputError: too many participants.
        EmulationUnavailable: this process may not make namespaces, or has no TUN device.
    """

    def __init__(
        self, names: Sequence[str], conditions: Conditions, *, watchers: Collection[str] = (), seed: int = 0
    ) -> None:
        if len(names) > switch.MOST:
            raise InputError(f"{len(names)} participants: {switch.MOST} can be emulated at most")
        self.conditions = conditions
        self.counts: Counts | None = None
        self._places = {name: place for place, name in enumerate(names)}
        self._namespaces: list[Namespace] = []
        with ExitStack() as failing:
            failing.callback(self._release)
            devices = [self._device(place) for place in range(len(names))]
            try:
                self._switch = _start(devices, conditions, seed, [self._places[name] for name in watchers])
            finally:
                for device in devices:
                    os.close(device)
            failing.pop_all()

    def host(self, name: str) -> Host:
        """A participant's machine.

        Raises:
            InputError: there is no participant of this name.
        """
        if name not in self._places:
            raise InputError(f"{name} is not in the emulated network: {', '.join(self._places)} are")
        place = self._places[name]
        return Host(switch.address_of(place), self._namespaces[place].inside)

    def close(self) -> None:
        """Ends the switch; `counts` says from then on what became of the packets."""
        try:
            said, _ = self._switch.communicate(timeout=STOP_S)
            self.counts = Counts(**json.loads(said))
        except (subprocess.TimeoutExpired, ValueError):
            self._switch.kill()
            self._switch.wait()
        self._release()

    def __enter__(self) -> "EmulatedNetwork":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _device(self, place: int) -> int:
        self._namespaces.append(new_namespace())
        return open_tun(self._namespaces[-1], f"{switch.address_of(place)}/24", self.conditions.mtu)

    def _release(self) -> None:
        for namespace in self._namespaces:
            namespace.close()
        self._namespaces = []


def require_emulation() -> None:
    """Returns if networks can be emulated here.

    Raises:
        EmulationUnavailable: they cannot; the message says what is missing.
    """
    EmulatedNetwork(["one"], Conditions()).close()


def _start(devices: list[int], conditions: Conditions, seed: int, watchers: list[int]) -> "subprocess.Popen[str]":
    settings = {"conditions": conditions.to_dict(), "devices": devices, "seed": seed, "watchers": watchers}
    command = [sys.executable, "-m", switch.__name__, json.dumps(settings)]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=devices,
            start_new_session=True,
        )
    except OSError as error:
        raise EmulationUnavailable(f"the switch does not start: {error}") from error
