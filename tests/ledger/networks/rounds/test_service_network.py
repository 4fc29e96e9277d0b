"""The embedded ledger as a service: a study's parties in threads and processes, killed and restarted, audited."""

import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import LedgerError, RuleViolation
from mithridate.evaluation.networks.service import service_network
from mithridate.ledger.accounts import new_account
from mithridate.ledger.audit.procedure import audit_chain
from mithridate.ledger.chain import CHAIN_ID
from mithridate.ledger.chronicle_network import NetworkChronicle
from mithridate.ledger.embedded_network import EmbeddedNetwork
from mithridate.ledger.endpoint import Endpoint
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.export import export
from mithridate.ledger.interface import Phase
from mithridate.ledger.network import Reverted
from mithridate.ledger.run_ledger import JOURNAL_FILE
from mithridate.ledger.service.folder import ARCHIVE_FILE, held
from mithridate.ledger.watch import watch

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("networks-service")]
Local = Any
Study = Any
Board = Any

WRITER = textwrap.dedent(
    """
    import sys
    from mithridate.ledger.accounts import new_account
    from mithridate.ledger.evm import EvmNetwork
    network = EvmNetwork([sys.argv[1]], finality=0)
    account = new_account()
    for data in sys.argv[3:]:
        network.transact(account, sys.argv[2], bytes.fromhex(data))
        print(data, flush=True)
    """
)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's folder."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="session")
def running(home: Path) -> Iterator[Local]:
    with service_network(home).start() as made:
        yield made


def command(folder: Path) -> list[str]:
    return [sys.executable, "-c", "from mithridate.cli import main; main()", "ledger", "serve", str(folder)]


def played(study: Study) -> int:
    """One more round; returns its number."""
    latest = study.coordinator.latest()
    number = 1 if latest is None else latest.round + 1
    for step in (study.open, study.submit, study.draw, study.bind, study.attest, study.release):
        step(number)
    return number


def writer(board: Board, notes: list[bytes]) -> subprocess.Popen[str]:
    """A process that writes notes in an account of its own and says which are written."""
    data = [board.data("write", note).hex() for note in notes]
    process = [sys.executable, "-c", WRITER, board.network.followers[0].url, board.address, *data]
    return subprocess.Popen(process, stdout=subprocess.PIPE, text=True)


def test_a_round_is_played_and_audited(study: Study, network: Local, tmp_path: Path) -> None:
    number = played(study)
    assert study.reader.attempt(number, 0).model_hash == study.model(number)
    source = NetworkChronicle([network.followers[0].url], 0)
    audit = audit_chain(source, study=study.deployment.addresses["Study"])
    # One operator seals a service's chain: that is the only thing an auditor has to say of it.
    (finding,) = audit.findings
    assert str(finding).startswith("seals: genesis block: this network's consensus is not known here")
    assert audit.state_compared
    assert source.unbound == 0
    source.close()
    assert audit.attempts[number, 0].supporters == {"Bound": 2, "Finalised": 2, "release": 2}
    source = NetworkChronicle([network.followers[0].url], 0)
    # Nobody could check offline who sealed it; the folder's journal can be exported instead.
    with pytest.raises(LedgerError, match="nobody could check offline"):
        export(source, tmp_path / "study.mlx")
    source.close()


def test_events_are_followed(study: Study, network: Local) -> None:
    number = played(study)
    source = NetworkChronicle([network.followers[0].url], 0)
    events = watch(source, study=study.deployment.addresses["Study"], pause=lambda: None)
    names = []
    for event in events:
        names.append(event.said.name)
        if event.said.name == "Released" and event.said.values["round_number"] == number:
            break
    events.close()
    assert names.index("Begun") < names.index("RoundOpened") < names.index("Released")


