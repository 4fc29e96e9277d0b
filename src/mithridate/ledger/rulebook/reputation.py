"""The rules of `contracts/Reputation.vy`: how many updates of each hospital bound verdicts accepted and rejected."""

ACCEPTED = 0
FIRST_OF_VERIFICATION = 7
PAGE = 256


class Reputation:
    """See the contract."""

    def __init__(self) -> None:
        self._accepted: dict[int, int] = {}
        self._rejected: dict[int, int] = {}

    def count(self, verdicts: bytes) -> None:
        """Counts one round's verdicts."""
        for index, code in enumerate(verdicts):
            if code == ACCEPTED:
                self._accepted[index] = self._accepted.get(index, 0) + 1
            elif code >= FIRST_OF_VERIFICATION:
                self._rejected[index] = self._rejected.get(index, 0) + 1

    def word_page(self, start: int) -> list[int]:
        """The counts of the hospitals from 4 * start on, four a word."""
        return [self._word(word) for word in range(start, start + PAGE)]

    def _word(self, word: int) -> int:
        pairs = [
            self._rejected.get(index, 0) << 32 | self._accepted.get(index, 0) for index in range(4 * word, 4 * word + 4)
        ]
        return sum(pair << 64 * place for place, pair in enumerate(pairs))
