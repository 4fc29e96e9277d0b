"""A chain of one process on py-evm: applies signed transactions to an open block, seals it, and answers calls.

It works on py-evm's virtual machine directly. web3.py's own tester provider spends 7 to 8 ms on a transaction, most of
it on validation and on reading back receipts; it cannot drop a transaction that reverts from an open block, and dates
every block at least a second after the last, so that a fast study outruns the wall clock.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]
from eth.abc import BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI, VirtualMachineAPI
from eth.chains.base import Chain
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.exceptions import HeaderNotFound, PyEVMError, Revert
from eth_keys import exceptions as key_errors
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from mithridate.errors import LedgerError
from mithridate.ledger.machine.vm import ClockVM
from mithridate.ledger.network import Reverted
from mithridate.ledger.state_nodes import EMPTY_TRIE, missing_nodes

CHAIN_ID = 0x4D495448
GAS_LIMIT = 10**12
"""So large that no block reaches its target: the base fee stays zero and no account needs funds."""
NO_ADDRESS = bytes(20)
INVALID = (PyEVMError, ValidationError, key_errors.BadSignature)
"""What py-evm raises for a transaction that no chain would take."""
ANCESTORS = 256
"""How many blocks back a contract may ask for a hash (yellow paper, appendix H)."""


class EmbeddedEVM(Chain):  # type: ignore[misc]
    """py-evm's chain, configured with the one virtual machine that every block uses."""

    chain_id = CHAIN_ID
    vm_configuration = ((0, ClockVM),)


@dataclass(frozen=True)
class SealedBlock:
    """A block that the chain holds; `header` is its header's RLP, `transactions` are signed and raw."""

    number: int
    hash: bytes
    header: bytes
    transactions: tuple[bytes, ...]


@dataclass
class _OpenBlock:
    vm: VirtualMachineAPI
    header: BlockHeaderAPI
    raw: list[bytes]
    transactions: list[SignedTransactionAPI]
    receipts: list[ReceiptAPI]
    half_applied: bool = False


