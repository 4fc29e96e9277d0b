"""What `bench ledger` times one by one is the round that a long study has in blocks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mithridate.evaluation.ledger.cast import Cast, Stage
from mithridate.evaluation.ledger.long_study import BLOCKS_A_ROUND, one_round
from mithridate.evaluation.ledger.speed import changes_a_second, one_by_one
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import COMMITTEE_SIZE, Phase

HOSPITALS = 4


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    cast = Cast.of(HOSPITALS)
    ledger = EmbeddedLedger.create(tmp_path / "ledger.sqlite", cast.administrator, cast.terms())
    stage = Stage(ledger, cast)
    stage.begin()
    yield stage
    ledger.close()


def test_each_submission_and_attestation_of_a_round_is_timed(stage: Stage) -> None:
    before = stage.ledger.height()
    latencies = one_by_one(stage, rounds=2)
    assert len(latencies.submit) == 2 * HOSPITALS
    assert len(latencies.attest) == 2 * COMMITTEE_SIZE
    assert min(latencies.submit + latencies.attest) > 0
    state = stage.ledger.latest()
    assert state is not None
    assert (state.round, state.phase) == (2, Phase.RELEASED)
    assert len(state.submissions) == HOSPITALS
    # Their own blocks in place of one for all submissions and one for all attestations.
    assert stage.ledger.height() - before == 2 * (BLOCKS_A_ROUND - 2 + HOSPITALS + COMMITTEE_SIZE)


def test_a_round_in_blocks_follows_one_that_was_timed(stage: Stage) -> None:
    one_by_one(stage, rounds=1)
    before = stage.ledger.height()
    one_round(stage, 2)
    assert stage.ledger.height() - before == BLOCKS_A_ROUND
    assert len(stage.ledger.reader.released_models()) == 3  # with the initial model


def test_changes_that_travel_together_share_a_block(stage: Stage) -> None:
    before, keys = stage.ledger.height(), {h.signing_key for h in stage.ledger.reader.hospitals()}
    assert changes_a_second(stage, HOSPITALS + 1) > 0
    assert stage.ledger.height() == before + 1
    assert not keys & {hospital.signing_key for hospital in stage.ledger.reader.hospitals()}
