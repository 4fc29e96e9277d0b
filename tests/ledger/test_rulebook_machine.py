"""Random sequences of calls: contracts and rulebook refuse alike, by the same reason, and hold the same state."""

import hashlib
import importlib.util
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from mithridate.ledger.accounts import Account
from mithridate.ledger.chain import EmbeddedChain
from mithridate.ledger.interface import RANDOMNESS_DOMAIN, Role
from mithridate.ledger.interface import Phase as Stage
from mithridate.ledger.interface.access import panel_digest
from mithridate.ledger.interface.draws import COMMITTEE_DOMAIN
from mithridate.ledger.rulebook.book import Rulebook, RulebookLedger
from mithridate.ledger.shared import SharedLedger

# ruff: noqa: A002, E731 - `round` is the protocol's word; a call is built where it is drawn.


_SPEC = importlib.util.spec_from_file_location("rulebook_parties", Path(__file__).with_name("rulebook_parties.py"))
assert _SPEC
assert _SPEC.loader
_PARTIES: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_PARTIES)
PARTIES, ACCOUNTS, VALIDATORS, HASHES = _PARTIES.PARTIES, _PARTIES.ACCOUNTS, _PARTIES.VALIDATORS, _PARTIES.HASHES
START, GRACE, BALLOT = _PARTIES.START, _PARTIES.GRACE, _PARTIES.BALLOT
Headers, study_terms, embedded = _PARTIES.Headers, _PARTIES.study_terms, _PARTIES.embedded
beginning, beginning_steps = _PARTIES.beginning, _PARTIES.beginning_steps
value_of, outcome, everything = _PARTIES.value_of, _PARTIES.outcome, _PARTIES.everything
Call = Callable[[Any], object]
Steps = list[tuple[str, Call]]

SEQUENCES = int(os.environ.get("MITHRIDATE_SEQUENCES", "12"))
"""Thousands are a matter of minutes: MITHRIDATE_SEQUENCES=3000."""
STEPS = 40
REASONS = ["", "because", "x" * 64]
SALTS = [hashlib.sha256(b"salt" + bytes([number])).digest() for number in range(3)]
KEYS = [b"", b"\2" + HASHES[1], b"\3" + HASHES[2], b"\4" + HASHES[1] * 2, b"\1" + HASHES[1]]

EXPENDABLE = [name for name in PARTIES if name[-1] == "2"] + ["validator-3", "auditor-1", "hospital-1"]
"""Whom sequences suspend: with everyone suspended they would all be over soon."""

parties = st.sampled_from(PARTIES)
hashes = st.sampled_from(HASHES)
reasons = st.sampled_from(REASONS)
small = st.integers(0, 3)
speakers = st.sampled_from(["hospital-0", "hospital-0", "hospital-1", "hospital-2", "stranger"])
notices = st.sampled_from(["complain", "complain", "refuse_study", "withdraw_refusal"])
places = st.sampled_from([None, None, (1, 0), (1, 1), (2, 0), (0, 0), (2**255, 0)])
"""Attempts, None for the latest."""


