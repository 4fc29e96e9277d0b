"""Seals of real networks' headers, and of made ones: who sealed, in turn or not, and each way to cheat."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.errors import LedgerError, SealRefused
from mithridate.ledger.seals.chain import SealedChain
from mithridate.ledger.seals.header import DIFFICULTY, EXTRA, MINER, MIX, NONCE, PARENT
from mithridate.ledger.seals.ibft import IbftSeals

VECTORS = json.loads((Path(__file__).parent / "headers.json").read_text(encoding="utf-8"))
"""The genesis block and six more of geth 1.13.15 and polygon-edge 1.3.3, each with its hash as the node told it."""
KINDS = ("clique", "ibft")
HALF_ORDER_TWICE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Mint = Any
Minted = Callable[..., Mint]


def real(kind: str) -> list[tuple[bytes, bytes]]:
    return [(bytes.fromhex(each["header"]), bytes.fromhex(each["hash"])) for each in VECTORS[kind]]


def chain_of(kind: str, count: int) -> SealedChain:
    """The real chain up to block `count`."""
    (genesis, told), *rest = real(kind)
    chain = SealedChain(genesis, told)
    for header, identity in rest[:count]:
        chain.add(header, [], [], identity)
    return chain


def minted(mint: Mint, count: int) -> tuple[SealedChain, bytes]:
    chain, header = SealedChain(mint.genesis), mint.genesis
    for _ in range(count):
        header = mint.next(header)
        chain.add(header, [], [])
    return chain, header


@pytest.mark.parametrize("kind", KINDS)
def test_real_chains_are_sealed_by_their_sealers(kind: str) -> None:
    chain = chain_of(kind, 6)
    assert chain.consensus == kind
    assert len(chain.sealers) == 4
    assert chain.sealed.total() == 6
    assert set(chain.sealed) <= set(chain.sealers)
    assert chain.head.hash == real(kind)[6][1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_altered_byte_of_a_real_header_is_refused(kind: str) -> None:
    """The last block, which no other binds; the bits that are flipped differ from byte to byte."""
    header, _ = real(kind)[6]
    chain = chain_of(kind, 5)
    for place in range(len(header)):
        altered = bytearray(header)
        altered[place] ^= 1 << place % 8
        with pytest.raises(LedgerError):
            chain.add(bytes(altered), [], [])
    chain.add(header, [], [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_false_hash_is_refused(kind: str) -> None:
    header, identity = real(kind)[6]
    with pytest.raises(LedgerError, match="hash"):
        chain_of(kind, 5).add(header, [], [], identity[:-1] + bytes([identity[-1] ^ 1]))
    with pytest.raises(LedgerError, match="hash"):
        SealedChain(real(kind)[0][0], bytes(32))


def with_extra(header: bytes, change: Callable[[bytes], bytes]) -> bytes:
    fields = rlp.decode(header)
    return bytes(rlp.encode([*fields[:EXTRA], change(fields[EXTRA]), *fields[EXTRA + 1 :]]))


def malleated(seal: bytes) -> bytes:
    """The other signature of the same message by the same key, made without it."""
    s = HALF_ORDER_TWICE - int.from_bytes(seal[32:64])
    return seal[:32] + s.to_bytes(32) + bytes([seal[64] ^ 1])


def test_a_seal_altered_into_another_valid_one_is_refused() -> None:
    clique = with_extra(real("clique")[6][0], lambda extra: extra[:-65] + malleated(extra[-65:]))
    with pytest.raises(SealRefused, match="altered"):
        chain_of("clique", 5).add(clique, [], [])

    def change(extra: bytes) -> bytes:
        validators, proposer, committed, parent, number = rlp.decode(extra[32:])
        seals = [malleated(committed[0]), *committed[1:]]
        return extra[:32] + bytes(rlp.encode([validators, proposer, seals, parent, number]))

    with pytest.raises(SealRefused, match="altered"):
        chain_of("ibft", 5).add(with_extra(real("ibft")[6][0], change), [], [])


def test_polygon_edge_hashes_a_block_without_its_seals() -> None:
    header, identity = real("ibft")[6]

    def bare(extra: bytes) -> bytes:
        validators, _, _, parent, _ = rlp.decode(extra[32:])
        return extra[:32] + bytes(rlp.encode([validators, b"", [], parent, b""]))

    chain = chain_of("ibft", 5)
    assert chain.identity(with_extra(header, bare)) == identity
    assert keccak(header) != identity
    with pytest.raises(SealRefused):
        chain.add(with_extra(header, bare), [], [])


def lies(mint: Mint) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a seal is refused for, and how the fifth block is made."""
    yield "votes", {"fields": {NONCE: b"\xff" * 8}}
    yield "votes", {"fields": {MINER: mint.sealers[0]}}
    yield "other sealers", {"listed": mint.sealers[:-1]}
    yield "none of", {"fields": {MIX: bytes(31) + b"\1"}}
    if mint.kind == "clique":
        yield "no sealer of the genesis block", {"by": [mint.stranger]}
        yield "pause", {"by": [mint.keys[0]]}
        yield "pause", {"by": [mint.keys[3]]}
        yield "difficulty 1", {"difficulty": 1}
        yield "difficulty 2", {"by": [mint.keys[2]], "difficulty": 2}
        yield "difficulty 0", {"difficulty": 0}
        return
    yield "no sealer", {"proposer": mint.stranger}
    yield "no sealer of the genesis block", {"by": [*mint.keys, mint.stranger]}
    yield "2 of 4", {"by": mint.keys[:2]}
    yield "0 of 4", {"by": []}
    yield "twice", {"by": [*mint.keys[:2], mint.keys[0]]}


