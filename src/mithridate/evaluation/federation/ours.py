"""The aggregation of one of Mithridate's rounds, with the code of hospitals, coordinator and validators.

Hospitals come one by one and their rows are added up in blocks, so that 1,000 x 1M fit in memory; in a study a
validator keeps all rows, for its gates. Left out: the gates (`bench verification`) and the ledger (`bench ledger`).
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mithridate.aggregation.registry import LinearAggregator, aggregators
from mithridate.aggregation.settings import AggregationSettings
from mithridate.crypto import keys
from mithridate.crypto.fixed_point import SCALE, encode
from mithridate.crypto.sharing import PARTIES, Ring
from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.clock import Clock
from mithridate.evaluation.federation.work import OURS, Work
from mithridate.evaluation.federation.workload import Workload
from mithridate.federation.opened import OpenedUpdates
from mithridate.federation.submission import RoundContext, make_submission, open_submission, parse, parse_part
from mithridate.mpc.linear import open_share
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.shares import ReplicatedShare, unwritten
from mithridate.verification.verdict import Rule

BLOCK = 2
"""Rows of the block in which shares are added up: the aggregate needs no more of them at hand."""
TOLERANCE = 2.0**-18
"""Rounding to the grid and of the quotient, 2^-19 each."""
HOSPITAL, COORDINATOR = "hospital", "coordinator"


def validator_account(rank: int) -> str:
    """Name of a validator's account."""
    return f"validator-{rank}"


class _Validator:
    """One rank: opens, checks, expands and adds up."""

    def __init__(self, rank: int, workload: Workload, clock: Clock, aggregator: LinearAggregator) -> None:
        self.rank = rank
        self.key = keys.generate()
        self._workload = workload
        self._clock = clock
        self._aggregator = aggregator
        self._members: list[int] = []
        # One block serves for all: a study keeps every row for verification alone, which is not measured here.
        self._room = unwritten(rank, (BLOCK, workload.parameters))
        self._first = np.zeros(workload.parameters, dtype=np.uint64)
        self._second = np.zeros_like(self._first)

    def take(self, part: bytes, context: RoundContext, signer: keys.PublicKey, digest: bytes) -> None:
        with self._clock.on(validator_account(self.rank)):
            row = self._room[len(self._members)]
            open_submission(parse_part(part, context.length), self.rank, self.key, context, signer, digest, into=row)
            self._members.append(context.hospital)
            if len(self._members) == BLOCK:
                self._add_up()

    def total(self) -> ReplicatedShare:
        with self._clock.on(validator_account(self.rank)):
            self._add_up()
            return ReplicatedShare(self.rank, self._first, self._second)

    def _add_up(self) -> None:
        if not self._members:
            return
        members, shares = tuple(self._members), self._room[: len(self._members)]
        # As a study's opening takes the accepted rows out of what it holds.
        rows = OpenedUpdates((Rule.ACCEPTED,) * len(members), members, shares, {}).rows(members)
        weights = [self._workload.weight(member) for member in members]
        self._first += self._aggregator.combine(rows.first, weights)
        self._second += self._aggregator.combine(rows.second, weights)
        self._members.clear()


def measure(workload: Workload) -> Work:
    """Plays the round's aggregation in this process.

    Args:
        workload: n hospitals and d parameters.

    Raises:
        BenchmarkError: what was opened is not the weighted sum of the updates.
    """
    clock = Clock()
    aggregator = aggregators.get(AggregationSettings().linear)
    validators = [_Validator(rank, workload, clock, aggregator) for rank in range(PARTIES)]
    signing_key, expected = keys.generate(), np.zeros(workload.parameters, dtype=np.uint64)
    sizes = []
    for hospital in workload.present:
        secret, size = _hand_in(hospital, workload, clock, signing_key, validators)
        expected += np.uint64(workload.weight(hospital)) * secret
        sizes.append(size)
    opened = _open([validator.total() for validator in validators], clock)
    if not all(np.array_equal(each, expected) for each in opened):
        raise BenchmarkError("the opened aggregate is not the weighted sum of the updates")
    weights = [workload.weight(hospital) for hospital in workload.present]
    for rank in range(PARTIES):
        with clock.on(validator_account(rank)):
            mean = aggregator.finish(opened[rank].view(np.int64), weights) / SCALE
    return _work(workload, clock, float(np.mean(sizes)), workload.check(OURS, mean, TOLERANCE))


def _hand_in(
    hospital: int, workload: Workload, clock: Clock, signing_key: keys.PrivateKey, validators: list[_Validator]
) -> tuple[Ring, int]:
    """One hospital's message on its way: (its update in fixed point, bytes of the message)."""
    update = workload.update(hospital)
    context = RoundContext(bytes(32), 1, 0, hospital, bytes(32), workload.parameters)
    public = [validator.key.public_key() for validator in validators]
    with clock.on(HOSPITAL):
        secret = encode(update)
        message, digest = make_submission(secret, context, signing_key, public)
    with clock.on(COORDINATOR):
        submission = parse(message, context.length)
        parts = [submission.for_validator(rank) for rank in range(PARTIES)]
    for validator, part in zip(validators, parts, strict=True):
        validator.take(part, context, signing_key.public_key(), digest)
    return secret, len(message)


def _open(totals: list[ReplicatedShare], clock: Clock) -> list[Ring]:
    peers = memory_peers()

    def one(rank: int) -> Ring:
        start = time.thread_time()
        opened = open_share(totals[rank], peers[rank])
        clock.add(validator_account(rank), time.thread_time() - start)
        return opened

    with ThreadPoolExecutor(PARTIES) as pool:
        return list(pool.map(one, range(PARTIES)))


def _work(workload: Workload, clock: Clock, up: float, error: float) -> Work:
    parts = {name: seconds for name, seconds in clock.seconds.items() if name != HOSPITAL}
    return Work(
        arm=OURS,
        hospitals=workload.hospitals,
        parameters=workload.parameters,
        dropped=workload.dropped,
        hospital=clock.seconds[HOSPITAL] / len(workload.present),
        servers=sum(parts.values()),
        parts=parts,
        up=up,
        # The model's file: its numbers, and less than a kilobyte of names.
        down=4.0 * workload.parameters,
        error=error,
    )
