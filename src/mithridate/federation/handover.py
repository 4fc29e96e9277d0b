"""How a committee hands what it keeps from round to round to the one that serves after it, in shares throughout.

Each validator of the old committee shares both its components anew among the new one, in a message like a hospital's.
The new committee adds three components up. Where both holders of a component hand it over, the difference is opened and
has to be zero: so with all three there one that alters what it hands over is detected, with two of them only in the
component that both hold. Any two of the old committee are enough, one alone is not.

The secret of a message is [component rank | component rank + 1 | rounds waited (n) | rounds of the memory (1)], where
a component is of the evidence (n) followed by the memory's values (m), both in fixed point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from mithridate.aggregation.secure import Memory
from mithridate.aggregation.settings import AggregationSettings
from mithridate.errors import MessageError, RoundVoid, TamperingDetected
from mithridate.federation.opened import agree, exchange
from mithridate.federation.robust import memory_shape
from mithridate.federation.standings import SharedStanding
from mithridate.federation.submission import HASH_BYTES, RoundContext
from mithridate.ledger.interface import AttemptState
from mithridate.mpc.linear import open_share
from mithridate.mpc.peers import Peers
from mithridate.mpc.shares import VALIDATORS, ReplicatedShare, RingArray, concatenate
from mithridate.verification.verdict import Rule

ENOUGH = 2
"""So many of the old committee hold all three components."""
_FIRST_SENDER = 2**32 - 64
_MOST_ROUNDS = 2**32


@dataclass(frozen=True)
class Kept:
    """What a validator keeps after an attempt.

    Args:
        standing: the evidence against the hospitals.
        memory: of the study's robust rule; None where it has none.
    """

    standing: SharedStanding
    memory: Memory | None


@dataclass(frozen=True)
class KeptShape:
    """What everybody knows of it.

    Args:
        hospitals: n.
        memory: shape of the memory's values; None where the study's rule keeps nothing.
    """

    hospitals: int
    memory: tuple[int, ...] | None

    @classmethod
    def of(cls, aggregation: AggregationSettings, hospitals: int, parameters: int) -> "KeptShape":
        """What is kept in a study.

        Args:
            aggregation: the study's; tells whether its rule keeps anything.
            hospitals: n.
            parameters: d.
        """
        return cls(hospitals, memory_shape(aggregation, hospitals, parameters))

    @property
    def component(self) -> int:
        """Ring elements of one component."""
        return self.hospitals + (prod(self.memory) if self.memory else 0)

    @property
    def length(self) -> int:
        """Ring elements of a message."""
        return 2 * self.component + self.hospitals + 1


def handover_context(study_id: bytes, state: AttemptState, place: int, shape: KeptShape) -> RoundContext:
    """What a validator's message for the committee of an attempt is bound to.

    Args:
        study_id: of the ledger.
        state: the attempt of the new committee.
        place: of the old committee's validator in the study; it stands where no hospital's number can be.
        shape: of what is handed over.
    """
    sender = _FIRST_SENDER + place
    return RoundContext(study_id, state.round, state.attempt, sender, state.base_hash, shape.length)


def secret_of(kept: Kept) -> RingArray:
    """What a validator shares anew, uint64 of `KeptShape.length`."""
    evidence, memory = kept.standing.evidence, kept.memory
    parts: list[RingArray] = []
    for which in ("first", "second"):
        parts.append(getattr(evidence, which))
        if memory is not None:
            parts.append(getattr(memory.values, which).reshape(-1))
    rounds = 0 if memory is None else memory.rounds
    return np.concatenate([*parts, np.array([*kept.standing.waited, rounds], dtype=np.uint64)])


def settle(digests: Sequence[bytes], peers: Peers) -> list[int]:
    """The ranks of the old committee whose messages all three of the new one opened, each the same message.

    Args:
        digests: of the three messages as this validator opened them, zeros for one that it could not open.
        peers: the channel to the two others.

    Raises:
        MessageError: a peer's list is malformed.
        TamperingDetected: a peer told the other two different things.
    """
    held = [b"".join(digests), *exchange(b"".join(digests), peers)]
    if any(len(each) != HASH_BYTES * VALIDATORS for each in held):
        raise MessageError("a validator's list of digests is malformed: the committee must run one version")
    rules = []
    for rank in range(VALIDATORS):
        told = {each[rank * HASH_BYTES : (rank + 1) * HASH_BYTES] for each in held}
        rules.append(Rule.ACCEPTED if len(told) == 1 and told != {bytes(HASH_BYTES)} else Rule.ENVELOPE)
    return [rank for rank, rule in enumerate(agree(rules, peers)) if rule is Rule.ACCEPTED]


def take_over(opened: Mapping[int, ReplicatedShare], shape: KeptShape, peers: Peers) -> Kept:
    """This validator's shares of what the old committee kept, jointly with the two others of the new one.

    Args:
        opened: rank in the old committee to its opened message, the same ranks at all three.
        shape: of what is handed over.
        peers: the channel to the two others.

    Raises:
        RoundVoid: fewer than two of the old committee handed anything over.
        TamperingDetected: two of them hand over different things.
    """
    if len(opened) < ENOUGH:
        raise RoundVoid(f"{len(opened)} of the last committee handed over what it keeps: {ENOUGH} are needed")
    given = dict(sorted(opened.items()))
    waited, rounds = _counted(given, shape, peers)
    total = _added_up(given, shape.component, peers)
    standing = SharedStanding(total[: shape.hospitals], waited)
    if shape.memory is None:
        return Kept(standing, None)
    return Kept(standing, Memory(total[shape.hospitals :].reshape(*shape.memory), rounds))


def _counted(given: Mapping[int, ReplicatedShare], shape: KeptShape, peers: Peers) -> tuple[tuple[int, ...], int]:
    """The part that is no secret, opened."""
    tails = concatenate([share[2 * shape.component :].reshape(1, -1) for share in given.values()])
    opened = open_share(tails, peers)
    if (opened != opened[0]).any() or (opened >= _MOST_ROUNDS).any():
        raise TamperingDetected("validators of the last committee hand over different records of who was checked when")
    *waited, rounds = (int(number) for number in opened[0])
    return tuple(waited), rounds


def _added_up(given: Mapping[int, ReplicatedShare], size: int, peers: Peers) -> ReplicatedShare:
    components = []
    for index in range(VALIDATORS):
        before = (index - 1) % VALIDATORS
        held = [given[index][:size]] if index in given else []
        held += [given[before][size : 2 * size]] if before in given else []
        if len(held) == 2 and open_share(held[0] - held[1], peers).any():
            text = f"validators {before} and {index} of the last committee hand over different components {index}"
            raise TamperingDetected(f"{text}: one of them altered it")
        components.append(held[0])
    return components[0] + components[1] + components[2]