@pytest.mark.parametrize("kind", KINDS)
def test_each_rule_of_sealing_is_kept(mint: Minted, kind: str) -> None:
    mine = mint(kind)
    chain, before = minted(mine, 4)
    for reason, changes in lies(mine):
        with pytest.raises(SealRefused, match=reason):
            chain.add(mine.next(before, **changes), [], [])
        assert chain.head.number == 4
    chain.add(mine.next(before), [], [])


def test_out_of_turn_and_at_a_checkpoint_is_by_the_rules(mint: Minted) -> None:
    mine = mint("clique")
    chain, before = minted(mine, 4)
    chain.add(following := mine.next(before, by=[mine.keys[2]]), [], [])
    chain.add(mine.next(following, by=[mine.keys[1]], listed=mine.sealers), [], [])


def test_more_seals_than_needed_are_by_the_rules(mint: Minted) -> None:
    mine = mint("ibft")
    chain, before = minted(mine, 4)
    chain.add(mine.next(before, by=mine.keys, parent_seals=[bytes(65)]), [], [])


def test_the_first_block_of_ibft_has_no_parents_seals(mint: Minted) -> None:
    """The hash of the first block does not cover them: a node could put there what it likes."""
    mine = mint("ibft")
    with pytest.raises(SealRefused, match="none of"):
        SealedChain(mine.genesis).add(mine.next(mine.genesis, parent_seals=[bytes(65)]), [], [])


@pytest.mark.parametrize("count", range(1, 14))
def test_a_quorum_outvotes_a_third_that_is_faulty(mint: Minted, count: int) -> None:
    """Two quorums share an honest sealer while fewer than a third are faulty, and the honest alone are one."""
    quorum, faulty = IbftSeals(rlp.decode(mint("ibft", count).genesis)).quorum, (count - 1) // 3
    assert 2 * quorum - count > faulty
    assert quorum <= count - faulty


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 6), picks=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_sealers_of_clique_pause_for_half_of_them(mint: Minted, count: int, picks: list[int]) -> None:
    mine = mint("clique", count)
    chain, before, history = SealedChain(mine.genesis), mine.genesis, list[int]()
    for pick in picks:
        rank = pick % count
        header = mine.next(before, by=[mine.keys[rank]])
        if rank in history[max(len(history) - count // 2, 0) :]:
            with pytest.raises(SealRefused, match="pause"):
                chain.add(header, [], [])
            continue
        chain.add(header, [], [])
        history.append(rank)
        before = header
    assert chain.sealed.total() == len(history)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_must_follow_the_one_before(mint: Minted, kind: str) -> None:
    mine = mint(kind)
    chain, before = minted(mine, 4)
    for header in (before, mine.genesis, mine.next(before, fields={PARENT: bytes(32)})):
        with pytest.raises(LedgerError):
            chain.add(header, [], [])
    with pytest.raises(LedgerError, match="another number"):
        SealedChain(before)


@pytest.mark.parametrize("extra", [b"", bytes(32), bytes(97), bytes(96), bytes(32) + b"\xc0", b"\xff" * 117])
def test_a_genesis_block_without_sealers_is_of_no_known_consensus(mint: Minted, extra: bytes) -> None:
    mine = mint("clique")
    chain = SealedChain(mine.header(0, bytes(32), extra))
    assert chain.consensus is None
    assert chain.sealers == []
    header = mine.header(1, chain.genesis_hash, b"")
    assert chain.add(header, [], [], b"\7" * 32).hash == b"\7" * 32


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(extra=st.binary(max_size=200), place=st.sampled_from([MIX, NONCE, DIFFICULTY, EXTRA]))
def test_any_extra_data_is_refused_and_ends_nothing(mint: Minted, kind: str, extra: bytes, place: int) -> None:
    mine = mint(kind)
    chain, before = minted(mine, 1)
    fields = rlp.decode(mine.next(before))
    fields[place] = extra
    with pytest.raises(LedgerError):
        chain.add(bytes(rlp.encode(fields)), [], [])
