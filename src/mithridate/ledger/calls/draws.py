"""See `Draws`: the contract of the committees."""

from mithridate.ledger.calls.base import ContractCalls
from mithridate.ledger.calls.records import draw_of
from mithridate.ledger.deployment import as_hash
from mithridate.ledger.interface import Draw


class DrawCalls(ContractCalls):
    """Draws of committees among more than three validators."""

    def open_draw(self, commit_deadline: int, reveal_deadline: int) -> int:
        """See `Draws.open_draw`."""
        self._write("Committees", "open_draw", commit_deadline, reveal_deadline)
        return self.draws()

    def commit_draw(self, number: int, commitment: bytes) -> None:
        """See `Draws.commit_draw`."""
        self._write("Committees", "commit", number, as_hash(commitment))

    def reveal_draw(self, number: int, value: bytes) -> None:
        """See `Draws.reveal_draw`."""
        self._write("Committees", "reveal", number, as_hash(value))

    def settle_draw(self, number: int) -> None:
        """See `Draws.settle_draw`."""
        self._write("Committees", "settle", number)

    def draw(self, number: int) -> Draw:
        """See `Draws.draw`."""
        return draw_of(number, self._read("Committees", "draw", number))

    def draws(self) -> int:
        """See `Draws.draws`."""
        return int(self._read("Committees", "draw_count"))

    def withheld(self, address: str) -> int:
        """See `Draws.withheld`."""
        return int(self._read("Committees", "withheld", address))
