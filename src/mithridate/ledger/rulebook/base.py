"""What every part of the rulebook needs: who calls when, and how a rule refuses."""

from dataclasses import dataclass

from mithridate.ledger.rules import rule_violation

EMPTY = bytes(32)
NOBODY = "0x" + "00" * 20
MAX_SECONDS = 2**40


@dataclass(frozen=True)
class Caller:
    """Who calls, and the ledger's date of the call in seconds; an account's address, or the name of a contract."""

    sender: str
    time: int


def require(condition: bool, reason: str) -> None:
    """Raises RuleViolation with the contract's `reason` unless the condition holds."""
    if not condition:
        raise rule_violation(reason)


def bits(mask: int) -> list[int]:
    """The places of a mask's bits, ascending."""
    return [place for place in range(mask.bit_length()) if mask >> place & 1]


def xor(first: bytes, second: bytes) -> bytes:
    """The exclusive or of two values of 32 bytes."""
    return bytes(a ^ b for a, b in zip(first, second, strict=True))
