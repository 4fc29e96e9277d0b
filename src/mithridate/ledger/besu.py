"""The first block of a Besu network under QBFT: changes cost nothing and are final with their block."""

from collections.abc import Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.address import is_address, to_canonical_address

from mithridate.errors import InputError

MIN_SEALERS = 4
"""With fewer, QBFT survives no faulty sealer: it needs n >= 3 f + 1."""
GAS_LIMIT = 100_000_000
PERIOD_S = 1
TIMEOUT_S = 4
"""Seconds before another sealer proposes the block that one owes; at least twice the period."""
EPOCH = 30_000
VANITY = bytes(32)
BYZANTINE = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
"""Besu's mark of a chain of Byzantine consensus, in the place of proof of work's mix hash."""
NOBODY = "0x" + "00" * 20


def besu_genesis(chain_id: int, sealers: Sequence[str]) -> dict[str, Any]:
    """The content of a genesis file (JSON) that every node of the network starts with.

    Args:
        chain_id: positive, the consortium's own: transactions signed for one chain count on no other.
        sealers: addresses of the sealing nodes, four or more: the validators' organisations' and at least one more.

    Raises:
        InputError: too few sealers, one twice, an address that is none, or a chain number out of range.
    """
    if not 0 < chain_id < 2**53:
        raise InputError(f"a chain's number lies between 1 and 2^53, not {chain_id}")
    wrong = [address for address in sealers if not is_address(address)]
    if wrong:
        raise InputError(f"{wrong[0]!r} is no node address: run `besu public-key export-address` on each sealer")
    seats = sorted({to_canonical_address(address) for address in sealers})
    if len(seats) < max(MIN_SEALERS, len(sealers)):
        raise InputError(
            f"a network needs {MIN_SEALERS} different sealers to survive a faulty one, these are {len(seats)}"
        )
    return {
        "config": {
            "chainId": chain_id,
            "berlinBlock": 0,
            "londonBlock": 0,
            "zeroBaseFee": True,
            "qbft": {"blockperiodseconds": PERIOD_S, "requesttimeoutseconds": TIMEOUT_S, "epochlength": EPOCH},
        },
        "nonce": "0x0",
        "timestamp": "0x0",
        "gasLimit": hex(GAS_LIMIT),
        "difficulty": "0x1",
        "mixHash": BYZANTINE,
        "coinbase": NOBODY,
        "alloc": {},
        "extraData": "0x" + _extra_data(seats).hex(),
    }


def _extra_data(seats: Sequence[bytes]) -> bytes:
    # The sealers, no vote on them, round 0, no seals yet.
    no_vote: list[bytes] = []
    no_seals: list[bytes] = []
    return bytes(rlp.encode([VANITY, list(seats), no_vote, b"", no_seals]))
