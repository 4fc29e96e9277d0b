"""Links among the three validators' SPU runtimes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spu import libspu

from mithridate.errors import InputError, RoundVoid
from mithridate.mpc import spu_log
from mithridate.mpc.shares import VALIDATORS

RECEIVE_TIMEOUT_S = 300.0
_RETRY_MS = 500


def memory_links(receive_timeout_s: float = RECEIVE_TIMEOUT_S) -> list[libspu.link.Context]:
    """Three ends of a link within this process, for validators in threads of their own; rank i's is at index i.

    Args:
        receive_timeout_s: how long one validator waits for a message of another before its program fails. Longer than
            the slowest validator's longest local step; a dead peer costs this much time.
    """
    # Memory links of one name meet each other, so each group gets a name of its own.
    addresses = [f"memory-{rank}" for rank in range(VALIDATORS)]
    description = _description(secrets.token_hex(16), addresses, receive_timeout_s)
    return [libspu.link.create_mem(description, rank) for rank in range(VALIDATORS)]


@dataclass(frozen=True)
class Credentials:
    """PEM files by which one validator is known to the others.

    Args:
        certificate: the validator's own, usable by both ends of TLS.
        key: its private key.
        authority: certificates of the authority that issued all three validators' certificates, and of no other.
    """

    certificate: Path
    key: Path
    authority: Path


def tls_link(
    rank: int,
    addresses: Sequence[str],
    credentials: Credentials,
    *,
    name: str,
    receive_timeout_s: float = RECEIVE_TIMEOUT_S,
    connect_attempts: int = 60,
) -> libspu.link.Context:
    """This validator's end of a link over the network: brpc with TLS in which both ends show a certificate.

    brpc checks that a peer's certificate comes from the authority, not whose it is: the authority must certify
    validators only. Blocks until all three have connected.

    Args:
        rank: this validator's.
        addresses: "host:port" of ranks 0, 1 and 2; the own port is listened on.
        credentials: this validator's.
        name: of this group of links, the same at all three.
        receive_timeout_s: as for `memory_links`.
        connect_attempts: how often to try each of the others, about 2 s apart.

    Raises:
        InputError: a credential file is missing.
        RoundVoid: the other two did not connect, or the own port cannot be listened on.
    """
    for path in (credentials.certificate, credentials.key, credentials.authority):
        if not path.is_file():
            raise InputError(
                f"{path} is missing: a validator's link needs its certificate, its key and the authority's"
            )
    description = _description(name, addresses, receive_timeout_s)
    description.connect_retry_interval_ms = _RETRY_MS
    description.connect_retry_times = connect_attempts
    description.enable_ssl = True
    for options in (description.client_ssl_opts, description.server_ssl_opts):
        options.cert.certificate_path = str(credentials.certificate)
        options.cert.private_key_path = str(credentials.key)
        options.verify.verify_depth = 1
        options.verify.ca_file_path = str(credentials.authority)
    try:
        spu_log.start()
        return libspu.link.create_brpc(description, rank)
    except RuntimeError as error:
        raise RoundVoid(f"validator {rank} could not connect to the others: {spu_log.first_line(error)}") from error


def _description(name: str, addresses: Sequence[str], receive_timeout_s: float) -> libspu.link.Desc:
    description = libspu.link.Desc()
    description.id = name
    description.recv_timeout_ms = round(receive_timeout_s * 1000)
    for rank, address in enumerate(addresses):
        description.add_party(f"validator-{rank}", address)
    return description
