"""All checks that concern a participant, in order, each whatever came of those it does not need."""

from collections.abc import Iterator

from mithridate.errors import MithridateError

# Each import puts its checks into the list, after those of the modules that it imports itself.
from mithridate.operation.preflight import data_checks, kit_checks, ledger_checks, machine_checks, reach_checks  # noqa: F401
from mithridate.operation.preflight.check import Check, Finding, Outcome, checks
from mithridate.operation.site import Site


def examine(site: Site) -> Iterator[Finding]:
    """A line a check, as each ends; nothing is changed, at the participant or elsewhere."""
    passed: set[str] = set()
    for each in checks:
        if site.role is not None and site.role not in each.roles:
            continue
        missing = [name for name in each.needs if name not in passed]
        finding = _not_run(each, missing) if missing else _run(each, site)
        if finding.outcome is Outcome.PASSED:
            passed.add(each.name)
        yield finding


def _run(each: Check, site: Site) -> Finding:
    try:
        return Finding(each.name, Outcome.PASSED, each.run(site))
    except MithridateError as error:
        return Finding(each.name, Outcome.PROBLEM, str(error))
    except Exception as error:
        text = f"{type(error).__name__}: {error}; this should not be, please report it"
        return Finding(each.name, Outcome.PROBLEM, text)


def _not_run(each: Check, missing: list[str]) -> Finding:
    return Finding(each.name, Outcome.NOT_RUN, f"it needs {' and '.join(missing)}")
