"""The embedded ledger as a whole: reopening, shared blocks, threads, a full disk, and a writer killed at any moment."""

import hashlib
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import JournalAltered, LedgerError, RuleViolation
from mithridate.ledger import chain
from mithridate.ledger.accounts import account_from_key
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import Phase, Role
from mithridate.ledger.journal import Journal
from mithridate.ledger.machine.vm import ClockVM

Scene = Any

WRITER = textwrap.dedent(
    """
    import hashlib, sys
    from pathlib import Path
    from mithridate.ledger.accounts import account_from_key
    from mithridate.ledger.deployment import StudyTerms
    from mithridate.ledger.embedded import EmbeddedLedger
    from mithridate.ledger.interface import Role

    parties = [account_from_key(bytes([number]) * 32) for number in range(1, 6)]
    terms = StudyTerms(bytes([1]) * 32, parties[1].address, [party.address for party in parties[2:]], 2, 2)
    ledger = EmbeddedLedger.create(Path(sys.argv[1]), parties[0], terms)
    administrator = ledger.as_party(parties[0])
    print("created", flush=True)
    for index in range(1024):
        key = hashlib.sha256(b"%d" % index).digest()
        if index % 5:
            administrator.enrol(account_from_key(key).address, Role.HOSPITAL, b"\\2" + key)
        else:
            with ledger.block():
                administrator.enrol(account_from_key(key).address, Role.HOSPITAL, b"\\2" + key)
        print(index, flush=True)
    """
)


