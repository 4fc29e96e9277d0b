"""A validator's own record of the aggregates it helped to open.

Two openings on one base that differ by one hospital would reveal that hospital's update. The contract binds the members
of each attempt; this record keeps the validator to it whatever the ledger, the coordinator or a restart may say.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mithridate.errors import OpeningRefused
from mithridate.federation.own_records import open_record


class OpeningLog:
    """One row for each (round, generation), on the disk before anything is opened.

    Args:
        path: the SQLite file, made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._database = open_record(
            path,
            "openings (round INTEGER, generation INTEGER, attempt INTEGER NOT NULL, "
            "base BLOB NOT NULL, members TEXT NOT NULL, PRIMARY KEY (round, generation))",
        )

    def permit(self, round_number: int, generation: int, attempt: int, base: bytes, members: Sequence[int]) -> None:
        """Writes the opening down; one that was written down before is allowed again with the same members only.

        Args:
            round_number: from 1.
            generation: how many earlier attempts of the round came to verdicts; hospitals use other randomness in
                each.
            attempt: of the round.
            base: hash of the base model.
            members: indices of the accepted hospitals.

        Raises:
            OpeningRefused: this round was opened before in this generation, with other members, attempt or base.
        """
        row = (attempt, base, json.dumps(sorted(members)))
        self._database.execute("BEGIN IMMEDIATE")
        try:
            known = self._database.execute(
                "SELECT attempt, base, members FROM openings WHERE round = ? AND generation = ?",
                (round_number, generation),
            ).fetchone()
            if known is None:
                self._database.execute(
                    "INSERT INTO openings (round, generation, attempt, base, members) VALUES (?, ?, ?, ?, ?)",
                    (round_number, generation, *row),
                )
        finally:
            self._database.execute("COMMIT")
        if known is not None and known != row:
            raise OpeningRefused(
                f"round {round_number} was opened before in attempt {known[0]} with hospitals {known[2]}; opening it "
                f"again in attempt {attempt} with {row[2]} could reveal single updates. Start the next round instead"
            )

    def entries(self) -> list[tuple[int, int, int, str]]:
        """(round, generation, attempt, members as JSON) of every opening, in order."""
        return self._database.execute(
            "SELECT round, generation, attempt, members FROM openings ORDER BY round, generation"
        ).fetchall()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
