"""The networks that a proof of concept can stand on: each takes changes of an account that had nothing."""

import os
from pathlib import Path

import pytest

from mithridate.errors import InputError, LedgerError
from mithridate.ledger.accounts import new_account
from mithridate.ledger.evm import EvmNetwork
from mithridate.poc.ground import CLIQUE, EMBEDDED, IBFT, SEALERS, start_ground

ANSWERING_42 = bytes.fromhex("600a600c600039600a6000f3602a60005260206000f3")
"""Makes a contract that answers every call with 42."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "nodes", "finality"),
    [
        pytest.param(CLIQUE, 4, 2, marks=pytest.mark.xdist_group("networks-clique")),
        pytest.param(IBFT, 4, 0, marks=pytest.mark.xdist_group("networks-ibft")),
        pytest.param(EMBEDDED, 1, 0, marks=pytest.mark.xdist_group("networks-service")),
    ],
)
def test_an_account_that_had_nothing_makes_a_change(kind: str, nodes: int, finality: int, tmp_path: Path) -> None:
    try:
        ground = start_ground(kind, tmp_path)
    except LedgerError as error:
        if os.environ.get("CI") == "true" or "make networks" not in str(error):
            raise
        pytest.skip(str(error))
    try:
        assert (ground.kind, ground.settings.finality) == (kind, finality)
        assert len(ground.nodes) == len(SEALERS)
        assert len(set(ground.nodes)) == nodes
        assert all(url.startswith("http://127.0.0.1:") for url in ground.nodes)
        account = new_account()
        ground.fund([account.address])
        network = EvmNetwork(ground.settings.endpoints, finality=finality, agreement=ground.settings.agreement)
        contract = network.deploy(account, ANSWERING_42)
        assert int.from_bytes(network.call(contract, b""), "big") == 42
        network.close()
    finally:
        ground.stop()


def test_another_network_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--network 'besu' is unknown: one of auto, clique, ibft, embedded"):
        start_ground("besu", tmp_path)
