"""Counts votes from signed transactions alone, and holds what the contracts announced against the count.

Neither the rulebook nor the contracts' storage has a part in this: who signed what, and whether it makes a majority of
the attempt's committee.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mithridate.aggregation.registry import TrackRecord
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.topics import MODELS, RANDOMNESS, REPUTATION, VERDICTS
from mithridate.ledger.interface import MAJORITY, RANDOMNESS_DOMAIN
from mithridate.ledger.reading import Said
from mithridate.ledger.rulebook.base import EMPTY, xor

ACCEPTED, FIRST_OF_VERIFICATION = 0, 7

Votes = dict[str, Any]
"""Account to what it signed."""


@dataclass
class AttemptTally:
    """What was signed in one attempt, and what was announced of it.

    Attributes:
        committee: accounts in rank order.
        signed: function of the contract to its votes.
        announced: event of the contract to its value: verdicts, model, seed.
    """

    round: int
    attempt: int
    committee: tuple[str, ...]
    signed: dict[str, Votes] = field(default_factory=lambda: defaultdict(dict))
    announced: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """In words."""
        return f"round {self.round}, attempt {self.attempt}"

    @property
    def supporters(self) -> dict[str, int]:
        """What was announced, to how many of the committee signed just that, those after the majority included."""
        return {
            word: self.count(function, self.announced[event])
            for event, (word, function) in SUPPORTED.items()
            if event in self.announced
        }

    def count(self, function: str, value: Any) -> int:
        """How many of the committee signed `value`."""
        return sum(self.signed[function].get(account) == value for account in self.committee)


VOTES = {"attest_verdicts": "verdicts", "attest_model": "model", "vote_release": "passed"}
SECRETS = {"commit_randomness": "commitment", "reveal_randomness": "revealed"}
SIGNED = VOTES | SECRETS
"""Function: the argument that is voted on or committed."""
SUPPORTED: Mapping[str, tuple[str, str]] = {
    "Bound": ("Bound", "attest_verdicts"),
    "Finalised": ("Finalised", "attest_model"),
    "Released": ("release", "vote_release"),
    "RolledBack": ("release", "vote_release"),
}
"""Event: its name among the supporters, and the function whose equal votes it needs."""
QUORUMS: Mapping[str, tuple[str, str, str]] = {
    "Bound": ("attest_verdicts", "verdicts", VERDICTS),
    "Finalised": ("attest_model", "model", MODELS),
}
"""Event: the function whose equal votes it needs, the value that it announces, and the topic."""


class Tally:
    """Votes by attempt.

    Args:
        findings: where disagreements go.
        validators: the study's, in rank order.
    """

    def __init__(self, findings: Findings, validators: Sequence[str]) -> None:
        self._findings, self._validators = findings, tuple(validators)
        self.attempts: dict[tuple[int, int], AttemptTally] = {}
        self.accepted: Counter[int] = Counter()
        self.rejected: Counter[int] = Counter()
        self.finished: list[tuple[str, list[float]]] = []
        """Each finished attempt and the reputation of every hospital after it."""
        self._hospitals = 0

    def call(self, sender: str, said: Said) -> None:
        """Takes note of a call that the chain took; the first of a sender counts, as on the chain."""
        if said.contract == "Study" and said.name in SIGNED:
            state = self._attempt(said)
            if state is not None:
                state.signed[said.name].setdefault(sender, said.values[SIGNED[said.name]])

    def event(self, said: Said, where: str) -> None:
        """Holds an announcement against the count."""
        if said.contract != "Study":
            return
        if said.name == "Admitted":
            self._hospitals += 1
        elif said.name == "RoundOpened":
            self._open(said, where)
        elif (state := self._attempt(said)) is not None:
            self._announced(state, said)

    def track_records(self) -> list[TrackRecord]:
        """One a hospital, counted here."""
        return [TrackRecord(self.accepted[index], self.rejected[index]) for index in range(self._hospitals)]

    def _attempt(self, said: Said) -> AttemptTally | None:
        return self.attempts.get((said.values.get("round_number", 0), said.values.get("attempt", 0)))

    def _open(self, said: Said, where: str) -> None:
        ranks = said.values["committee"]
        known = all(rank < len(self._validators) for rank in ranks) and len(set(ranks)) == len(ranks)
        self._findings.check(VERDICTS, known, where, "the committee holds somebody who is no validator of the study")
        committee = tuple(self._validators[rank] for rank in ranks if rank < len(self._validators))
        key = said.values["round_number"], said.values["attempt"]
        self.attempts[key] = AttemptTally(*key, committee)

    def _announced(self, state: AttemptTally, said: Said) -> None:
        if said.name in QUORUMS:
            self._quorum(state, said)
        elif said.name == "Drawn":
            self._seed(state, said.values["seed"])
        elif said.name in ("Released", "RolledBack"):
            self._released(state, passed=said.name == "Released")

    def _quorum(self, state: AttemptTally, said: Said) -> None:
        function, key, topic = QUORUMS[said.name]
        value = said.values[key]
        signed = state.count(function, value)
        state.announced[said.name] = value
        what = f"{key} {value.hex()[:16]} took effect, yet only {signed} of {len(state.committee)} validators of the"
        self._findings.check(topic, signed >= MAJORITY, state.name, f"{what} committee signed it: no majority")

    def _seed(self, state: AttemptTally, announced: bytes) -> None:
        seed = EMPTY
        for account in state.committee:
            value = state.signed["reveal_randomness"].get(account, EMPTY)
            committed = hashlib.sha256(RANDOMNESS_DOMAIN + value).digest()
            kept = state.signed["commit_randomness"].get(account) == committed
            self._findings.check(RANDOMNESS, kept, state.name, f"{account} revealed another value than it committed to")
            seed = xor(seed, value)
        state.announced["Drawn"] = announced
        what = f"the seed is {announced.hex()[:16]}, the revealed values give {seed.hex()[:16]}"
        self._findings.check(RANDOMNESS, seed == announced, state.name, what)

    def _released(self, state: AttemptTally, *, passed: bool) -> None:
        signed = state.count("vote_release", passed)
        state.announced["Released" if passed else "RolledBack"] = passed
        what = f"the model was {'released' if passed else 'rolled back'} on {signed} votes: no majority"
        self._findings.check(MODELS, signed >= MAJORITY, state.name, what)
        verdicts = state.announced.get("Bound", b"")
        self.accepted.update(index for index, code in enumerate(verdicts) if code == ACCEPTED)
        self.rejected.update(index for index, code in enumerate(verdicts) if code >= FIRST_OF_VERIFICATION)
        label = f"{state.round}.{state.attempt + 1}" if state.attempt else str(state.round)
        self.finished.append((label, [_reputation(record) for record in self.track_records()]))

    def compare(self, told: Sequence[TrackRecord], whose: str) -> None:
        """Holds track records that the chain or the rulebook tells against those counted here."""
        for index, (mine, theirs) in enumerate(zip(self.track_records(), told, strict=False)):
            what = f"{_words(theirs)} by {whose}, {_words(mine)} by the bound verdicts"
            self._findings.check(REPUTATION, mine == theirs, f"hospital-{index}", what)
        if len(told) != self._hospitals:
            self._findings.add(REPUTATION, whose, f"{len(told)} hospitals, {self._hospitals} were admitted")


def _reputation(record: TrackRecord) -> float:
    return (record.accepted + 1) / (record.accepted + record.rejected + 2)


def _words(record: TrackRecord) -> str:
    return f"{record.accepted} accepted and {record.rejected} rejected"
