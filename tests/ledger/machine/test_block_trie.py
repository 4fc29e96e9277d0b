"""Tries hashed once a block: the same roots, values and nodes as the library's, whatever is written in which order."""

from collections.abc import Callable

import pytest
import rlp
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie
from trie.exceptions import MissingTrieNode

from mithridate.ledger.machine.block_trie import BlockTrie, root_of

KEYS = st.integers(0, 40).map(lambda number: keccak(bytes([number])))
ALIKE = st.tuples(st.sampled_from([b"\0" * 30, b"\0" * 29 + b"\1"]), st.integers(0, 300)).map(
    lambda parts: parts[0] + parts[1].to_bytes(2, "big")
)
"""Keys that part late, below an extension, with values so short that their nodes lie within their parents."""
VALUES = st.one_of(st.just(b""), st.binary(min_size=1, max_size=3), st.binary(min_size=30, max_size=40))
CHANGES = st.lists(st.tuples(st.one_of(KEYS, ALIKE), VALUES), max_size=30)


@given(blocks=st.lists(CHANGES, max_size=6), reads=st.booleans())
def test_every_root_and_value_is_the_librarys(blocks: list[list[tuple[bytes, bytes]]], reads: bool) -> None:
    nodes: dict[bytes, bytes] = {}
    theirs, root, expected = HexaryTrie({}), BlockTrie({}).root_hash, dict[bytes, bytes]()
    for changes in blocks:
        ours = BlockTrie(nodes, root)
        for key, value in changes:
            if value:
                ours[key] = theirs[key] = value
            else:
                del ours[key]
                del theirs[key]
            expected[key] = value
            if reads:
                assert ours[key] == value
        root = ours.root_hash
        assert root == theirs.root_hash
    assert {key: BlockTrie(nodes, root)[key] for key in expected} == expected
    # All of it lies in the store: the library reads it there.
    assert {key: HexaryTrie(nodes, root)[key] for key in expected} == expected
    assert {digest: keccak(node) for digest, node in nodes.items()} == {digest: digest for digest in nodes}


@given(before=CHANGES, after=CHANGES)
def test_changes_of_a_trie_that_is_given_up_are_seen_by_no_other(
    before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]]
) -> None:
    nodes: dict[bytes, bytes] = {}
    trie = BlockTrie(nodes)
    for key, value in before:
        trie[key] = value
    root, expected = trie.root_hash, dict(before)
    dropped = BlockTrie(nodes, root)
    for key, value in after:
        dropped[key] = value
    assert {key: trie[key] for key in expected} == expected
    assert dropped.root_hash == BlockTrie(nodes, dropped.root_hash).root_hash
    assert {key: BlockTrie(nodes, root)[key] for key in expected} == expected


def test_squashed_changes_count_once_the_context_ends_well() -> None:
    trie = BlockTrie({})
    trie[b"key"] = b"value"
    root = trie.root_hash

    def interrupted() -> None:
        with trie.squash_changes() as scratch:
            scratch[b"key"] = b"another"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert trie.root_hash == root
    assert trie[b"key"] == b"value"
    with trie.squash_changes() as scratch:
        scratch[b"key"] = b"another"
        assert trie[b"key"] == b"value"
    assert trie[b"key"] == b"another"


@pytest.mark.parametrize(
    "use",
    [lambda trie, key: trie[key], lambda trie, key: trie.set(key, b"another"), lambda trie, key: trie.delete(key)],
    ids=["read", "write", "delete"],
)
def test_a_missing_node_is_named_and_never_taken_for_an_empty_one(use: Callable[[BlockTrie, bytes], object]) -> None:
    nodes: dict[bytes, bytes] = {}
    trie = BlockTrie(nodes)
    for number in range(40):
        trie[keccak(bytes([number]))] = b"value" * 10
    root = trie.root_hash
    # Decoded once, and kept.
    assert BlockTrie(nodes, root)[keccak(b"\0")] == b"value" * 10
    for digest in set(nodes) - {root}:
        del nodes[digest]
    with pytest.raises(MissingTrieNode):
        use(BlockTrie(nodes, root), keccak(b"\0"))


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=150))
def test_the_root_of_a_list_is_the_librarys(items: list[bytes]) -> None:
    trie = HexaryTrie({})
    for place, item in enumerate(items):
        trie[rlp.encode(place)] = item
    assert root_of(items) == trie.root_hash
