"""The reputation's contract against a straightforward count."""

import random
from typing import Any

import pytest

from mithridate.ledger.calls.records import track_records_of
from mithridate.verification.verdict import Rule

World = Any
SIZES = [1, 3, 4, 5, 8, 63, 257, 1024]


def counts(reputation: Any, hospitals: int) -> list[tuple[int, int]]:
    words = [word for start in range(0, 256, 256) for word in reputation.read("word_page", start)]
    return [(record.accepted, record.rejected) for record in track_records_of(words, hospitals)]


@pytest.mark.parametrize("hospitals", SIZES)
def test_counts_are_those_of_a_straightforward_count(puppet: Any, hospitals: int) -> None:
    reputation, drawn = puppet("Reputation"), random.Random(hospitals)
    expected = [[0, 0] for _ in range(hospitals)]
    for _ in range(12 if hospitals > 100 else 40):
        codes = [drawn.choice([0, 0, 0, *range(14), 255]) for _ in range(hospitals)]
        sent = reputation.forward("count", bytes(codes))
        assert sent.events[0].values == {"verdicts": bytes(codes)}
        for index, code in enumerate(codes):
            expected[index][0] += code == 0
            expected[index][1] += code >= 7
    assert counts(reputation, hospitals) == [tuple(pair) for pair in expected]


def test_a_rejection_is_what_verification_decided(puppet: Any) -> None:
    reputation = puppet("Reputation")
    rules = list(Rule)
    reputation.forward("count", bytes(rules))
    rejected = {rule for rule, pair in zip(rules, counts(reputation, len(rules)), strict=True) if pair == (0, 1)}
    neither = {rule for rule, pair in zip(rules, counts(reputation, len(rules)), strict=True) if pair == (0, 0)}
    assert rejected == {rule for rule in rules if rule >= 7}
    assert neither == {rule for rule in rules if 0 < rule < 7}


def test_no_hospitals_verdicts_touch_anothers(puppet: Any) -> None:
    reputation = puppet("Reputation")
    for _ in range(3):
        reputation.forward("count", b"\1\x08\0\1")
    assert counts(reputation, 5) == [(0, 0), (0, 3), (3, 0), (0, 0), (0, 0)]


def test_a_page_past_the_roster_is_empty(puppet: Any) -> None:
    reputation = puppet("Reputation")
    reputation.forward("count", bytes(1024))
    assert set(reputation.read("word_page", 256)) == {0}


def test_a_round_counts_once_and_a_void_attempt_never(begun: World) -> None:
    begun.attempt(1, to="BOUND")
    for validator in ("validator-0", "validator-1"):
        begun.send(validator, "Study", "vote_void", 1, 0, "no model")
    assert begun.read("Reputation", "word_page", 0)[0] == 0
    begun.attempt(1, 1)
    begun.send("validator-2", "Study", "vote_release", 1, 1, True)
    assert begun.read("Reputation", "word_page", 0)[0] == 1 | 1 << 64 | 1 << 192
