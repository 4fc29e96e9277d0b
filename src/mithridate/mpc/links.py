"""Links among the three validators' SPU runtimes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spu import libspu

from mithridate.errors import RoundVoid
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
    description = libspu.link.Desc()
    # Memory links of one name meet each other, so each group gets a name of its own.
    description.id = secrets.token_hex(16)
    description.recv_timeout_ms = round(receive_timeout_s * 1000)
    for rank in range(VALIDATORS):
        description.add_party(f"validator-{rank}", f"memory-{rank}")
    return [libspu.link.create_mem(description, rank) for rank in range(VALIDATORS)]


@dataclass(frozen=True)
class LinkFiles:
    """What one end of a link between machines reads from files, as SPU takes no key from memory.

    Args:
        certificate: its certificate of this link, PEM.
        key: its key of this link, PEM.
        trusted: the certificates of the committee's three, PEM, and of nobody else.
    """

    certificate: Path
    key: Path
    trusted: Path


def remote_link(
    rank: int,
    addresses: Sequence[str],
    files: LinkFiles,
    name: str,
    *,
    receive_timeout_s: float = RECEIVE_TIMEOUT_S,
    patience_s: float = 30.0,
) -> libspu.link.Context:
    """This validator's end of a link between machines: brpc under mutual TLS; the three call it at the same time.

    Args:
        rank: this validator's place in the committee.
        addresses: "host:port" of the three, in rank order; it listens at its own.
        files: certificates and key.
        name: the same at all three, and of this link alone.
        receive_timeout_s: see `memory_links`.
        patience_s: how long the others are waited for.

    Raises:
        RoundVoid: another validator cannot be reached, or this one cannot listen.
    """
    spu_log.start()
    description = libspu.link.Desc()
    description.id = name
    description.recv_timeout_ms = round(receive_timeout_s * 1000)
    for party, address in enumerate(addresses):
        description.add_party(f"validator-{party}", address)
    # SPU connects by a message that it sends again until the patience is over. It does so with every later one, too,
    # and ends the whole process where one is lost for good.
    description.connect_retry_times = 1
    description.retry_opts.max_retry = max(1, round(patience_s * 1000 / _RETRY_MS))
    description.retry_opts.retry_interval_ms = _RETRY_MS
    description.retry_opts.retry_interval_incr_ms = 0
    description.enable_ssl = True
    for options in (description.client_ssl_opts, description.server_ssl_opts):
        options.cert.certificate_path = str(files.certificate)
        options.cert.private_key_path = str(files.key)
        options.verify.ca_file_path = str(files.trusted)
        options.verify.verify_depth = 1
    try:
        return libspu.link.create_brpc(description, rank)
    except RuntimeError as error:
        raise RoundVoid(
            f"validator-{rank} cannot link with the others for the joint computation: {spu_log.first_line(error)}"
        ) from error
