"""What the ledger alone says of an attempt that is over, in a record's words: the same for every runtime."""

from typing import Any

from mithridate.federation.site import hospital_name
from mithridate.ledger.interface import COMMITTEE_SIZE, AttemptState, Phase
from mithridate.verification.verdict import Rule

STATUS = {Phase.RELEASED: "released", Phase.ROLLED_BACK: "rolled_back", Phase.VOID: "void"}
"""How the record of an attempt that is over calls its phase."""

MAX_VOIDS = 6
"""A round that is void this many times ends the study, in every runtime; the ledger holds the reasons."""


def model_after(state: AttemptState) -> bytes:
    """Hash of the model that is current once an attempt is over."""
    return state.model_hash if state.phase is Phase.RELEASED and state.model_hash else state.base_hash


def outcome(state: AttemptState) -> dict[str, Any]:
    """The fields of a `RoundRecord` that the ledger holds of an attempt that is over."""
    return {
        "round": state.round,
        "attempt": state.attempt,
        "base_hash": state.base_hash.hex(),
        "model_hash": model_after(state).hex(),
        "status": STATUS[state.phase],
        "reason": state.void_reason,
        "submitted": len(state.submissions),
        "verdicts": {hospital_name(index): Rule(code).word for index, code in enumerate(state.verdicts or b"")},
        "attested": sum(attested == state.model_hash for attested in state.attestations.values()),
        "validators": COMMITTEE_SIZE,
    }
