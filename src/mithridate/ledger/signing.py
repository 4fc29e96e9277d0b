"""Signed transactions of the embedded ledger, in the form that has a price and no type (yellow paper, section 4.2)."""

from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]
from coincurve import PrivateKey
from eth_utils.crypto import keccak

V_OFFSET = 35
"""EIP-155: a signature's v is this, twice the chain's number and the parity of its point."""


@dataclass(frozen=True)
class FreeTransaction:
    """A change at no price.

    Attributes:
        nonce: how many transactions its sender sent before.
        gas: what it may use.
        to: the contract's 20 bytes, empty to make one.
        data: the call, or creation code.
        chain_id: number of the chain that may take it.
    """

    nonce: int
    gas: int
    to: bytes
    data: bytes
    chain_id: int

    def signed(self, key: bytes) -> bytes:
        """It as the chain takes it, signed by deterministic ECDSA (RFC 6979, EIP-155).

        eth-account gives the same bytes in three times the time, most of it on checks of fields that have no other form
        here.

        Args:
            key: the sender's secp256k1 key, 32 bytes.
        """
        fields = [self.nonce, 0, self.gas, self.to, 0, self.data]
        digest = keccak(rlp.encode([*fields, self.chain_id, 0, 0]))
        signature = PrivateKey(key).sign_recoverable(digest, hasher=None)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        return bytes(rlp.encode([*fields, V_OFFSET + 2 * self.chain_id + signature[64], r, s]))
