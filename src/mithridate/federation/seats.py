"""Who serves: the committees of three that can be drawn from a study's validators, and what an attempt goes on from."""

from itertools import combinations

from mithridate.crypto.keys import PublicKey, public_from_bytes
from mithridate.ledger.interface import AttemptState, Ledger
from mithridate.mpc.shares import VALIDATORS

Seats = tuple[int, int, int]
"""A committee: three validators by their places in the study, ascending. A rank is a place in here."""


def possible_seats(validators: int) -> list[Seats]:
    """All committees that can be drawn from so many validators, in lexicographic order."""
    return [(first, second, third) for first, second, third in combinations(range(validators), VALIDATORS)]


def envelope_keys(ledger: Ledger, seats: Seats) -> list[PublicKey]:
    """The committee's envelope keys as the ledger holds them, in rank order."""
    validators = ledger.validators()
    return [public_from_bytes(validators[place].envelope_key) for place in seats]


def rank_in(seats: Seats, place: int) -> int | None:
    """The rank of a validator in a committee; None where it does not serve."""
    return seats.index(place) if place in seats else None


def precedent(ledger: Ledger, state: AttemptState) -> AttemptState | None:
    """The attempt whose records an attempt goes on from: the last one of the round before; None in the first round.

    The contract opens no round before the last one was released or rolled back.
    """
    if state.round == 1:
        return None
    return ledger.attempt(state.round - 1, ledger.attempts(state.round - 1) - 1)
