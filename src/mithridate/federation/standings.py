"""What a validator keeps of the hospitals from round to round: its shares of the evidence, and who was checked when.

The evidence is secret: only a hospital's verdict is ever opened. One row an attempt, on the disk before the verdicts
are attested, so that a restart loses nothing; an attempt that came to nothing leaves no trace in later ones.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mithridate.errors import RoundVoid
from mithridate.federation.own_records import open_record
from mithridate.federation.seats import rank_in
from mithridate.ledger.interface import AttemptState
from mithridate.mpc.shares import ReplicatedShare


@dataclass(frozen=True)
class SharedStanding:
    """One validator's view of all hospitals; compare `verification.pipeline.Standing`, the same in the clear.

    Args:
        evidence: (n,), fixed point.
        waited: rounds since each hospital was last checked by encrypted inference.
    """

    evidence: ReplicatedShare
    waited: tuple[int, ...]

    @classmethod
    def of(cls, rank: int, hospitals: int) -> "SharedStanding":
        """Before the first round: zeros, which need no hiding."""
        zeros = np.zeros(hospitals, dtype=np.uint64)
        return cls(ReplicatedShare(rank, zeros, zeros.copy()), (0,) * hospitals)


class StandingLog:
    """One row for each attempt that was judged.

    Args:
        path: the SQLite file, made if missing.
        place: the validator's in the study.
    """

    def __init__(self, path: Path, place: int) -> None:
        self._place = place
        self._database = open_record(
            path,
            "standings (round INTEGER, attempt INTEGER, first BLOB NOT NULL, "
            "second BLOB NOT NULL, waited TEXT NOT NULL, curator INTEGER NOT NULL, PRIMARY KEY (round, attempt))",
        )

    def put(self, round_number: int, attempt: int, standing: SharedStanding, *, curator: bool) -> None:
        """Writes down the standing after an attempt was judged; the same attempt judged again replaces it.

        Args:
            round_number: of the attempt.
            attempt: of the round.
            standing: after it.
            curator: whether the curator's update has a part in the attempt's aggregate.
        """
        evidence = standing.evidence
        row = (evidence.first.astype("<u8").tobytes(), evidence.second.astype("<u8").tobytes())
        self._database.execute(
            "INSERT OR REPLACE INTO standings (round, attempt, first, second, waited, curator) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (round_number, attempt, *row, json.dumps(standing.waited), curator),
        )

    def after(self, state: AttemptState, hospitals: int) -> SharedStanding | None:
        """What an attempt left; None where it was not judged here, or its row is lost.

        Args:
            state: the attempt.
            hospitals: n.

        Raises:
            RoundVoid: the record was altered.
        """
        row = self._database.execute(
            "SELECT first, second, waited FROM standings WHERE round = ? AND attempt = ?", (state.round, state.attempt)
        ).fetchone()
        if row is None or (rank := rank_in(state.committee, self._place)) is None:
            return None
        first, second, waited = row
        try:
            components = (np.frombuffer(part, dtype="<u8").astype(np.uint64) for part in (first, second))
            standing = SharedStanding(ReplicatedShare(rank, *components), tuple(json.loads(waited)))
        except (TypeError, ValueError):
            raise RoundVoid(f"validator-{self._place} cannot read its record of the evidence: it was altered") from None
        if standing.evidence.shape != (hospitals,) or len(standing.waited) != hospitals:
            raise RoundVoid(f"validator-{self._place}'s record of the evidence is not of {hospitals} hospitals")
        return standing

    def holds(self, round_number: int, attempt: int) -> bool:
        """Whether the attempt was judged here."""
        query = "SELECT 1 FROM standings WHERE round = ? AND attempt = ?"
        return self._database.execute(query, (round_number, attempt)).fetchone() is not None

    def curator_counts(self, round_number: int, attempt: int) -> bool:
        """Whether the curator's update has a part in the attempt's aggregate; False for one that was not judged."""
        query = "SELECT curator FROM standings WHERE round = ? AND attempt = ?"
        row = self._database.execute(query, (round_number, attempt)).fetchone()
        return bool(row and row[0])

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
