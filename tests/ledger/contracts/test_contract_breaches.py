"""Rules of all contracts, each by a call that breaks it and changes nothing; see also test_contract_rules.py."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import RuleViolation
from mithridate.ledger.deployment import CONTRACTS
from mithridate.ledger.interface import Role, Status
from mithridate.ledger.rules import SENTENCES

World = Any
Arguments = Callable[[World], tuple[Any, ...]]
HERE = Path(__file__).parent
SOURCES = Path(__file__).parents[3] / "src/mithridate/ledger/contracts"
HASH, ZERO, NOBODY = bytes([7]) * 32, bytes(32), "0x" + "00" * 20
KEY = b"\2" + bytes(32)
LATER = 10


def put(*arguments: object) -> Arguments:
    return lambda world: arguments


def now(world: World, *seconds: int) -> tuple[int, ...]:
    return tuple(world.now() + each for each in seconds)


def enrolling(who: str, role: int, signing: bytes = b"", envelope: bytes = b"") -> Arguments:
    return lambda w: (w.address(who) if who not in ("", "self") else self_or_nobody(w, who), role, signing, envelope)


def self_or_nobody(world: World, who: str) -> str:
    return str(world.addresses["Consortium"]) if who == "self" else NOBODY


def asking(**other: Any) -> Arguments:
    def arguments(world: World) -> tuple[Any, ...]:
        given = {"handle": HASH, "custodian": world.address("hospital-0"), "purpose": HASH, "seconds": LATER} | other
        if isinstance(given["custodian"], str) and not given["custodian"].startswith("0x"):
            given["custodian"] = world.address(given["custodian"])
        return given["handle"], given["custodian"], given["purpose"], world.now() + given["seconds"]

    return arguments


# Reason, contract, function, its arguments; decided by two administrators, on a study that has begun.
DECISIONS: list[tuple[str, str, str, Arguments]] = [
    ("empty address", "Consortium", "enrol", enrolling("", 1)),
    ("empty address", "Consortium", "enrol", enrolling("self", 1)),
    ("no such role", "Consortium", "enrol", enrolling("new", 0)),
    ("no such role", "Consortium", "enrol", enrolling("new", 7)),
    ("address has another role", "Consortium", "enrol", enrolling("auditor-0", Role.HOSPITAL)),
    ("already enrolled", "Consortium", "enrol", enrolling("auditor-0", Role.AUDITOR)),
    ("bad signing key", "Consortium", "enrol", enrolling("new", 1, b"\4" + bytes(32))),
    ("bad envelope key", "Consortium", "enrol", enrolling("new", 1, KEY, b"\2" + bytes(31))),
    ("not a member", "Consortium", "set_status", lambda w: (w.address("new"), 2, "why")),
    ("bad status", "Consortium", "set_status", lambda w: (w.address("auditor-0"), 1, "why")),
    ("bad status", "Consortium", "set_status", lambda w: (w.address("auditor-0"), 0, "why")),
    ("bad status", "Consortium", "set_status", lambda w: (w.address("auditor-0"), 4, "why")),
    ("no reason given", "Consortium", "set_status", lambda w: (w.address("auditor-0"), 2, "")),
    ("bad threshold", "Consortium", "set_threshold", put(0)),
    ("bad threshold", "Consortium", "set_threshold", put(4)),
    ("no contract there", "Consortium", "add_study", lambda w: (w.address("auditor-0"),)),
    ("nothing to withdraw", "Models", "strike_statement", lambda w: (w.model(0), w.address("auditor-1"), "why")),
    ("no reason given", "Models", "strike_statement", lambda w: (w.model(0), w.address("auditor-1"), "")),
    ("auditor not revoked", "Models", "strike_statement", lambda w: (w.model(0), w.address("auditor-0"), "why")),
    ("auditor not revoked", "Models", "strike_statement", lambda w: (w.model(0), w.address("physician-3"), "why")),
    ("roster is frozen", "Study", "admit", lambda w: (w.address("new"), 1)),
    ("already begun", "Study", "begin", put(HASH, HASH)),
]

# Reason, who, contract, function, its arguments; on a study that has begun, auditor-1 and physician-3 revoked.
CALLS: list[tuple[str, str, str, str, Arguments]] = [
    *(
        ("only by decision", who, contract, function, arguments)
        for who in ("administrator-0", "stranger")
        for contract, function, arguments in (
            ("Consortium", "enrol", enrolling("new", 1)),
            ("Consortium", "set_status", lambda w: (w.address("auditor-0"), 2, "why")),
            ("Consortium", "set_threshold", put(1)),
            ("Consortium", "add_study", lambda w: (w.addresses["Study"],)),
            ("Models", "strike_statement", lambda w: (w.model(0), w.address("auditor-1"), "why")),
            ("Study", "admit", lambda w: (w.address("new"), 1)),
            ("Study", "begin", put(HASH, HASH)),
        )
    ),
    ("only an administrator", "stranger", "Consortium", "decide", lambda w: (w.addresses["Study"], b"")),
    ("no contract there", "administrator-0", "Consortium", "decide", lambda w: (w.address("auditor-0"), b"")),
    ("not an active member", "stranger", "Consortium", "register_keys", put(KEY, b"")),
    ("not an active member", "auditor-1", "Consortium", "register_keys", put(KEY, b"")),
    ("no key given", "auditor-0", "Consortium", "register_keys", put(b"", b"")),
    *(
        ("bad signing key", "auditor-0", "Consortium", "register_keys", put(key, b""))
        for key in (b"\2", b"\1" + bytes(32), b"\4" + bytes(32), b"\2" + bytes(64), b"\3" + bytes(31), bytes(65))
    ),
    *(
        ("bad envelope key", "auditor-0", "Consortium", "register_keys", put(b"", key))
        for key in (b"\2", b"\4" + bytes(32), bytes(33), b"\3" + bytes(31))
    ),
    ("no such version", "auditor-0", "Consortium", "keys_of_version", lambda w: (w.address("auditor-0"), 0)),
    ("no such version", "auditor-0", "Consortium", "keys_of_version", lambda w: (w.address("auditor-0"), 2)),
    *(
        ("already attached", who, contract, "attach", lambda w: (w.addresses["Study"],))
        for who in ("administrator-0", "stranger")
        for contract in ("Models", "Reputation", "Committees", "Notices")
    ),
    *(
        ("only the study", "coordinator", "Models", function, put(*arguments))
        for function, *arguments in (("start", HASH), ("attested", HASH), ("released",), ("withdrawn",))
    ),
    ("only the study", "validator-0", "Reputation", "count", put(b"\0")),
    ("only a validator", "coordinator", "Models", "vote_rollback", lambda w: (w.model(0), "why")),
    ("model not released", "validator-0", "Models", "vote_rollback", put(HASH, "why")),
    ("already the stable model", "validator-0", "Models", "vote_rollback", lambda w: (w.model(1), "why")),
    ("no reason given", "validator-0", "Models", "vote_rollback", lambda w: (w.model(0), "")),
    ("only an auditor", "validator-0", "Models", "certify", lambda w: (w.model(0), HASH)),
    ("only an auditor", "auditor-1", "Models", "file_finding", lambda w: (w.model(0), HASH, "why")),
    ("model not attested", "auditor-0", "Models", "certify", put(HASH, HASH)),
    ("empty hash", "auditor-0", "Models", "certify", lambda w: (w.model(0), ZERO)),
    ("empty hash", "auditor-0", "Models", "file_finding", lambda w: (w.model(0), ZERO, "why")),
    ("no reason given", "auditor-0", "Models", "file_finding", lambda w: (w.model(0), HASH, "")),
    ("nothing to withdraw", "auditor-0", "Models", "withdraw_statement", lambda w: (w.model(0), "why")),
    ("no reason given", "auditor-0", "Models", "withdraw_statement", lambda w: (w.model(1), "")),
    ("only the coordinator", "validator-0", "Committees", "open_draw", lambda w: now(w, 1, 2)),
    ("deadline has passed", "coordinator", "Committees", "open_draw", lambda w: now(w, 0, 2)),
    ("bad deadlines", "coordinator", "Committees", "open_draw", lambda w: now(w, 2, 2)),
    ("deadline too far", "coordinator", "Committees", "open_draw", lambda w: now(w, 2, 2**40 + 1)),
    ("no such draw", "stranger", "Committees", "draw", put(0)),
    ("no such draw", "stranger", "Committees", "draw", put(1)),
    ("not the latest draw", "validator-0", "Committees", "commit", put(0, HASH)),
    ("not the latest draw", "stranger", "Committees", "settle", put(1)),
    ("only a validator", "coordinator", "Committees", "commit", put(1, HASH)),
    ("only a physician", "physician-3", "Access", "request", asking()),
    ("only a physician", "hospital-0", "Access", "request", asking()),
    ("custodian is no hospital", "physician-0", "Access", "request", asking(custodian="physician-1")),
    ("empty hash", "physician-0", "Access", "request", asking(handle=ZERO)),
    ("empty hash", "physician-0", "Access", "request", asking(purpose=ZERO)),
    ("deadline has passed", "physician-0", "Access", "request", asking(seconds=0)),
    ("deadline too far", "physician-0", "Access", "request", asking(seconds=2**40 + 1)),
    ("handle was used", "physician-0", "Access", "request", lambda w: asking(handle=w.model(77))(w)),
    ("no such request", "physician-0", "Access", "approve", put(HASH, HASH)),
    ("no such request", "stranger", "Access", "access_request", put(HASH)),
    ("only the custodian", "hospital-1", "Access", "admit", lambda w: (w.model(77), [HASH], 1)),
    ("empty hash", "hospital-0", "Access", "admit", lambda w: (w.model(77), [HASH, ZERO], 2)),
    ("panel not distinct", "hospital-0", "Access", "admit", lambda w: (w.model(77), [HASH, bytes([8]) * 32, HASH], 2)),
    ("wrong state", "physician-0", "Access", "approve", lambda w: (w.model(77), HASH)),
    ("not a party to the request", "hospital-1", "Access", "withdraw", lambda w: (w.model(77),)),
    ("only the custodian", "physician-0", "Access", "log_opening", lambda w: (w.model(77),)),
    ("access not granted", "hospital-0", "Access", "log_opening", lambda w: (w.model(77),)),
    *(
        ("only an enrolled hospital", who, "Notices", function, put(*place, "why"))
        for who in ("stranger", "coordinator", "validator-0", "administrator-0")
        for function, *place in (("complain", 1, 0), ("refuse",), ("withdraw_refusal",))
    ),
    ("no such attempt", "hospital-0", "Notices", "complain", put(0, 0, "why")),
    ("no such attempt", "hospital-0", "Notices", "complain", put(1, 1, "why")),
    ("no such attempt", "hospital-0", "Notices", "complain", put(2, 0, "why")),
    ("no such attempt", "hospital-0", "Notices", "complain", put(1, 2**256 - 1, "why")),
    ("no such attempt", "hospital-0", "Notices", "complain", put(2**128 + 1, 0, "why")),
    ("nothing submitted", "hospital-2", "Notices", "complain", put(1, 0, "why")),
    ("already complained", "hospital-3", "Notices", "complain", put(1, 0, "why")),
    ("no reason given", "hospital-0", "Notices", "complain", put(1, 0, "")),
    ("already refused", "hospital-2", "Notices", "refuse", put("why")),
    ("no reason given", "hospital-0", "Notices", "refuse", put("")),
    ("nothing to withdraw", "hospital-0", "Notices", "withdraw_refusal", put("why")),
    ("no reason given", "hospital-2", "Notices", "withdraw_refusal", put("")),
    ("not the latest attempt", "validator-0", "Study", "attest_model", put(1, 2**256 - 1, HASH)),
    ("not the latest attempt", "validator-0", "Study", "attest_model", put(2**256 - 1, 0, HASH)),
]

# Reason, contract, constructor arguments.
CONSTRUCTORS: list[tuple[str, str, Arguments]] = [
    ("bad threshold", "Consortium", lambda w: ([w.address("a")], 0, 1)),
    ("bad threshold", "Consortium", lambda w: ([w.address("a")], 2, 1)),
    ("bad ballot duration", "Consortium", lambda w: ([w.address("a")], 1, 0)),
    ("bad ballot duration", "Consortium", lambda w: ([w.address("a")], 1, 2**40 + 1)),
    ("empty address", "Consortium", lambda w: ([NOBODY], 1, 1)),
    ("already enrolled", "Consortium", lambda w: ([w.address("a"), w.address("a")], 1, 1)),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    return {}


@pytest.fixture
def at_round_two(shared: dict[str, World], request: pytest.FixtureRequest, clock: Any, tmp_path_factory: Any) -> World:
    """One round released, one request made, some members revoked; shared, for refused calls only."""
    if not shared:
        world_type = request.getfixturevalue("world_type")
        world = world_type(tmp_path_factory.mktemp("shared") / "ledger.sqlite", clock)
        world.enrol()
        world.begin()
        world.attempt(1)
        expiry = world.now() + 10**6
        world.send("physician-0", "Access", "request", world.model(77), world.address("hospital-0"), HASH, expiry)
        world.send("auditor-0", "Models", "certify", world.model(1), HASH)
        world.send("hospital-3", "Notices", "complain", 1, 0, "lost")
        world.send("hospital-2", "Notices", "refuse", "policy")
        for who in ("auditor-1", "physician-3"):
            world.decide("Consortium", "set_status", world.address(who), int(Status.REVOKED), "left")
        shared["world"] = world
    return shared["world"]


@pytest.mark.parametrize(("reason", "name", "function", "arguments"), DECISIONS)
def test_a_decision_that_breaks_a_rule_is_refused(
    at_round_two: World, reason: str, name: str, function: str, arguments: Arguments
) -> None:
    world = at_round_two
    data = world.call_data(name, function, *arguments(world))
    with world.ledger.block():
        world.send("administrator-2", "Consortium", "decide", world.addresses[name], data)
        state = world.ledger._network._chain._open.vm.state
        before = state.make_state_root()
        with pytest.raises(RuleViolation) as refusal:
            world.send("administrator-1", "Consortium", "decide", world.addresses[name], data)
        assert refusal.value.reason == reason
        assert state.make_state_root() == before


@pytest.mark.parametrize(("reason", "who", "name", "function", "arguments"), CALLS)
def test_a_call_that_breaks_a_rule_is_refused(
    at_round_two: World, reason: str, who: str, name: str, function: str, arguments: Arguments
) -> None:
    at_round_two.refuse(reason, who, name, function, *arguments(at_round_two))


@pytest.mark.parametrize(("reason", "name", "arguments"), CONSTRUCTORS)
def test_a_contract_with_impossible_terms_is_not_made(
    at_round_two: World, reason: str, name: str, arguments: Arguments
) -> None:
    with pytest.raises(RuleViolation) as refusal:
        at_round_two.put(name, *arguments(at_round_two))
    assert refusal.value.reason == reason


@pytest.mark.parametrize("name", ["Models", "Reputation", "Committees", "Notices"])
def test_a_contract_obeys_a_contract_only(world: World, name: str) -> None:
    arguments = () if name == "Reputation" else (world.addresses["Consortium"],)
    target = world.put(name, *arguments, *([False] if name == "Models" else []))
    world.refuse("no contract there", "administrator-0", name, "attach", world.address("stranger"), at=target)
    world.refuse("already attached", "stranger", name, "attach", world.addresses["Study"], at=target)


def test_the_revoked_stay_out_and_the_suspended_act_in_no_contract(begun: World) -> None:
    begun.decide("Consortium", "set_status", begun.address("auditor-0"), int(Status.REVOKED), "left")
    data = begun.call_data("Consortium", "set_status", begun.address("auditor-0"), int(Status.ACTIVE), "again")
    begun.send("administrator-0", "Consortium", "decide", begun.addresses["Consortium"], data)
    begun.refuse("revoked", "administrator-1", "Consortium", "decide", begun.addresses["Consortium"], data)
    begun.attempt(1, to="OPENED")
    for who in ("coordinator", "validator-0", "hospital-0", "administrator-0"):
        begun.vote(1, "Consortium", "set_status", begun.address(who), int(Status.SUSPENDED), "out")
        begun.vote(2, "Consortium", "set_status", begun.address(who), int(Status.SUSPENDED), "out")
    inactive = "not an active member"
    begun.refuse(inactive, "coordinator", "Study", "open_round", 1, begun.model(0), begun.now() + 10)
    begun.refuse(inactive, "coordinator", "Study", "vote_void", 1, 0, "why")
    begun.refuse(inactive, "coordinator", "Committees", "open_draw", begun.now() + 1, begun.now() + 2)
    begun.refuse(inactive, "validator-0", "Study", "commit_randomness", 1, 0, HASH)
    begun.refuse(inactive, "validator-0", "Committees", "commit", 1, HASH)
    begun.refuse(inactive, "validator-0", "Models", "vote_rollback", HASH, "why")
    begun.refuse(inactive, "hospital-0", "Study", "submit", 1, 0, HASH)
    for function, *place in (("complain", 1, 0), ("refuse",), ("withdraw_refusal",)):
        begun.refuse(inactive, "hospital-0", "Notices", function, *place, "why")
    begun.refuse("only an administrator", "administrator-0", "Consortium", "decide", begun.addresses["Study"], b"")


def test_a_draw_waits_for_the_attempt_and_the_draw_before(make_world: Callable[..., World]) -> None:
    world = make_world(validators=4)
    world.enrol()
    world.begin()
    world.send("coordinator", "Committees", "open_draw", world.now() + 5, world.now() + 9)
    world.refuse("draw still open", "coordinator", "Committees", "open_draw", world.now() + 5, world.now() + 9)
    world.refuse("empty hash", "validator-0", "Committees", "commit", 1, ZERO)
    world.send("validator-0", "Committees", "commit", 1, HASH)
    world.refuse("already committed", "validator-0", "Committees", "commit", 1, bytes([8]) * 32)
    world.wait(9)
    world.send("stranger", "Committees", "settle", 1)
    world.refuse("draw is settled", "stranger", "Committees", "settle", 1)
    world.draw()
    world.attempt(1, to="OPENED")
    world.refuse("attempt still open", "coordinator", "Committees", "open_draw", world.now() + 5, world.now() + 9)
    world.refuse("attempt still open", "validator-0", "Models", "vote_rollback", world.model(0), "why")


@pytest.mark.parametrize("records", [0, 2**40 + 1])
def test_a_hospital_is_admitted_with_a_sensible_number_of_records(world: World, records: int) -> None:
    world.decide("Consortium", "enrol", world.address("new"), int(Role.HOSPITAL), KEY, b"")
    data = world.call_data("Study", "admit", world.address("new"), records)
    world.send("administrator-0", "Consortium", "decide", world.addresses["Study"], data)
    world.refuse("bad record count", "administrator-1", "Consortium", "decide", world.addresses["Study"], data)


def test_a_hospital_is_admitted_with_a_signing_key(world: World) -> None:
    world.decide("Consortium", "enrol", world.address("new"), int(Role.HOSPITAL), b"", b"\2" + bytes(32))
    data = world.call_data("Study", "admit", world.address("new"), 1)
    world.send("administrator-0", "Consortium", "decide", world.addresses["Study"], data)
    world.refuse("signing key missing", "administrator-1", "Consortium", "decide", world.addresses["Study"], data)


def test_a_stale_vote_to_void_and_one_more_undo_no_attested_model(begun: World) -> None:
    begun.attempt(1, to="DRAWN")
    begun.send("validator-0", "Study", "vote_void", 1, 0, "the link was down")
    for function, argument in (("attest_verdicts", begun.verdicts()), ("attest_model", begun.model(1))):
        for rank in (0, 2):
            begun.send(f"validator-{rank}", "Study", function, 1, 0, argument)
    begun.send("validator-1", "Study", "vote_void", 1, 0, "deviates")
    assert begun.read("Study", "attempt_state", 1, 0)[0] == 5
    assert begun.read("Models", "current_model") == begun.model(1)
    events = begun.send("validator-0", "Study", "vote_void", 1, 0, "and yet").events
    assert [event.name for event in events] == ["VoidVoted", "ModelWithdrawn", "Voided"]
    assert begun.read("Models", "current_model") == begun.model(0)


def _table(name: str) -> list[str]:
    spec = importlib.util.spec_from_file_location("rules_table", HERE.parent / "test_contract_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [row[0] for row in getattr(module, name)]


def reasons(name: str) -> set[str]:
    """The reasons that a contract's source gives."""
    source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    asserted = re.findall(r'^\s*assert .*, "([^"]+)"$', source, re.MULTILINE)
    raised = re.findall(r'^\s*raise "([^"]+)"$', source, re.MULTILINE)
    assert len(asserted) + len(raised) == len(re.findall(r"^\s*(?:assert|raise)\b", source, re.MULTILINE))
    return {*asserted, *raised}


