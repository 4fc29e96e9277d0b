"""The channel for the linear part among validators on different machines: gRPC streams under mutual TLS.

The three meet for one section of the protocol at a time. A section has streams of its own, so that what is left of one
that failed is never read in the next, and a validator whose process ends is missed at once.
"""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import grpc
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import (
    Certificate,
    DNSName,
    ExtensionNotFound,
    SubjectAlternativeName,
    load_pem_x509_certificate,
)

from mithridate.crypto.link_certificates import read_link_certificate
from mithridate.errors import InputError, MessageError, RoundVoid
from mithridate.mpc.peers import HungUp
from mithridate.mpc.remote_streams import Incoming, Outgoing
from mithridate.mpc.shares import VALIDATORS

LOG = logging.getLogger(__name__)
OVERHEAD_BYTES = 1 << 20
"""Room in a message besides 8 bytes a parameter: verdicts, Gram matrices of a thousand hospitals are sent in parts."""
_METHOD = "mithridate.Validators/Deliver"
_SECTION = "section"
_MAX_SECTION = 128
_MAX_WAITING = 8
_NONCE_BYTES = 16
_MAX_STREAMS = 4 * _MAX_WAITING
_HANDSHAKE_S = 5.0
_FAREWELL_S = 2.0
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


class RemotePeers:
    """One validator's end of the channel, for one section; see `mpc.peers.Peers`.

    Args:
        rank: this validator's place in the committee.
        outgoing: to each of the other two.
        incoming: from each of the other two.
        timeout: seconds that `receive` waits.
        limit: the most bytes of a message.
    """

    def __init__(
        self,
        rank: int,
        outgoing: Mapping[int, Outgoing],
        incoming: Mapping[int, Incoming],
        timeout: float,
        limit: int,
    ) -> None:
        self.rank = rank
        self.sent_bytes = 0
        self._outgoing = outgoing
        self._incoming = incoming
        self._timeout = timeout
        self._limit = limit

    def send(self, to: int, message: bytes) -> None:
        """See `Peers.send`.

        Raises:
            MessageError: it is larger than a message of this study may be.
        """
        if len(message) > self._limit:
            raise MessageError(f"a message of {len(message)} bytes to validator-{to}: at most {self._limit} are sent")
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
            box.end()


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
        InputError: the port is taken, or the key is not the certificate's.
        MessageError: a certificate cannot be used, this validator's own or another's.
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
        self._seats = seats
        self._limit = 8 * parameters + OVERHEAD_BYTES
        self._others = [other for other in range(VALIDATORS) if other != rank]
        # Written anew: what else a file holds besides the certificate must not be trusted with it.
        pinned = [read_link_certificate(seat.certificate, seat.name).public_bytes(Encoding.PEM) for seat in seats]
        self._known = {_der(load_pem_x509_certificate(pinned[other])): other for other in self._others}
        _check_key(key, load_pem_x509_certificate(pinned[rank]), seats[rank].name)
        self._waiting: dict[tuple[str, int], Incoming] = {}
        self._open: list[Incoming] = []
        self._calls: list[Outgoing] = []
        self._arrived = threading.Condition()
        sizes = (("grpc.max_receive_message_length", self._limit), ("grpc.max_send_message_length", self._limit))
        self._pool = ThreadPoolExecutor(_MAX_STREAMS, thread_name_prefix="peers")
        self._server = grpc.server(self._pool, options=(*_SERVER_OPTIONS, *sizes), maximum_concurrent_rpcs=_MAX_STREAMS)
        self._server.add_generic_rpc_handlers((_Handler(self._deliver),))
        trusted = b"".join(pinned[other] for other in self._others)
        credentials = grpc.ssl_server_credentials([(key, pinned[rank])], trusted, require_client_auth=True)
        where = listen or seats[rank].address
        try:
            self._server.add_secure_port(where, credentials)
        except RuntimeError as error:
            self._pool.shutdown(wait=False)
            raise InputError(f"validator-{rank} cannot listen on {where}: is another process using it?") from error
        self._server.start()
        self._channels = {
            other: _channel(seats[other], pinned[other], key, pinned[rank], sizes) for other in self._others
        }

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
        """Shuts the door, once what was sent has arrived or cannot."""
        with self._arrived:
            calls, self._calls = self._calls, []
            streams, self._waiting = list(self._open), {}
        deadline = time.monotonic() + _FAREWELL_S
        for outgoing in calls:
            outgoing.end()
        for outgoing in calls:
            outgoing.finish(deadline - time.monotonic())
        for stream in streams:
            stream.discard()
        for channel in self._channels.values():
            channel.close()
        self._server.stop(grace=None).wait()
        self._pool.shutdown()

    def _join(self, section: str, patience: float) -> RemotePeers | str:
        outgoing = {rank: self._call(rank, section) for rank in self._others}
        nonce = secrets.token_bytes(_NONCE_BYTES)
        for each in outgoing.values():
            each.put(nonce)
        incoming, missing = self._claim(section, patience)
        if missing:
            for each in outgoing.values():
                each.cancel()
            return self._absence(missing[0])
        for rank, each in outgoing.items():
            # A peer that is gone is noticed where we send as well as where we listen.
            each.call.add_done_callback(lambda _, stream=incoming[rank]: stream.end())
        peers = RemotePeers(self.rank, outgoing, incoming, min(_HANDSHAKE_S, self._timeout), self._limit)
        try:
            settled = _settle(peers, nonce)
        except RoundVoid as error:
            settled, reason = False, str(error)
        else:
            reason = "the others were at an earlier meeting of the same section"
        if not settled:
            peers.hang_up()
            return reason
        return RemotePeers(self.rank, outgoing, incoming, self._timeout, self._limit)

    def _absence(self, rank: int) -> str:
        try:
            read_link_certificate(self._seats[rank].certificate, self._seats[rank].name)
        except MessageError as error:
            # Valid when this service began, but not today.
            return str(error)
        return f"validator-{rank} did not come"

    def _call(self, rank: int, section: str) -> Outgoing:
        deliver = self._channels[rank].stream_unary(f"/{_METHOD}")
        call = partial(deliver.future, metadata=((_SECTION, section),), wait_for_ready=True)
        try:
            outgoing = Outgoing(call)
        except ValueError:
            raise RoundVoid(f"validator-{self.rank} has left the computation") from None
        with self._arrived:
            self._calls = [each for each in self._calls if not each.call.done()] + [outgoing]
        return outgoing

    def _claim(self, section: str, patience: float) -> tuple[dict[int, Incoming], list[int]]:
        """The newest stream of each of the others, taken so that it serves one meeting only; and who did not come."""

        def missing() -> list[int]:
            held = {rank: self._waiting.get((section, rank)) for rank in self._others}
            # One that its sender gave up belongs to an earlier try.
            return [rank for rank, stream in held.items() if stream is None or stream.ended.is_set()]

        with self._arrived:
            if not self._arrived.wait_for(lambda: not missing(), patience):
                return {}, missing()
            return {rank: self._waiting.pop((section, rank)) for rank in self._others}, []

    def _offer(self, section: str, stream: Incoming) -> None:
        """Keeps a stream until its section is joined, in the place of its sender's earlier ones if they are many."""
        with self._arrived:
            earlier = self._waiting.pop((section, stream.sender), None)
            of_sender = [each for each in self._open if each.sender == stream.sender]
            discarded = of_sender[: max(0, len(of_sender) + 1 - _MAX_WAITING)]
            self._waiting = {key: each for key, each in self._waiting.items() if each not in discarded}
            self._waiting[section, stream.sender] = stream
            self._open.append(stream)
            self._arrived.notify_all()
        for old in {*discarded, *([earlier] if earlier else [])}:
            old.discard()

    def _deliver(self, messages: Iterable[bytes], context: grpc.ServicerContext) -> bytes:
        sender = self._sender(context)
        section = str(dict(context.invocation_metadata()).get(_SECTION, ""))
        if not section or len(section) > _MAX_SECTION or not section.isprintable():
            LOG.warning("refused a stream of validator-%d: it names no section", sender)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a stream names its section")
        stream = Incoming(sender, context.cancel)
        self._offer(section, stream)
        try:
            for message in messages:
                if stream.ended.is_set():
                    break
                stream.put(message)
        except MessageError as error:
            LOG.warning("broke off a stream of validator-%d in %s: %s", sender, section, error)
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except Exception as error:
            # gRPC raises a bare Exception where the caller broke off, or sent more than the limit.
            LOG.info("a stream of validator-%d in %s broke off: %s", sender, section, type(error).__name__)
        finally:
            stream.end()
            with self._arrived:
                self._open.remove(stream)
                # Whoever ended it before it was joined is at another meeting by now.
                if self._waiting.get((section, sender)) is stream:
                    del self._waiting[section, sender]
        return b""

    def _sender(self, context: grpc.ServicerContext) -> int:
        shown = context.auth_context().get("x509_pem_cert", [b""])[0]
        try:
            return self._known[_der(load_pem_x509_certificate(shown))]
        except (ValueError, KeyError):
            LOG.warning("refused a stream of somebody who is no validator of this committee")
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "not the certificate of a validator of this committee")
            raise


