"""Asks the chain and the rulebook the same questions at the end, all that a ledger can tell, and compares."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from operator import methodcaller
from typing import Any

from mithridate.errors import RuleViolation
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.topics import ACCESS, COMMITTEES, MODELS, NOTICES, REPUTATION, ROSTER, ROUNDS
from mithridate.ledger.interface import Ledger, Role

Question = tuple[str, str, Callable[[Ledger], Any]]
"""Topic, what is asked in words, and how to ask it."""
MAX_SHOWN = 80


def compare(findings: Findings, chain: Ledger, rules: Ledger, seen: "Seen") -> None:
    """Takes note of every question that the two answer differently."""
    for topic, where, ask in _questions(chain, rules, seen):
        told, derived = _answer(ask, chain), _answer(ask, rules)
        findings.check(topic, told == derived, where, _difference(told, derived))


class Seen:
    """What appeared on the chain and can be asked about."""

    def __init__(self) -> None:
        self.models: dict[bytes, None] = {}
        self.statements: dict[tuple[bytes, str], None] = {}
        self.handles: dict[bytes, None] = {}
        self.complaints: dict[tuple[int, int, int], None] = {}
        self.refusing: dict[int, None] = {}

    def note(self, values: Iterable[tuple[str, Any]], name: str) -> None:
        """Takes note of what an event names."""
        given = dict(values)
        for key in ("model", "initial_model", "base", "stable", "current"):
            if isinstance(given.get(key), bytes):
                self.models[given[key]] = None
        if "auditor" in given:
            self.statements[given["model"], given["auditor"]] = None
        if "handle" in given:
            self.handles[given["handle"]] = None
        if name == "Complained":
            self.complaints[given["round_number"], given["attempt"], given["hospital"]] = None
        if name == "StudyRefused":
            self.refusing[given["hospital"]] = None


def _questions(chain: Ledger, rules: Ledger, seen: Seen) -> Iterator[Question]:
    yield from _of_the_roster()
    yield from _of_models(seen)
    yield REPUTATION, "track records", methodcaller("track_records")
    yield from _of_rounds(chain, rules)
    yield from _of_draws(chain, rules)
    for handle in seen.handles:
        yield ACCESS, f"request {handle.hex()[:16]}", methodcaller("access_request", handle)
    yield from _of_notices(seen)


def _of_the_roster() -> Iterator[Question]:
    for role in Role:
        yield ROSTER, f"members, {role.name.lower()}", methodcaller("members", role)
    yield ROSTER, "administrators' threshold", methodcaller("threshold")
    yield ROSTER, "hospitals of the study", methodcaller("hospitals")
    yield ROSTER, "validators of the study", methodcaller("validators")
    yield ROSTER, "suspended hospitals", methodcaller("suspended")
    yield ROSTER, "whether the study has begun", methodcaller("begun")
    yield ROSTER, "configuration hash", methodcaller("configuration")
    yield ROSTER, "reference set's hash", methodcaller("reference_hash")
    yield ROSTER, "study's identifier", methodcaller("study_id")


def _of_models(seen: Seen) -> Iterator[Question]:
    yield MODELS, "initial model", methodcaller("initial_model")
    yield MODELS, "current model", methodcaller("current_model")
    yield MODELS, "stable model", methodcaller("stable_model")
    yield MODELS, "released models that stand", methodcaller("released_models")
    yield MODELS, "whether a certificate is required", methodcaller("requires_certificate")
    for model in seen.models:
        name = f"model {model.hex()[:16]}"
        yield MODELS, f"{name}, state", methodcaller("model_record", model)
        yield MODELS, f"{name}, whether it may be trained on", methodcaller("may_train", model)
        yield MODELS, f"{name}, whether it may be deployed", methodcaller("may_deploy", model)
    for model, auditor in seen.statements:
        name = f"statement of {auditor} on model {model.hex()[:16]}"
        yield MODELS, name, methodcaller("statement", model, auditor)


def _of_rounds(chain: Ledger, rules: Ledger) -> Iterator[Question]:
    yield ROUNDS, "last attempt", methodcaller("latest")
    last = max((state.round for ledger in (chain, rules) if (state := ledger.latest())), default=0)
    for number in range(1, last + 1):
        yield ROUNDS, f"round {number}, number of attempts", methodcaller("attempts", number)
        for attempt in range(max(chain.attempts(number), rules.attempts(number))):
            name = f"round {number}, attempt {attempt}"
            yield ROUNDS, name, methodcaller("attempt", number, attempt)


def _of_draws(chain: Ledger, rules: Ledger) -> Iterator[Question]:
    yield COMMITTEES, "number of draws", methodcaller("draws")
    for number in range(1, max(chain.draws(), rules.draws()) + 1):
        yield COMMITTEES, f"draw {number}", methodcaller("draw", number)
    for validator in chain.validators():
        name = f"draws in which {validator.address} withheld"
        yield COMMITTEES, name, methodcaller("withheld", validator.address)


def _of_notices(seen: Seen) -> Iterator[Question]:
    yield NOTICES, "number of complaints", methodcaller("complaint_count")
    yield NOTICES, "complaints", methodcaller("complaints")
    yield NOTICES, "number of refusals", methodcaller("refusal_count")
    yield NOTICES, "refusals", methodcaller("refusals")
    for number, attempt, hospital in seen.complaints:
        name = f"complaint of hospital-{hospital}, round {number}, attempt {attempt}"
        yield NOTICES, name, methodcaller("complaint", number, attempt, hospital)
    for hospital in seen.refusing:
        yield NOTICES, f"refusal of hospital-{hospital}", methodcaller("refusal", hospital)


def _answer(ask: Callable[[Ledger], Any], ledger: Ledger) -> Any:
    try:
        return ask(ledger)
    except RuleViolation as error:
        return f"refused: {error.reason}"


def _difference(told: Any, derived: Any) -> str:
    if is_dataclass(told) and type(told) is type(derived):
        pairs = [(f.name, getattr(told, f.name), getattr(derived, f.name)) for f in fields(told)]
        differing = [f"{name} {_short(a)} where the rules give {_short(b)}" for name, a, b in pairs if a != b]
        return "the chain says " + "; ".join(differing)
    return f"the chain says {_short(told)}, the rules give {_short(derived)}"


def _short(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