class TwoLedgers(RuleBasedStateMachine):
    """The contracts on py-evm beside the rulebook; every call goes to both."""

    @initialize(
        data=st.data(), validators=st.sampled_from([3, 4]), threshold=st.integers(1, 3), certificate=st.booleans()
    )
    def deploy(self, data: st.DataObject, validators: int, threshold: int, certificate: bool) -> None:
        voters = data.draw(st.integers(threshold, 3))
        terms = study_terms(validators, threshold, certificate)
        headers, nodes, deployment, outcomes = beginning(validators, threshold, certificate, voters)
        self.network = embedded(EmbeddedChain.resumed(headers, nodes), Headers())
        self.shared = SharedLedger(self.network, deployment)
        self.book = Rulebook(ACCOUNTS["administrator-0"].address, terms, self.shared.reader.study_id(), START)
        self.views = {name: self.shared.as_party(account) for name, account in ACCOUNTS.items()}
        self.rules = {name: self._ruled(account) for name, account in ACCOUNTS.items()}
        self.reader = self.rules["stranger"]
        steps = beginning_steps(validators, range(voters))
        assert [outcome(call, self.rules[party]) for party, call in steps] == outcomes
        self.validators, self.moment = validators, ExitStack()
        self.ends: list[int] = []  # of ballots and requests
        self.moment.enter_context(self.network.block())

    def _ruled(self, account: Account) -> RulebookLedger:
        return RulebookLedger(self.book, account, self.network.now)

    def both(self, party: str, call: Call) -> None:
        """The same call on both ledgers, with the same outcome."""
        assert outcome(call, self.views[party]) == outcome(call, self.rules[party])

    @rule(seconds=st.sampled_from([1, 10, GRACE, 1000, BALLOT]))
    def wait(self, seconds: int) -> None:
        """Calls between two waits share a block: sealing each in its own would take most of the time."""
        self._wait_until(self.network.now() + seconds)

    @rule(offset=st.sampled_from([-1, 0, 1]), which=st.integers(0, 5))
    def wait_for_a_deadline(self, offset: int, which: int) -> None:
        """To the last second before, or the first after, something ends."""
        state, times = self.reader.latest(), self.ends[-2:]
        if state is not None:
            times += [state.deadline, state.deadline + GRACE]
        if self.reader.draws():
            draw = self.reader.draw(self.reader.draws())
            times += [draw.commit_deadline, draw.reveal_deadline]
        if times and times[which % len(times)] + offset > self.network.now():
            self._wait_until(times[which % len(times)] + offset)

    def _wait_until(self, time: int) -> None:
        self.moment.close()
        self.network.seconds = time
        self.moment.enter_context(self.network.block())

    @rule(data=st.data(), phases=st.integers(1, 8))
    def advance(self, data: st.DataObject, phases: int) -> None:
        """What honest parties would do next, phase by phase, with drawn values and now and then one party short."""
        for _ in range(phases):
            for party, call in self._next_steps(data):
                self.both(party, call)

    @rule(data=st.data())
    def advance_by_one(self, data: st.DataObject) -> None:
        self.advance(data, 1)

    @rule(data=st.data())
    def advance_by_many(self, data: st.DataObject) -> None:
        self.advance(data, 8)

    @rule(party=parties, of=parties, role=st.sampled_from(Role), keys=st.tuples(*[st.sampled_from(KEYS)] * 2))
    def enrol(self, party: str, of: str, role: Role, keys: tuple[bytes, bytes]) -> None:
        signing_key, envelope_key = keys[0], keys[1][:33]
        self.both(party, lambda view: view.enrol(ACCOUNTS[of].address, role, signing_key, envelope_key))

    @rule(
        of=st.sampled_from(EXPENDABLE),
        verb=st.sampled_from(["suspend", "reinstate", "revoke"]),
        reason=reasons,
        votes=st.integers(1, 3),
    )
    def exclude(self, of: str, verb: str, reason: str, votes: int) -> None:
        self.ends.append(self.network.now() + BALLOT)
        for number in range(votes):
            call: Call = lambda view: getattr(view, verb)(ACCOUNTS[of].address, reason)
            self.both(f"administrator-{number}", call)

    @rule(party=parties, threshold=st.integers(0, 4))
    def set_threshold(self, party: str, threshold: int) -> None:
        self.both(party, lambda view: view.set_threshold(threshold))

    @rule(party=parties, keys=st.tuples(*[st.sampled_from(KEYS)] * 2))
    def rotate(self, party: str, keys: tuple[bytes, bytes]) -> None:
        self.both(party, lambda view: view.register_keys(keys[0], keys[1][:33]))

    @rule(party=parties, round=small, attempt=small, digest=hashes, verb=st.sampled_from(["submit", "attest_model"]))
    def write_a_hash(self, party: str, round: int, attempt: int, digest: bytes, verb: str) -> None:
        self.both(party, lambda view: getattr(view, verb)(round, attempt, digest))

    @rule(party=parties, verdicts=st.lists(st.sampled_from([0, 1, 7, 12]), max_size=4).map(bytes))
    def attest_verdicts(self, party: str, verdicts: bytes) -> None:
        self.both(party, lambda view: view.attest_verdicts(*self._latest(), verdicts))

    @rule(party=parties, reason=reasons)
    def vote_void(self, party: str, reason: str) -> None:
        self.both(party, lambda view: view.vote_void(*self._latest(), reason))

    @rule(party=parties, passed=st.booleans())
    def vote_release(self, party: str, passed: bool) -> None:
        self.both(party, lambda view: view.vote_release(*self._latest(), passed))

    @rule(party=parties, base=hashes, seconds=st.sampled_from([-1, 5, 2000]))
    def open_round(self, party: str, base: bytes, seconds: int) -> None:
        number = self._latest()[0] + 1
        self.both(party, lambda view: view.open_round(number, base, view.now() + seconds))

    @rule(data=st.data(), voters=st.integers(1, 4), reason=reasons)
    def roll_back(self, data: st.DataObject, voters: int, reason: str) -> None:
        model = data.draw(st.sampled_from([*self._models(), HASHES[0], HASHES[3]]))
        for index in range(voters):
            self.both(f"validator-{index}", lambda view: view.vote_rollback(model, reason))

    @rule(
        data=st.data(),
        party=st.sampled_from(["auditor-0", "auditor-1", "stranger"]),
        verb=st.sampled_from(["certify", "file_finding", "withdraw_statement"]),
        report=hashes,
        reason=reasons,
    )
    def state(self, data: st.DataObject, party: str, verb: str, report: bytes, reason: str) -> None:
        model = data.draw(st.sampled_from([*self._models(), HASHES[4]]))
        arguments = {"certify": (report,), "file_finding": (report, reason), "withdraw_statement": (reason,)}[verb]
        self.both(party, lambda view: getattr(view, verb)(model, *arguments))

    @rule(
        data=st.data(),
        verb=st.sampled_from(["request", "admit", "approve", "approve", "refuse", "withdraw", "log"]),
        handle=st.sampled_from(HASHES[:3]),
    )
    def access(self, data: st.DataObject, verb: str, handle: bytes) -> None:
        who = data.draw(st.integers(0, 2))
        if verb == "request":
            seconds = data.draw(st.sampled_from([0, 50, 5000]))
            custodian = ACCOUNTS[data.draw(st.sampled_from(["hospital-0", "hospital-1", "stranger"]))].address
            call: Call = lambda view: view.request_access(handle, custodian, HASHES[1], view.now() + seconds)
            self.both(f"physician-{who}", call)
        elif verb == "admit":
            panel = [panel_digest(handle, SALTS[i], ACCOUNTS[f"physician-{i}"].address) for i in range(3)]
            chosen = data.draw(st.lists(st.sampled_from([*panel, HASHES[0]]), max_size=4))
            threshold = data.draw(st.integers(0, 4))
            self.both(f"hospital-{who}", lambda view: view.admit_request(handle, chosen, threshold))
        elif verb in {"approve", "refuse"}:
            salt = data.draw(st.sampled_from([SALTS[who], SALTS[who], SALTS[0]]))
            self.both(f"physician-{who}", lambda view: getattr(view, f"{verb}_access")(handle, salt))
        else:
            party = data.draw(st.sampled_from([f"hospital-{who}", f"hospital-{who}", f"physician-{who}", "stranger"]))
            self.both(party, lambda view: getattr(view, f"{verb}_access")(handle))

    @rule(statements=st.lists(st.tuples(speakers, notices, places, reasons), min_size=3, max_size=8))
    def notice(self, statements: list[tuple[str, str, tuple[int, int] | None, str]]) -> None:
        for party, verb, place, reason in statements:
            where = (place or self._latest()) if verb == "complain" else ()
            call: Call = lambda view, v=verb, w=where, r=reason: getattr(view, v)(*w, r)
            self.both(party, call)

    @rule(data=st.data(), handle=st.sampled_from(HASHES[1:]), seconds=st.sampled_from([50, 5000]))
    def open_a_record(self, data: st.DataObject, handle: bytes, seconds: int) -> None:
        """A request that its custodian admits, the panel's votes, and what the custodian does then."""
        custodian, expiry = ACCOUNTS["hospital-0"].address, self.network.now() + seconds
        size = data.draw(st.integers(1, 3))
        threshold = data.draw(st.integers(1, size))
        panel = [panel_digest(handle, SALTS[index], ACCOUNTS[f"physician-{index}"].address) for index in range(size)]
        self.ends.append(expiry)
        self.both("physician-0", lambda view: view.request_access(handle, custodian, HASHES[1], expiry))
        self.both("hospital-0", lambda view: view.admit_request(handle, panel, threshold))
        for verb, who in data.draw(st.lists(st.tuples(st.sampled_from(["approve", "refuse"]), st.integers(0, 2)))):
            self.both(f"physician-{who}", lambda view: getattr(view, f"{verb}_access")(handle, SALTS[who]))  # noqa: B023
        for verb in data.draw(st.lists(st.sampled_from(["log", "withdraw"]), max_size=2)):
            self.both("hospital-0", lambda view: getattr(view, f"{verb}_access")(handle))  # noqa: B023

    def teardown(self) -> None:
        if hasattr(self, "moment"):
            self.moment.close()
            assert everything(self.shared.reader) == everything(self.reader)

    def _latest(self) -> tuple[int, int]:
        state = self.reader.latest()
        return (state.round, state.attempt) if state else (0, 0)

    def _models(self) -> list[bytes]:
        return self.reader.released_models() or [HASHES[5]]

    def _next_steps(self, data: st.DataObject) -> Steps:
        if not self.reader.begun():
            return beginning_steps(self.validators, range(data.draw(st.integers(1, 3))))
        state = self.reader.latest()
        if state is None or state.phase >= Stage.RELEASED:
            return self._opening(data)
        steps = self._acting(data, state)
        votes = data.draw(st.sampled_from([0] * 10 + [1, 2] if steps else [0, 0, 0, 2]))
        return self._giving_up(state)[:votes] + steps

    def _acting(self, data: st.DataObject, state: Any) -> Steps:
        """What those do who have not yet done it in this phase."""
        place = (state.round, state.attempt)
        names = {rank: f"validator-{index}" for rank, index in enumerate(state.committee)}
        if state.phase == Stage.SUBMITTING and len(state.committed) < 3:
            digests = {
                rank: hashlib.sha256(RANDOMNESS_DOMAIN + value_of(n, place)).digest() for rank, n in names.items()
            }
            copied = data.draw(st.sampled_from([None, None, None, None, 0]))
            return [
                (names[rank], lambda view, r=rank: view.commit_randomness(*place, digests[r if copied is None else 0]))
                for rank in names.keys() - state.committed
            ]
        if state.phase == Stage.SUBMITTING:
            hospitals = set(data.draw(st.sampled_from([range(3), range(3), range(3), range(3), range(2), [1], [0, 2]])))
            closing = [(names[rank], lambda view: view.close_submissions(*place)) for rank in range(2)]
            return [
                (f"hospital-{index}", lambda view, index=index: view.submit(*place, HASHES[1 + index]))
                for index in hospitals - set(state.submissions)
            ] + (closing if data.draw(st.integers(0, 4)) else [])
        if state.phase == Stage.CLOSED:
            withheld = data.draw(st.sampled_from([None] * 6 + [0, 2]))
            return [
                (names[rank], lambda view, name=names[rank]: view.reveal_randomness(*place, value_of(name, place)))
                for rank in names.keys() - state.revealed - {withheld}
            ]
        if state.phase == Stage.DRAWN:
            codes = [data.draw(st.sampled_from([0] * 8 + [7, 12])) for _ in range(len(self.reader.hospitals()))]
            absent = data.draw(st.sampled_from([1] * 9 + [0, 7]))
            verdicts = bytes(code if index in state.submissions else absent for index, code in enumerate(codes))
            return [(name, lambda view: view.attest_verdicts(*place, verdicts)) for name in names.values()]
        if state.phase == Stage.BOUND:
            model = data.draw(st.sampled_from([value_of("model", place)] * 5 + HASHES[1:]))
            return [(name, lambda view: view.attest_model(*place, model)) for name in names.values()]
        passed = data.draw(st.sampled_from([True, True, True, False]))
        return [(name, lambda view: view.vote_release(*place, passed)) for name in names.values()]

    def _giving_up(self, state: Any) -> Steps:
        place = (state.round, state.attempt)
        return [(f"validator-{index}", lambda view: view.vote_void(*place, "stuck")) for index in state.committee[:2]]

    def _opening(self, data: st.DataObject) -> Steps:
        state, current = self.reader.latest(), self.reader.current_model()
        number = 1 if state is None else state.round + (state.phase != Stage.VOID)
        steps: Steps = []
        if len(self.reader.validators()) > 3 and data.draw(st.integers(0, 2)):
            steps = self._drawing(data)
        seconds = data.draw(st.sampled_from([20, 3000]))
        return [*steps, ("coordinator", lambda view: view.open_round(number, current, view.now() + seconds))]

    def _drawing(self, data: st.DataObject) -> Steps:
        number = self.reader.draws() + (not self.reader.draws() or self.reader.draw(self.reader.draws()).settled)
        committing, revealing = (data.draw(st.sampled_from([4, 4, 4, 3, 2])) for _ in range(2))
        seconds = data.draw(st.sampled_from([3, 20]))
        steps: Steps = [("coordinator", lambda view: view.open_draw(view.now() + 5, view.now() + seconds))]
        for index in range(committing):
            name = f"validator-{index}"
            digest = hashlib.sha256(COMMITTEE_DOMAIN + value_of(name, number)).digest()
            steps.append((name, lambda view, digest=digest: view.commit_draw(number, digest)))
        for index in range(revealing):
            name = f"validator-{index}"
            steps.append((name, lambda view, name=name: view.reveal_draw(number, value_of(name, number))))
        return [*steps, ("stranger", lambda view: view.settle_draw(number))]


@pytest.mark.timeout(3600)
def test_contracts_and_rulebook_agree_on_random_sequences() -> None:
    run_state_machine_as_test(
        TwoLedgers,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
        ),
    )
