"""The engine's gRPC driver with our examination of certificates at its door."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import grpc
from nvflare.fuel.f3.communicator import driver_mgr
from nvflare.fuel.f3.drivers.driver import ConnectorInfo
from nvflare.fuel.f3.drivers.grpc.streamer_pb2 import Frame
from nvflare.fuel.f3.drivers.grpc.streamer_pb2_grpc import StreamerStub
from nvflare.fuel.f3.drivers.grpc_driver import GrpcDriver, StreamConnection

from mithridate.errors import CertificateRefused, EnrolmentError
from mithridate.provisioning.admission import Admission
from mithridate.provisioning.certificates import certificate_to_pem
from mithridate.provisioning.keystore import MAX_BYTES
from mithridate.provisioning.opened_kit import Kit
from mithridate.provisioning.private_files import read_bounded

SWEEP_S = 2.0
"""Between two looks at the connections that are open: so long may a certificate count after its revocation arrived."""

_log = logging.getLogger(__name__)


def guard_connections(admission: Admission) -> None:
    """Makes every gRPC connection that this process accepts from now on pass the examination.

    To be called before the engine starts, once a process: the engine keeps the first driver of a scheme.

    Raises:
        EnrolmentError: the engine has loaded its own driver already.
    """

    class Guarded(_GuardedDriver):
        def __init__(self) -> None:
            super().__init__(admission)

    if driver_mgr.find_driver_class("grpc") is not None:
        raise EnrolmentError("the engine runs already in this process: connections have to be guarded before it starts")
    driver_mgr.register(Guarded)
    # The engine looks for drivers by class name: so it passes over its own without a word about a second one.
    driver_mgr.class_cache.add(GrpcDriver.__name__)


def ask_admission(kit: Kit, key_file: Path, *, timeout: float = 5.0, patience: float = 1.0) -> None:
    """Returns if the coordinator lets this participant in.

    Args:
        kit: the participant's.
        key_file: where its key lies unlocked.
        timeout: seconds to reach the coordinator.
        patience: seconds in which a refusal would come.

    Raises:
        CertificateRefused: the coordinator refuses it; the message has the coordinator's reason, where it gave one.
    """
    key = read_bounded(key_file, MAX_BYTES, "the unlocked key")
    ask_admission_with(kit, key, timeout=timeout, patience=patience)


def ask_admission_with(kit: Kit, key: bytes, *, timeout: float = 5.0, patience: float = 1.0) -> None:
    """See `ask_admission`, with the participant's key in PEM, for whoever does not start the engine."""
    place = kit.roster.coordinator
    credentials = grpc.ssl_channel_credentials(certificate_to_pem(kit.root), key, certificate_to_pem(kit.certificate))
    with grpc.secure_channel(f"{place.host}:{place.port}", credentials) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=timeout)
            # Nothing is sent: only a refusal ends the call before its deadline.
            for _ in StreamerStub(channel).Stream(_silence(patience), timeout=patience):
                break
        except grpc.FutureTimeoutError:
            raise CertificateRefused(
                f"{place.host}:{place.port} does not answer, or TLS refuses this participant's certificate: look at the"
                " coordinator, at this machine's clock and at the certificate's dates"
            ) from None
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise CertificateRefused(f"the coordinator says: {error.details()}") from error


def _silence(seconds: float) -> Iterator[Frame]:
    Event().wait(seconds)
    yield from ()


class _GuardedDriver(GrpcDriver):  # type: ignore[misc]
    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self._admission = admission
        self._over = Event()

    def listen(self, connector: ConnectorInfo) -> None:
        Thread(target=self._sweep, name="admission", daemon=True).start()
        super().listen(connector)

    def add_connection(self, connection: StreamConnection) -> None:
        # Only an accepted connection has a context; those that this process opened itself have a channel.
        if connection.context is not None:
            self._examine(connection)
        super().add_connection(connection)

    def shutdown(self) -> None:
        self._over.set()
        super().shutdown()

    def _examine(self, connection: StreamConnection) -> None:
        try:
            name = self._admission.admit(_shown(connection))
        except CertificateRefused as error:
            _turn_away(connection, error)
            raise
        _log.info("connection from %s admitted: %s", connection.context.peer(), name)

    def _sweep(self) -> None:
        while not self._over.wait(SWEEP_S):
            with self.conn_lock:
                accepted = [connection for connection in self.connections.values() if connection.context is not None]
            for connection in accepted:
                self._close_refused(connection)

    def _close_refused(self, connection: StreamConnection) -> None:
        try:
            self._admission.admit(_shown(connection))
        except CertificateRefused as error:
            _turn_away(connection, error)
            connection.close()


def _shown(connection: StreamConnection) -> bytes | None:
    context = connection.context
    shown: list[bytes | None] = context.auth_context().get("x509_pem_cert", [None]) if context else [None]
    return shown[0]


def _turn_away(connection: StreamConnection, error: CertificateRefused) -> None:
    """Ends the call with the reason; the engine would end it without one where it still found the context."""
    context, connection.context = connection.context, None
    if context is None:
        return
    _log.warning("connection from %s refused: %s", context.peer(), error)
    # gRPC ends a call by an exception of no particular type.
    with contextlib.suppress(Exception):
        context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
