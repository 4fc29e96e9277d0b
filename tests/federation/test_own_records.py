"""How a validator's records are opened: made, kept, and refused when they are no databases."""

from contextlib import closing
from pathlib import Path

import pytest

from mithridate.errors import RunError
from mithridate.federation.openings import OpeningLog
from mithridate.federation.own_records import open_record
from mithridate.federation.rule_memory import RuleMemoryLog
from mithridate.federation.standings import StandingLog

TABLE = "rows (name TEXT PRIMARY KEY, size INTEGER NOT NULL)"


def test_a_row_is_on_the_disk_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    with closing(open_record(path, TABLE)) as first, closing(open_record(path, TABLE)) as second:
        assert first.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert first.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        first.execute("INSERT INTO rows VALUES ('a', 1)")
        # The first connection stays open, as in a process that is killed.
        assert second.execute("SELECT * FROM rows").fetchall() == [("a", 1)]


@pytest.mark.parametrize("record", [OpeningLog, lambda path: StandingLog(path, 0), lambda path: RuleMemoryLog(path, 0)])
@pytest.mark.parametrize("damage", ["altered", "folder"])
def test_a_record_that_is_no_database_is_refused_by_name(tmp_path: Path, record: object, damage: str) -> None:
    path = tmp_path / "record.sqlite"
    path.mkdir() if damage == "folder" else path.write_bytes(b"no database" * 500)
    with pytest.raises(RunError, match=r"record\.sqlite"):
        record(path)  # type: ignore[operator]