def test_a_refusal_has_the_contracts_reason(study: Study, board: Board) -> None:
    with pytest.raises(RuleViolation, match="already"):
        study.administrator.begin(study.model(1), study.model(1))
    note = board.note()
    board.write(board.view, board.writer, note)
    with pytest.raises(Reverted) as told:
        board.write(board.view, board.other, note)
    assert b"written already" in told.value.output
    # The same, found out only when it is sent.
    endpoint = Endpoint(board.network.followers[0].url, 5.0)
    with pytest.raises(Reverted) as sent:
        endpoint.send(signed(board, endpoint, note))
    assert sent.value.output == told.value.output
    assert endpoint.sent_by(board.third.address, None) == 0
    endpoint.close()


def signed(board: Board, endpoint: Endpoint, note: bytes, **fields: Any) -> bytes:
    from eth_account import Account as Signer

    number = endpoint.sent_by(board.third.address, None)
    order = {"nonce": number, "gasPrice": 0, "gas": 10**7, "value": 0, "chainId": CHAIN_ID, "to": board.address}
    transaction = order | {"data": board.data("write", note)} | fields
    return bytes(Signer.sign_transaction(transaction, board.third.key).raw_transaction)


def test_processes_write_at_once_and_no_note_is_lost(board: Board) -> None:
    notes = [[board.note() for _ in range(4)] for _ in range(3)]
    writers = [writer(board, mine) for mine in notes]
    try:
        for each in writers:
            each.communicate(timeout=120)
            assert each.returncode == 0
    finally:
        for each in writers:
            each.kill()
            each.wait()
    board.everywhere(*(note for mine in notes for note in mine))


def test_what_is_sent_together_shares_blocks(board: Board) -> None:
    parties = [new_account() for _ in range(24)]
    notes = [board.note() for _ in parties]
    before = board.view.height()
    ready = threading.Barrier(len(parties))

    def submit(place: int) -> None:
        ready.wait()
        board.write(board.view, parties[place], notes[place])

    threads = [threading.Thread(target=submit, args=(place,)) for place in range(len(parties))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    board.everywhere(*notes)
    assert board.view.height() - before < len(parties)


def test_what_was_answered_survives_a_kill(board: Board, local: Local, home: Path) -> None:
    node = local.followers[0]
    for kept in (True, True, False):
        with writer(board, [board.note() for _ in range(50)]) as process:
            assert process.stdout is not None
            told = [process.stdout.readline().strip() for _ in range(3)]
            node.kill()
            process.kill()
            told += process.stdout.read().split()
        if not kept:
            (home / ARCHIVE_FILE).unlink()
        node.start()
        node.wait()
        written = {board.data("write", note).hex() for note in board.notes(board.view)}
        assert set(told) <= written
    height, source = board.view.height(), NetworkChronicle([node.url], 0)
    numbers = [block.number for block in source.blocks()]
    source.close()
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= height


def test_a_change_waits_for_a_service_that_restarts(board: Board, local: Local) -> None:
    node, note = local.followers[0], board.note()
    node.kill()
    thread = threading.Thread(target=lambda: board.write(board.view, board.writer, note))
    thread.start()
    node.start()
    node.wait()
    thread.join(60)
    board.everywhere(note)


def test_the_journal_left_by_a_stopped_service_replays(study: Study, local: Local, home: Path) -> None:
    number, node = played(study), local.followers[0]
    height, process = node.height(), node._process
    node.stop()
    assert process.returncode == 0
    network = EmbeddedNetwork.open(home / JOURNAL_FILE, "all")
    assert network.height() == height
    network.close()
    node.start()
    node.wait()
    assert study.reader.attempt(number, 0).phase == Phase.RELEASED


def test_two_services_do_not_share_a_folder(running: Local, home: Path) -> None:
    with pytest.raises(LedgerError, match="another process"), held(home):
        pass
    second = subprocess.run(command(home), capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "another process serves" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_free_port_is_told_and_an_interrupt_ends_it(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path / "new"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        network = EvmNetwork([url], finality=0)
        assert network.height() == 0
        network.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_it_listens_on_loopback_only(running: Local) -> None:
    port = int(running.followers[0].url.rsplit(":", 1)[1])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {fields[1].split(":")[0] for fields in listening if int(fields[1].split(":")[1], 16) == port}
    assert addresses == {f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"}
