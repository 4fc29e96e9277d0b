"""The channel for the linear part among validators on different machines: gRPC streams under mutual TLS.

The three meet for one section of the protocol at a time. A section has streams of its own, so that what is left of one
that failed is never read in the next, and a validator whose process ends is missed at once.
"""

import queue
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName, load_pem_x509_certificate

from mithridate.crypto.link_certificates import read_link_certificate
from mithridate.errors import InputError, MessageError, RoundVoid
from mithridate.mpc.peers import HungUp
from mithridate.mpc.shares import VALIDATORS

OVERHEAD_BYTES = 1 << 20
"""Room in a message besides 8 bytes a parameter: verdicts, Gram matrices of a thousand hospitals are sent in parts."""
_METHOD = "mithridate.Validators/Deliver"
_SECTION = "section"
_MAX_SECTION = 128
_MAX_UNREAD = 64
_MAX_WAITING = 8
_NONCE_BYTES = 16
_HANDSHAKE_S = 5.0
_PAUSE_S = 0.2
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
_SERVER_OPTIONS = (
    *_CHANNEL_OPTIONS,
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # Another process on the port would take part of the streams.
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True)
class Seat:
    """Where a validator is reached.

    Args:
        name: as its certificate has it.
        address: "host:port".
        certificate: its certificate, PEM, from the roster.
    """

    name: str
    address: str
    certificate: bytes = field(repr=False)


