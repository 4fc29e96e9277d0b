"""What a calibration came to, as tables, JSON and a section of a study file."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from mithridate.evaluation.calibration.check import Outcome, accuracy, attackers_suspended, honest_suspended
from mithridate.evaluation.calibration.choice import CHECKS, ROUNDS_LOST, Caught, Point
from mithridate.evaluation.calibration.procedure import Calibration
from mithridate.evaluation.calibration.studies import ATTACKS, SHARE
from mithridate.evaluation.calibration.thresholds import CALIBRATED, EVIDENCE
from mithridate.evaluation.detection.cells import NO_ATTACK
from mithridate.evaluation.detection.intervals import Estimate

Json = dict[str, Any]


def basis(found: Calibration, setting: str) -> str:
    """What a calibrated value rests on, in a line."""
    if setting in found.gates:
        caught = found.gates[setting][1]
        reason = "of the caps the best" if setting == "margin_cap" else "in some round it flags"
        return f"{reason}: {_told(caught)}{_short(caught.worst <= found.error / CHECKS)}"
    if setting == "quarantine":
        lost = max(found.lost.values())
        return f"{lost:.1%} of honest rounds lost{_short(lost <= ROUNDS_LOST)}; {ROUNDS_LOST:.0%} allowed"
    if setting == "curator_weight":
        return "accuracy " + ", ".join(f"{reached:.1%} at {weight:g}" for weight, reached in found.weights.items())
    return f"suspended, all of the evidence's together: {_told(found.chosen.caught)}{_short(_allowed(found))}"


def threshold_table(found: Calibration) -> Table:
    """Each threshold: as in the code, as calibrated, and why."""
    table = Table("setting", "default", "calibrated", "basis", title="thresholds")
    for name in CALIBRATED:
        default, chosen = (getattr(point.settings, name) for point in (found.default, found.chosen))
        table.add_row(name, f"{default:g}", f"{chosen:g}", basis(found, name))
    return table


def check_table(found: Calibration) -> Table:
    """Fresh studies under the code's settings and under the calibrated ones, by dataset and partition."""
    columns = ("dataset", "partition", "settings", "honest suspended", "harmful attackers suspended", "accuracy")
    table = Table(*columns, title="checked on fresh seeds")
    for row in checked(found):
        shares = (_interval(row[name]) for name in ("honest_suspended", "harmful_attackers_suspended"))
        table.add_row(row["dataset"], row["partition"], row["settings"], *shares, f"{row['accuracy']:.1%}")
    return table


def answer(found: Calibration) -> Json:
    """Everything, for JSON: thresholds, what they rest on, the trade-off, the check, and the studies used."""
    return {
        "honest_error": found.error,
        "allowed": _allowed(found),
        "studies": _studies(found),
        "thresholds": [
            {
                "setting": name,
                "default": getattr(found.default.settings, name),
                "calibrated": getattr(found.chosen.settings, name),
                "basis": basis(found, name),
            }
            for name in CALIBRATED
        ],
        "flagged_by_gate": {name: {"value": value, **_caught(caught)} for name, (value, caught) in found.gates.items()},
        "replayed": {"default": _caught(found.default.caught), "calibrated": _caught(found.chosen.caught)},
        "frontier": [{**_evidence(point), **_caught(point.caught)} for point in frontier(found.grid)],
        "checked": checked(found),
    }


def toml(found: Calibration) -> str:
    """A [defence] section for a study file."""
    settings = found.chosen.settings
    names = sorted({plan.dataset for plan in found.plans})
    seeds = [[seed for plan in found.plans if plan.dataset == name for seed in plan.seeds] for name in names]
    ranges = ", ".join(f"{name} (seeds {min(some)} to {max(some)})" for name, some in zip(names, seeds, strict=True))
    lines = [f"{name} = {getattr(settings, name)!r}" for name in CALIBRATED]
    return "\n".join([f"# Calibrated on {ranges}.", "[defence]", *lines, ""])


def frontier(grid: tuple[Point, ...]) -> list[Point]:
    """The settings that no other beats, by rising share of honest hospitals suspended."""
    best: list[Point] = []
    for point in sorted(grid, key=lambda each: (each.caught.everywhere.value, -each.caught.mean)):
        if not best or point.caught.mean > best[-1].caught.mean + 1e-9:
            best.append(point)
    return best


def checked(found: Calibration) -> list[Json]:
    """Rows of the check: for each dataset each partition, then all of them."""
    return [row for name, outcomes in found.checked.items() for row in _rows(found, name, outcomes)]


def _rows(found: Calibration, settings: str, outcomes: list[Outcome]) -> Iterator[Json]:
    keys = sorted({(each.cell.dataset, each.cell.partition) for each in outcomes})
    for dataset in sorted({dataset for dataset, _ in keys}):
        for partition in (*(own for name, own in keys if name == dataset), "all"):
            some = [
                each for each in outcomes if each.cell.dataset == dataset and partition in (each.cell.partition, "all")
            ]
            yield {
                "dataset": dataset,
                "partition": partition,
                "settings": settings,
                "honest_suspended": _share(honest_suspended(some)),
                "harmful_attackers_suspended": _share(attackers_suspended(some, found.harms)),
                "accuracy": accuracy(some),
                "accuracy_without_attack": accuracy([each for each in some if each.cell.attack == NO_ATTACK]),
            }


def _studies(found: Calibration) -> Json:
    return {
        "recorded": sum(len(recording.cells) for recording in found.recordings),
        "checked": {name: len(outcomes) for name, outcomes in found.checked.items()},
        "share_malicious": SHARE,
        "harmful": sorted(" ".join(map(str, study)) for study in found.harms),
        "plans": [
            {
                "dataset": plan.dataset,
                "seeds": list(plan.seeds),
                "fresh_seeds": list(plan.fresh),
                "hospitals": list(plan.hospitals),
                "partitions": list(plan.partitions),
                "attacks": [label for label in ATTACKS if label in plan.attacks],
            }
            for plan in found.plans
        ],
    }


def _allowed(found: Calibration) -> bool:
    return found.chosen.caught.allowed(found.error)


def _short(reached: bool) -> str:
    return "" if reached else " (NOT within what is allowed: the least there is)"


def _evidence(point: Point) -> Json:
    return {name: getattr(point.settings, name) for name in (*EVIDENCE, "quarantine", "suspension")}


def _caught(caught: Caught) -> Json:
    return {
        "honest": {name: _share(share) for name, share in caught.honest.items()},
        "honest_everywhere": _share(caught.everywhere),
        "harmful_attackers": {name: _share(share) for name, share in caught.harmful.items()},
    }


def _share(share: Estimate) -> Json | None:
    return {"share": share.value, "low": share.low, "high": share.high, "count": share.count} if share.known else None


def _interval(share: Json | None) -> str:
    return f"{share['share']:.1%} [{share['low']:.1%}, {share['high']:.1%}] of {share['count']}" if share else "–"


def _told(caught: Caught) -> str:
    honest = _interval(_share(caught.everywhere))
    attackers = ", ".join(f"{share.value:.0%} of {share.count} {name}" for name, share in caught.harmful.items())
    return f"{honest} honest; harmful attackers {attackers or 'none'}"
