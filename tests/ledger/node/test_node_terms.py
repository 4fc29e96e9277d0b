"""Which genesis files and peers a following node starts from."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.errors import InputError
from mithridate.ledger.node.terms import MAX_GENESIS_BYTES, Software, followed_network

ENODE = f"enode://{'ab' * 64}@node.a.example.org:30303"
BOOTNODE = "/dns4/node.a.example.org/tcp/1478/p2p/16Uiu2HAmQ6zmHDxnXS8BomiozHfvpmHB7sQFdR85QS3TW5wqc7fA"


def geth(**changed: Any) -> bytes:
    return json.dumps({"config": {"chainId": 20_260_001, "clique": {"period": 1}} | changed}).encode()


def edge(bootnodes: object = (BOOTNODE,), chain: object = 77) -> bytes:
    return json.dumps({"params": {"chainID": chain, "engine": {"ibft": {}}}, "bootnodes": bootnodes}).encode()


def test_each_software_is_known_by_its_consensus() -> None:
    found = followed_network(geth(), [ENODE])
    assert (found.terms.software, found.terms.chain_id, found.terms.peers) == (Software.GETH, 20_260_001, (ENODE,))
    assert found.genesis == geth()
    found = followed_network(edge())
    assert (found.terms.software, found.terms.chain_id) == (Software.POLYGON_EDGE, 77)
    assert found.terms.peers == (BOOTNODE,)


@pytest.mark.parametrize(
    ("genesis", "peers", "message"),
    [
        (b"{", [ENODE], "not valid JSON"),
        (b"[]", [ENODE], "no JSON object"),
        (b'{"config": {"chainId": 1, "qbft": {}}}', [ENODE], "for nodes of other software"),
        (b'{"config": [], "params": {"engine": 5}}', [ENODE], "for nodes of other software"),
        (b" " * (MAX_GENESIS_BYTES + 1), [ENODE], "at most"),
        (geth(), [], "1 to 64 peers"),
        (geth(), [ENODE] * 65, "1 to 64 peers"),
        (geth(chainId=0), [ENODE], "a chain's number"),
        (geth(chainId="1"), [ENODE], "a chain's number"),
        (geth(), [ENODE.replace("ab", "a", 1)], "such as enode://"),
        (geth(), [ENODE + '"]\nListenAddr = "0.0.0.0:1'], "such as enode://"),
        (geth(), [ENODE.replace("enode://", "enr:")], "such as enode://"),
        (geth(), [BOOTNODE], "geth dials addresses such as enode://"),
        (edge(bootnodes=[ENODE]), [], "polygon-edge dials addresses such as /dns4/"),
        (edge(bootnodes=None), [], "1 to 64 peers"),
        (edge(bootnodes=5), [], "1 to 64 peers"),
        (edge(bootnodes={"a": 1}), [], "1 to 64 peers"),
        (edge(), [BOOTNODE], "put the peers in there"),
    ],
)
def test_what_no_node_could_start_from_is_refused(genesis: bytes, peers: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        followed_network(genesis, peers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["config", "clique", "params", "engine", "ibft", "chainId", "chainID", "bootnodes"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60), st.lists(st.text(), max_size=2))
def test_no_file_does_more_than_be_refused(genesis: bytes, peers: list[str]) -> None:
    with pytest.raises(InputError):
        followed_network(genesis, peers)
