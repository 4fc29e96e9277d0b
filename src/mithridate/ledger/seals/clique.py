"""Clique, proof of authority (EIP-225, Szilagyi 2017): one sealer signs a block, then pauses for half of them.

The guarantee is void where half of the sealers or more collude: they can seal another chain.
"""

from collections import deque

import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from mithridate.errors import LedgerError, SealRefused
from mithridate.ledger.seals.header import (
    ADDRESS_BYTES,
    DIFFICULTY,
    EXTRA,
    FIELDS,
    MIX,
    NO_MIX,
    NUMBER,
    SEAL_BYTES,
    VANITY_BYTES,
    Fields,
    read_fields,
    refuse_votes,
    signer_of,
)

NO_SEAL = bytes(SEAL_BYTES)
"""Nobody seals the genesis block."""
IN_TURN, OUT_OF_TURN = 2, 1
"""Difficulty of a block by the sealer whose turn it is, and by another."""


class CliqueSeals:
    """See `Seals`.

    Args:
        genesis: fields of the first header, whose extra data lists the sealers.

    Raises:
        LedgerError: it is no chain of Clique.
    """

    consensus = "clique"

    def __init__(self, genesis: Fields) -> None:
        extra = genesis[EXTRA]
        listed = extra[VANITY_BYTES:-SEAL_BYTES]
        if not listed or len(listed) % ADDRESS_BYTES or extra[-SEAL_BYTES:] != NO_SEAL or genesis[MIX] != NO_MIX:
            raise LedgerError("its extra data lists no sealers of Clique")
        places = range(0, len(listed), ADDRESS_BYTES)
        self.sealers = tuple(sorted({listed[place : place + ADDRESS_BYTES] for place in places}))
        self._recent: deque[bytes] = deque(maxlen=len(self.sealers) // 2)

    def bound(self, header: bytes) -> bytes:
        """See `Seals.bound`: the hash binds all."""
        return header

    def identity(self, header: bytes) -> bytes:
        """See `Seals.identity`: of the header as it stands, its seal included."""
        return keccak(header)

    def check(self, header: bytes) -> bytes:
        """See `Seals.check`."""
        fields = read_fields(header)
        extra, number = fields[EXTRA], int.from_bytes(fields[NUMBER])
        if len(extra) < VANITY_BYTES + SEAL_BYTES or fields[MIX] != NO_MIX or len(fields) > FIELDS + 1:
            raise SealRefused("its header is none of Clique")
        refuse_votes(fields)
        if extra[VANITY_BYTES:-SEAL_BYTES] not in (b"", b"".join(self.sealers)):
            raise SealRefused("it lists other sealers than the genesis block")
        signer = signer_of(extra[-SEAL_BYTES:], seal_digest(fields))
        self._may_seal(signer, number, int.from_bytes(fields[DIFFICULTY]))
        self._recent.append(signer)
        return signer

    def _may_seal(self, signer: bytes, number: int, difficulty: int) -> None:
        name = to_checksum_address(signer)
        if signer not in self.sealers:
            raise SealRefused(f"it is sealed by {name}, no sealer of the genesis block, or its seal was altered")
        if signer in self._recent:
            raise SealRefused(f"{name} sealed one of the {self._recent.maxlen} blocks before: it was to pause")
        due = IN_TURN if self.sealers[number % len(self.sealers)] == signer else OUT_OF_TURN
        if difficulty != due:
            raise SealRefused(f"{name} sealed it with difficulty {difficulty} where its turn asks for {due}")


def seal_digest(fields: Fields) -> bytes:
    """What a sealer signs: the hash of the header without its seal, the last 65 bytes of the extra data."""
    return keccak(rlp.encode([*fields[:EXTRA], fields[EXTRA][:-SEAL_BYTES], *fields[EXTRA + 1 :]]))
