"""How long single changes take, and how many a second a ledger holds, on any network."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_bytes

from mithridate.evaluation.ledger.cast import Stage


@dataclass(frozen=True)
class Latencies:
    """Seconds that each change took from its call to its return, one at a time."""

    submit: tuple[float, ...]
    attest: tuple[float, ...]


def one_by_one(stage: Stage, rounds: int) -> Latencies:
    """Plays rounds in which every submission and attestation is a change of its own, waited for.

    Args:
        stage: of a study that has begun and has had no round.
        rounds: how many, at least 1.
    """
    submits: list[float] = []
    attests: list[float] = []
    for number in range(1, rounds + 1):
        opened, model = stage.open(number), token_bytes(32)
        for hospital in stage.hospitals:
            submits.append(_seconds(hospital.submit, number, opened.attempt, token_bytes(32)))
        stage.bind(opened)
        for validator in stage.validators:
            attests.append(_seconds(validator.attest_model, number, opened.attempt, model))
        stage.release(opened)
    return Latencies(tuple(submits), tuple(attests))


def changes_a_second(stage: Stage, changes: int) -> float:
    """Throughput of changes that travel together: the hospitals register new keys, over and over."""
    start = time.perf_counter()
    with stage.ledger.block():
        for number in range(changes):
            hospital = stage.hospitals[number % len(stage.hospitals)]
            hospital.register_keys(signing_key=b"\2" + token_bytes(32))
    return changes / (time.perf_counter() - start)


def _seconds(call: Callable[..., None], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start