class EmbeddedChain:
    """The chain in memory; the journal makes it last. Not thread-safe: the network locks.

    Args:
        evm: py-evm's chain, whose head goes on as this one's.
        store: what lies behind it, hash to bytes among other things.
    """

    def __init__(self, evm: EmbeddedEVM, store: MemoryDB) -> None:
        self._evm = evm
        self._store = store
        self._head: BlockHeaderAPI = evm.get_canonical_head()
        self._open: _OpenBlock | None = None
        self._reader: VirtualMachineAPI | None = None
        self._ahead: VirtualMachineAPI | None = None
        self._answers: dict[tuple[bytes, bytes, bytes], bytes] = {}

    @classmethod
    def genesis(cls, timestamp: int, salt: bytes) -> "EmbeddedChain":
        """A chain without blocks.

        Args:
            timestamp: the genesis block's date, seconds since 1970.
            salt: 32 bytes that tell this chain from every other.
        """
        genesis = {
            "coinbase": NO_ADDRESS,
            "extra_data": salt,
            "gas_limit": GAS_LIMIT,
            "base_fee_per_gas": 0,
            "timestamp": timestamp,
            "receipt_root": EMPTY_TRIE,
            "transaction_root": EMPTY_TRIE,
            "difficulty": 0,
        }
        store = MemoryDB()
        return cls(EmbeddedEVM.from_genesis(AtomicDB(store), genesis, {}), store)

    @classmethod
    def resumed(cls, headers: Sequence[bytes], nodes: Mapping[bytes, bytes]) -> "EmbeddedChain":
        """A chain that goes on after the last of these headers.

        Args:
            headers: RLP of the last `ANCESTORS` headers, or of all there are, in order.
            nodes: hash to node, those of the state after the last block at least.
        """
        store = MemoryDB({**nodes, **{keccak(header): header for header in headers}})
        chains = EmbeddedEVM.get_chaindb_class()(AtomicDB(store))
        head = chains.get_block_header_by_hash(keccak(headers[-1]))
        chains.persist_checkpoint_header(head, head.block_number)
        return cls(EmbeddedEVM(chains.db), store)

    @property
    def height(self) -> int:
        """Number of the last sealed block."""
        return int(self._head.block_number)

    @property
    def head_hash(self) -> bytes:
        """Hash of the last sealed block."""
        return bytes(self._head.hash)

    @property
    def head_header(self) -> bytes:
        """RLP of the last sealed block's header."""
        return bytes(rlp.encode(self._head))

    @property
    def timestamp(self) -> int:
        """Date of the open block, or of the last sealed one if none is open."""
        return int(self._open.header.timestamp if self._open else self._head.timestamp)

    @property
    def is_open(self) -> bool:
        """Whether a block is open."""
        return self._open is not None

    @property
    def is_half_applied(self) -> bool:
        """Whether the open block holds a transaction that was interrupted half-way, so that it can only be dropped."""
        return self._open is not None and self._open.half_applied

    def state_nodes(self, known: Container[bytes]) -> dict[bytes, bytes]:
        """The nodes of the state after the last sealed block that `known` lacks, hash to bytes."""
        return missing_nodes(bytes(self._head.state_root), self._store.__getitem__, known)

    def open_block(self, timestamp: int) -> None:
        """Opens the next block, dated `timestamp`, which may not be earlier than the last block's."""
        header = self._next_header(timestamp)
        self._open = _OpenBlock(self._evm.get_vm(header), header, [], [], [])
        self._reader = self._ahead = None
        self._answers.clear()

    def apply(self, raw: bytes) -> tuple[bytes, ReceiptAPI]:
        """Applies a signed transaction to the open block.

        Returns:
            The transaction's hash and its receipt.

        Raises:
            Reverted: the contract refused; the block is as it was before.
            LedgerError: the transaction is malformed, badly signed or has the wrong sequence number.
        """
        block = self._opened()
        if block.half_applied:
            raise LedgerError("a change before this one was interrupted half-way: this block can only be dropped")
        transaction = _decode(block.vm, raw)
        # Stays set if anything but a refusal ends this call, an interrupt from the keyboard for one.
        block.half_applied = True
        try:
            block.vm.validate_transaction_against_header(block.header, transaction)
            block.vm.state.lock_changes()
            snapshot = block.vm.state.snapshot()
            computation = block.vm.state.apply_transaction(transaction)
        except INVALID as error:
            block.half_applied = False
            raise LedgerError(f"the ledger does not accept this transaction: {error}") from error
        if computation.is_error:
            block.vm.state.revert(snapshot)
            block.half_applied = False
            raise Reverted(output_of(computation))
        block.vm.state.commit(snapshot)
        receipt = block.vm.make_receipt(block.header, transaction, computation, block.vm.state)
        block.header = block.vm.add_receipt_to_header(block.header, receipt)
        block.raw.append(raw)
        block.transactions.append(transaction)
        block.receipts.append(receipt)
        block.half_applied = False
        return bytes(transaction.hash), receipt

    def seal(self) -> SealedBlock | None:
        """Seals the open block and makes it the last one; a block without transactions is dropped (None).

        Raises:
            LedgerError: a transaction in it was interrupted half-way; the block is dropped.
        """
        block = self._opened()
        self._open = None
        if block.half_applied:
            raise LedgerError("a change was interrupted half-way: its block is dropped")
        if not block.raw:
            return None
        filled = block.vm.set_block_transactions_and_withdrawals(
            block.vm.get_block(), block.header, block.transactions, block.receipts
        )
        sealed = block.vm.mine_block(filled).block
        # The header alone: nobody asks this chain for the transactions of an earlier block.
        self._evm.chaindb.persist_header(sealed.header)
        self._head = sealed.header
        return SealedBlock(self.height, self.head_hash, rlp.encode(sealed.header), tuple(block.raw))

    def drop_block(self) -> None:
        """Drops the open block and all that was applied to it."""
        self._open = None

    def call(self, sender: bytes, to: bytes, data: bytes, timestamp: int) -> bytes:
        """What a read returns on the open block's state, or on the last block's as of `timestamp`.

        Raises:
            Reverted: the contract refused.
        """
        if self._open:
            return _called(self._open.vm, sender, to, data)
        reader, question = self._reading(timestamp), (sender, to, data)
        # All parties ask the same, and the state does not change before the next block is opened.
        if question not in self._answers:
            self._answers[question] = _called(reader, *question)
        return self._answers[question]

    def nonce(self, address: bytes) -> int:
        """How many transactions an account has sent, those in the open block included."""
        vm = self._open.vm if self._open else self._reading(self.timestamp)
        return int(vm.state.get_nonce(address))

    def code(self, address: bytes) -> bytes:
        """The code of the contract at an address, empty if there is none."""
        vm = self._open.vm if self._open else self._reading(self.timestamp)
        return bytes(vm.state.get_code(address))

    def machine_after(self, block_hash: bytes) -> VirtualMachineAPI | None:
        """A virtual machine on the state after a sealed block, dated and numbered as that block.

        None where this chain does not know the block's state: one from before it was resumed.
        """
        try:
            header = self._evm.chaindb.get_block_header_by_hash(block_hash)
        except HeaderNotFound:
            return None
        known = header.state_root == EMPTY_TRIE or self._store.exists(header.state_root)
        return self._evm.get_vm(header) if known else None

    def machine_next(self, timestamp: int) -> VirtualMachineAPI:
        """A virtual machine on the state after the last sealed block, dated and numbered as the next one.

        It is the same one until a block is opened: what is run on it must be undone.
        """
        if self._ahead is None or self._ahead.get_header().timestamp != timestamp:
            self._ahead = self._evm.get_vm(self._next_header(timestamp))
        return self._ahead

    def _next_header(self, timestamp: int) -> BlockHeaderAPI:
        return ClockVM.create_header_from_parent(
            self._head, timestamp=timestamp, gas_limit=GAS_LIMIT, coinbase=NO_ADDRESS
        )

    def _reading(self, timestamp: int) -> VirtualMachineAPI:
        if self._reader is None or self._reader.get_header().timestamp < timestamp:
            self._reader = self._evm.get_vm(self._next_header(timestamp))
            self._answers.clear()
        return self._reader

    def _opened(self) -> _OpenBlock:
        if self._open is None:
            raise LedgerError("no block is open: this is a fault in the ledger's own code")
        return self._open


def _called(vm: VirtualMachineAPI, sender: bytes, to: bytes, data: bytes) -> bytes:
    snapshot = vm.state.snapshot()
    code = vm.state.get_code(to)
    computation = vm.execute_bytecode(
        origin=sender, gas_price=0, gas=GAS_LIMIT, to=to, sender=sender, value=0, data=data, code=code
    )
    vm.state.revert(snapshot)
    if computation.is_error:
        raise Reverted(output_of(computation))
    return bytes(computation.output)


def _decode(vm: VirtualMachineAPI, raw: bytes) -> SignedTransactionAPI:
    try:
        transaction = vm.get_transaction_builder().decode(raw)
        transaction.validate()
    except (*INVALID, RLPException, ValueError, TypeError, IndexError) as error:
        raise LedgerError(f"not a signed transaction: {error}") from error
    return transaction


def output_of(computation: ComputationAPI) -> bytes:
    """What a contract returned when it refused; empty where it failed without a word of its own."""
    # Only a revert carries the contract's own reason; running out of gas or a bad instruction carries none.
    return bytes(computation.output) if isinstance(computation.error, Revert) else b""
