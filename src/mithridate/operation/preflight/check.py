"""What a check is, and the one list of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mithridate.operation.site import Site
from mithridate.provisioning.consortium import Role


class Outcome(StrEnum):
    """What came of a check."""

    PASSED = "PASSED"
    PROBLEM = "PROBLEM"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        check: its name.
        outcome: what came of it.
        text: what was found; of a problem, what is wrong and how to mend it.
    """

    check: str
    outcome: Outcome
    text: str


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: in words.
        run: returns what it found; raises a MithridateError that says what is wrong and how to mend it.
        needs: names of checks without which it cannot run.
        roles: whom it concerns.
    """

    name: str
    run: Callable[[Site], str]
    needs: tuple[str, ...] = ()
    roles: tuple[Role, ...] = tuple(Role)


checks: list[Check] = []
"""In the order in which they run; a check needs earlier ones only."""


def check(
    name: str, *, needs: tuple[str, ...] = (), roles: tuple[Role, ...] = tuple(Role)
) -> Callable[[Callable[[Site], str]], Callable[[Site], str]]:
    """Decorator that puts a function into the list; see `Check`."""

    def add(run: Callable[[Site], str]) -> Callable[[Site], str]:
        known = {other.name for other in checks}
        if name in known or not known.issuperset(needs):
            raise ValueError(f"the check {name!r} exists already, or needs one that comes after it")
        checks.append(Check(name, run, needs, roles))
        return run

    return add
