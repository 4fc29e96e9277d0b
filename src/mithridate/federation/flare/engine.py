"""Runs FLARE's site or server in this process, from a start-up kit, with our connection attached."""

from argparse import Namespace
from pathlib import Path
from typing import Protocol

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_context import FLContext
from nvflare.fuel.f3.mpm import MainProcessMonitor

HEARTBEAT_S = 2
"""Between a site's signs of life; a coordinator that comes back is found again within a few of them."""
HOOK = "mithridate.federation.flare.engine.Hook"
"""The component that a kit's resources.json names."""


class Connection(Protocol):
    """What is attached to the engine."""

    def attach(self, engine: object) -> None:
        """Called once the engine runs."""
        ...


class _Attached:
    connection: Connection | None = None


class Hook(FLComponent):  # type: ignore[misc]
    """FLARE makes it from the kit's resources.json; it hands the running engine to this process's connection."""

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """See `FLComponent.handle_event`."""
        if event_type == EventType.SYSTEM_START and _Attached.connection is not None:
            _Attached.connection.attach(fl_ctx.get_engine())


def run_site(kit: Path, name: str, organisation: str, connection: Connection) -> int:
    """Runs a site until its engine is shut down. Only the main thread may call it, once in a process.

    Args:
        kit: the start-up kit's folder, which becomes the working directory.
        name: of the site, as in its certificate.
        organisation: of the site.
        connection: attached when the engine runs.

    Returns:
        The engine's exit status.
    """
    # Deferred: importing it configures the engine's logging.
    from nvflare.private.fed.app.client import client_train

    settings = ["secure_train=true", "config_folder=", f"uid={name}", f"org={organisation}"]
    arguments = Namespace(
        workspace=str(kit),
        fed_client="fed_client.json",
        local_rank=0,
        set=[*settings, f"heart_beat_interval={HEARTBEAT_S}"],
    )
    return _run(client_train.main, kit, arguments, connection)


def run_server(kit: Path, organisation: str, connection: Connection) -> int:
    """Runs the server until its engine is shut down; see `run_site`."""
    from nvflare.private.fed.app.server import server_train

    settings = ["secure_train=true", "config_folder=", f"org={organisation}"]
    arguments = Namespace(workspace=str(kit), fed_server="fed_server.json", set=settings)
    return _run(server_train.main, kit, arguments, connection)


def _run(main: object, kit: Path, arguments: Namespace, connection: Connection) -> int:
    _Attached.connection = connection
    return int(MainProcessMonitor.run(main_func=main, run_dir=str(kit), args=arguments) or 0)
