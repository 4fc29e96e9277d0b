"""Gas of every call, recorded in gas.json and guarded against growth.

`make gas` measures again and writes the record and the table in docs/contracts.md. Gas follows from the code and what
it is called with: a full roster, half a minute, is measured only where the code is not the one that the record was made
with, or with MITHRIDATE_EXHAUSTIVE=1.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import CONTRACTS
from mithridate.ledger.interface import Role, Status
from mithridate.ledger.interface.access import panel_digest

World = Any
Gas = dict[str, int]
RECORD = Path(__file__).with_name("gas.json")
DOCUMENT = Path(__file__).parents[3] / "docs/contracts.md"
GROWTH = 0.05
BLOCK_GAS = 30_000_000
"""What a block of a common network holds; no call may need more."""
SMALL, LARGE = "10 hospitals", "1024 hospitals"
CODE = "code of 1024 hospitals"
HASH = bytes([7]) * 32


def dearest(world: World) -> Gas:
    """Of each function the dearest call so far."""
    found: Gas = {}
    for sent in world.sent:
        key = f"{sent.contract}.{sent.function}"
        found[key] = max(found.get(key, 0), sent.gas)
    return found


def deploy_all(world: World) -> None:
    consortium = world.put("Consortium", [world.address(f"administrator-{index}") for index in range(3)], 2, 3600)
    parts = [world.put("Models", consortium, False), world.put("Reputation"), world.put("Committees", consortium)]
    world.put("Access", consortium)
    notices = world.put("Notices", consortium)
    pool = [world.address(f"validator-{rank}") for rank in range(4)]
    study = world.put("Study", consortium, *parts, HASH, world.address("coordinator"), pool, 3, 2, 100, 1)
    for name, target in zip(("Models", "Reputation", "Committees", "Notices"), (*parts, notices), strict=True):
        world.send("administrator-0", name, "attach", study, at=target)


def decide_everything(world: World) -> None:
    auditor = world.address("auditor-1")
    world.send("auditor-1", "Models", "certify", world.model(0), HASH)
    world.decide("Consortium", "set_status", auditor, int(Status.REVOKED), "x" * 64)
    world.decide("Models", "strike_statement", world.model(0), auditor, "x" * 64)
    world.decide("Consortium", "set_threshold", 3)


def audit_and_roll_back(world: World) -> None:
    world.send("auditor-0", "Models", "certify", world.model(1), HASH)
    world.send("auditor-0", "Models", "file_finding", world.model(1), HASH, "x" * 64)
    world.send("auditor-0", "Models", "withdraw_statement", world.model(1), "x" * 64)
    for rank in range(3):
        world.send(f"validator-{rank}", "Models", "vote_rollback", world.model(0), "x" * 64)


def open_a_record(world: World) -> None:
    doctors = [world.address(f"physician-{index}") for index in range(16)]
    for handle, function, votes in ((bytes([1]) * 32, "approve", 9), (bytes([2]) * 32, "refuse", 8)):
        expiry = world.now() + 1000
        world.send("physician-0", "Access", "request", handle, world.address("hospital-0"), HASH, expiry)
        panel = [panel_digest(handle, HASH, doctor) for doctor in doctors]
        world.send("hospital-0", "Access", "admit", handle, panel, 9)
        for index in range(votes):
            world.send(f"physician-{index}", "Access", function, handle, HASH)
    world.send("hospital-0", "Access", "log_opening", bytes([1]) * 32)
    world.send("hospital-0", "Access", "withdraw", bytes([1]) * 32)


def complain_and_refuse(world: World) -> None:
    world.send("hospital-0", "Notices", "complain", 1, 0, "x" * 64)
    world.send("hospital-0", "Notices", "refuse", "x" * 64)
    world.send("hospital-1", "Notices", "refuse", "x" * 64)
    world.send("hospital-0", "Notices", "withdraw_refusal", "x" * 64)


def reads(world: World) -> Gas:
    calls = (
        ("Study", "suspended_word", 0),
        ("Study", "hospital_page", 0),
        ("Study", "digest_page", 1, 0, 0),
        ("Study", "attempt_state", 1, 0),
        ("Study", "validators"),
        ("Reputation", "word_page", 0),
        ("Consortium", "entry_page", int(Role.HOSPITAL), 0),
        ("Notices", "complaint_page", 0),
        ("Notices", "refusal_page", 0),
    )
    return {f"{name}.{function} (read)": world.read_gas(name, function, *rest) for name, function, *rest in calls}


def small(make_world: Callable[..., World]) -> Gas:
    """Every function, in a study of ten hospitals and four validators; texts and lists as long as they may be."""
    world = make_world(validators=4, people={"hospital": 10, "physician": 16}, quorum=10 - 1)
    deploy_all(world)
    world.enrol()
    world.begin()
    world.draw(withheld=[3])
    world.attempt(1)
    world.draw()
    world.attempt(2, to="FINAL")
    for validator in world.committee()[:2]:
        world.send(validator, "Study", "vote_void", 2, 0, "x" * 64)
    audit_and_roll_back(world)
    open_a_record(world)
    complain_and_refuse(world)
    decide_everything(world)
    return dearest(world) | reads(world)


def large(make_world: Callable[..., World]) -> Gas:
    """What depends on the number of hospitals, in a full roster, all but one of them suspended or accepted."""
    world = make_world(people={"hospital": 1024, "physician": 0}, threshold=1, administrators=[], quorum=1000)
    world.enrol()
    world.begin()
    world.attempt(1, to="DRAWN")
    verdicts = bytes([0, 0, 1, *(0 if index % 2 else 12 for index in range(3, 1024))])
    for validator in world.committee()[:2]:
        world.send(validator, "Study", "attest_verdicts", 1, 0, verdicts)
    for function, argument in (("attest_model", world.model(1)), ("vote_release", True)):
        for validator in world.committee()[:2]:
            world.send(validator, "Study", function, 1, 0, argument)
    world.send("hospital-0", "Notices", "complain", 1, 0, "x" * 64)
    return dearest(world) | reads(world)


def table(gas: dict[str, Gas]) -> str:
    rows = [f"| `{key}` | {small:,} | {_number(gas[LARGE].get(key))} |" for key, small in sorted(gas[SMALL].items())]
    return "\n".join(["| call | gas at 10 hospitals | at 1,024 |", "|---|---|---|", *rows])


def _number(gas: int | None) -> str:
    return "" if gas is None else f"{gas:,}"


def grown(measured: Gas, recorded: Gas) -> dict[str, tuple[int, int]]:
    """Calls dearer than recorded, by more than may be."""
    allowed = 1 + GROWTH
    return {k: (gas, recorded[k]) for k, gas in measured.items() if gas > recorded[k] * allowed}


def record(size: str, measured: Gas) -> None:
    """Writes what was measured over the record and the document."""
    kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    kept[size] = dict(sorted(measured.items()))
    if size == LARGE:
        kept[CODE] = published()
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if kept.keys() == {SMALL, LARGE, CODE}:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition("<!-- gas -->\n")
        after = rest.partition("<!-- /gas -->")[2]
        text = f"{before}<!-- gas -->\n{table(kept)}\n<!-- /gas -->{after}"
        DOCUMENT.write_text(text, encoding="utf-8")


def published() -> dict[str, str]:
    """SHA-256 of each contract's interface and code."""
    return {name: contract(name).sha256 for name in CONTRACTS}


