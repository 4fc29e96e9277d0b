"""What nodes said of a block, for as long as it is the last final one: what is asked again is not sent again."""

from mithridate.ledger.endpoint import Endpoint

MOST = 4096
"""Answers kept of a node: those of one block, of which a whole look at a study takes a dozen."""


class Answers:
    """A memory of one block a node; safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: dict[Endpoint, tuple[bytes, dict[tuple[str, bytes], bytes]]] = {}

    def call(self, endpoint: Endpoint, to: str, data: bytes, block: bytes) -> bytes:
        """See `Endpoint.call`: a block named by its hash has one state, so one answer."""
        of_block, answers = self._kept.get(endpoint, (b"", {}))
        if of_block != block or len(answers) >= MOST:
            answers = {}
            self._kept[endpoint] = (block, answers)
        if (to, data) not in answers:
            answers[to, data] = endpoint.call(to, data, block)
        return answers[to, data]
