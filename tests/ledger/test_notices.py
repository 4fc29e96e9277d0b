"""Complaints and refusals as a party of the study writes and reads them."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.errors import LedgerError, RuleViolation
from mithridate.ledger.calls.records import complaint_of, refusal_of
from mithridate.ledger.interface import Complaint, Refusal
from mithridate.ledger.rules import SENTENCES

Scene = Any
Call = Callable[[Scene], Any]


def test_what_a_hospital_says_is_read_by_everybody(scene: Scene, clock: Any) -> None:
    scene.to("begun").attempt_to("released")
    scene.hospitals[3].complain(1, 0, "verdict of another message")
    scene.hospitals[2].refuse_study("epsilon above 3")
    view, made = scene.stranger, clock.seconds
    complaint = Complaint(1, 0, 3, made, "verdict of another message")
    assert view.complaints() == [complaint]
    assert (view.complaint(1, 0, 3), view.complaint(1, 0, 0), view.complaint(1, 1, 3)) == (complaint, None, None)
    assert view.refusals() == [Refusal(2, made, "epsilon above 3")]
    assert (view.refusal(2), view.refusal(0), view.refusal(99)) == (Refusal(2, made, "epsilon above 3"), None, None)
    assert (view.complaint_count(), view.refusal_count()) == (1, 1)
    scene.hospitals[2].withdraw_refusal("policy of November")
    assert (view.refusal(2), view.refusals(), view.refusal_count()) == (None, [], 0)


def test_statements_outlive_the_process(scene: Scene) -> None:
    scene.to("begun").attempt_to("submitted")
    scene.hospitals[0].complain(1, 0, "late")
    scene.hospitals[2].refuse_study("validator-1")
    before = scene.stranger.complaints(), scene.stranger.refusals()
    scene.reopen()
    assert (scene.stranger.complaints(), scene.stranger.refusals()) == before != ([], [])


@pytest.mark.parametrize(
    ("reason", "call"),
    [
        ("nothing submitted", lambda s: s.hospitals[2].complain(1, 0, "lost")),
        ("no such attempt", lambda s: s.hospitals[0].complain(1, 1, "lost")),
        ("only an enrolled hospital", lambda s: s.coordinator.complain(1, 0, "lost")),
        ("no reason given", lambda s: s.hospitals[0].complain(1, 0, "")),
        ("only an enrolled hospital", lambda s: s.auditor.refuse_study("policy")),
        ("no reason given", lambda s: s.hospitals[0].refuse_study("")),
        ("nothing to withdraw", lambda s: s.hospitals[0].withdraw_refusal("policy")),
    ],
)
def test_a_statement_that_breaks_a_rule_is_refused(at: Any, reason: str, call: Call) -> None:
    with pytest.raises(RuleViolation) as refusal:
        call(at("submitted"))
    assert (refusal.value.reason, str(refusal.value)) == (reason, SENTENCES[reason])


@pytest.mark.parametrize("reason", ["x" * 65, "caf\u00e9", "two\nlines", "\x1b[31m"])
@pytest.mark.parametrize(
    "call",
    [
        lambda s, reason: s.hospitals[0].complain(1, 0, reason),
        lambda s, reason: s.hospitals[0].refuse_study(reason),
        lambda s, reason: s.hospitals[0].withdraw_refusal(reason),
    ],
)
def test_a_reason_that_is_not_short_and_printable_never_reaches_the_ledger(
    at: Any, call: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(LedgerError, match="at most 64 printable ASCII") as refusal:
        call(at("submitted"), reason)
    assert not isinstance(refusal.value, RuleViolation)


def test_what_another_client_wrote_is_shown_printable() -> None:
    complaint, refused = complaint_of((1, 0, 2, 9, b"\x1b[2Jgone")), refusal_of(2, (9, b"caf\xc3\xa9"))
    assert (complaint, refused) == (Complaint(1, 0, 2, 9, "?[2Jgone"), Refusal(2, 9, "caf??"))