# Broken where no table's step stands, each by a test of its own that names it.
ELSEWHERE = {
    "already revealed",
    "bad record count",
    "commitment copied",
    "commitments still open",
    "committee due for rotation",
    "committee still serves",
    "draw is settled",
    "draw still open",
    "fewer administrators than threshold",
    "model has a finding",
    "model was withdrawn",
    "no committee drawn",
    "not on the committee",
    "not on the panel",
    "request has expired",
    "revoked",
    "roster is full",
    "signing key missing",
    "suspended",
    "threshold is no majority",
    "too far back",
    "too many administrators",
    "validators not distinct",
}


def test_every_reason_of_the_contracts_has_a_sentence_and_a_test() -> None:
    given = set[str]().union(*(reasons(name) for name in CONTRACTS))
    assert given == set(SENTENCES)
    tables = [[row[0] for row in table] for table in (DECISIONS, CALLS, CONSTRUCTORS)]
    tables += [_table("BROKEN"), _table("REFUSED_SETTINGS")]
    hit = {reason for table in tables for reason in table}
    assert given - hit <= ELSEWHERE
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(HERE.parent.rglob("test_*.py")))
    # Once in the list above, and once more where it is broken.
    assert [reason for reason in ELSEWHERE if tests.count(f'"{reason}"') < 2] == []
