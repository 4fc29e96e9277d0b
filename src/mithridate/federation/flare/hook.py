"""The component of ours that FLARE makes from a kit's resources.json: it hands the running engine to this process."""

from typing import Protocol

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_context import FLContext


class Connection(Protocol):
    """What is attached to the engine."""

    def attach(self, engine: object) -> None:
        """Called once the engine runs."""
        ...


class _Attached:
    connection: Connection | None = None


def attach_on_start(connection: Connection) -> None:
    """Has `connection` attached to the engine that this process starts next; there is one engine a process."""
    _Attached.connection = connection


class Hook(FLComponent):  # type: ignore[misc]
    """Named in the kit; see `attach_on_start`."""

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """See `FLComponent.handle_event`."""
        if event_type == EventType.SYSTEM_START and _Attached.connection is not None:
            _Attached.connection.attach(fl_ctx.get_engine())
