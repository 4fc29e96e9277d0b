"""A study of many rounds on an embedded ledger, in blocks as the coordinator of a real one groups its changes."""

from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes

from mithridate.evaluation.ledger.cast import Cast, Stage
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY

BLOCKS_A_ROUND = 8
"""Opening, commitments, submissions, closing, reveals, verdicts, attestations, votes."""


def transactions_a_round(hospitals: int) -> int:
    """How many transactions a round of this study has."""
    return hospitals + 1 + MAJORITY + 5 * COMMITTEE_SIZE


def long_study(
    path: Path, rounds: int, hospitals: int, *, watch: Callable[[int, EmbeddedLedger], None] | None = None
) -> None:
    """Writes the journal of a whole study: enrolment, keys, begin, then `rounds` rounds that are all released.

    Args:
        path: the journal's file, which must not exist.
        rounds: how many rounds.
        hospitals: how many hospitals, all of which submit in each round and are accepted.
        watch: called with the number of rounds so far, 0 first, and the ledger.

    Raises:
        LedgerError: the file exists or cannot be written.
    """
    cast = Cast.of(hospitals)
    chain = EmbeddedLedger.create(path, cast.administrator, cast.terms())
    try:
        stage = Stage(chain, cast)
        stage.begin()
        for number in range(1, rounds + 1):
            if watch:
                watch(number - 1, chain)
            one_round(stage, number)
        if watch:
            watch(rounds, chain)
    finally:
        chain.close()


def one_round(stage: Stage, number: int) -> None:
    """A round from its opening to its release in eight blocks; everyone submits and is accepted."""
    opened, model = stage.open(number), token_bytes(32)
    with stage.ledger.block():
        for hospital in stage.hospitals:
            hospital.submit(number, opened.attempt, token_bytes(32))
    stage.bind(opened)
    with stage.ledger.block():
        for validator in stage.validators:
            validator.attest_model(number, opened.attempt, model)
    stage.release(opened)
