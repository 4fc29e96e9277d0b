"""Turns the contract's tuples into the interface's records. The order of fields is that of the contract's structs."""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from eth_utils.address import to_checksum_address

from mithridate.ledger.codec import printable
from mithridate.ledger.interface import COMMITTEE_SIZE, AttemptState, HospitalRecord, Phase, ValidatorRecord

NOTHING = bytes(32)
RANKS = range(COMMITTEE_SIZE)


def hospital_record(index: int, entry: Sequence[Any]) -> HospitalRecord:
    """A roster entry from the contract's `Hospital`."""
    account, signing_key, records = entry
    return HospitalRecord(index, to_checksum_address(account), bytes(signing_key), int(records))


def validator_record(rank: int, entry: Sequence[Any]) -> ValidatorRecord:
    """A committee entry from the contract's `Validator`."""
    account, envelope_key = entry
    return ValidatorRecord(rank, to_checksum_address(account), bytes(envelope_key))


def attempt_state(round: int, attempt: int, state: Sequence[Any], digests: Sequence[bytes]) -> AttemptState:
    """An attempt from the contract's `Attempt` and the digests in index order (zeros where nothing was submitted)."""
    (
        phase,
        generation,
        base,
        deadline,
        _submissions,
        _submitted_mask,
        commitments,
        revealed_mask,
        seed,
        _close_mask,
        _verdict_hashes,
        verdicts,
        attestations,
        model,
        passed_mask,
        failed_mask,
        _void_mask,
        void_reason,
    ) = state
    revealed = _ranks(revealed_mask)
    passed, failed = _ranks(passed_mask), _ranks(failed_mask)
    return AttemptState(
        round=round,
        attempt=attempt,
        generation=int(generation),
        phase=Phase(phase),
        base_hash=bytes(base),
        deadline=int(deadline),
        committed=frozenset(rank for rank in RANKS if commitments[rank] != NOTHING),
        revealed=revealed,
        submissions=MappingProxyType({i: bytes(digest) for i, digest in enumerate(digests) if digest != NOTHING}),
        seed=bytes(seed) if len(revealed) == COMMITTEE_SIZE else None,
        verdicts=bytes(verdicts) or None,
        attestations=MappingProxyType({r: bytes(attestations[r]) for r in RANKS if attestations[r] != NOTHING}),
        votes=MappingProxyType({rank: rank in passed for rank in sorted(passed | failed)}),
        model_hash=bytes(model) if model != NOTHING else None,
        void_reason=printable(void_reason) if phase == Phase.VOID else None,
    )


def _ranks(mask: int) -> frozenset[int]:
    return frozenset(rank for rank in RANKS if mask >> rank & 1)
