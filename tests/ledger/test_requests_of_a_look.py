"""How many requests the ledger's users wait for, which the prediction of a round over a network counts on."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mithridate.evaluation.emulated.prediction import CHANGE_REQUESTS, HEAD_KEPT_S, LOOK_READS
from mithridate.evaluation.networks.service import service_network
from mithridate.ledger import nodes
from mithridate.ledger.accounts import new_account
from mithridate.ledger.endpoint import Endpoint
from mithridate.ledger.evm import EvmNetwork

ANSWERING_42 = bytes.fromhex("600a600c600039600a6000f3602a60005260206000f3")
"""Makes a contract that answers every call with 42."""

ANSWERING_ITS_BLOCK = bytes.fromhex("6009600c60003960096000f3" + "4360005260206000f3")
"""Makes a contract that answers every call with the number of the block at which it is asked."""


class Asked:
    """Counts requests, each of which takes so long on the clock by which heads are kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.seconds = 0.0
        # Later than all that was noted before, by the machine's own clock.
        self.now = time.monotonic() + 1000.0
        request = Endpoint.request

        def counted(endpoint: Endpoint, method: str, *parameters: object) -> Any:
            self.count += 1
            self.now += self.seconds
            return request(endpoint, method, *parameters)

        monkeypatch.setattr(Endpoint, "request", counted)
        monkeypatch.setattr(nodes, "time", self)

    def monotonic(self) -> float:
        return self.now

    @staticmethod
    def time() -> float:
        return 0.0


def test_a_look_is_so_many_reads(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.to("opened")
    reads = []
    network = scene.chain._network
    call = network.call
    monkeypatch.setattr(network, "call", lambda to, data: (reads.append(to), call(to, data))[1])
    assert scene.chain.reader.latest() is not None
    assert len(reads) == LOOK_READS


def test_reads_and_changes_are_so_many_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with service_network(tmp_path).start() as made:
        network = made.connect()
        account = new_account()
        contract = network.deploy(account, ANSWERING_42)
        asked = Asked(monkeypatch)
        asked.seconds = 2 * HEAD_KEPT_S
        network.transact(account, contract, b"")
        assert asked.count == CHANGE_REQUESTS
        asked.count = 0
        for number in range(10):
            assert int.from_bytes(network.call(contract, bytes([number])), "big") == 42
        assert asked.count == 20
        asked.count, asked.seconds = 0, HEAD_KEPT_S / 4
        for number in range(12):
            network.call(contract, bytes([100 + number]))
        # Four reads share a head.
        assert asked.count == 12 + 3
        network.close()


def test_a_question_about_the_same_block_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with service_network(tmp_path).start() as made:
        network = made.connect()
        account = new_account()
        contract, other = network.deploy(account, ANSWERING_42), network.deploy(account, ANSWERING_42)
        asked = Asked(monkeypatch)
        for _ in range(10):
            asked.now += 2 * HEAD_KEPT_S
            assert int.from_bytes(network.call(contract, b""), "big") == 42
        # Whether the block is still the last one is asked each time.
        assert asked.count == 10 + 1
        network.call(other, b"")
        network.call(contract, b"another")
        assert asked.count == 11 + 2
        asked.seconds = 2 * HEAD_KEPT_S
        network.transact(account, contract, b"")
        asked.count = 0
        network.call(contract, b"")
        assert asked.count == 2
        network.close()


def test_the_last_final_block_is_looked_up_once_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with service_network(tmp_path).start() as made:
        writer, account = made.connect(), new_account()
        contract = writer.deploy(account, ANSWERING_42)
        writer.transact(account, contract, b"")
        reader = EvmNetwork([made.followers[0].url], finality=1)
        assert reader.height() == writer.height() - 1
        asked = Asked(monkeypatch)
        for _ in range(10):
            asked.now += 2 * HEAD_KEPT_S
            reader.call(contract, b"")
        assert asked.count == 10 + 1
        asked.seconds = 2 * HEAD_KEPT_S
        writer.transact(account, contract, b"")
        assert reader.height() == writer.height() - 1
        reader.close()
        writer.close()


def test_inside_unconfirmed_the_last_block_is_read_and_outside_the_last_final_one(tmp_path: Path) -> None:
    with service_network(tmp_path).start() as made:
        writer, account = made.connect(), new_account()
        contract = writer.deploy(account, ANSWERING_ITS_BLOCK)
        for _ in range(3):
            writer.transact(account, contract, b"")
        reader = EvmNetwork([made.followers[0].url], finality=2, timeout=5.0)
        last = writer.height()

        def asked() -> int:
            return int.from_bytes(reader.call(contract, b""), "big")

        # What was read ahead does not count as final: the node would seem behind ever after.
        for _ in range(2):
            assert asked() == reader.height() == last - 2
            with reader.unconfirmed():
                assert asked() == last
                with reader.unconfirmed():
                    assert asked() == last
                assert asked() == last
        with ThreadPoolExecutor(1) as another, reader.unconfirmed():
            assert another.submit(asked).result() == last - 2
        reader.close()
        writer.close()
