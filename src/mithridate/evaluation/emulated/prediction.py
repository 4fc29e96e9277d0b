"""What a round takes over a network, predicted from what the local runtime measured: a pure function of numbers.

A step takes its computation, one latency for every message that somebody waits for, and its bytes at the line's speed:
Hockney's model of a message ("The communication challenge for MPP", Parallel Computing 20, 1994), as Demmler, Schneider
and Zohner use it for MPC (ABY, NDSS 2015, section 5). Two more terms are ours. Parties learn from the ledger that it is
their turn, by asking every `poll` seconds. And a lost packet holds whoever waits for it up for a retransmission timeout
(RFC 6298; Linux's least is 200 ms), or bounds a stream's speed (Mathis, Semke, Mahdavi and Ott, CCR 27(3), 1997).

Not in it: TCP's slow start, processors that several participants share here and not in a hospital, time that the
ledger, TLS and the engine need of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from mithridate.emulation.conditions import Conditions
from mithridate.mpc.shares import VALIDATORS

HEAD_KEPT_S = 0.05
"""So long reads of the ledger share one question for its last block; see `ledger.nodes`."""
CHANGE_REQUESTS = 6
"""Of a change: last block, gas, sequence number, sending, last block again, receipt."""
LOOK_READS = 5
"""Of the ledger's contracts at every look; see `Rounds.latest`."""
MEETING_TRIPS = 5
"""Of three validators who meet: nonces, all nonces, the link they have, a key for sharing zeros, "done" at the end."""
TIMEOUT_S = 0.2
HEADERS = 52
"""Bytes of a packet that are IP's and TCP's."""
MATHIS = sqrt(3 / 2)


@dataclass(frozen=True)
class Exchanged:
    """What a phase of the local runtime took, and what a validator sent in it.

    Args:
        seconds: of computation.
        rounds: of communication between validators, linear part and MPC together.
        sent: bytes by the busiest validator.
    """

    seconds: float = 0.0
    rounds: float = 0.0
    sent: float = 0.0


@dataclass(frozen=True)
class LocalRound:
    """One round in the local runtime.

    Args:
        phases: by name; see `records.PHASES`.
        hospitals: n.
        upload: bytes of a hospital's message.
        model: bytes of a model's file.
        poll: seconds between two looks at the ledger, of the processes that are to be predicted.
    """

    phases: Mapping[str, Exchanged]
    hospitals: int
    upload: float
    model: float
    poll: float


@dataclass(frozen=True)
class Step:
    """Of a round among machines: from a change on the ledger to the next one that others wait for.

    Args:
        name: of the step.
        phases: of the local runtime that it computes.
        reads: of the ledger, one after another, besides the look that begins it.
        exchanges: requests to the coordinator that are answered.
        meets: whether the validators meet in it.
    """

    name: str
    phases: tuple[str, ...] = ()
    reads: int = 0
    exchanges: int = 0
    meets: bool = False


SUBMIT, VERIFY, AGGREGATE = "submit", "verify", "aggregate"
STEPS = (
    Step("open", reads=3),
    # A hospital looks twice: it trains, and then hands in if the validators have committed.
    Step(SUBMIT, ("train", "share"), reads=10 + LOOK_READS, exchanges=2),
    Step("close", reads=6, exchanges=1),
    Step("reveal", ("draw",), reads=1),
    Step(VERIFY, ("open", "verify"), reads=11, exchanges=2, meets=True),
    Step(AGGREGATE, ("aggregate", "attest"), reads=4, exchanges=1, meets=True),
    Step("release", ("release",), reads=5, meets=True),
)


@dataclass(frozen=True)
class Predicted:
    """Seconds of one step.

    Args:
        computing: as in the local runtime.
        waiting: until the next look at the ledger.
        latency: of messages that somebody waits for.
        transfer: of bytes, through the busiest line.
    """

    computing: float
    waiting: float
    latency: float
    transfer: float

    @property
    def total(self) -> float:
        """Of all four."""
        return self.computing + self.waiting + self.latency + self.transfer


def predict(local: LocalRound, conditions: Conditions) -> dict[str, Predicted]:
    """Seconds of each step of a round over a network.

    Args:
        local: as measured.
        conditions: of the network.
    """
    return {step.name: _step(step, local, conditions) for step in STEPS}


def round_seconds(local: LocalRound, conditions: Conditions) -> float:
    """Of the whole round."""
    return sum(step.total for step in predict(local, conditions).values())


def trip(conditions: Conditions, messages: int = 1) -> float:
    """Seconds until all of `messages` small ones, sent at once to different places, are there: expected."""
    lost = 1 - (1 - conditions.loss_percent / 100) ** messages
    return conditions.latency_s + lost * (2 * conditions.latency_s + TIMEOUT_S)


def stream_seconds(size: float, conditions: Conditions) -> float:
    """Of so many bytes through one line: at its speed, or at the most that TCP reaches with this loss."""
    headers = conditions.mtu / (conditions.mtu - HEADERS)
    return size * max(conditions.seconds_a_byte * headers, _seconds_a_byte_with_loss(conditions))


def _seconds_a_byte_with_loss(conditions: Conditions) -> float:
    round_trip, loss = 2 * conditions.latency_s, conditions.loss_percent / 100
    return round_trip * sqrt(loss) / (MATHIS * (conditions.mtu - HEADERS))


def _step(step: Step, local: LocalRound, conditions: Conditions) -> Predicted:
    own = [local.phases.get(phase, Exchanged()) for phase in step.phases]
    look = LOOK_READS * _read(conditions)
    waiting = {"open": 1, SUBMIT: local.hospitals}.get(step.name, VALIDATORS)
    # The last of k who look at different times; somebody may be in the midst of a look.
    unseen = waiting / (waiting + 1)
    trips = 2 * (CHANGE_REQUESTS + step.exchanges) + MEETING_TRIPS * step.meets
    latency = unseen * look + look + step.reads * _read(conditions) + trips * trip(conditions)
    latency += sum(phase.rounds for phase in own) * trip(conditions, VALIDATORS)
    return Predicted(
        computing=sum(phase.seconds for phase in own),
        waiting=unseen * local.poll,
        latency=latency,
        transfer=stream_seconds(_through_the_coordinator(step, local), conditions)
        + stream_seconds(sum(phase.sent for phase in own), conditions),
    )


def _read(conditions: Conditions) -> float:
    """Seconds of one read of the ledger: the question for the last block is shared by those that follow at once."""
    there_and_back = 2 * trip(conditions)
    return there_and_back * (1 + min(1.0, there_and_back / HEAD_KEPT_S))


def _through_the_coordinator(step: Step, local: LocalRound) -> float:
    """Bytes on its line, which all share: two of three validators take a message's full-length component."""
    if step.name == SUBMIT:
        return local.hospitals * (local.model + local.upload)
    if step.name == VERIFY:
        return 2 * local.hospitals * local.upload
    return VALIDATORS * local.model if step.name == AGGREGATE else 0.0
