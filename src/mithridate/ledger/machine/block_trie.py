"""Merkle-Patricia tries that decode a node once and hash a changed node once.

Source: Ethereum yellow paper, appendix D; the algorithms for writing are those of the library `trie`. The library
decodes every node again at each visit, and encodes and hashes every node on a path again at each write, so that the
changes of a block, most of which share their upper nodes, cost several times what their state's root does.
"""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from rlp.codec import encode_raw  # type: ignore[import-untyped]
from trie.constants import BLANK_NODE, BLANK_NODE_HASH
from trie.exceptions import MissingTrieNode
from trie.hexary import HexaryTrie
from trie.utils.nibbles import decode_nibbles, is_nibbles_terminated

Node = Any
"""As RLP has it: empty bytes, or a list of two or seventeen items, each bytes or a node shorter than a hash."""
DECODED_NODES = 1 << 13
"""How many are kept: about 2 kB each."""
BRANCH_ITEMS = 17
HASH_BYTES = 32


class BlockTrie(HexaryTrie):
    """A trie that keeps the nodes changed since its root was last asked for, and hashes them then.

    Behaves as `HexaryTrie` without pruning: nodes of earlier roots stay in `db`. After a write that raised it is to be
    given up.

    Args:
        db: hash to encoded node.
        root_hash: the trie's root, 32 bytes.
    """

    __slots__ = ("_changed", "_root")
    _changed: Node | None
    _root: bytes

    def __init__(self, db: MutableMapping[bytes, bytes], root_hash: bytes = BLANK_NODE_HASH) -> None:
        super().__init__(db, root_hash)

    @property
    def root_hash(self) -> bytes:
        """The trie's root; the nodes changed since it was last asked for are hashed and put into `db` first."""
        if self._changed is not None:
            self._root, self._changed = self._put(encode_raw(self._referred(self._changed))), None
        return self._root

    @root_hash.setter
    def root_hash(self, value: bytes) -> None:
        self._root, self._changed = value, None

    def get(self, key: bytes) -> bytes:
        """The value of a key, empty if there is none.

        Raises:
            MissingTrieNode: `db` lacks a node on the key's path.
        """
        path, place, reference = _nibbles(key), 0, self._top
        while True:
            try:
                node = self._shared(reference)
            except KeyError:
                return super().get(key)  # names the node that is missing
            if len(node) == BRANCH_ITEMS:
                if place == len(path):
                    return bytes(node[-1])
                place, reference = place + 1, node[path[place]]
                continue
            if not node:
                return b""
            part, is_leaf = _part(node[0])
            if not path.startswith(part, place):
                return b""
            place, reference = place + len(part), node[1]
            if is_leaf:
                return bytes(reference) if place == len(path) else b""

    def set(self, key: bytes, value: bytes) -> None:
        """Gives a key a value; an empty one deletes the key.

        Raises:
            MissingTrieNode: `db` lacks a node that the change needs.
        """
        change: Callable[[Node, tuple[int, ...]], Node] = partial(self._set, value=value) if value else self._delete
        try:
            top = change(self.get_node(self._top), tuple(_nibbles(key)))
        except KeyError as error:
            raise MissingTrieNode(error.args[0], self._root, key) from error  # type: ignore[arg-type]
        if top:
            self._changed = top
        else:
            self.root_hash = BLANK_NODE_HASH

    def delete(self, key: bytes) -> None:
        """Deletes a key, if it is there; raises as `set`."""
        self.set(key, b"")

    def get_node(self, node_hash: Any) -> Node:
        """A node that may be changed in place, by its hash or, if it has none, by itself."""
        if isinstance(node_hash, list):
            return node_hash
        if len(node_hash) == HASH_BYTES and node_hash != BLANK_NODE_HASH:
            return _own(_decoded(self.db[node_hash]))
        return BLANK_NODE

    @contextmanager
    def squash_changes(self) -> Iterator["BlockTrie"]:
        """A trie with the same nodes, whose changes become this one's when the context ends without an error."""
        scratch = type(self)(self.db, self.root_hash)
        yield scratch
        self.root_hash = scratch.root_hash

    @property
    def _top(self) -> Any:
        return self._root if self._changed is None else self._changed

    def _shared(self, reference: Any) -> Sequence[Any]:
        """A node for reading only, which others may read as well."""
        if not isinstance(reference, bytes):
            return reference  # type: ignore[no-any-return]  # a node shorter than a hash
        if len(reference) == HASH_BYTES and reference != BLANK_NODE_HASH:
            return _decoded(self.db[reference])
        return BLANK_NODE

    def _persist_node(self, node: Node) -> Node:
        # Its parent holds it as it is until the root is asked for.
        return node

    def _referred(self, node: Node) -> Node:
        """A node whose children are hashes, or short enough to stay."""
        if len(node) == BRANCH_ITEMS:
            return [self._hashed(child) if isinstance(child, list) else child for child in node]
        return [node[0], self._hashed(node[1]) if isinstance(node[1], list) else node[1]]

    def _hashed(self, child: Node) -> Node:
        node = self._referred(child)
        encoded = encode_raw(node)
        return node if len(encoded) < HASH_BYTES else self._put(encoded)

    def _put(self, encoded: bytes) -> bytes:
        digest = keccak(encoded)
        self.db[digest] = encoded
        return digest


def root_of(items: Sequence[bytes]) -> bytes:
    """The root of the trie that maps the RLP of 0, 1, ... to these items: a block's transactions or its receipts."""
    trie = BlockTrie({})
    for place, item in enumerate(items):
        trie[rlp.encode(place)] = item
    return trie.root_hash


@lru_cache(DECODED_NODES)
def _decoded(encoded: bytes) -> tuple[Any, ...]:
    # Of its bytes alone, whatever became of the block that wrote them.
    return tuple(_frozen(item) for item in rlp.decode(encoded))


def _frozen(item: Any) -> Any:
    return tuple(_frozen(inner) for inner in item) if isinstance(item, list) else item


def _own(node: Sequence[Any]) -> list[Any]:
    return [_own(item) if isinstance(item, tuple) else item for item in node]


def _nibbles(key: bytes) -> bytes:
    return bytes.fromhex("0" + "0".join(key.hex()))


@lru_cache(DECODED_NODES)
def _part(encoded: bytes) -> tuple[bytes, bool]:
    """The nibbles of a leaf's or an extension's part of the key, and whether it is a leaf's."""
    nibbles = decode_nibbles(encoded)
    is_leaf = is_nibbles_terminated(nibbles)
    return bytes(nibbles[:-1] if is_leaf else nibbles), is_leaf