def reach(seat: Seat, key: bytes, certificate: bytes, timeout: float) -> None:
    """Returns if a validator's door is open to the holder of a key and its certificate, both PEM; nothing is sent.

    Raises:
        MessageError: nobody answers there within `timeout` seconds, it is not that validator, or it refuses the holder.
    """
    with _channel(seat, seat.certificate, key, certificate, ()) as channel:
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


def _channel(
    seat: Seat, pinned: bytes, key: bytes, certificate: bytes, sizes: tuple[tuple[str, int], ...]
) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(pinned, key, certificate)
    # The certificate is pinned; the name that TLS compares besides is whichever it bears.
    named = ("grpc.ssl_target_name_override", _host_name(load_pem_x509_certificate(pinned), seat.name))
    options = (*_CHANNEL_OPTIONS, *sizes, named, ("grpc.enable_http_proxy", 0))
    return grpc.secure_channel(seat.address, credentials, options=options)


def _host_name(certificate: Certificate, name: str) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return name
    return next(iter(names.get_values_for_type(DNSName)), name)


def _der(certificate: Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _check_key(key: bytes, certificate: Certificate, name: str) -> None:
    try:
        public = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"{name}'s key cannot be read: it is PEM without a passphrase") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise InputError(f"{name}'s key is not the one of its certificate")


def _settle(peers: RemotePeers, nonce: bytes) -> bool:
    """Whether all three are at the same meeting: each has heard the others' fresh nonces."""
    others = [rank for rank in range(VALIDATORS) if rank != peers.rank]
    heard = sorted([nonce, *(peers.receive(rank) for rank in others)])
    for rank in others:
        peers.send(rank, b"".join(heard))
    return all(peers.receive(rank) == b"".join(heard) for rank in others)
