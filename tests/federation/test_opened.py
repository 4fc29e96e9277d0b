"""A validator's rows of an attempt: those of the updates that all three could open, in the roster's order."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mithridate.crypto import keys
from mithridate.federation.opened import OpenedUpdates, Recipient
from mithridate.federation.submission import RoundContext, make_submission, parse
from mithridate.ledger.interface import AttemptState, HospitalRecord, Phase
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.shares import reconstruct
from mithridate.verification.verdict import Rule

D, HOSPITALS = 5, 5
STUDY, BASE = b"s" * 32, b"b" * 32
SIGNER = keys.generate()
ENVELOPES = [keys.generate() for _ in range(3)]
ROSTER = [
    HospitalRecord(index, f"0x{index:040x}", keys.public_to_bytes(SIGNER.public_key()), 10)
    for index in range(HOSPITALS)
]
SECRETS = np.random.default_rng(0).integers(0, 2**64, (HOSPITALS, D), dtype=np.uint64)


def _sent() -> dict[int, tuple[bytes, bytes]]:
    public = [key.public_key() for key in ENVELOPES]
    return {
        index: make_submission(SECRETS[index], RoundContext(STUDY, 1, 0, index, BASE, D), SIGNER, public)
        for index in range(HOSPITALS)
    }


def _state(digests: dict[int, bytes]) -> AttemptState:
    return AttemptState(
        round=1,
        attempt=0,
        generation=0,
        phase=Phase.DRAWN,
        base_hash=BASE,
        deadline=0,
        committee=(0, 1, 2),
        committed=frozenset(),
        revealed=frozenset(),
        submissions=digests,
        seed=None,
        verdicts=None,
        attestations={},
        votes={},
        model_hash=None,
        void_reason=None,
    )


def _opened(spoilt: set[tuple[int, int]], absent: frozenset[int] = frozenset()) -> list[OpenedUpdates]:
    """What the three open where the last byte of some parts, by (rank, hospital), was altered on its way."""
    sent = {index: each for index, each in _sent().items() if index not in absent}
    peers = memory_peers(10.0)

    def one(rank: int) -> OpenedUpdates:
        parts: dict[int, bytes] = {}
        for index, (message, _) in sent.items():
            part = bytearray(parse(message, D).for_validator(rank))
            part[-1] ^= (rank, index) in spoilt
            parts[index] = bytes(part)
        state = _state({index: digest for index, (_, digest) in sent.items()})
        return Recipient(rank, ENVELOPES[rank], STUDY, D, ROSTER).open(state, parts, peers[rank])

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(one, range(3)))


@pytest.mark.parametrize(
    ("spoilt", "absent", "left"),
    [
        (set(), frozenset(), (0, 1, 2, 3, 4)),
        (set(), frozenset({0, 3}), (1, 2, 4)),
        # Refused where the body is decrypted into a row: the next update takes that row.
        ({(1, 1), (2, 1)}, frozenset(), (0, 2, 3, 4)),
        ({(1, 4)}, frozenset({1}), (0, 2, 3)),
        # Each validator has another row too many, which the others could not open.
        ({(0, 0), (1, 2), (2, 3)}, frozenset(), (1, 4)),
        ({(rank, index) for rank in range(3) for index in range(HOSPITALS)}, frozenset(), ()),
    ],
)
def test_the_rows_are_those_that_all_three_opened(spoilt: Any, absent: frozenset[int], left: tuple[int, ...]) -> None:
    opened = _opened(spoilt, absent)
    rules = tuple(
        Rule.ACCEPTED if index in left else Rule.ABSENT if index in absent else Rule.ENVELOPE
        for index in range(HOSPITALS)
    )
    for rank, each in enumerate(opened):
        assert each.indices == left
        assert each.rules == rules
        assert set(each.reasons) == {index for at, index in spoilt if at == rank}
        assert each.shares.shape == (len(left), D)
    assert np.array_equal(reconstruct([each.shares for each in opened]), SECRETS[list(left)])