def check_growth(size: str, measured: Gas) -> None:
    if "MITHRIDATE_RECORD_GAS" in os.environ:
        record(size, measured)
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))[size]
    assert measured.keys() == recorded.keys(), "a function was added or left out: run `make gas`"
    assert grown(measured, recorded) == {}, "dearer than recorded: mend it, or run `make gas` and say why"
    assert {key: gas for key, gas in measured.items() if gas >= BLOCK_GAS} == {}


def test_no_call_became_dearer(make_world: Callable[..., World]) -> None:
    check_growth(SMALL, small(make_world))


@pytest.mark.slow
def test_no_call_became_dearer_in_a_full_roster(make_world: Callable[..., World]) -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    asked = os.environ.keys() & {"MITHRIDATE_RECORD_GAS", "MITHRIDATE_EXHAUSTIVE"}
    if asked or recorded.get(CODE) != published():
        check_growth(LARGE, large(make_world))


def test_the_guard_tells_growth_from_noise() -> None:
    assert grown({"a": 105, "b": 90}, {"a": 100, "b": 100}) == {}
    assert grown({"a": 106, "b": 90}, {"a": 100, "b": 100}) == {"a": (106, 100)}


def test_every_function_that_changes_state_is_recorded_and_fits_a_block() -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert max(gas for size in (SMALL, LARGE) for gas in recorded[size].values()) < BLOCK_GAS
    inner = {"start", "attested", "released", "withdrawn", "count"}  # called by the study, in its calls' gas
    for name in CONTRACTS:
        changing = [e["name"] for e in contract(name).abi if e.get("stateMutability") == "nonpayable" and "name" in e]
        for function in set(changing) - inner - {"decide"}:
            keys = (f"{name}.{function}", f"Consortium.decide {name}.{function}")
            assert any(key in recorded[SMALL] for key in keys), f"{name}.{function}"


def test_the_documented_table_is_the_record() -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert table(recorded) in DOCUMENT.read_text(encoding="utf-8")
