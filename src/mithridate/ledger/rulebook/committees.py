"""The rules of `contracts/Committees.vy`: a committee of three drawn from the validators by commit and reveal."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mithridate.ledger.interface import COMMITTEE_SIZE, Role
from mithridate.ledger.interface.draws import COMMITTEE_DOMAIN
from mithridate.ledger.rulebook.base import EMPTY, MAX_SECONDS, Caller, require, xor
from mithridate.ledger.rulebook.consortium import Consortium

if TYPE_CHECKING:
    from mithridate.ledger.rulebook.study import Study

MAX_POOL = 16


@dataclass
class _Draw:
    commit_deadline: int
    reveal_deadline: int
    commitments: dict[int, bytes] = field(default_factory=dict)
    revealed: set[int] = field(default_factory=set)
    seed: bytes = EMPTY
    settled: bool = False
    committee: list[int] | None = None


class Committees:
    """See the contract. `study` is attached once it is there.

    Args:
        consortium: knows who is an active validator.
    """

    study: "Study"

    def __init__(self, consortium: Consortium) -> None:
        self._consortium = consortium
        self._draws: list[_Draw] = []
        self._latest_drawn = 0
        self._withheld: Counter[str] = Counter()

    def open_draw(self, caller: Caller, commit_deadline: int, reveal_deadline: int) -> None:
        """The coordinator opens a draw."""
        require(caller.sender == self.study.coordinator, "only the coordinator")
        require(self._consortium.is_active(caller.sender, Role.COORDINATOR), "not an active member")
        require(self.study.is_idle(), "attempt still open")
        require(not self._draws or self._draws[-1].settled, "draw still open")
        require(self.study.may_draw(), "committee still serves")
        require(commit_deadline > caller.time, "deadline has passed")
        require(reveal_deadline > commit_deadline, "bad deadlines")
        require(reveal_deadline <= caller.time + MAX_SECONDS, "deadline too far")
        self._draws.append(_Draw(commit_deadline, reveal_deadline))

    def commit(self, caller: Caller, number: int, commitment: bytes) -> None:
        """A validator commits."""
        rank, draw = self._rank(caller), self._open(number)
        require(caller.time < draw.commit_deadline, "deadline has passed")
        require(not draw.revealed, "wrong phase")
        require(commitment != EMPTY, "empty hash")
        require(rank not in draw.commitments, "already committed")
        require(commitment not in draw.commitments.values(), "commitment copied")
        draw.commitments[rank] = commitment

    def reveal(self, caller: Caller, number: int, value: bytes) -> None:
        """A validator reveals."""
        rank, draw = self._rank(caller), self._open(number)
        closed = self._complete(draw) or caller.time >= draw.commit_deadline
        require(closed, "commitments still open")
        require(caller.time < draw.reveal_deadline, "deadline has passed")
        require(rank not in draw.revealed, "already revealed")
        digest = hashlib.sha256(COMMITTEE_DOMAIN + value).digest()
        require(draw.commitments.get(rank) == digest, "not what was committed")
        draw.revealed.add(rank)
        draw.seed = xor(draw.seed, value)

    def settle(self, caller: Caller, number: int) -> None:
        """Anyone ends a draw that is over."""
        draw = self._open(number)
        closed = self._complete(draw) or caller.time >= draw.commit_deadline
        finished = closed and draw.revealed == set(draw.commitments)
        require(finished or caller.time >= draw.reveal_deadline, "draw still open")
        draw.settled = True
        for rank in set(draw.commitments) - draw.revealed:
            self._withheld[self.study.pool(rank)] += 1
        active = [r for r in draw.revealed if self._consortium.is_active(self.study.pool(r), Role.VALIDATOR)]
        if len(active) < COMMITTEE_SIZE:
            return
        tickets = sorted(active, key=lambda rank: hashlib.sha256(draw.seed + rank.to_bytes(32, "big")).digest())
        draw.committee = sorted(tickets[:COMMITTEE_SIZE])
        self._latest_drawn = number

    def latest_drawn(self) -> int:
        """The last draw that made a committee, 0 before the first."""
        return self._latest_drawn

    def committee(self, number: int) -> list[int]:
        """The committee of a draw that made one."""
        return self._draws[number - 1].committee or []

    def draw_count(self) -> int:
        """How many draws were opened."""
        return len(self._draws)

    def withheld(self, account: str) -> int:
        """In how many draws a validator withheld."""
        return self._withheld[account]

    def draw(self, number: int) -> tuple[object, ...]:
        """One draw, in the order of the contract's struct."""
        require(0 < number <= len(self._draws), "no such draw")
        draw = self._draws[number - 1]
        return (
            draw.commit_deadline,
            draw.reveal_deadline,
            [draw.commitments.get(rank, EMPTY) for rank in range(MAX_POOL)],
            sum(1 << rank for rank in draw.commitments),
            sum(1 << rank for rank in draw.revealed),
            draw.seed,
            draw.settled,
            draw.committee is not None,
            draw.committee or [0, 0, 0],
        )

    def _rank(self, caller: Caller) -> int:
        rank = self.study.pool_rank(caller.sender)
        require(rank != 0, "only a validator")
        require(self._consortium.is_active(caller.sender, Role.VALIDATOR), "not an active member")
        return rank - 1

    def _open(self, number: int) -> _Draw:
        require(number != 0 and number == len(self._draws), "not the latest draw")
        require(not self._draws[-1].settled, "draw is settled")
        return self._draws[-1]

    def _complete(self, draw: _Draw) -> bool:
        return len(draw.commitments) == self.study.pool_size()
