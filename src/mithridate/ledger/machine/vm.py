"""The virtual machine that every block of the embedded ledger uses."""

from collections.abc import Sequence

from eth.abc import BlockAPI, BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI, WithdrawalAPI
from eth.db.trie import make_trie_root_and_nodes
from eth.vm.forks import ParisVM
from eth.vm.forks.paris.state import ParisState

from mithridate.ledger.machine.block_trie import root_of
from mithridate.ledger.machine.state import BlockState
from mithridate.ledger.machine.transactions import OnceRecoveredBlock


class ClockState(ParisState):  # type: ignore[misc]
    """London's state on tries that decode and hash a node once."""

    account_db_class = BlockState

    def delta_balance(self, address: bytes, delta: int) -> None:
        """Changes an account's balance.

        Nothing has a price here: most changes are of nothing, and would only make the coinbase's account before it is
        deleted as empty (EIP-161), in every transaction.
        """
        if delta:
            super().delta_balance(address, delta)


class ClockVM(ParisVM):  # type: ignore[misc]
    """London's instructions with proof-of-stake headers, and blocks that may share a second, as Clique's may.

    With strictly rising timestamps of one second, a study of many blocks a second would run ahead of the wall clock and
    every deadline with it.
    """

    block_class = OnceRecoveredBlock
    _state_class = ClockState

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        """Checks a header against its parent's, as py-evm does, but accepts an equal timestamp."""
        if header.timestamp == parent_header.timestamp:
            parent_header = parent_header.copy(timestamp=parent_header.timestamp - 1)
        super().validate_header(header, parent_header)

    def set_block_transactions_and_withdrawals(
        self,
        base_block: BlockAPI,
        new_header: BlockHeaderAPI,
        transactions: Sequence[SignedTransactionAPI],
        receipts: Sequence[ReceiptAPI],
        withdrawals: Sequence[WithdrawalAPI] | None = None,
    ) -> BlockAPI:
        """A block with these transactions and receipts, of whose tries only the roots stay: nobody asks for more."""
        # The library's function, whose answer is kept: the check of the block asks for it again.
        transaction_root, _ = make_trie_root_and_nodes(tuple(transactions))
        receipt_root = root_of([receipt.encode() for receipt in receipts])
        header = new_header.copy(transaction_root=transaction_root, receipt_root=receipt_root)
        return base_block.copy(transactions=transactions, header=header)
