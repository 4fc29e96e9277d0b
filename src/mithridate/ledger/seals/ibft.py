"""IBFT as polygon-edge has it (Moniz 2020, arXiv:2002.03613): a block is final with the seals of two thirds.

Extra data: 32 bytes of vanity, then RLP of validators, proposer's seal, committed seals, those of the parent, round.
A block's hash covers neither its own seals nor its round, so that two nodes may keep different seals of one block. The
guarantee is void where a third of the sealers or more are faulty. Sealers by ECDSA keys; BLS keys are not known here.
"""

from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from mithridate.errors import LedgerError, SealRefused
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.seals.header import (
    ADDRESS_BYTES,
    EXTRA,
    FIELDS,
    MIX,
    NUMBER,
    VANITY_BYTES,
    Fields,
    read_fields,
    refuse_votes,
    signer_of,
)

MARK = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
"""In the place of proof of work's mix hash, of every block but the first."""
COMMIT = b"\2"
"""Code of the message of which a committed seal is part."""
ROUND_BYTES = 8
PARTS, DEPTH = 5, 2


@dataclass(frozen=True)
class Extra:
    """A header's extra data; `round` is empty or 8 bytes, big-endian."""

    vanity: bytes
    validators: list[bytes]
    proposer_seal: bytes
    committed: list[bytes]
    parent: list[bytes]
    round: bytes


class IbftSeals:
    """See `Seals`.

    Args:
        genesis: fields of the first header, whose extra data lists the sealers.

    Raises:
        LedgerError: it is no chain of IBFT with ECDSA keys.
    """

    consensus = "ibft"

    def __init__(self, genesis: Fields) -> None:
        self.sealers = tuple(read_extra(genesis[EXTRA]).validators)
        if not self.sealers or len(set(self.sealers)) != len(self.sealers):
            raise LedgerError("its extra data lists no sealers of IBFT")

    @property
    def quorum(self) -> int:
        """How many must seal a block: two thirds, rounded up, and all of fewer than four."""
        count = len(self.sealers)
        return count if count < 4 else -(-2 * count // 3)

    def bound(self, header: bytes) -> bytes:
        """See `Seals.bound`: without a base fee, which no hash covers."""
        return bytes(rlp.encode(read_fields(header)[:FIELDS]))

    def identity(self, header: bytes) -> bytes:
        """See `Seals.identity`: of the first 13 fields, without proposer's seal, committed seals and round."""
        fields = read_fields(header)
        extra = read_extra(fields[EXTRA])
        parent = extra.parent if int.from_bytes(fields[NUMBER]) > 1 else []
        kept = extra.vanity + rlp.encode([extra.validators, b"", [], parent, b""])
        return keccak(rlp.encode([*fields[:EXTRA], kept]))

    def check(self, header: bytes) -> bytes:
        """See `Seals.check`."""
        fields, digest = read_fields(header), self.identity(header)
        extra = read_extra(fields[EXTRA])
        if fields[MIX] != MARK or len(fields) != FIELDS or (int.from_bytes(fields[NUMBER]) == 1 and extra.parent):
            raise SealRefused("its header is none of IBFT")
        refuse_votes(fields)
        if tuple(extra.validators) != self.sealers:
            raise SealRefused("it lists other sealers than the genesis block")
        proposer = signer_of(extra.proposer_seal, keccak(digest))
        if proposer not in self.sealers:
            raise SealRefused(f"it is proposed by {to_checksum_address(proposer)}, no sealer, or its seal was altered")
        self._committed(extra, commit_digest(digest, extra.round))
        return proposer

    def _committed(self, extra: Extra, digest: bytes) -> None:
        signers = [signer_of(seal, digest) for seal in extra.committed]
        strangers = [to_checksum_address(signer) for signer in signers if signer not in self.sealers]
        if strangers:
            raise SealRefused(f"it is sealed by {strangers[0]}, no sealer of the genesis block, or a seal was altered")
        if len(set(signers)) != len(signers):
            raise SealRefused("a sealer's seal is in it twice")
        if len(signers) < self.quorum:
            raise SealRefused(f"{len(signers)} of {len(self.sealers)} sealers sealed it, it takes {self.quorum}")


def commit_digest(block: bytes, round_number: bytes) -> bytes:
    """What a sealer signs to commit.

    Args:
        block: its hash.
        round_number: in which it was proposed, 8 bytes, or none on a chain of the time before rounds counted.
    """
    proposal = keccak(block + round_number) if round_number else block
    return keccak(keccak(proposal + COMMIT))


def read_extra(data: bytes) -> Extra:
    """Extra data by its parts; raises LedgerError where it has another form."""
    parts = decode(data[VANITY_BYTES:], DEPTH)
    if not _has_form(parts):
        raise LedgerError("its extra data is none of IBFT with ECDSA keys")
    return Extra(data[:VANITY_BYTES], *parts)


def _has_form(parts: Any) -> bool:
    if not isinstance(parts, list) or len(parts) != PARTS:
        return False
    validators, proposer_seal, committed, parent, round_number = parts
    return (
        all(isinstance(part, bytes) for part in (proposer_seal, round_number))
        and all(isinstance(part, list) for part in (validators, committed, parent))
        and all(isinstance(each, bytes) for part in (committed, parent) for each in part)
        and all(isinstance(each, bytes) and len(each) == ADDRESS_BYTES for each in validators)
        and len(round_number) in (0, ROUND_BYTES)
    )
