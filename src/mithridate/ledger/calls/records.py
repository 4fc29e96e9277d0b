"""Turns contracts' tuples into the interface's records. The order of fields is that of the contracts' structs."""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from eth_utils.address import to_checksum_address

from mithridate.aggregation.registry import TrackRecord
from mithridate.ledger.codec import printable
from mithridate.ledger.interface import (
    COMMITTEE_SIZE,
    AccessRequest,
    AccessState,
    AttemptState,
    Complaint,
    Draw,
    HospitalRecord,
    Member,
    Phase,
    Refusal,
    Role,
    Status,
    ValidatorRecord,
)

NOTHING = bytes(32)
RANKS = range(COMMITTEE_SIZE)
COUNTER = 2**32 - 1


def hospital_record(index: int, entry: Sequence[Any]) -> HospitalRecord:
    """A roster entry from the contract's `Hospital`."""
    account, signing_key, records = entry
    return HospitalRecord(index, to_checksum_address(account), bytes(signing_key), int(records))


def validator_record(rank: int, entry: Sequence[Any]) -> ValidatorRecord:
    """A validator of the study from the contract's `Validator`."""
    account, envelope_key = entry
    return ValidatorRecord(rank, to_checksum_address(account), bytes(envelope_key))


def attempt_state(round: int, attempt: int, state: Sequence[Any], digests: Sequence[bytes]) -> AttemptState:
    """An attempt from the contract's `Attempt` and the digests in index order (zeros where nothing was submitted)."""
    (
        phase,
        generation,
        base,
        deadline,
        committee,
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
        committee=_three(committee),
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


def member_of(role: Role, index: int, entry: Sequence[Any]) -> Member:
    """A member from the consortium's `Entry`."""
    account, status, (signing_key, envelope_key, since) = entry
    return Member(
        address=to_checksum_address(account),
        role=role,
        index=index,
        status=Status(status),
        signing_key=bytes(signing_key),
        envelope_key=bytes(envelope_key),
        keys_since=int(since),
    )


def draw_of(number: int, entry: Sequence[Any]) -> Draw:
    """A draw from the committees' `Draw`."""
    commit_deadline, reveal_deadline, commitments, committed, revealed, _seed, settled, drawn, committee = entry
    return Draw(
        number=number,
        commit_deadline=int(commit_deadline),
        reveal_deadline=int(reveal_deadline),
        commitments=MappingProxyType({rank: bytes(commitments[rank]) for rank in _bits(committed)}),
        revealed=frozenset(_bits(revealed)),
        settled=bool(settled),
        committee=_three(committee) if drawn else None,
    )


def track_records_of(words: Sequence[int], count: int) -> list[TrackRecord]:
    """The track records of `count` hospitals, four in a word: 32 bits of rejections above 32 bits of acceptances."""
    pairs = [words[index // 4] >> 64 * (index % 4) for index in range(count)]
    return [TrackRecord(pair & COUNTER, pair >> 32 & COUNTER) for pair in pairs]


def access_request_of(entry: Sequence[Any]) -> AccessRequest:
    """A request from the contract's `Request`."""
    state, physician, custodian, purpose, expiry, panel, threshold, approved, refused, openings = entry
    return AccessRequest(
        state=AccessState(state),
        physician=to_checksum_address(physician),
        custodian=to_checksum_address(custodian),
        purpose=bytes(purpose),
        expiry=int(expiry),
        panel=tuple(bytes(digest) for digest in panel),
        threshold=int(threshold),
        approvals=int(approved).bit_count(),
        refusals=int(refused).bit_count(),
        openings=int(openings),
    )


def complaint_of(entry: Sequence[Any]) -> Complaint | None:
    """A complaint from the contract's `Complaint`, None from an empty one."""
    number, attempt, hospital, at, reason = entry
    return Complaint(int(number), int(attempt), int(hospital), int(at), printable(reason)) if at else None


def refusal_of(hospital: int, entry: Sequence[Any]) -> Refusal | None:
    """A refusal from the contract's `Refusal`, None from an empty one."""
    at, reason = entry
    return Refusal(hospital, int(at), printable(reason)) if at else None


def _three(ranks: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = ranks
    return int(first), int(second), int(third)


def _bits(mask: int) -> list[int]:
    return [rank for rank in range(int(mask).bit_length()) if mask >> rank & 1]


def _ranks(mask: int) -> frozenset[int]:
    return frozenset(rank for rank in RANKS if mask >> rank & 1)
