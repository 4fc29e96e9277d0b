"""Listed attacks and defences: an attack of this file has values in [0, 1].

Source: A. Tester, "On lists", 2026, section [b].
"""

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import Field

from mithridate.aggregation import aggregators, robust_rules
from mithridate.aggregation.secure import secure_rules
from mithridate.aggregation.settings import names
from mithridate.attacks import Attack, attacks, parse_attack, source_of
from mithridate.attacks.base import Update
from mithridate.cli.catalogue import cited, headline
from mithridate.verification import update_detectors
from mithridate.verification.registry import UpdateDetector
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

Command = Callable[..., int]
Listed = Callable[..., dict[str, dict[str, Any]]]

KINDS = {
    "adaptive": {"adaptive"},
    "backdoor": {"badnets", "constrain_and_scale", "dba", "edge_case", "neurotoxin"},
    "data": {"feature_noise", "label_flip"},
    "free rider": {"free_rider"},
    "sybil": {"sybil"},
}
"""All others are attacks on the model."""


class Shift(Attack):
    """g + c."""

    name: Literal["shift"] = "shift"
    amount: float = Field(default=0.5, ge=0, le=1)
    """c."""
    away: int | None = None
    """From which class."""

    def poison_update(self, update: Update, rng: np.random.Generator) -> Update:
        return update + self.amount


def flags(statistics: Any, settings: Any) -> Any:
    """`judged`."""


def judged() -> None:
    """Updates of more than [1, 2]
    kinds.

    And no others.
    """


@pytest.fixture
def listed(mithridate: Command, capsys: pytest.CaptureFixture[str]) -> Listed:
    def named(what: str) -> dict[str, dict[str, Any]]:
        assert mithridate(what, "list", "--json") == 0
        (entries,) = json.loads(capsys.readouterr().out).values()
        return {entry["name"]: entry for entry in entries}

    return named


def test_every_attack_is_listed_with_its_kind_and_source(listed: Listed) -> None:
    entries = listed("attack")
    assert list(entries) == list(attacks)
    kinds = {name: kind for kind, names in KINDS.items() for name in names}
    assert {name: entry["kind"] for name, entry in entries.items()} == {
        name: kinds.get(name, "model") for name in attacks
    }
    assert all(entry["source"] == source_of(name) for name, entry in entries.items())
    assert all(re.fullmatch(r".{10,}[.?]", entry["meaning"]) for entry in entries.values())


@pytest.mark.parametrize("name", ["alie", "badnets", "label_flip", "mpaf", "sybil"])
def test_the_listed_defaults_are_those_of_an_entry_without_parameters(name: str, listed: Listed) -> None:
    bare = {"name": name, "hospitals": [0]}
    parameters = {each["name"]: each["default"] for each in listed("attack")[name]["parameters"]}
    assert parameters
    assert parse_attack({**bare, **parameters}) == parse_attack(bare)
    assert parse_attack(bare).model_dump(include=set(parameters)) == parameters


def test_a_new_attack_shows_up_by_itself(
    listed: Listed, mithridate: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(attacks._items, "shift", Shift)
    assert listed("attack")["shift"] == {
        "name": "shift",
        "kind": "model",
        "meaning": "Listed attacks and defences: an attack of this file has values in [0, 1].",
        "parameters": [
            {"name": "amount", "default": 0.5, "meaning": "c."},
            {"name": "away", "default": None, "meaning": "From which class."},
        ],
        "source": 'A. Tester, "On lists", 2026, section [b].',
    }
    assert mithridate("attack", "list") == 0
    shown = capsys.readouterr().out
    for text in ("amount = 0.5", "away = none", "values in [0, 1].", "2026, section [b]."):
        assert text in shown


def test_the_table_of_attacks_names_all_and_what_they_have_in_common(
    mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("attack", "list") == 0
    *table, note = capsys.readouterr().out.splitlines()
    words = [line.split()[0] for line in table if line.strip()]
    assert not [name for name in attacks if name not in words]
    assert {"hospitals", "from_round", "until_round", "every"} <= set(re.findall(r"\w+", note))
    assert 'variant = "complement"' in "\n".join(table)


def test_every_defence_is_listed_detectors_first_in_the_cascade_s_order(listed: Listed) -> None:
    entries = listed("defence")
    detectors = [name for name, entry in entries.items() if entry["kind"] == "detector"]
    default = list(DefenceSettings().detectors)
    assert detectors[: len(default)] == default
    assert set(detectors) == {*update_detectors, "inference"}
    assert list(entries) == [*detectors, *robust_rules, "reputation"]


def test_every_defence_says_what_it_does_and_where_it_is_from(listed: Listed) -> None:
    for entry in listed("defence").values():
        assert re.search(r"\b(19|20)\d\d\b", entry["source"]), entry
        assert re.fullmatch(r".{20,}[.?]", entry["meaning"]), entry


def test_rules_have_their_condition_and_detectors_declare_none(listed: Listed) -> None:
    entries = listed("defence")
    for name in robust_rules:
        rule = robust_rules.get(name)(malicious=2)
        assert entries[name]["condition"] == str(rule.condition)  # type: ignore[attr-defined]
        assert entries[name]["source"] == rule.source
    assert entries["krum"]["condition"] == "n >= 2f + 3"
    assert entries["bulyan"]["condition"] == "n >= 4f + 3"
    assert entries["range"]["condition"] is None


def test_every_rule_says_by_which_name_a_study_has_it_on_shares(listed: Listed) -> None:
    entries = listed("defence")
    assert {entry["aggregation"] for entry in entries.values() if entry["kind"] != "detector"} == set(names())
    # What a study may name is there on shares.
    assert set(names()) == {*aggregators, *secure_rules}
    assert all(entry["aggregation"] is None for entry in entries.values() if entry["kind"] == "detector")


def test_a_new_detector_shows_up_in_the_words_of_the_function_it_points_to(
    mithridate: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(update_detectors._items, "kinds", UpdateDetector(Rule.NORM, flags))
    assert mithridate("defence", "list") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["kinds"])
    assert line.split(maxsplit=3) == ["kinds", "detector", "–", line.split(maxsplit=3)[3]]
    assert "Rejects updates of more than [1, 2] kinds." in line


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Head.\n\nSource: A. B, 2017,\nsection 3 (see C, 2018).", "A. B, 2017, section 3 (see C, 2018)."),
        ("Head (not this).\n\nSources: range (A, B, 2022); the use\nin C (D, 1999).", "A, B, 2022; D, 1999"),
        ("Head.\n\nA sum (CUSUM: E. Page,\n1954), of 20170 terms (n 20170).", "CUSUM: E. Page, 1954"),
        ("Head.", ""),
    ],
)
def test_what_a_docstring_cites(text: str, source: str) -> None:
    assert cited(text) == source


def test_the_headline_is_the_first_paragraph_on_one_line() -> None:
    assert headline("One\ntwo.\n\nThree.") == "One two."
    assert headline("") == ""


@pytest.mark.parametrize("what", ["attack", "defence"])
def test_without_a_command_the_group_shows_its_help(
    what: str, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate(what) == 2
    output = capsys.readouterr()
    assert "list" in output.out + output.err
