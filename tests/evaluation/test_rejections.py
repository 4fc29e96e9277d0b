import pytest

from mithridate.evaluation.records import RoundRecord
from mithridate.evaluation.rejections import attacks_of, honest_rejections, mostly_rejected, rejection_shares


def rounds(*verdicts: dict[str, str]) -> list[RoundRecord]:
    return [RoundRecord(round=number, status="void", verdicts=words) for number, words in enumerate(verdicts, start=1)]


HISTORY = rounds(
    {"hospital-0": "accepted", "hospital-1": "norm", "hospital-2": "absent", "hospital-3": "similarity"},
    {"hospital-0": "accepted", "hospital-1": "similarity", "hospital-2": "accepted", "hospital-3": "accepted"},
    {"hospital-0": "norm", "hospital-1": "norm", "hospital-2": "absent", "hospital-3": "accepted"},
    {"hospital-0": "accepted", "hospital-1": "accepted", "hospital-2": "absent", "hospital-3": "norm"},
)


def test_attackers_come_by_number_with_all_their_attacks() -> None:
    attacks = [{"name": "label_flip", "hospitals": [10, 2]}, {"name": "scaling", "hospitals": [2]}]
    found = attacks_of({"attacks": attacks})
    assert list(found.items()) == [("hospital-2", "label_flip, scaling"), ("hospital-10", "label_flip")]
    assert attacks_of({}) == attacks_of({"attacks": []}) == {}


def test_an_absence_is_not_judged() -> None:
    assert rejection_shares(HISTORY) == {"hospital-0": 0.25, "hospital-1": 0.75, "hospital-2": 0.0, "hospital-3": 0.5}


def test_most_means_more_than_half_and_names_the_most_frequent_rule() -> None:
    assert mostly_rejected(HISTORY) == {"hospital-1": "norm"}


def test_honest_rejections_leave_out_attackers_and_absences() -> None:
    assert honest_rejections(HISTORY, {"hospital-1", "hospital-3"}) == pytest.approx(1 / 5)
    assert honest_rejections(HISTORY, ()) == pytest.approx(6 / 13)
    assert honest_rejections([], ()) == 0.0
