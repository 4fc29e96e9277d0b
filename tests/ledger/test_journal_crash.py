"""Writers killed at any moment, logs and files cut short: nothing attested is lost, no journal stays closed.

MITHRIDATE_KILLS sets how many writers are killed, 15 if it is not set.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.write_ahead_log import check_log, lost_transactions

KILLS = int(os.environ.get("MITHRIDATE_KILLS", "15"))
SNAPSHOT_EVERY = (5, 40, 10_000)

WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from mithridate.evaluation.ledger.long_study import long_study
    from mithridate.ledger import snapshots

    snapshots.SNAPSHOT_TRANSACTIONS = int(sys.argv[2])
    def told(rounds, chain):
        print(rounds, chain.height(), chain.current_model().hex(), flush=True)
    long_study(Path(sys.argv[1]), 10_000, 3, watch=told)
    """
)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(KILLS))
def test_nothing_attested_is_lost_when_a_writer_is_killed(tmp_path: Path, seed: int) -> None:
    path, dice = tmp_path / "ledger.sqlite", random.Random(seed)
    told = killed_writer(path, dice.choice(SNAPSHOT_EVERY), dice.uniform(0, 1.0))
    ledger = EmbeddedLedger.open(path)
    head = (ledger.height(), ledger.latest(), ledger.current_model())
    assert ledger.height() >= told[-1][1]
    assert ledger.reader.initial_model().hex() == told[0][2]
    for number, _, model in told[1:]:
        state = ledger.reader.attempt(number, 0)
        assert state.model_hash is not None
        assert state.model_hash.hex() == model
    ledger.close()
    again = EmbeddedLedger.open(path, replay="all")
    assert (again.height(), again.latest(), again.current_model()) == head
    again.close()


def killed_writer(path: Path, snapshot_every: int, seconds: float) -> list[tuple[int, int, str]]:
    """Kills a writer of rounds so many seconds after it began; returns what it had said: round, height, model."""
    command = [sys.executable, "-c", WRITER, str(path), str(snapshot_every)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    lines = [first, *writer.stdout.read().splitlines()]
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    return [(int(number), int(height), model) for number, height, model in (line.split() for line in lines)]


@pytest.fixture
def crashed(make_scene: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Files of a ledger whose process is gone, and what it told at each height."""
    monkeypatch.setattr("mithridate.ledger.snapshots.SNAPSHOT_TRANSACTIONS", 4)
    scene = make_scene()
    told = {}
    for step in ("enrolled", "registered", "begun", "opened", "committed", "submitted"):
        next(move for name, move in moves() if name == step)(scene)
        told[scene.chain.height()] = (scene.chain.latest(), scene.stranger.hospitals(), scene.stranger.validators())
    folder = tmp_path / "crashed"
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{scene.path}{suffix}", folder / f"ledger.sqlite{suffix}")
    scene.chain.close()
    return folder, told


def moves() -> list[tuple[str, Callable[[Any], Any]]]:
    return [
        ("enrolled", lambda scene: scene.enrol()),
        ("registered", lambda scene: scene.register()),
        ("begun", lambda scene: scene.begin()),
        ("opened", lambda scene: scene.open()),
        ("committed", lambda scene: scene.commit()),
        ("submitted", lambda scene: scene.submit()),
    ]


def copied(folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(folder, target)) / "ledger.sqlite"


def told_by(ledger: EmbeddedLedger) -> Any:
    return (ledger.latest(), ledger.reader.hospitals(), ledger.reader.validators())


def test_a_log_cut_short_gives_back_the_blocks_before_the_cut(crashed: Any, tmp_path: Path) -> None:
    folder, told = crashed
    size, heights = (folder / "ledger.sqlite-wal").stat().st_size, set()
    for seed in range(30):
        path = copied(folder, tmp_path)
        os.truncate(f"{path}-wal", random.Random(seed).randrange(size))
        ledger = EmbeddedLedger.open(path)
        heights.add(ledger.height())
        assert ledger.height() == 1 or told_by(ledger) == told[ledger.height()]
        ledger.close()
        EmbeddedLedger.open(path, replay="all").close()
    assert len(heights) > 3


def test_an_altered_log_is_found_unless_only_its_last_transaction_is(crashed: Any, tmp_path: Path) -> None:
    folder, told = crashed
    log = (folder / "ledger.sqlite-wal").read_bytes()
    found, last = 0, max(told)
    for seed in range(60):
        dice = random.Random(seed)
        place = dice.randrange(len(log))
        path = copied(folder, tmp_path)
        Path(f"{path}-wal").write_bytes(log[:place] + bytes([log[place] ^ dice.randrange(1, 256)]) + log[place + 1 :])
        try:
            ledger = EmbeddedLedger.open(path)
        except JournalAltered:
            found += 1
            salvaged, error = EmbeddedLedger.salvage(path)
            assert error is not None
            assert salvaged.height() == 1 or told_by(salvaged) == told[salvaged.height()]
            salvaged.close()
        else:
            assert ledger.height() >= last - 1
            assert told_by(ledger) == told[ledger.height()]
            ledger.close()
    assert found > 30


def test_a_file_cut_short_under_its_log_opens_as_it_was_or_not_at_all(crashed: Any, tmp_path: Path) -> None:
    folder, told = crashed
    size, refused = (folder / "ledger.sqlite").stat().st_size, 0
    for seed in range(30):
        path = copied(folder, tmp_path)
        os.truncate(path, random.Random(seed).randrange(size))
        try:
            ledger = EmbeddedLedger.open(path)
        except LedgerError:
            refused += 1
            continue
        assert told_by(ledger) == told[max(told)]
        ledger.close()
    assert refused > 3


def test_a_log_as_sqlite_wrote_it_has_lost_nothing(crashed: Any) -> None:
    folder, _ = crashed
    log = (folder / "ledger.sqlite-wal").read_bytes()
    page = int.from_bytes(log[8:12])
    assert lost_transactions(log) == 0
    assert lost_transactions(b"") == lost_transactions(log[:32]) == 0
    assert lost_transactions(log[:40] + bytes([log[40] ^ 1]) + log[41:]) > 1
    assert lost_transactions(bytes(32) + log[32:]) > 1
    assert lost_transactions(log[:-1] + bytes([log[-1] ^ 1])) == 1
    assert lost_transactions(log[: -page - 24] + bytes(page + 24)) == 0
    check_log(folder / "ledger.sqlite")


def test_a_journal_is_read_while_another_process_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    command = [sys.executable, "-c", WRITER, str(path), "5"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    heights = []
    for _ in range(12):
        ledger = EmbeddedLedger.open(path)
        heights.append(ledger.height())
        ledger.close()
    writer.kill()
    writer.communicate()
    assert heights == sorted(heights)
    assert heights[-1] > heights[0]
    EmbeddedLedger.open(path, replay="all").close()