class _Stream:
    """What one peer sends in one section."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.ended = threading.Event()

    def put(self, message: bytes) -> None:
        if self._messages.qsize() >= _MAX_UNREAD:
            raise MessageError(f"more than {_MAX_UNREAD} messages wait to be read")
        self._messages.put(message)

    def end(self) -> None:
        self.ended.set()
        self._messages.put(None)

    def get(self, timeout: float) -> bytes | None:
        message = self._messages.get(timeout=timeout)
        if message is None:
            # Whoever asks again must hear the same.
            self._messages.put(None)
        return message


class RemotePeers:
    """One validator's end of the channel, for one section; see `mpc.peers.Peers`.

    Args:
        rank: this validator's place in the committee.
        outgoing: to each of the other two.
        incoming: from each of the other two.
        timeout: seconds that `receive` waits.
    """

    def __init__(
        self,
        rank: int,
        outgoing: Mapping[int, "queue.SimpleQueue[bytes | None]"],
        incoming: Mapping[int, _Stream],
        timeout: float,
    ) -> None:
        self.rank = rank
        self.sent_bytes = 0
        self._outgoing = outgoing
        self._incoming = incoming
        self._timeout = timeout

    def send(self, to: int, message: bytes) -> None:
        """See `Peers.send`."""
        self.sent_bytes += len(message)
        self._outgoing[to].put(bytes(message))

    def receive(self, sender: int) -> bytes:
        """See `Peers.receive`.

        Raises:
            HungUp: that validator left the section, or its process or machine is gone.
        """
        try:
            message = self._incoming[sender].get(self._timeout)
        except queue.Empty:
            raise RoundVoid(f"validator-{sender} sent nothing for {self._timeout:g} s: is it still running?") from None
        if message is None:
            raise HungUp(f"validator-{sender} left the computation")
        return message

    @property
    def gone(self) -> tuple[int, ...]:
        """The peers that have left, ended or broken off."""
        return tuple(rank for rank, stream in self._incoming.items() if stream.ended.is_set())

    def hang_up(self) -> None:
        """Leaves the section; what was sent before still arrives."""
        for box in self._outgoing.values():
            box.put(None)


class PeerService:
    """A validator's door to the two others, open as long as it runs.

    Args:
        rank: its place in the committee.
        seats: of the three, in rank order; its own tells where it listens.
        key: of its certificate, PEM.
        parameters: d, which bounds a message.
        timeout: seconds to wait for a message of another validator.
        listen: "host:port" to bind, where it differs from the seat's address.

    Raises:
        InputError: the port is taken.
        MessageError: a certificate cannot be used.
    """

    def __init__(
        self,
        rank: int,
        seats: tuple[Seat, Seat, Seat],
        key: bytes,
        parameters: int,
        timeout: float,
        listen: str | None = None,
    ) -> None:
        self.rank = rank
        self._timeout = timeout
        self._others = [other for other in range(VALIDATORS) if other != rank]
        self._known = {
            read_link_certificate(seats[other].certificate, seats[other].name).public_bytes(Encoding.DER): other
            for other in self._others
        }
        self._waiting: dict[tuple[str, int], _Stream] = {}
        self._arrived = threading.Condition()
        limit = 8 * parameters + OVERHEAD_BYTES
        sizes = (("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit))
        self._pool = ThreadPoolExecutor(2 * _MAX_WAITING, thread_name_prefix="peers")
        self._server = grpc.server(self._pool, options=(*_SERVER_OPTIONS, *sizes))
        self._server.add_generic_rpc_handlers((_Handler(self._deliver),))
        own = seats[rank].certificate
        trusted = b"".join(seats[other].certificate for other in self._others)
        credentials = grpc.ssl_server_credentials([(key, own)], trusted, require_client_auth=True)
        where = listen or seats[rank].address
        try:
            self._server.add_secure_port(where, credentials)
        except RuntimeError as error:
            self._pool.shutdown(wait=False)
            raise InputError(f"validator-{rank} cannot listen on {where}: is another process using it?") from error
        self._server.start()
        self._channels = {other: _channel(seats[other], key, own, sizes) for other in self._others}

    def meet(self, section: str, patience: float) -> RemotePeers:
        """Joins the two others in a section, waiting for whoever is not there yet.

        Args:
            section: the same text at all three, up to 128 printable characters.
            patience: seconds.

        Raises:
            RoundVoid: one of them did not come.
        """
        deadline = time.monotonic() + patience
        reason = "none of the others came"
        while (left := deadline - time.monotonic()) > 0:
            peers = self._join(section, left)
            if isinstance(peers, RemotePeers):
                return peers
            reason = peers
            time.sleep(min(_PAUSE_S, max(0.0, deadline - time.monotonic())))
        raise RoundVoid(f"validator-{self.rank} waited {patience:g} s for the others at {section}: {reason}")

    def close(self) -> None:
        """Shuts the door."""
        for channel in self._channels.values():
            channel.close()
        self._server.stop(grace=None).wait()
        self._pool.shutdown(wait=False)

    def _join(self, section: str, patience: float) -> RemotePeers | str:
        outgoing: dict[int, queue.SimpleQueue[bytes | None]] = {rank: queue.SimpleQueue() for rank in self._others}
        calls = {rank: self._call(rank, section, outgoing[rank]) for rank in self._others}
        nonce = secrets.token_bytes(_NONCE_BYTES)
        for box in outgoing.values():
            box.put(nonce)
        incoming, missing = self._claim(section, patience)
        if missing:
            for call in calls.values():
                call.cancel()
            return f"validator-{missing[0]} did not come"
        for rank, call in calls.items():
            # A peer that is gone is noticed where we send as well as where we listen.
            call.add_done_callback(lambda _, stream=incoming[rank]: stream.end())
        peers = RemotePeers(self.rank, outgoing, incoming, min(_HANDSHAKE_S, self._timeout))
        try:
            settled = _settle(peers, nonce)
        except RoundVoid as error:
            settled, reason = False, str(error)
        else:
            reason = "the others were at an earlier meeting of the same section"
        if not settled:
            peers.hang_up()
            return reason
        peers.sent_bytes = 0
        return RemotePeers(self.rank, outgoing, incoming, self._timeout)

    def _call(self, rank: int, section: str, box: "queue.SimpleQueue[bytes | None]") -> grpc.Future:
        deliver = self._channels[rank].stream_unary(f"/{_METHOD}")
        return deliver.future(_drained(box), metadata=((_SECTION, section),), wait_for_ready=True)

    def _claim(self, section: str, patience: float) -> tuple[dict[int, _Stream], list[int]]:
        """The newest stream of each of the others, taken so that it serves one meeting only; and who did not come."""
        wanted = [(section, rank) for rank in self._others]
        with self._arrived:
            self._arrived.wait_for(lambda: all(key in self._waiting for key in wanted), patience)
            missing = [rank for _, rank in wanted if (section, rank) not in self._waiting]
            if missing:
                return {}, missing
            return {rank: self._waiting.pop((section, rank)) for _, rank in wanted}, []

    def _offer(self, section: str, sender: int, stream: _Stream) -> None:
        with self._arrived:
            earlier = self._waiting.pop((section, sender), None)
            of_sender = [key for key in self._waiting if key[1] == sender]
            discarded = [self._waiting.pop(key) for key in of_sender[: max(0, len(of_sender) + 1 - _MAX_WAITING)]]
            self._waiting[section, sender] = stream
            self._arrived.notify_all()
        for old in [*discarded, *([earlier] if earlier else [])]:
            old.end()

    def _deliver(self, messages: Iterable[bytes], context: grpc.ServicerContext) -> bytes:
        sender = self._sender(context)
        section = str(dict(context.invocation_metadata()).get(_SECTION, ""))
        if not section or len(section) > _MAX_SECTION or not section.isprintable():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a stream names its section")
        stream = _Stream()
        self._offer(section, sender, stream)
        try:
            for message in messages:
                if stream.ended.is_set():
                    break
                stream.put(message)
        except Exception:  # noqa: S110 - gRPC raises a bare Exception where the caller broke off
            pass
        finally:
            stream.end()
        return b""

    def _sender(self, context: grpc.ServicerContext) -> int:
        shown = context.auth_context().get("x509_pem_cert", [b""])[0]
        try:
            return self._known[load_pem_x509_certificate(shown).public_bytes(Encoding.DER)]
        except (ValueError, KeyError):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "not the certificate of a validator of this committee")
            raise


def reach(seat: Seat, key: bytes, certificate: bytes, timeout: float) -> None:
    """Returns if a validator's door is open to the holder of a key and its certificate, both PEM; nothing is sent.

    Raises:
        MessageError: nobody answers there within `timeout` seconds, it is not that validator, or it refuses the holder.
    """
    with _channel(seat, key, certificate, ()) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=timeout)
        except grpc.FutureTimeoutError:
            text = f"{seat.name} at {seat.address} does not complete the TLS handshake within {timeout:g} s"
            raise MessageError(text) from None


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, deliver: object) -> None:
        self._deliver = grpc.stream_unary_rpc_method_handler(deliver)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._deliver if details.method == f"/{_METHOD}" else None


def _channel(seat: Seat, key: bytes, certificate: bytes, sizes: tuple[tuple[str, int], ...]) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(seat.certificate, key, certificate)
    # The certificate is pinned; the name that TLS compares besides is whichever it bears.
    named = ("grpc.ssl_target_name_override", _host_name(seat))
    options = (*_CHANNEL_OPTIONS, *sizes, named, ("grpc.enable_http_proxy", 0))
    return grpc.secure_channel(seat.address, credentials, options=options)


def _host_name(seat: Seat) -> str:
    certificate = read_link_certificate(seat.certificate, seat.name)
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return seat.name
    return next(iter(names.get_values_for_type(DNSName)), seat.name)


def _drained(box: "queue.SimpleQueue[bytes | None]") -> Iterator[bytes]:
    while (message := box.get()) is not None:
        yield message


def _settle(peers: RemotePeers, nonce: bytes) -> bool:
    """Whether all three are at the same meeting: each has heard the others' fresh nonces."""
    others = [rank for rank in range(VALIDATORS) if rank != peers.rank]
    heard = sorted([nonce, *(peers.receive(rank) for rank in others)])
    for rank in others:
        peers.send(rank, b"".join(heard))
    return all(peers.receive(rank) == b"".join(heard) for rank in others)
