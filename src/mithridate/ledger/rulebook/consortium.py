"""The rules of `contracts/Consortium.vy`: members, roles, keys, and what m of n administrators decide."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mithridate.ledger.interface import Role, Status
from mithridate.ledger.rulebook.base import MAX_SECONDS, NOBODY, Caller, require

NAME = "Consortium"
MAX_ADMINISTRATORS = 32
PAGE = 64

Keys = tuple[bytes, bytes, int]
Decision = tuple[str, str, tuple[object, ...]]
Execute = Callable[[int, Decision], None]


@dataclass
class _Member:
    role: int
    index: int
    status: int = Status.ACTIVE
    keys: list[Keys] = field(default_factory=list)


class Consortium:
    """See the contract.

    Args:
        administrators: their addresses, at most 32.
        threshold: how many equal votes decide.
        ballot_seconds: for how long a vote counts.
        execute: makes the consortium's decided call, dated as given.
        contracts: the names a decision may address.
    """

    def __init__(
        self,
        administrators: Sequence[str],
        threshold: int,
        ballot_seconds: int,
        execute: Execute,
        contracts: Sequence[str],
    ) -> None:
        require(0 < threshold <= len(administrators), "bad threshold")
        require(0 < ballot_seconds <= MAX_SECONDS, "bad ballot duration")
        self._threshold, self._ballot_seconds = threshold, ballot_seconds
        self._execute, self._contracts = execute, contracts
        self._members: dict[str, _Member] = {}
        self._roles: dict[int, list[str]] = {role: [] for role in Role}
        self._executed: dict[Decision, int] = {}
        self._ballots: dict[tuple[Decision, int], tuple[int, frozenset[str]]] = {}
        self._studies: list[str] = []
        for account in administrators:
            self._enrol(account, Role.ADMINISTRATOR)

    def decide(self, caller: Caller, target: str, function: str, arguments: tuple[object, ...]) -> None:
        """An administrator's vote; with the last one needed the call is made, and its refusal undoes the vote."""
        require(self.is_active(caller.sender, Role.ADMINISTRATOR), "only an administrator")
        require(target in self._contracts, "no contract there")
        decision = (target, function, arguments)
        times = self._executed.get(decision, 0)
        opened, voters = self._ballots.get((decision, times), (caller.time, frozenset[str]()))
        if caller.time >= opened + self._ballot_seconds:
            opened, voters = caller.time, frozenset()
        # Votes become enough without a vote where the threshold falls or an administrator is reinstated.
        require(caller.sender not in voters or self._enough(voters), "already voted")
        voters |= {caller.sender}
        if self._enough(voters):
            self._execute(caller.time, decision)
            self._executed[decision] = times + 1
        self._ballots[decision, times] = opened, voters

    def enrol(self, caller: Caller, account: str, role: int, signing_key: bytes, envelope_key: bytes) -> None:
        """By decision: a new member."""
        require(caller.sender == NAME, "only by decision")
        given = bool(signing_key or envelope_key)
        if given and self._may_enrol(account, role):
            _require_keys(signing_key, envelope_key)
        self._enrol(account, role)
        if given:
            self._add_keys(account, signing_key, envelope_key, caller.time)

    def set_status(self, caller: Caller, account: str, status: int, reason: str) -> None:
        """By decision: suspends, reinstates or revokes."""
        require(caller.sender == NAME, "only by decision")
        member = self._members.get(account)
        require(member is not None, "not a member")
        if member is None:
            return
        require(member.status != Status.REVOKED, "revoked")
        require(status in set(Status) and status != member.status, "bad status")
        require(bool(reason), "no reason given")
        if member.role == Role.ADMINISTRATOR:
            left = self._administrators() + (1 if status == Status.ACTIVE else -(member.status == Status.ACTIVE))
            require(left >= self._threshold, "fewer administrators than threshold")
        member.status = status

    def set_threshold(self, caller: Caller, threshold: int) -> None:
        """By decision: how many votes decide."""
        require(caller.sender == NAME, "only by decision")
        require(0 < threshold <= self._administrators(), "bad threshold")
        self._threshold = threshold

    def add_study(self, caller: Caller, study: str) -> None:
        """By decision: a study of this consortium."""
        require(caller.sender == NAME, "only by decision")
        require(study in self._contracts, "no contract there")
        self._studies.append(study)

    def register_keys(self, caller: Caller, signing_key: bytes, envelope_key: bytes) -> None:
        """A member's new keys."""
        member = self._members.get(caller.sender)
        require(member is not None and member.status == Status.ACTIVE, "not an active member")
        _require_keys(signing_key, envelope_key)
        self._add_keys(caller.sender, signing_key, envelope_key, caller.time)

    def is_active(self, account: str, role: int) -> bool:
        """Whether an account may act in a role."""
        member = self._members.get(account)
        return member is not None and member.role == role and member.status == Status.ACTIVE

    def member(self, account: str) -> tuple[int, int, int, int]:
        """Role, status, place in the role and versions of keys; zeros for a stranger."""
        member = self._members.get(account)
        return (member.role, member.status, member.index, len(member.keys)) if member else (0, 0, 0, 0)

    def current_keys(self, account: str) -> Keys:
        """A member's keys in force."""
        member = self._members.get(account)
        return member.keys[-1] if member and member.keys else (b"", b"", 0)

    def threshold(self) -> int:
        """How many votes decide."""
        return self._threshold

    def role_counts(self, role: int) -> int:
        """How many members ever had a role."""
        return len(self._roles[role])

    def entry_page(self, role: int, start: int) -> list[tuple[str, int, Keys]]:
        """Members of a role, from a place on."""
        accounts = self._roles[role][start : start + PAGE]
        return [(account, self._members[account].status, self.current_keys(account)) for account in accounts]

    def _enrol(self, account: str, role: int) -> None:
        require(self._may_enrol(account, role), "already enrolled")
        index = len(self._roles[role])
        require(role != Role.ADMINISTRATOR or index < MAX_ADMINISTRATORS, "too many administrators")
        self._members[account] = _Member(role, index)
        self._roles[role].append(account)

    def _may_enrol(self, account: str, role: int) -> bool:
        require(account not in {NOBODY, NAME}, "empty address")
        require(role in set(Role), "no such role")
        member = self._members.get(account)
        require(member is None or member.role == role, "address has another role")
        return member is None

    def _add_keys(self, account: str, signing_key: bytes, envelope_key: bytes, time: int) -> None:
        before = self.current_keys(account)
        self._members[account].keys.append((signing_key or before[0], envelope_key or before[1], time))

    def _enough(self, voters: frozenset[str]) -> bool:
        return sum(self.is_active(voter, Role.ADMINISTRATOR) for voter in voters) >= self._threshold

    def _administrators(self) -> int:
        return sum(self._members[account].status == Status.ACTIVE for account in self._roles[Role.ADMINISTRATOR])


def _require_keys(signing_key: bytes, envelope_key: bytes) -> None:
    if signing_key:
        compressed = len(signing_key) == 33 and signing_key[0] in (2, 3)
        require(compressed or (len(signing_key) == 65 and signing_key[0] == 4), "bad signing key")
    if envelope_key:
        require(len(envelope_key) == 33 and envelope_key[0] in (2, 3), "bad envelope key")
    require(bool(signing_key or envelope_key), "no key given")
