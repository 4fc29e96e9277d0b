"""RLP from another party, decoded with a bound on its nesting: the decoder recurses, and nesting may end a process."""

from typing import Any

import rlp  # type: ignore[import-untyped]
from rlp.codec import consume_length_prefix  # type: ignore[import-untyped]
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from mithridate.errors import LedgerError


def decode(encoded: bytes, depth: int) -> Any:
    """The value of an encoding, byte strings and lists of such.

    Args:
        encoded: the one encoding that the value has, and nothing after it.
        depth: how many lists may lie within one another, at least 1.

    Raises:
        LedgerError: it is no RLP, or nested more deeply.
    """
    try:
        _check(encoded, depth)
        return rlp.decode(encoded)
    except (RLPException, IndexError, TypeError, ValueError) as error:
        raise LedgerError(f"not an RLP value: {error}") from error


def _check(encoded: bytes, depth: int) -> None:
    ends, place = [], 0
    while place < len(encoded):
        _, kind, length, start = consume_length_prefix(encoded, place)
        if kind is list:
            ends.append(start + length)
            if len(ends) > depth:
                raise LedgerError(f"an RLP value nested in more than {depth} lists is not read")
            place = start
        else:
            place = start + length
        while ends and place >= ends[-1]:
            ends.pop()
