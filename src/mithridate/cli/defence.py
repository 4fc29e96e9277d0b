"""`mithridate defence list`: the detectors of the cascade, and the aggregation rules."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import typer

from mithridate.cli.catalogue import Row, cited, headline, module_text, print_catalogue
from mithridate.cli.options import Debug, Json
from mithridate.cli.output import print_json, stdout_held

NOTE = (
    "A detector is one of a study's defence.detectors. A rule, for f of n hospitals malicious, or a weighting is its "
    "aggregation.name, on shares in a secure run and in the clear in a plain one; fedavg is weighted_mean there."
)

app = typer.Typer(help="The detectors and aggregation rules that poison is met with.", no_args_is_help=True)


@app.command("list")
def list_defences(json: Json = False, debug: Debug = False) -> None:
    """List the defences: kind, the condition on n updates with f malicious ones, meaning and source."""
    with stdout_held():
        answer = described_defences()
    if json:
        print_json({"defences": answer})
        return
    rows = [
        Row(each["name"], each["kind"], each["condition"] or "–", each["meaning"], each["source"]) for each in answer
    ]
    print_catalogue("defence", "condition", rows, NOTE)


def described_defences() -> list[dict[str, Any]]:
    """Detectors in the cascade's order, then rules by name, then weightings: `name`, `kind`, `condition`, `meaning`,
    `source` and `aggregation`, the aggregation.name by which a study has it on shares.

    `condition` is null where the defence declares none, `aggregation` for detectors.
    """
    return [*_detectors(), *_rules(), _reputation()]


def _detectors() -> list[dict[str, Any]]:
    from mithridate.verification import inference, update_detectors
    from mithridate.verification.settings import INFERENCE, DefenceSettings

    described = {name: _rejects(update_detectors.get(name).flags) for name in update_detectors}
    # Encrypted inference looks at models, not at statistics of updates: it has no place in the registry.
    text = inspect.getdoc(inference) or ""
    described[INFERENCE] = (headline(text), cited(text))
    order = dict.fromkeys((*DefenceSettings().detectors, *described))
    return [_described(name, "detector", None, *described[name]) for name in order]


def _rejects(flags: Callable[..., Any]) -> tuple[str, str]:
    """What a detector rejects, and the source in its file; a docstring "`name`." stands for that of `name`."""
    text = inspect.getdoc(flags) or ""
    other = getattr(sys.modules[flags.__module__], text.strip("`."), None)
    meaning = headline(text if other is None else inspect.getdoc(other) or text)
    return f"Rejects {meaning[:1].lower()}{meaning[1:]}", cited(module_text(flags))


def _rules() -> list[dict[str, Any]]:
    from mithridate.aggregation import robust_rules
    from mithridate.aggregation.settings import FEDAVG, WEIGHTED_MEAN

    # Conditions hold for every f, so that any f gives their text.
    rules = [(name, robust_rules.get(name)(malicious=0)) for name in robust_rules]
    in_studies = {FEDAVG: WEIGHTED_MEAN}
    return [
        _described(
            name,
            "rule",
            getattr(rule, "condition", None),
            headline(module_text(rule)),
            rule.source,
            in_studies.get(name, name),
        )
        for name, rule in rules
    ]


def _reputation() -> dict[str, Any]:
    from mithridate.aggregation import reputation
    from mithridate.aggregation.settings import REPUTATION

    text = inspect.getdoc(reputation) or ""
    return _described(REPUTATION, "weighting", None, headline(text), cited(text), REPUTATION)


def _described(
    name: str, kind: str, condition: object, meaning: str, source: str, aggregation: str | None = None
) -> dict[str, Any]:
    shown = None if condition is None else str(condition)
    return {
        "name": name,
        "kind": kind,
        "condition": shown,
        "meaning": meaning,
        "source": source,
        "aggregation": aggregation,
    }
