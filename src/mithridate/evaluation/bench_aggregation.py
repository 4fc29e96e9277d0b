"""Time of secure aggregation at a hospital and a validator; its floor is AES-256-GCM and BLAKE3 of the same bytes."""

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mithridate.aggregation.weighted_mean import weighted_sum
from mithridate.crypto import commitment, envelope, keys, signing
from mithridate.crypto.domains import Domain
from mithridate.crypto.fixed_point import encode
from mithridate.crypto.sharing import PARTIES, Ring, reconstruct, share
from mithridate.errors import BenchmarkError
from mithridate.federation.submission import (
    BODY,
    OPENING_BYTES,
    RoundContext,
    make_submission,
    open_submission,
    parse,
    parse_part,
)
from mithridate.mpc.shares import unwritten


class Figure(TypedDict):
    """One line of a benchmark's table; `ratio` is value over baseline."""

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None


@dataclass(frozen=True)
class _Parties:
    """The keys of one hospital for all and of three validators, and what the hospitals send."""

    signing_key: keys.PrivateKey
    envelope_keys: tuple[keys.PrivateKey, ...]
    contexts: tuple[RoundContext, ...]
    updates: tuple[Ring, ...]


def run(hospitals: int = 10, parameters: int = 1_000_000, repeats: int = 5) -> dict[str, Any]:
    """Measures one round's aggregation in one thread; every time is the median of `repeats` runs after one to warm up.

    Args:
        hospitals: n >= 1 updates to aggregate.
        parameters: d >= 1 of each update.
        repeats: at least 1.

    Returns:
        {"bench": "aggregation", "figures": [Figure, ...]}; times in ms for one hospital, or for one validator and all n
        updates (the slowest of the three ranks).

    Raises:
        BenchmarkError: the opened sum is not the sum of the updates.
    """
    parties = _parties(hospitals, parameters)
    floor = _median_ms(_floor(parties.updates[0]), repeats)
    figures = list(_hospital_figures(parties, floor, repeats))
    figures += _validator_figures(parties, floor * hospitals, repeats)
    return {"bench": "aggregation", "figures": figures}


def _parties(hospitals: int, parameters: int) -> _Parties:
    rng = np.random.default_rng(0)
    return _Parties(
        signing_key=keys.generate(),
        envelope_keys=tuple(keys.generate() for _ in range(PARTIES)),
        contexts=tuple(RoundContext(bytes(32), 1, 0, index, bytes(32), parameters) for index in range(hospitals)),
        updates=tuple(encode(rng.standard_normal(parameters)) for _ in range(hospitals)),
    )


def _hospital_figures(parties: _Parties, floor: float, repeats: int) -> Iterator[Figure]:
    update, context = parties.updates[0], parties.contexts[0]
    validators = [key.public_key() for key in parties.envelope_keys]
    x2, nonce = share(update).x2.view(np.uint8).data, commitment.fresh_nonce()

    def seal() -> None:
        envelope.seal_body(x2, context.associated_data(BODY))
        for key in validators:
            envelope.seal(key, bytes(2 * OPENING_BYTES), context.associated_data(0))

    steps: dict[str, Callable[[], object]] = {
        "share": lambda: share(update),
        "hash": lambda: commitment.commit(Domain.COMPONENT_2, nonce, x2),
        "seal": seal,
        "sign": lambda: signing.sign(parties.signing_key, Domain.SUBMISSION_SIGNATURE, bytes(256)),
    }
    for name, step in steps.items():
        yield _figure(f"hospital: {name}", _median_ms(step, repeats), "ms")
    total = _median_ms(lambda: make_submission(update, context, parties.signing_key, validators), repeats)
    yield _figure("hospital: total", total, "ms", floor)
    message, _ = make_submission(update, context, parties.signing_key, validators)
    yield _figure("hospital: upload", len(message) / update.size, "bytes a parameter", 4.0)


def _validator_figures(parties: _Parties, floor: float, repeats: int) -> Iterator[Figure]:
    parts, digests = _relay(parties)
    times = np.zeros((PARTIES, 2))
    opened_sums = []
    for rank in range(PARTIES):
        runs = [_open_and_sum(parties, parts[rank], digests, rank) for _ in range(repeats + 1)]
        times[rank] = np.median([seconds for seconds, _ in runs[1:]], axis=0) * 1e3
        opened_sums.append(runs[-1][1])
    _check(opened_sums, parties.updates)
    slowest = times[np.argmax(times.sum(axis=1))]
    yield _figure("validator: open and check", float(slowest[0]), "ms")
    yield _figure("validator: sum", float(slowest[1]), "ms")
    yield _figure("validator: total", float(slowest.sum()), "ms", floor)


def _relay(parties: _Parties) -> tuple[list[list[bytes]], list[bytes]]:
    """parts[rank][hospital] as the coordinator relays them, and the hospitals' digests."""
    parts: list[list[bytes]] = [[] for _ in range(PARTIES)]
    digests = []
    validators = [key.public_key() for key in parties.envelope_keys]
    for update, context in zip(parties.updates, parties.contexts, strict=True):
        message, digest = make_submission(update, context, parties.signing_key, validators)
        submission = parse(message, context.length)
        for rank in range(PARTIES):
            parts[rank].append(submission.for_validator(rank))
        digests.append(digest)
    return parts, digests


def _open_and_sum(
    parties: _Parties, parts: list[bytes], digests: list[bytes], rank: int
) -> tuple[tuple[float, float], tuple[Ring, Ring]]:
    """((seconds to open and check, seconds to sum), the two summed components)."""
    key, signer = parties.envelope_keys[rank], parties.signing_key.public_key()
    started = time.perf_counter()
    shares = unwritten(rank, (len(parts), parties.updates[0].size))
    for row, (part, context, digest) in enumerate(zip(parts, parties.contexts, digests, strict=True)):
        open_submission(parse_part(part, context.length), rank, key, context, signer, digest, into=shares[row])
    checked = time.perf_counter()
    weights = [1] * len(parts)
    sums = weighted_sum(shares.first, weights), weighted_sum(shares.second, weights)
    return (checked - started, time.perf_counter() - checked), sums


def _check(sums: list[tuple[Ring, Ring]], updates: tuple[Ring, ...]) -> None:
    """Every component as both its holders summed it, and the opened sum against the plain one."""
    held_twice = all(np.array_equal(sums[rank][1], sums[(rank + 1) % PARTIES][0]) for rank in range(PARTIES))
    expected = np.sum(updates, axis=0, dtype=np.uint64)
    if not held_twice or not np.array_equal(reconstruct(sums[0][0], sums[1][0], sums[2][0]), expected):
        raise BenchmarkError("the opened aggregate is not the sum of the updates: the times above mean nothing")


def _floor(update: Ring) -> Callable[[], object]:
    key, data = secrets.token_bytes(32), update.view(np.uint8).data
    return lambda: (AESGCM(key).encrypt(bytes(12), data, None), blake3(data).digest())


def _median_ms(step: Callable[[], object], repeats: int) -> float:
    step()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e3


def _figure(name: str, value: float, unit: str, baseline: float | None = None) -> Figure:
    ratio = None if baseline is None else value / baseline
    return Figure(name=name, value=value, unit=unit, baseline=baseline, ratio=ratio)
