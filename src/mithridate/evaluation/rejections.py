"""Who was rejected, and whether rightly: counted from a run's records and the attacks that its study names."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mithridate.evaluation.records import RoundRecord


def attacks_of(study: Mapping[str, Any]) -> dict[str, str]:
    """Hospital -> the attacks it runs, joined by commas, from a study as resolved; hospitals by number."""
    named: dict[int, list[str]] = {}
    for attack in study.get("attacks") or ():
        for index in attack.get("hospitals", ()):
            named.setdefault(int(index), []).append(str(attack["name"]))
    return {f"hospital-{index}": ", ".join(named[index]) for index in sorted(named)}


def rejection_shares(records: Sequence[RoundRecord]) -> dict[str, float]:
    """Hospital -> share of its verdicts that are rejections, 0 to 1; where it was absent nothing was judged."""
    judged: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for record in records:
        judged.update(hospital for hospital, word in record.verdicts.items() if word != "absent")
        rejected.update(record.rejected.keys())
    return {hospital: rejected[hospital] / judged[hospital] for hospital in judged}


def mostly_rejected(records: Sequence[RoundRecord]) -> dict[str, str]:
    """Hospital -> the rule that rejected it most often, for hospitals rejected in more than half of their verdicts."""
    rules: dict[str, Counter[str]] = {}
    for record in records:
        for hospital, word in record.rejected.items():
            rules.setdefault(hospital, Counter())[word] += 1
    shares = rejection_shares(records)
    return {hospital: rules[hospital].most_common(1)[0][0] for hospital in shares if shares[hospital] > 0.5}


def honest_rejections(records: Sequence[RoundRecord], attackers: Collection[str]) -> float:
    """Share of the verdicts on honest hospitals that are rejections, 0 to 1; 0 where there is no such verdict."""
    words = [
        word
        for record in records
        for hospital, word in record.verdicts.items()
        if hospital not in attackers and word != "absent"
    ]
    return sum(word != "accepted" for word in words) / len(words) if words else 0.0