def test_a_question_is_computed_once_for_all_who_ask_until_something_changes(
    scene: Scene, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.to("committed")
    computed: list[bytes] = []

    def called(vm: Any, sender: bytes, to: bytes, data: bytes) -> bytes:
        computed.append(data)
        return answer(vm, sender, to, data)

    answer = chain._called
    monkeypatch.setattr(chain, "_called", called)
    before = scene.stranger.attempt(1, 0)
    once = len(computed)
    assert [hospital.attempt(1, 0) for hospital in scene.hospitals] == [before] * len(scene.hospitals)
    assert len(computed) == once > 0
    scene.submit()
    assert len(scene.stranger.attempt(1, 0).submissions) == 3
    clock.seconds += 1
    scene.stranger.attempt(1, 0)
    assert len(computed) == 3 * once


def test_a_reopened_ledger_is_the_same_and_goes_on(scene: Scene) -> None:
    scene.to("drawn")
    before = (scene.chain.latest(), scene.chain.height(), scene.stranger.study_id(), scene.stranger.hospitals())
    scene.reopen()
    assert before == (scene.chain.latest(), scene.chain.height(), scene.stranger.study_id(), scene.stranger.hospitals())
    scene.bind()
    scene.reopen()
    scene.finalise()
    scene.release()
    scene.reopen()
    assert scene.chain.latest().phase == Phase.RELEASED
    assert scene.chain.stable_model() == scene.chain.current_model() == scene.model(1)


def test_every_call_is_a_block_and_a_block_holds_many(scene: Scene) -> None:
    assert scene.chain.height() == 1
    scene.enrol()
    scene.register()
    assert scene.chain.height() == 3
    scene.begin()
    scene.open()
    assert scene.chain.height() == 5


def test_what_is_written_inside_a_block_is_read_inside_it(scene: Scene) -> None:
    scene.to("begun")
    with scene.chain.block():
        scene.open()
        for validator in scene.validators:
            validator.commit_randomness(1, 0, validator.study_id()[:31] + bytes([scene.validators.index(validator)]))
        assert scene.stranger.latest().committed == {0, 1, 2}
    assert scene.stranger.latest().committed == {0, 1, 2}


def test_a_refused_call_inside_a_block_leaves_the_others(scene: Scene) -> None:
    scene.to("committed")
    height = scene.chain.height()
    with scene.chain.block():
        scene.hospitals[0].submit(1, 0, scene.digest(0))
        with pytest.raises(RuleViolation):
            scene.hospitals[0].submit(1, 0, scene.digest(1))
        with pytest.raises(RuleViolation):
            scene.stranger.submit(1, 0, scene.digest(1))
        scene.hospitals[1].submit(1, 0, scene.digest(1))
    assert scene.chain.height() == height + 1
    scene.reopen()
    assert dict(scene.chain.latest().submissions) == {0: scene.digest(0), 1: scene.digest(1)}


def test_an_error_that_ends_a_block_keeps_what_was_written(scene: Scene) -> None:
    scene.to("committed")

    def write_until_refused() -> None:
        with scene.chain.block():
            scene.hospitals[0].submit(1, 0, scene.digest(0))
            scene.stranger.submit(1, 0, scene.digest(1))

    with pytest.raises(RuleViolation):
        write_until_refused()
    scene.hospitals[1].submit(1, 0, scene.digest(1))
    scene.reopen()
    assert set(scene.chain.latest().submissions) == {0, 1}


def test_a_block_without_changes_is_none(scene: Scene) -> None:
    with scene.chain.block():
        pass
    with scene.chain.block(), pytest.raises(RuleViolation):
        scene.stranger.begin(bytes([1]) * 32, bytes([1]) * 32)
    assert scene.chain.height() == 1
    scene.reopen()


def test_blocks_do_not_nest(scene: Scene) -> None:
    with scene.chain.block():
        with pytest.raises(LedgerError, match="nest"), scene.chain.block():
            pass
        scene.administrator.enrol(scene.stranger.address, Role.AUDITOR)
    scene.reopen()
    assert scene.stranger.is_active(scene.stranger.address, Role.AUDITOR)


@pytest.mark.parametrize("shared", [True, False])
def test_many_threads_write_and_read_at_once(scene: Scene, shared: bool) -> None:
    def register(rank: int) -> None:
        together.wait()
        scene.validators[rank].register_keys(envelope_key=scene.envelope_key(rank))

    def enrol(index: int) -> str:
        together.wait()
        account = account_from_key(bytes([index + 1]) * 32)
        scene.administrator.enrol(account.address, Role.HOSPITAL, scene.signing_key(index))
        assert scene.stranger.is_active(account.address, Role.HOSPITAL)
        return account.address

    together = threading.Barrier(12)
    with ThreadPoolExecutor(12) as pool:
        if shared:
            with scene.chain.block():
                enrolled = _at_once(pool, register, enrol)
        else:
            enrolled = _at_once(pool, register, enrol)
    assert scene.chain.height() == (2 if shared else 13)
    scene.reopen()
    assert [validator.envelope_key for validator in scene.stranger.validators()] == [
        scene.envelope_key(rank) for rank in range(3)
    ]
    assert {member.address for member in scene.stranger.members(Role.HOSPITAL)} == set(enrolled)


def _at_once(pool: ThreadPoolExecutor, register: Any, enrol: Any) -> list[str]:
    registered = [pool.submit(register, rank) for rank in range(3)]
    enrolled = [pool.submit(enrol, index) for index in range(9)]
    assert [future.result() for future in registered] == [None] * 3
    return [future.result() for future in enrolled]


def test_many_blocks_a_second_do_not_outrun_the_clock(clock: Any, scene: Scene) -> None:
    start = scene.stranger.now()
    scene.to("released")
    assert scene.stranger.now() == start == clock.seconds
    clock.seconds -= 50
    assert scene.stranger.now() == start
    scene.open(2)
    scene.reopen()
    assert scene.stranger.now() == start


def test_a_change_that_cannot_be_written_down_stops_the_ledger(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(journal: Journal, block: Any) -> None:
        raise LedgerError("the disk is full")

    scene.enrol()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        with pytest.raises(LedgerError, match="the disk is full"):
            scene.validators[0].register_keys(envelope_key=scene.envelope_key(0))
    with pytest.raises(LedgerError, match="earlier change"):
        scene.validators[1].register_keys(envelope_key=scene.envelope_key(1))
    with pytest.raises(LedgerError, match="earlier change"), scene.chain.block():
        pass
    scene.reopen()
    assert [validator.envelope_key for validator in scene.stranger.validators()] == [b""] * 3
    scene.register()


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_while_writing_down_leaves_a_journal_that_opens(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.enrol()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            scene.validators[0].register_keys(envelope_key=scene.envelope_key(0))
    with pytest.raises(LedgerError, match="earlier change"):
        scene.validators[1].register_keys(envelope_key=scene.envelope_key(1))
    scene.reopen()
    assert [validator.envelope_key for validator in scene.stranger.validators()] == [b""] * 3
    scene.register()


def test_an_interrupt_inside_a_block_drops_the_block_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted_block() -> None:
        with scene.chain.block():
            scene.validators[0].register_keys(envelope_key=scene.envelope_key(0))
            # After the state has changed, before the transaction is noted down.
            patch.setattr(ClockVM, "make_receipt", _interrupt)
            scene.validators[1].register_keys(envelope_key=scene.envelope_key(1))

    scene.enrol()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_block()
    with pytest.raises(LedgerError, match="earlier change"):
        scene.validators[2].register_keys(envelope_key=scene.envelope_key(2))
    scene.reopen()
    assert len(scene.stranger.hospitals()) == 4
    assert [validator.envelope_key for validator in scene.stranger.validators()] == [b""] * 3
    scene.register()


def test_a_block_whose_interrupt_was_swallowed_does_not_pass_for_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swallowing_block() -> None:
        with scene.chain.block():
            with monkeypatch.context() as patch:
                patch.setattr(ClockVM, "make_receipt", _interrupt)
                with pytest.raises(KeyboardInterrupt):
                    scene.validators[0].register_keys(envelope_key=scene.envelope_key(0))
            with pytest.raises(LedgerError, match="interrupted half-way"):
                scene.validators[1].register_keys(envelope_key=scene.envelope_key(1))

    with pytest.raises(LedgerError, match="interrupted half-way"):
        swallowing_block()
    scene.reopen()
    scene.register()


def test_an_interrupted_call_outside_a_block_leaves_the_ledger_working(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ClockVM, "make_receipt", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            scene.validators[0].register_keys(envelope_key=scene.envelope_key(0))
    scene.register()
    scene.reopen()
    assert scene.stranger.validators()[0].envelope_key == scene.envelope_key(0)


def test_a_ledger_is_never_made_over_another(make_scene: Any, scene: Scene) -> None:
    scene.enrol()
    with pytest.raises(LedgerError, match="exists already"):
        make_scene()
    scene.reopen()
    assert len(scene.stranger.hospitals()) == 4


def test_a_draft_that_a_killed_process_left_is_in_nobodys_way(make_scene: Any, tmp_path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"ledger.sqlite.draft{suffix}").write_bytes(b"half a journal")
    made = make_scene()
    made.to("begun")
    made.reopen()
    assert made.stranger.begun()
    made.chain.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.sqlite"]


def test_the_study_configuration_is_a_hash(make_scene: Any) -> None:
    with pytest.raises(LedgerError, match="32 bytes"):
        make_scene(configuration=b"study")


def test_opening_what_is_no_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="does not exist"):
        EmbeddedLedger.open(tmp_path / "ledger.sqlite")
    (tmp_path / "empty.sqlite").write_bytes(b"")
    with pytest.raises(JournalAltered, match="tables"):
        EmbeddedLedger.open(tmp_path / "empty.sqlite")


def test_a_journal_of_another_contract_is_not_opened(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        runtime_code = b"another contract"

    scene.chain.close()
    with monkeypatch.context() as patch:
        patch.setattr("mithridate.ledger.deployment.contract", lambda name: Other)
        with pytest.raises(LedgerError, match="not this version's"):
            EmbeddedLedger.open(scene.path)
    scene.reopen()


@pytest.mark.parametrize("seed", range(5))
def test_everything_whose_call_returned_survives_a_kill(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "ledger.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "created\n"
    time.sleep(random.Random(seed).uniform(0, 0.4))
    writer.send_signal(signal.SIGKILL)
    returned = len(writer.stdout.read().splitlines())
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    ledger = EmbeddedLedger.open(path)
    enrolled = [member.signing_key for member in ledger.reader.members(Role.HOSPITAL)]
    assert enrolled == [b"\2" + hashlib.sha256(b"%d" % index).digest() for index in range(len(enrolled))]
    assert returned <= len(enrolled) <= returned + 1
    account = account_from_key(bytes([1]) * 32)
    ledger.as_party(account).enrol(account_from_key(bytes([77]) * 32).address, Role.HOSPITAL)
    ledger.close()
    reopened = EmbeddedLedger.open(path)
    assert len(reopened.reader.members(Role.HOSPITAL)) == len(enrolled) + 1
    reopened.close()


def test_importing_the_interface_loads_no_chain() -> None:
    script = "import sys, mithridate.ledger.interface; print([m for m in ('web3', 'eth', 'vyper') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
