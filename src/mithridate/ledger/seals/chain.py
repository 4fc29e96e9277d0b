"""A network's blocks one after another from the genesis block, each sealed as the chain's consensus asks."""

from collections import Counter
from collections.abc import Sequence

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from mithridate.errors import LedgerError
from mithridate.ledger.chronicle import Block, Transaction, follow, read_block, read_timestamp
from mithridate.ledger.seals.clique import CliqueSeals
from mithridate.ledger.seals.header import NUMBER, PARENT, Seals, read_fields
from mithridate.ledger.seals.ibft import IbftSeals

KNOWN = (IbftSeals, CliqueSeals)


class SealedChain:
    """Whoever chooses the genesis block chooses the sealers: compare its hash with that of another party.

    Args:
        genesis: RLP of the first header.
        told: its hash as a node tells it, which must be right where the consensus is known.

    Raises:
        LedgerError: it is no genesis block, or does not have this hash.
    """

    def __init__(self, genesis: bytes, told: bytes | None = None) -> None:
        fields = read_fields(genesis)
        if int.from_bytes(fields[NUMBER]):
            raise LedgerError("it has another number than the genesis block")
        self.seals = _seals(genesis)
        self.genesis = self.bound(genesis)
        identity = self.identity(self.genesis, told)
        self.head = Block(self.genesis, 0, read_timestamp(genesis), identity, fields[PARENT], (), ())
        """The last block."""
        self.genesis_hash = identity
        self.sealed: Counter[str] = Counter()
        """Address to how many blocks it sealed, or proposed."""

    @property
    def consensus(self) -> str | None:
        """`clique`, `ibft`, or None: of another consensus nobody can tell here who sealed."""
        return None if self.seals is None else self.seals.consensus

    @property
    def sealers(self) -> list[str]:
        """Addresses that may seal."""
        return [] if self.seals is None else [to_checksum_address(sealer) for sealer in self.seals.sealers]

    def bound(self, header: bytes) -> bytes:
        """See `Seals.bound`."""
        return header if self.seals is None else self.seals.bound(header)

    def identity(self, header: bytes, told: bytes | None = None) -> bytes:
        """A block's hash.

        Args:
            header: see `bound`.
            told: the hash as a node tells it; of an unknown consensus it is believed.

        Raises:
            LedgerError: another hash was told.
        """
        if self.seals is None:
            return told or keccak(header)
        identity = self.seals.identity(header)
        if told not in (None, identity):
            raise LedgerError("its hash is not that of its header")
        return identity

    def add(
        self, header: bytes, transactions: Sequence[Transaction], receipts: Sequence[bytes], told: bytes | None = None
    ) -> Block:
        """The next block, checked in full; if it is refused, the chain stays as it is.

        Raises:
            SealRefused: it is not sealed as the consensus asks.
            LedgerError: it does not follow the last block, or holds something else than its header says.
        """
        block = read_block(header, transactions, receipts, self.identity(header, told))
        follow(self.head, block)
        if self.seals is not None:
            self.sealed[to_checksum_address(self.seals.check(header))] += 1
        self.head = block
        return block


def _seals(genesis: bytes) -> Seals | None:
    for kind in KNOWN:
        try:
            return kind(read_fields(genesis))
        except LedgerError:
            continue
    return None
