"""One validator of three deviates: what it alters is noticed or outvoted, and nothing false becomes the model."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mithridate.attacks import Conspiracy
from mithridate.attacks.scaling import Scaling
from mithridate.errors import RoundVoid, ShareMismatch, TamperingDetected
from mithridate.federation.opened import OpenedUpdates, agree, agree_on_one, held_alike
from mithridate.federation.parties import Committee
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import AttemptState, ModelState, Phase
from mithridate.mpc.peers import Peers, memory_peers
from mithridate.mpc.shares import ReplicatedShare, share_locally
from mithridate.verification.verdict import Rule

COUNT = 5
LIAR = 2
Alter = Callable[[str, int, bytes], bytes]
"""(phase, recipient, message) to what is sent instead."""


class Liar:
    """One validator's end of the channel, where each message may be altered on its way out."""

    def __init__(self, peers: Any, watcher: Any, alter: Alter) -> None:
        self._peers, self._watcher, self._alter = peers, watcher, alter
        self.rank: int = peers.rank
        self.lies = 0

    def send(self, to: int, message: bytes) -> None:
        sent = self._alter(self._watcher.now, to, message)
        self.lies += sent != message
        self._peers.send(to, sent)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peers, name)


def flip(message: bytes) -> bytes:
    return bytes([message[0] ^ 1]) + message[1:]


def in_phase(phase: str, change: Callable[[bytes], bytes], *, size: int | None = None, to: int | None = None) -> Alter:
    def alter(now: str, recipient: int, message: bytes) -> bytes:
        meant = now == phase and size in (None, len(message)) and to in (None, recipient)
        return change(message) if meant and message else message

    return alter


