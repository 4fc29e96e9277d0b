"""Holds each event that the contracts announced against the rulebook's state after the same transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from mithridate.errors import RuleViolation
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.topics import (
    ACCESS,
    COMMITTEES,
    MODELS,
    NOTICES,
    RANDOMNESS,
    REPUTATION,
    ROSTER,
    ROUNDS,
    VERDICTS,
)
from mithridate.ledger.interface import AccessState, Phase
from mithridate.ledger.reading import Said
from mithridate.ledger.rulebook.book import Rulebook
from mithridate.ledger.words import in_words

Values = Mapping[str, Any]
Holds = Callable[[Rulebook, Values, int], bool]
"""Rulebook, the event's values, the block's date."""

# Places in an attempt's, a draw's and a request's tuple (see the contracts' structs).
PHASE, GENERATION, BASE, DEADLINE, COMMITTEE, COUNT = range(6)
COMMITMENTS, REVEALED, SEED, CLOSING = 7, 8, 9, 10
VERDICT, ATTESTED, MODEL, PASSED, FAILED, VOIDING, REASON = range(12, 19)
WORD = 256


def announced(findings: Findings, book: Rulebook, said: Said, time: int, where: str) -> None:
    """Takes note if an event says something else than the rulebook."""
    found = TABLE.get((said.contract, said.name))
    if found is None:
        return
    topic, holds = found
    try:
        agrees = holds(book, said.values, time)
    except (RuleViolation, IndexError, KeyError):
        agrees = False
    findings.check(topic, agrees, where, f"the contracts announced that {in_words(said)}; the rules give otherwise")


def _attempt(book: Rulebook, v: Values) -> Any:
    return book.read("Study", "attempt_state", v["round_number"], v["attempt"])


def _bit(mask: int, place: int) -> bool:
    return bool(mask >> place & 1)


def _in_attempt(holds: Callable[[Any, Values], bool]) -> Holds:
    return lambda book, v, time: holds(_attempt(book, v), v)


def _opened(a: Any, v: Values) -> bool:
    told = (v["base"], v["deadline"], v["generation"], v["committee"])
    return (a[BASE], a[DEADLINE], a[GENERATION], list(a[COMMITTEE])) == told


def _submitted(book: Rulebook, v: Values, time: int) -> bool:
    page = book.read("Study", "digest_page", v["round_number"], v["attempt"], v["hospital"])
    return bool(page[0] == v["digest"])


def _suspended(book: Rulebook, v: Values, time: int) -> bool:
    return _bit(book.read("Study", "suspended_word", v["hospital"] // WORD), v["hospital"] % WORD)


def _released(book: Rulebook, v: Values, time: int) -> bool:
    return bool(_attempt(book, v)[PHASE] == Phase.RELEASED and _models(book)[1] == v["model"])


def _rolled_back(book: Rulebook, v: Values, time: int) -> bool:
    return bool(_attempt(book, v)[PHASE] == Phase.ROLLED_BACK and _models(book) == (v["stable"], v["stable"]))


def _models(book: Rulebook) -> tuple[bytes, bytes]:
    return book.read("Models", "current_model"), book.read("Models", "stable_model")


def _counted(book: Rulebook, v: Values, time: int) -> bool:
    number = book.read("Study", "latest_round")
    last = book.read("Study", "attempt_state", number, book.read("Study", "attempt_count", number) - 1)
    return bool(last[VERDICT] == v["verdicts"])


def _hospital(book: Rulebook, v: Values, time: int) -> bool:
    account, _, records = book.read("Study", "hospital_page", v["index"])[0]
    return bool((account, records) == (v["account"], v["records"]))


def _begun(book: Rulebook, v: Values, time: int) -> bool:
    told = v["initial_model"], v["reference"]
    return bool((book.read("Models", "initial_model"), book.read("Study", "reference")) == told)


def _statement(kind: int) -> Holds:
    def holds(book: Rulebook, v: Values, time: int) -> bool:
        said = book.read("Models", "statement", v["model"], v["auditor"])
        return bool(said == ((kind, v["report"], time) if kind else said) and said[0] == kind)

    return holds


def _draw(holds: Callable[[Any, Values], bool]) -> Holds:
    return lambda book, v, time: holds(book.read("Committees", "draw", v["number"]), v)


def _request(holds: Callable[[Any, Values], bool]) -> Holds:
    return lambda book, v, time: holds(book.read("Access", "access_request", v["handle"]), v)


def _in_state(state: AccessState) -> Holds:
    return _request(lambda r, v: r[0] == state)


def _keys(book: Rulebook, v: Values, time: int) -> bool:
    told = (v["signing_key"], v["envelope_key"], time)
    return bool(book.read("Consortium", "current_keys", v["account"]) == told)


def _complained(book: Rulebook, v: Values, time: int) -> bool:
    place = (v["round_number"], v["attempt"], v["hospital"])
    return bool(book.read("Notices", "complaint", *place) == (*place, time, v["reason"].encode()))


def _refusal(book: Rulebook, v: Values) -> tuple[int, bytes]:
    at, reason = book.read("Notices", "refusal", v["hospital"])
    return at, reason


TABLE: Mapping[tuple[str, str], tuple[str, Holds]] = {
    ("Consortium", "Enrolled"): (
        ROSTER,
        lambda b, v, t: b.read("Consortium", "entry_page", v["role"], v["index"])[0][0] == v["account"],
    ),
    ("Consortium", "KeysRegistered"): (ROSTER, _keys),
    ("Consortium", "ThresholdSet"): (ROSTER, lambda b, v, t: b.read("Consortium", "threshold") == v["threshold"]),
    ("Models", "ModelAttested"): (MODELS, lambda b, v, t: _models(b)[0] == v["model"]),
    ("Models", "ModelReleased"): (MODELS, lambda b, v, t: _models(b) == (v["model"], v["model"])),
    ("Models", "ModelWithdrawn"): (MODELS, lambda b, v, t: _models(b)[0] == v["current"]),
    ("Models", "RolledBackTo"): (MODELS, lambda b, v, t: _models(b) == (v["model"], v["model"])),
    ("Models", "Certified"): (MODELS, _statement(1)),
    ("Models", "FindingFiled"): (MODELS, _statement(2)),
    ("Models", "StatementWithdrawn"): (MODELS, _statement(0)),
    ("Models", "StatementStruck"): (MODELS, _statement(0)),
    ("Reputation", "Counted"): (REPUTATION, _counted),
    ("Committees", "DrawOpened"): (
        COMMITTEES,
        _draw(lambda d, v: d[:2] == (v["commit_deadline"], v["reveal_deadline"])),
    ),
    ("Committees", "DrawCommitted"): (COMMITTEES, _draw(lambda d, v: d[2][v["rank"]] == v["commitment"])),
    ("Committees", "DrawRevealed"): (COMMITTEES, _draw(lambda d, v: _bit(d[4], v["rank"]))),
    ("Committees", "CommitteeDrawn"): (
        COMMITTEES,
        _draw(lambda d, v: d[7] and (d[5], list(d[8])) == (v["seed"], v["committee"])),
    ),
    ("Committees", "DrawFailed"): (COMMITTEES, _draw(lambda d, v: d[6] and not d[7])),
    ("Committees", "Withheld"): (COMMITTEES, lambda b, v, t: b.read("Committees", "withheld", v["validator"]) > 0),
    ("Access", "Requested"): (
        ACCESS,
        _request(lambda r, v: list(r[1:5]) == [v["physician"], v["custodian"], v["purpose"], v["expiry"]]),
    ),
    ("Access", "Admitted"): (ACCESS, _request(lambda r, v: (list(r[5]), r[6]) == (v["panel"], v["threshold"]))),
    ("Access", "Granted"): (ACCESS, _in_state(AccessState.GRANTED)),
    ("Access", "Denied"): (ACCESS, _in_state(AccessState.REFUSED)),
    ("Access", "AccessWithdrawn"): (ACCESS, _in_state(AccessState.WITHDRAWN)),
    ("Access", "Opened"): (ACCESS, _request(lambda r, v: (r[1], r[9]) == (v["physician"], v["opening"]))),
    ("Notices", "Complained"): (NOTICES, _complained),
    ("Notices", "StudyRefused"): (NOTICES, lambda b, v, t: _refusal(b, v) == (t, v["reason"].encode())),
    ("Notices", "RefusalWithdrawn"): (NOTICES, lambda b, v, t: _refusal(b, v) == (0, b"")),
    ("Study", "Admitted"): (ROSTER, _hospital),
    ("Study", "Begun"): (MODELS, _begun),
    ("Study", "RoundOpened"): (ROUNDS, _in_attempt(_opened)),
    ("Study", "RandomnessCommitted"): (
        RANDOMNESS,
        _in_attempt(lambda a, v: a[COMMITMENTS][v["rank"]] == v["commitment"]),
    ),
    ("Study", "Submitted"): (ROUNDS, _submitted),
    ("Study", "CloseVoted"): (ROUNDS, _in_attempt(lambda a, v: _bit(a[CLOSING], v["rank"]))),
    ("Study", "SubmissionsClosed"): (ROUNDS, _in_attempt(lambda a, v: a[COUNT] == v["submissions"])),
    ("Study", "RandomnessRevealed"): (RANDOMNESS, _in_attempt(lambda a, v: _bit(a[REVEALED], v["rank"]))),
    ("Study", "Drawn"): (RANDOMNESS, _in_attempt(lambda a, v: (a[PHASE], a[SEED]) == (Phase.DRAWN, v["seed"]))),
    ("Study", "Bound"): (
        VERDICTS,
        _in_attempt(lambda a, v: a[VERDICT] == v["verdicts"] and v["verdicts"].count(0) == v["accepted"]),
    ),
    ("Study", "Suspended"): (VERDICTS, _suspended),
    ("Study", "ModelAttested"): (MODELS, _in_attempt(lambda a, v: a[ATTESTED][v["rank"]] == v["model"])),
    ("Study", "Finalised"): (MODELS, _in_attempt(lambda a, v: a[MODEL] == v["model"])),
    ("Study", "ReleaseVoted"): (
        MODELS,
        _in_attempt(lambda a, v: _bit(a[PASSED if v["passed"] else FAILED], v["rank"])),
    ),
    ("Study", "Released"): (MODELS, _released),
    ("Study", "RolledBack"): (MODELS, _rolled_back),
    ("Study", "Voided"): (
        ROUNDS,
        _in_attempt(lambda a, v: (a[PHASE], a[REASON]) == (Phase.VOID, v["reason"].encode())),
    ),
}
"""Contract and event: the topic, and whether the rulebook's state agrees with what it says."""
