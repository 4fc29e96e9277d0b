"""What a node needs to follow a network: the genesis file, which names the sealers, and the peers to dial."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import from_json

from mithridate.errors import InputError
from mithridate.section import Section

MAX_GENESIS_BYTES = 1 << 22
_PLACE = r"[A-Za-z0-9.-]{1,253}"
_ENODE = rf"enode://[0-9a-f]{{128}}@{_PLACE}:\d{{1,5}}(?:\?discport=\d{{1,5}})?"
_MULTIADDRESS = rf"/(?:ip4|dns4|dns)/{_PLACE}/tcp/\d{{1,5}}/p2p/[A-Za-z0-9]{{32,64}}"
Peer = Annotated[str, Field(pattern=f"^(?:{_ENODE}|{_MULTIADDRESS})$")]


class Software(StrEnum):
    """A node's program, by its file's name."""

    GETH = "geth"
    POLYGON_EDGE = "polygon-edge"


_EXAMPLES = {
    Software.GETH: "enode://KEY@node.a.example.org:30303",
    Software.POLYGON_EDGE: "/dns4/node.a.example.org/tcp/1478/p2p/ID",
}


class NodeTerms(Section):
    """How a network is followed."""

    software: Software
    """The program that knows its consensus."""
    chain_id: int = Field(ge=1, le=2**53)
    """The chain's number."""
    peers: Annotated[tuple[Peer, ...], Field(min_length=1, max_length=64)]
    """Nodes to dial: `enode://` addresses for geth, multiaddresses for polygon-edge."""


@dataclass(frozen=True)
class FollowedNetwork:
    """A network that a node can follow.

    Args:
        genesis: the genesis file, byte by byte.
        terms: what is read from it, with the peers.
    """

    genesis: bytes
    terms: NodeTerms


def followed_network(genesis: bytes, peers: Sequence[str] = ()) -> FollowedNetwork:
    """The network that begins with a genesis file.

    Args:
        genesis: of geth under Clique or polygon-edge under IBFT.
        peers: geth's; polygon-edge finds its own in the file's `bootnodes`.

    Raises:
        InputError: it is no such file, or the peers are not as its program takes them.
    """
    document = _read(genesis)
    config, parameters = _table(document, "config"), _table(document, "params")
    if "clique" in config:
        return FollowedNetwork(genesis, _terms(Software.GETH, config.get("chainId"), peers))
    if "ibft" not in _table(parameters, "engine"):
        raise InputError(
            "this is no genesis file of geth under Clique or polygon-edge under IBFT; for nodes of other software see"
            " docs/networks.md"
        )
    if peers:
        raise InputError("polygon-edge dials the `bootnodes` of its genesis file: put the peers in there")
    terms = _terms(Software.POLYGON_EDGE, parameters.get("chainID"), document.get("bootnodes"))
    return FollowedNetwork(genesis, terms)


def _terms(software: Software, chain: object, peers: Any) -> NodeTerms:
    try:
        terms = NodeTerms.model_validate({"software": software, "chain_id": chain, "peers": tuple(peers or ())})
    except (ValidationError, TypeError) as error:
        raise InputError(
            f"a follower of {software} needs a chain's number from the genesis file and 1 to 64 peers, such as"
            f" {_EXAMPLES[software]}"
        ) from error
    scheme = _EXAMPLES[software][0]
    if not all(peer.startswith(scheme) for peer in terms.peers):
        raise InputError(f"{software} dials addresses such as {_EXAMPLES[software]}")
    return terms


def _read(genesis: bytes) -> dict[str, Any]:
    if len(genesis) > MAX_GENESIS_BYTES:
        raise InputError(f"a genesis file has at most {MAX_GENESIS_BYTES} bytes, this has {len(genesis)}")
    try:
        document = from_json(genesis)
    except ValueError as error:
        raise InputError(f"the genesis file is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InputError("the genesis file is no JSON object")
    return document


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}