@pytest.fixture(scope="module")
def committee(federation_of: Any, lenient: dict[str, Any]) -> Any:
    # Small steps, so that no honest update overshoots in any of the module's many rounds.
    federation = federation_of(hospitals={"count": COUNT}, training={"learning_rate": 0.01}, defence=lenient)
    # Evidence is compared from the second round on, and any test may be the first that a worker runs.
    assert federation.play().status == "released"
    return federation


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is left waiting fails the test soon and not after five minutes."""
    monkeypatch.setattr("mithridate.federation.parties.PEER_TIMEOUT_S", 20.0)


@pytest.fixture
def federation(committee: Any) -> Iterator[Any]:
    """The federation, honest again after the test."""
    committee.parties.committee.assemble()
    yield committee
    for validator in committee.parties.committee.validators:
        vars(validator).pop("attest_model", None)
        vars(validator).pop("attest_verdicts", None)
        vars(validator).pop("aggregate", None)
    committee.watcher.at.clear()


def lie(federation: Any, alter: Alter) -> Liar:
    member = federation.parties.committee.validators[LIAR]._member
    liar = Liar(member.peers, federation.watcher, alter)
    member.peers = liar
    return liar


def entries(federation: Any) -> list[list[tuple[int, int, int, str]]]:
    return [validator._openings.entries() for validator in federation.parties.committee.validators]


TAMPERED = {
    "its component of the sum": (in_phase("aggregate", flip, size=8 * 62), "different components"),
    "its digest in the sum's opening": (in_phase("aggregate", flip, size=32), "different components"),
    "its component of the verdicts": (in_phase("verify", flip, size=8 * COUNT, to=0), "different components"),
    "its digest in the verdicts' opening": (in_phase("verify", flip, size=32, to=1), "different components"),
    "its reshare message, too short": (in_phase("verify", lambda m: m[8:], size=8 * COUNT**2), "bytes instead of"),
    "its digest of the evidence's component": (
        in_phase("verify", flip, size=32, to=0),
        "one of the records was altered",
    ),
    "a list of verdicts too short": (in_phase("open", lambda m: m[1:]), "malformed"),
    "a list of verdicts with an unknown one": (in_phase("open", lambda m: b"\xff" + m[1:]), "malformed"),
    "another list for one of the two": (in_phase("open", lambda m: b"\x02" + m[1:], to=0), "told different things"),
    "two false lists of one length": (
        lambda now, to, m: (m[:to] + b"\x02" + m[to + 1 :]) if now == "open" else m,
        "told different things",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_an_altered_message_voids_the_attempt_and_nothing_is_attested(federation: Any, what: str) -> None:
    alter, reason = TAMPERED[what]
    before, number = federation.ledger.current_model(), federation.next_round()
    liar = lie(federation, alter)
    record = federation.play()
    assert liar.lies
    assert (record.round, record.status) == (number, "void")
    assert reason in record.notes["round"]
    assert record.reason == record.notes["round"][:64]
    state = federation.state()
    assert (state.phase, dict(state.attestations), state.model_hash) == (Phase.VOID, {}, None)
    assert federation.ledger.current_model() == before == bytes.fromhex(record.model_hash)

    again = federation.play()
    assert (again.round, again.attempt, again.status) == (number, record.attempt + 1, "released")
    generation = federation.state().generation
    assert again.model_hash == federation.in_the_clear(before, range(COUNT), number, generation)


def test_a_validator_that_alters_what_it_holds_of_the_sum_is_noticed(federation: Any) -> None:
    def alter() -> None:
        held = federation.parties.committee.validators[LIAR]._updates
        held.shares.first[0, 0] += np.uint64(1)

    federation.watcher.at["aggregate"] = alter
    before = federation.ledger.current_model()
    record = federation.play()
    assert record.status == "void"
    assert "different components" in record.notes["round"]
    assert federation.state().attestations == {}
    assert federation.ledger.current_model() == before


def test_reopened_rounds_are_opened_under_another_generation_with_other_updates(federation: Any) -> None:
    base = federation.ledger.current_model()
    lie(federation, in_phase("aggregate", flip, size=32))
    void, again = federation.play(), federation.play()
    assert (void.status, again.status) == ("void", "released")
    first, second = (federation.ledger.attempt(void.round, record.attempt).generation for record in (void, again))
    assert second == first + 1
    opened = [row for row in entries(federation)[0] if row[0] == void.round]
    assert [row[1:3] for row in opened[-2:]] == [(first, void.attempt), (second, again.attempt)]
    models = {federation.in_the_clear(base, range(COUNT), void.round, generation) for generation in (first, second)}
    assert len(models) == 2, "a reopened round must not add up the same updates"


def test_an_altered_reshare_never_makes_a_model_of_anything_but_the_bound_members(
    federation_of: Any, lenient: dict[str, Any]
) -> None:
    # Products are where the protocol is secure against a curious validator only: a verdict may flip, and evidence
    # against an honest hospital stays. So this study is the test's own.
    federation = federation_of(hospitals={"count": COUNT}, training={"learning_rate": 0.01}, defence=lenient)
    base = federation.ledger.current_model()
    liar = lie(federation, in_phase("verify", lambda m: m[:-1] + bytes([m[-1] ^ 0x40]), size=8 * COUNT**2))
    record = federation.play()
    assert liar.lies
    members = [i for i in range(COUNT) if record.verdicts.get(f"hospital-{i}") == "accepted"]
    state = federation.state()
    if record.status == "void":
        assert state.attestations == {}
    else:
        assert record.model_hash == federation.in_the_clear(base, members, record.round, state.generation)


def test_a_false_list_of_verdicts_is_outvoted_on_the_ledger(federation: Any) -> None:
    validator = federation.parties.committee.validators[LIAR]

    def attest_verdicts(state: AttemptState, verdicts: tuple[Rule, ...]) -> None:
        Validator.attest_verdicts(validator, state, (Rule.NORM, *verdicts[1:]))

    validator.attest_verdicts = attest_verdicts
    base = federation.ledger.current_model()
    record = federation.play()
    assert record.status == "released"
    assert set(record.verdicts.values()) == {"accepted"}
    assert record.model_hash == federation.in_the_clear(base, range(COUNT), record.round, federation.state().generation)


@pytest.mark.parametrize("liar", range(3))
def test_a_false_model_hash_is_outvoted_and_counted(federation: Any, liar: int) -> None:
    validator = federation.parties.committee.validators[liar]
    validator.attest_model = lambda state, model: Validator.attest_model(validator, state, os.urandom(32))
    base = federation.ledger.current_model()
    record = federation.play()
    assert (record.status, record.attested, record.validators) == ("released", 2, 3)
    assert record.model_hash == federation.in_the_clear(base, range(COUNT), record.round, federation.state().generation)
    assert len(set(federation.state().attestations.values())) == 2


def test_three_different_hashes_make_no_model(federation: Any) -> None:
    for liar in federation.parties.committee.validators[:2]:
        liar.attest_model = lambda state, model, v=liar: Validator.attest_model(v, state, os.urandom(32))
    before = federation.ledger.current_model()
    record = federation.play()
    assert (record.status, record.reason) == ("void", "the validators attested different models")
    assert federation.ledger.current_model() == before
    assert record.attested == 0


def test_a_validator_that_fails_leaves_no_other_waiting(federation: Any) -> None:
    def fail(state: AttemptState) -> bytes:
        raise RoundVoid("out of memory")

    federation.parties.committee.validators[1].aggregate = fail
    record = federation.play()
    assert (record.status, record.reason) == ("void", "out of memory")


def test_tampering_with_the_release_check_withdraws_the_model_and_the_round_is_played_again(federation: Any) -> None:
    lie(federation, in_phase("release", flip, size=8))
    before, number = federation.ledger.stable_model(), federation.next_round()
    void = federation.play()
    assert (void.status, "different components" in void.reason) == ("void", True)
    withdrawn = federation.state().model_hash
    assert withdrawn is not None
    assert federation.ledger.model_record(withdrawn).state == ModelState.WITHDRAWN
    assert federation.ledger.stable_model() == federation.ledger.current_model() == before
    record = federation.play()
    assert (record.round, record.attempt, record.status, record.attested) == (number, void.attempt + 1, "released", 3)


def test_too_few_accepted_void_the_attempt_before_anything_is_opened(federation: Any) -> None:
    hospitals = federation.parties.hospitals
    sites = [hospital.site for hospital in hospitals]
    for hospital in hospitals[:3]:
        # Beyond the bound, but not so far that products with them wrap: three of five are more than the gates bear.
        attack = Scaling(hospitals=(hospital.site.index,), gamma=300.0)
        hospital.site = replace(hospital.site, conspiracy=Conspiracy((attack,), 0))
    before = entries(federation)
    record = federation.play()
    for hospital, site in zip(hospitals, sites, strict=True):
        hospital.site = site
    assert (record.status, record.reason, record.accepted) == ("void", "too few accepted", 2)
    assert set(record.rejected.values()) <= {"range", "norm"}
    state = federation.state()
    assert (state.attestations, state.model_hash) == ({}, None)
    assert entries(federation) == before
    assert (state.round, state.generation) not in {row[:2] for row in before[0]}


def test_a_fresh_committee_that_never_had_enough_accepted_has_opened_nothing(federation_of: Any) -> None:
    attacks = [{"name": "scaling", "hospitals": [0, 1], "gamma": 1e5}]
    federation = federation_of(hospitals={"count": 4}, attacks=attacks)
    record = federation.play()
    assert (record.status, record.reason) == ("void", "too few accepted")
    assert entries(federation) == [[], [], []]
    stored = list(federation.folder.models.iterdir())
    assert [path.stem for path in stored] == [federation.ledger.initial_model().hex()]


def together(work: Callable[[int, Peers], Any]) -> list[Any]:
    """`work` at three validators at once, each in a thread; its result or its error."""
    peers = memory_peers(timeout=5)

    class Seated:
        def __init__(self, rank: int) -> None:
            self.rank = rank

    def guarded(seated: Any) -> Any:
        try:
            return work(seated.rank, peers[seated.rank])
        except (TamperingDetected, RoundVoid) as error:
            return error

    seats: Any = [Seated(rank) for rank in range(3)]
    committee = Committee(seats)
    try:
        return committee.all(guarded)
    finally:
        committee.close()


def test_the_lowest_rule_that_any_validator_found_stands() -> None:
    found = [
        (Rule.ACCEPTED, Rule.SHARES, Rule.ACCEPTED, Rule.ABSENT),
        (Rule.ACCEPTED, Rule.ENVELOPE, Rule.SHAPE, Rule.ABSENT),
        (Rule.ACCEPTED, Rule.ACCEPTED, Rule.ACCEPTED, Rule.ABSENT),
    ]
    agreed = together(lambda rank, peers: agree(found[rank], peers))
    assert agreed == [(Rule.ACCEPTED, Rule.ENVELOPE, Rule.SHAPE, Rule.ABSENT)] * 3


@pytest.mark.parametrize(("values", "answer"), [((b"a", b"a", b"a"), True), ((b"a", b"a", b""), False)])
def test_the_three_agree_on_one_value_or_all_know_that_they_do_not(values: Any, answer: bool) -> None:
    assert together(lambda rank, peers: agree_on_one(values[rank], peers)) == [answer] * 3


def test_who_tells_two_different_values_is_noticed() -> None:
    def work(rank: int, peers: Any) -> bool:
        if rank == LIAR:
            send, peers.send = peers.send, lambda to, message: send(to, message + b"x" * to)
        return agree_on_one(b"a", peers)

    assert any(isinstance(answer, TamperingDetected) for answer in together(work)[:2])


@pytest.mark.parametrize("altered", range(3))
def test_an_altered_component_is_noticed_by_its_other_holder_alone(altered: int) -> None:
    shares = share_locally(np.arange(4, dtype=np.uint64))

    def work(rank: int, peers: Any) -> bool:
        first = shares[rank].first.copy()
        first[1] ^= np.uint64(rank == altered)
        return held_alike(ReplicatedShare(rank, first, shares[rank].second), peers)

    assert together(work) == [rank != altered for rank in range(3)]


def test_a_validator_without_a_bound_member_opens_nothing() -> None:
    share = ReplicatedShare(0, np.zeros((2, 3), np.uint64), np.zeros((2, 3), np.uint64))
    held = OpenedUpdates((Rule.ACCEPTED, Rule.SHARES, Rule.ACCEPTED), (0, 2), share, {})
    assert held.rows([2, 0]).shape == (2, 3)
    with pytest.raises(ShareMismatch, match=r"hospitals \[1, 3\]"):
        held.rows([0, 1, 3])


def test_what_is_no_verdict_is_tampering(federation: Any) -> None:
    @dataclass(frozen=True)
    class NoRule:
        def factors(self, n: int) -> Any:
            return np.ones((2, n, n))

        def __call__(self, projected: Any, gram: Any, products: Any, directed: Any, evidence: Any, factors: Any) -> Any:
            return gram.diagonal() * 0 + 77, evidence

    def zeros(rank: int, *shape: int) -> ReplicatedShare:
        return ReplicatedShare(rank, np.zeros(shape, np.uint64), np.zeros(shape, np.uint64))

    def judge(validator: Any) -> Any:
        rank = validator.place
        return validator._member.judge_updates(NoRule(), zeros(rank, 2, 4), None, zeros(rank, 2), b"s" * 32)

    with pytest.raises(TamperingDetected, match="77, which is no verdict"):
        federation.parties.committee.all(judge)
