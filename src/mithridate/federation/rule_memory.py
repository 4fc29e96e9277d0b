"""What a validator keeps for a robust rule from round to round: its shares of the last step or of the summed updates.

One row for each attempt that was aggregated; an attempt that came to nothing leaves no trace in later ones.
"""

import json
from pathlib import Path

import numpy as np

from mithridate.aggregation.secure import Memory
from mithridate.errors import RoundVoid
from mithridate.federation.own_records import open_record
from mithridate.ledger.interface import Ledger, Phase
from mithridate.mpc.shares import ReplicatedShare


class RuleMemoryLog:
    """The rows of a study's rule.

    Args:
        path: the SQLite file, made if missing.
        rank: the validator's.
    """

    def __init__(self, path: Path, rank: int) -> None:
        self._rank = rank
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

    def before(
        self, round_number: int, attempt: int, ledger: Ledger, shape: tuple[int, ...]
    ) -> tuple[bytes, Memory | None]:
        """The memory that an attempt starts from, and which attempt left it, in bytes that the three compare.

        Args:
            round_number: of the attempt.
            attempt: of the round.
            ledger: tells which earlier attempts came to something.
            shape: of the memory's values.

        Raises:
            RoundVoid: the record was altered.
        """
        rows = self._database.execute(
            "SELECT round, attempt, rounds, shape, first, second FROM memories WHERE (round, attempt) < (?, ?) "
            "ORDER BY round DESC, attempt DESC",
            (round_number, attempt),
        )
        for earlier, number, rounds, held, first, second in rows:
            if ledger.attempt(earlier, number).phase in (Phase.RELEASED, Phase.ROLLED_BACK):
                if tuple(json.loads(held)) != shape or {len(first), len(second)} != {8 * int(np.prod(shape))}:
                    raise RoundVoid(f"validator-{self._rank}'s record of the rule's memory was altered")
                components = (np.frombuffer(part, "<u8").astype(np.uint64).reshape(shape) for part in (first, second))
                return f"{earlier}.{number} {rounds}".encode(), Memory(ReplicatedShare(self._rank, *components), rounds)
        return b"", None

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
