"""Parties of a study whose calls go to the contracts and to the rulebook alike, from its deployment on."""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

from mithridate.errors import RuleViolation
from mithridate.ledger.accounts import account_from_key
from mithridate.ledger.chain import EmbeddedChain, SealedBlock
from mithridate.ledger.deployment import Deployment, StudyTerms, deploy
from mithridate.ledger.embedded_network import EmbeddedNetwork
from mithridate.ledger.interface import Role
from mithridate.ledger.replay import Replayed
from mithridate.ledger.shared import SharedLedger

# ruff: noqa: E731 - a call is built where it is used.

START = 2_000_000_000
GRACE, BALLOT = 100, 5000
PARTIES = (
    *(f"administrator-{index}" for index in range(3)),
    "coordinator",
    *(f"validator-{index}" for index in range(4)),
    *(f"hospital-{index}" for index in range(3)),
    *(f"physician-{index}" for index in range(3)),
    *(f"auditor-{index}" for index in range(2)),
    "stranger",
)
ACCOUNTS = {name: account_from_key(hashlib.sha256(name.encode()).digest()) for name in PARTIES}
VALIDATORS = [ACCOUNTS[f"validator-{index}"] for index in range(4)]
HASHES = [bytes(32), *(hashlib.sha256(bytes([number])).digest() for number in range(5))]
Call = Callable[[Any], object]


Steps = list[tuple[str, Call]]


class Headers:
    """Takes the place of the file: these chains end with their example, and of their blocks the headers are enough."""

    def __init__(self) -> None:
        self.all: list[bytes] = []

    def append(self, block: SealedBlock) -> None:
        self.all.append(block.header)

    def add_snapshot(self, after: int, nodes: object) -> None: ...

    def close(self) -> None: ...


class ClockedNetwork(EmbeddedNetwork):
    """An embedded network whose clock the test sets."""

    seconds = START

    def _clock(self) -> int:
        return max(self._chain.timestamp, self.seconds)


def value_of(name: str, what: object) -> bytes:
    return hashlib.sha256(f"{name} {what}".encode()).digest()


def outcome(call: Call, view: Any) -> str | None:
    try:
        call(view)
    except RuleViolation as refusal:
        return refusal.reason
    return None


def study_terms(validators: int, threshold: int, certificate: bool) -> StudyTerms:
    return StudyTerms(
        configuration=HASHES[1],
        coordinator=ACCOUNTS["coordinator"].address,
        validators=[account.address for account in VALIDATORS[:validators]],
        quorum=2,
        min_accepted=2,
        grace=GRACE,
        administrators=[ACCOUNTS[f"administrator-{index}"].address for index in (1, 2)],
        threshold=threshold,
        ballot=BALLOT,
        requires_certificate=certificate,
        rotation=2,
    )


def embedded(chain: EmbeddedChain, headers: Headers) -> ClockedNetwork:
    return ClockedNetwork(Replayed(chain, snapshot=0, nodes=set(), since=0), headers)  # type: ignore[arg-type]


@cache
def beginning(
    validators: int, threshold: int, certificate: bool, voters: int
) -> tuple[list[bytes], dict[bytes, bytes], Deployment, list[str | None]]:
    """The contracts after deployment and `beginning_steps`: headers, state, addresses, and what each step came to."""
    headers, chain = Headers(), EmbeddedChain.genesis(START, HASHES[1])
    network = embedded(chain, headers)
    with network.block():
        deployment = deploy(network, ACCOUNTS["administrator-0"], study_terms(validators, threshold, certificate))
    shared = SharedLedger(network, deployment)
    views = {name: shared.as_party(account) for name, account in ACCOUNTS.items()}
    with network.block():
        outcomes = [outcome(call, views[party]) for party, call in beginning_steps(validators, range(voters))]
    return headers.all, chain.state_nodes(()), deployment, outcomes


def beginning_steps(validators: int, voters: range) -> Steps:
    """Everyone enrolled, admitted and with keys, then the study begun, by the votes of these administrators."""
    administrators = [f"administrator-{index}" for index in voters]
    roles = {"hospital": Role.HOSPITAL, "physician": Role.PHYSICIAN, "auditor": Role.AUDITOR}
    steps: Steps = []
    for account, role in [
        (ACCOUNTS["coordinator"], Role.COORDINATOR),
        *((v, Role.VALIDATOR) for v in VALIDATORS[:validators]),
    ]:
        vote: Call = lambda view, a=account.address, r=role: view.enrol(a, r)
        steps += [(each, vote) for each in administrators if each != "administrator-0"]
    for name in PARTIES:
        role = roles.get(name.split("-")[0])
        if role is None:
            continue
        key = b"\2" + value_of(name, "key") if role == Role.HOSPITAL else b""
        address = ACCOUNTS[name].address
        enrol: Call = lambda view, a=address, r=role, k=key: view.enrol(a, r, k)
        admit: Call = lambda view, a=address: view.admit(a, 10)
        steps += [(each, enrol) for each in administrators]
        steps += [(each, admit) for each in administrators if role == Role.HOSPITAL]
    steps += [
        (f"validator-{index}", lambda view: view.register_keys(envelope_key=b"\3" + HASHES[1])) for index in range(4)
    ]
    return steps + [(each, lambda view: view.begin(HASHES[5], HASHES[2])) for each in administrators]


def everything(view: Any) -> list[object]:
    """All that a ledger tells, heights and addresses of contracts apart."""
    latest = view.latest()
    rounds = range(1, latest.round + 1 if latest else 1)
    read: list[object] = [view.attempt(number, a) for number in rounds for a in range(view.attempts(number))]
    read += [view.members(role) for role in Role]
    read += [view.draw(number + 1) for number in range(view.draws())]
    read += [
        (view.withheld(account.address), view.is_active(account.address, Role.VALIDATOR)) for account in VALIDATORS
    ]
    read += [(view.model_record(model), view.may_train(model), view.may_deploy(model)) for model in HASHES]
    read += [view.track_records(), view.suspended()]
    read += [view.statement(model, ACCOUNTS["auditor-0"].address) for model in HASHES]
    read += [view.hospitals(), view.validators(), view.begun(), view.threshold(), view.released_models()]
    read += [view.requires_certificate(), view.study_id(), view.configuration(), view.grace()]
    read += [view.complaint_count(), view.complaints(), view.refusal_count(), view.refusals()]
    read += [view.refusal(index) for index in range(4)]
    read += [view.complaint(*place, index) for place in ((0, 0), (1, 0), (1, 1), (2, 0)) for index in range(4)]
    for handle in HASHES:
        try:
            read.append(view.access_request(handle))
        except RuleViolation as refusal:
            read.append(refusal.reason)
    return read
