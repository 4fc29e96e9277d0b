"""What the ledger says of the hospitals' earlier updates, for weights that all validators compute alike."""

from mithridate.aggregation.registry import TrackRecord
from mithridate.ledger.interface import Ledger, Phase
from mithridate.ledger.verify import attempts
from mithridate.verification.verdict import Rule

_FIRST_OF_VERIFICATION = Rule.RANGE


def track_records(ledger: Ledger, round_number: int, hospitals: int) -> list[TrackRecord]:
    """One a hospital, from the rounds before `round_number` that came to a model.

    Absence, and messages that could not be read, count neither way: their cause may lie elsewhere.
    """
    accepted, rejected = [0] * hospitals, [0] * hospitals
    for state in attempts(ledger):
        if state.round >= round_number or state.phase not in (Phase.RELEASED, Phase.ROLLED_BACK):
            continue
        for hospital, code in enumerate(state.verdicts or b""):
            accepted[hospital] += code == Rule.ACCEPTED
            rejected[hospital] += code >= _FIRST_OF_VERIFICATION
    return [TrackRecord(good, bad) for good, bad in zip(accepted, rejected, strict=True)]
