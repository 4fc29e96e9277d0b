"""py-evm's state, on tries that decode and hash a node once."""

from eth.abc import AccountStorageDatabaseAPI, AtomicDatabaseAPI
from eth.constants import BLANK_ROOT_HASH
from eth.db.account import AccountDB
from eth.db.batch import BatchDB
from eth.db.hash_trie import HashTrie
from eth.db.storage import AccountStorageDB, StorageLookup

from mithridate.ledger.machine.block_trie import BlockTrie
from mithridate.ledger.machine.digests import keccak_of

SLOT_BYTES = 32


class BlockState(AccountDB):  # type: ignore[misc]
    """The accounts of one block's state, their code and storage; see `AccountDB`.

    Args:
        db: hash to node.
        state_root: the state's root, 32 bytes.
    """

    def __init__(self, db: AtomicDatabaseAPI, state_root: bytes = BLANK_ROOT_HASH) -> None:
        super().__init__(db, state_root)
        self._nodes = db
        # Below all caches, which have nothing in them yet.
        self._trie_logger.wrapped_db = self._trie = _HashTrie(BlockTrie(self._batchtrie, state_root))

    def _get_address_store(self, address: bytes) -> AccountStorageDatabaseAPI:
        if address not in self._account_stores:
            self._account_stores[address] = _Storage(self._nodes, self._get_storage_root(address), address)
        return self._account_stores[address]


class _HashTrie(HashTrie):  # type: ignore[misc]
    keymap = staticmethod(keccak_of)


class _Storage(AccountStorageDB):  # type: ignore[misc]
    def __init__(self, db: AtomicDatabaseAPI, storage_root: bytes, address: bytes) -> None:
        super().__init__(db, storage_root, address)
        self._storage_lookup = self._storage_cache._db = _Lookup(db, storage_root, address)


class _Lookup(StorageLookup):  # type: ignore[misc]
    _write_trie: BlockTrie | None

    def _get_write_trie(self) -> BlockTrie:
        if self._write_trie is None:
            self._trie_nodes_batch = BatchDB(self._db)
            self._write_trie = BlockTrie(self._trie_nodes_batch, self._starting_root_hash)
        return self._write_trie

    def _get_read_trie(self) -> BlockTrie:
        return self._write_trie if self._write_trie is not None else BlockTrie(self._db, self._starting_root_hash)

    def _decode_key(self, key: bytes) -> bytes:
        return keccak_of(key.rjust(SLOT_BYTES, b"\0"))
