"""The nodes that make up a state: accounts, their storage and their code, each found by the Keccak-256 of its bytes.

Ethereum keeps them in Merkle-Patricia tries (yellow paper, appendix D): whoever knows a state's root can check every
node below it, and two states share the nodes in which they do not differ.
"""

from collections.abc import Callable, Container, Iterator
from typing import Any

import rlp  # type: ignore[import-untyped]

EMPTY_TRIE = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
EMPTY_CODE = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
HASH_BYTES = 32
_BRANCHES = 16
_LEAF_FLAG = 0x20
_STORAGE_ROOT, _CODE_HASH = 2, 3


def missing_nodes(root: bytes, read: Callable[[bytes], bytes], known: Container[bytes]) -> dict[bytes, bytes]:
    """The nodes of a state that `known` lacks, hash to bytes.

    Args:
        root: the state's root, 32 bytes.
        read: the bytes of a hash.
        known: hashes of nodes below which nothing is missing: those of an earlier state, for one.

    Raises:
        KeyError: `read` has it for a node that it lacks.
    """
    found: dict[bytes, bytes] = {}

    def leaves(start: bytes) -> Iterator[bytes]:
        pending: list[bytes] = [start]
        while pending:
            digest = pending.pop()
            if digest == EMPTY_TRIE or digest in found or digest in known:
                continue
            found[digest] = read(digest)
            yield from _leaves(rlp.decode(found[digest]), pending)

    for account in leaves(root):
        fields = rlp.decode(account)
        # Storage holds numbers, which refer to nothing.
        for _ in leaves(fields[_STORAGE_ROOT]):
            pass
        code = fields[_CODE_HASH]
        if code != EMPTY_CODE and code not in known:
            found[code] = read(code)
    return found


def _leaves(node: Any, pending: list[bytes]) -> Iterator[bytes]:
    """The values that a node holds itself; the hashes of its children are added to `pending`."""
    if len(node) > 2:
        children = node[:_BRANCHES]
    elif node[0][0] & _LEAF_FLAG:
        yield node[1]
        return
    else:
        children = node[1:]
    for child in children:
        if isinstance(child, list):
            # A node shorter than a hash lies within its parent.
            yield from _leaves(child, pending)
        elif len(child) == HASH_BYTES:
            pending.append(child)
