"""What a validator keeps for a robust rule from round to round: its shares of the last step or of the summed updates.

One row for each attempt that was aggregated; an attempt that came to nothing leaves no trace in later ones.
"""

import json
from pathlib import Path

import numpy as np

from mithridate.aggregation.secure import Memory
from mithridate.errors import RoundVoid
from mithridate.federation.own_records import open_record
from mithridate.federation.seats import rank_in
from mithridate.ledger.interface import AttemptState
from mithridate.mpc.shares import ReplicatedShare


class RuleMemoryLog:
    """The rows of a study's rule.

    Args:
        path: the SQLite file, made if missing.
        place: the validator's in the study.
    """

    def __init__(self, path: Path, place: int) -> None:
        self._place = place
        self._database = open_record(
            path,
            "memories (round INTEGER, attempt INTEGER, rounds INTEGER NOT NULL, "
            "shape TEXT NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL, PRIMARY KEY (round, attempt))",
        )

    def put(self, round_number: int, attempt: int, memory: Memory) -> None:
        """Writes down the memory after an attempt; aggregated again, it replaces the row.

        Args:
            round_number: of the attempt.
            attempt: of the round.
            memory: after it; `values` of the last step (d,), or of all hospitals of the roster (n, d).
        """
        parts = [part.astype("<u8").tobytes() for part in (memory.values.first, memory.values.second)]
        self._database.execute(
            "INSERT OR REPLACE INTO memories (round, attempt, rounds, shape, first, second) VALUES (?, ?, ?, ?, ?, ?)",
            (round_number, attempt, memory.rounds, json.dumps(memory.values.shape), *parts),
        )
        # What an attempt of an earlier round left is needed until one of this round came to something.
        self._database.execute("DELETE FROM memories WHERE round < ? - 1", (round_number,))

    def after(self, state: AttemptState, shape: tuple[int, ...]) -> Memory | None:
        """What an attempt left; None where it was not aggregated here, or its row is lost.

        Args:
            state: the attempt.
            shape: of the memory's values.

        Raises:
            RoundVoid: the record was altered.
        """
        row = self._database.execute(
            "SELECT rounds, shape, first, second FROM memories WHERE round = ? AND attempt = ?",
            (state.round, state.attempt),
        ).fetchone()
        if row is None or (rank := rank_in(state.committee, self._place)) is None:
            return None
        rounds, held, first, second = row
        if tuple(json.loads(held)) != shape or {len(first), len(second)} != {8 * int(np.prod(shape))}:
            raise RoundVoid(f"validator-{self._place}'s record of the rule's memory was altered")
        components = (np.frombuffer(part, "<u8").astype(np.uint64).reshape(shape) for part in (first, second))
        return Memory(ReplicatedShare(rank, *components), rounds)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
