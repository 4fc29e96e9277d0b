"""Events followed while the journal is written, in order and each once."""

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.watch import watch

Scene = Any


def following(path: Path) -> JournalChronicle:
    return JournalChronicle(path, thorough=False)


class Stopped(Exception):
    pass


def stop() -> None:
    raise Stopped


def told_until_the_end(path: Path, start: int | None = 1) -> list[str]:
    told: list[str] = []
    with suppress(Stopped):
        for event in watch(following(path), start=start, pause=stop):
            told.append(f"{event.block} {event.said.name}")
    return told


def test_events_come_in_order_with_their_words(finished: Scene) -> None:
    events = []
    with suppress(Stopped):
        for event in watch(following(finished.path), pause=stop):
            events.append(event)
    blocks = [event.block for event in events]
    assert blocks == sorted(blocks)
    named = [event.said.name for event in events]
    assert named.index("RoundOpened") < named.index("Submitted") < named.index("Bound") < named.index("Finalised")
    last = events[-1].to_dict()
    assert (last["contract"], last["event"]) == ("Reputation", "Counted")
    assert last["words"] == "reputation was counted from the verdicts hospital-2: absent"
    assert last["values"] == {"verdicts": "00000100"}


def test_from_a_block_on(finished: Scene) -> None:
    everything, later = told_until_the_end(finished.path), told_until_the_end(finished.path, 20)
    assert later == [line for line in everything if int(line.split()[0]) >= 20]
    assert later


def test_what_is_written_meanwhile_is_told_once(scene: Scene) -> None:
    scene.to("begun")
    steps = iter([lambda: scene.attempt_to("submitted"), scene.close, lambda: None, scene.reveal])
    events = watch(following(scene.path), start=None, pause=lambda: next(steps)())
    found = [event.said.name for event in islice(events, 14)]
    assert found == [
        "RoundOpened",
        *["RandomnessCommitted"] * 3,
        *["Submitted"] * 3,
        "CloseVoted",
        "CloseVoted",
        "SubmissionsClosed",
        *["RandomnessRevealed"] * 3,
        "Drawn",
    ]
    events.close()


def test_complaints_and_refusals_are_told_by_hospital_and_reason(scene: Scene) -> None:
    scene.to("begun").attempt_to("submitted")
    start = scene.chain.height() + 1
    scene.hospitals[3].complain(1, 0, "lost")
    scene.hospitals[2].refuse_study("clip above 1.0")
    scene.hospitals[2].withdraw_refusal("policy 2")
    told = []
    with suppress(Stopped):
        for event in watch(following(scene.path), start=start, pause=stop):
            told.append(event.to_dict()["words"])
    assert told == [
        "round 1, attempt 0: hospital-3 complains: lost",
        "hospital-2 refuses the study: clip above 1.0",
        "hospital-2 takes its refusal of the study back: policy 2",
    ]


def test_an_altered_journal_is_looked_at_again_before_it_counts_as_such(finished: Scene, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "ledger.sqlite"
    path.write_bytes(finished.path.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE blocks SET digest = zeroblob(32) WHERE number = 5")
        database.commit()
    looks = []
    with pytest.raises(JournalAltered, match="block 5"):
        list(watch(following(path), pause=lambda: looks.append(1)))
    assert len(looks) == 4


def test_there_must_be_a_journal(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no folder of a secure run"):
        next(watch(following(tmp_path / "ledger.sqlite")))
