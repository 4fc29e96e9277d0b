"""The engine inside a participant's own process, started from its kit and without FLARE's shell scripts."""

import os
import signal
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import FrameType

from nvflare.fuel.f3.mpm import MainProcessMonitor
from nvflare.private.fed.app.client import client_train
from nvflare.private.fed.app.server import server_train

from mithridate.errors import EnrolmentError
from mithridate.provisioning.admission import Admission
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.engine import CLIENTS
from mithridate.provisioning.engine_driver import guard_connections
from mithridate.provisioning.engine_settings import HEARTBEAT_S
from mithridate.provisioning.keystore import RsaKey
from mithridate.provisioning.manifest import STARTUP
from mithridate.provisioning.opened_kit import Kit, unlocked
from mithridate.provisioning.revocation import LIST_FILE


def run_engine(kit: Kit, key: RsaKey, *, stop: Callable[[], int | None] | None = None) -> int:
    """Runs the engine's coordinator or site until it is stopped; from the main thread only.

    The engine changes into the kit's folder and sets up logging by the kit's `local/log_config.json`.

    Args:
        kit: of a coordinator, validator, hospital or curator.
        key: of the kit's certificate.
        stop: called in a thread of its own on SIGTERM or SIGINT: it should ask the engine to shut down. A site's engine
            runs from its first connection on: until then it should return the exit status with which the process ends
            at once, as it does without `stop`.

    Returns:
        The engine's exit status, 0 after a graceful end.

    Raises:
        EnrolmentError: the key is not the kit's, the kit is in use, or its role has no part in the engine.
    """
    role, folder = kit.member.participant.role, str(kit.folder)
    if role is not Role.COORDINATOR and role not in CLIENTS:
        raise EnrolmentError(f"{kit.member.participant.name} is {role}: it has no part in the engine to start")
    with ExitStack() as stack:
        _on_signals(partial(_stop, stack, threading.Lock(), stop))
        stack.enter_context(unlocked(kit, key))
        # Where a thread is left over, the engine ends the process at once and only calls what was registered with it.
        MainProcessMonitor.add_cleanup_cb(stack.close)
        if role is Role.COORDINATOR:
            guard_connections(Admission(kit.root, kit.roster, kit.folder / STARTUP / LIST_FILE, kit.revocations))
            status = MainProcessMonitor.run(main_func=server_train.main, run_dir=folder, args=_server(kit, folder))
        else:
            status = MainProcessMonitor.run(main_func=client_train.main, run_dir=folder, args=_client(kit, folder))
    return int(status or 0)


def _on_signals(stop: Callable[[], object]) -> None:
    def handle(signum: int, frame: FrameType | None) -> None:
        threading.Thread(target=stop, name="stop", daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _stop(stack: ExitStack, ending: threading.Lock, ask: Callable[[], int | None] | None) -> None:
    status = 0 if ask is None else ask()
    if status is not None:
        # A second signal must not end the process while the first still takes the unlocked key away.
        with ending:
            stack.close()
            os._exit(status)


def _server(kit: Kit, folder: str) -> Namespace:
    settings = ["secure_train=true", "config_folder=", f"org={kit.member.participant.organisation}"]
    return Namespace(workspace=folder, fed_server="fed_server.json", set=settings)


def _client(kit: Kit, folder: str) -> Namespace:
    person = kit.member.participant
    settings = ["secure_train=true", "config_folder=", f"uid={person.name}", f"org={person.organisation}"]
    settings.append(f"heart_beat_interval={HEARTBEAT_S}")
    return Namespace(workspace=folder, fed_client="fed_client.json", set=settings, local_rank=0)
