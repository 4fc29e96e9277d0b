"""What an audit found wrong, and what it looked at."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LISTED = 200
"""Findings listed; one early disagreement makes everything after it disagree."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        topic: what was checked, one of the audit's topics.
        where: block, attempt, model or file, in words.
        what: what is wrong.
    """

    topic: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.where}: {self.what}"


class Findings:
    """Collects findings, and counts by topic what was compared."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.unlisted = 0
        self.compared: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.listed)

    def __bool__(self) -> bool:
        return bool(self.listed)

    @property
    def count(self) -> int:
        """All findings, those not listed included."""
        return len(self.listed) + self.unlisted

    def add(self, topic: str, where: str, what: str) -> None:
        """Takes note of something wrong."""
        if len(self.listed) < MAX_LISTED:
            self.listed.append(Finding(topic, where, what))
        else:
            self.unlisted += 1

    def check(self, topic: str, holds: bool, where: str, what: str) -> bool:
        """Counts one comparison, and takes note unless it holds; returns whether it does."""
        self.compared[topic] += 1
        if not holds:
            self.add(topic, where, what)
        return holds
