"""Links among the three validators' SPU runtimes."""

import secrets

from spu import libspu

from mithridate.mpc.shares import VALIDATORS

RECEIVE_TIMEOUT_S = 300.0


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
