"""The benchmark of verification on a study small enough for a test: real rounds, and gates among three processes."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest

from mithridate.crypto.fixed_point import encode
from mithridate.errors import BenchmarkError
from mithridate.evaluation.bench_verification import Case, cases, run
from mithridate.evaluation.cost import gates
from mithridate.evaluation.cost.processes import Cost, joined
from mithridate.evaluation.cost.rounds import CHEAP, VARIANTS, Played, RoundCosts
from mithridate.evaluation.cost.steps import Found
from mithridate.mpc.shares import share_locally
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

SMALL = Case("breast_cancer", "logistic", hospitals=4, epochs=1)


@cache
def measured() -> dict[str, dict[str, Any]]:
    told: list[str] = []
    result = run(told.append, chosen=(SMALL,), rounds=1, repeats=1, images=4)
    assert told == ["breast_cancer: rounds", "breast_cancer: gates"]
    assert result["bench"] == "verification"
    return {figure["name"]: figure for figure in result["figures"]}


def test_every_figure_is_finite_and_has_the_common_shape() -> None:
    for figure in measured().values():
        assert set(figure) == {"name", "value", "unit", "baseline", "ratio"}
        assert math.isfinite(figure["value"])
        assert figure["value"] >= 0
        if figure["baseline"] is not None:
            assert figure["ratio"] == pytest.approx(figure["value"] / figure["baseline"])


def test_what_the_issue_names_is_there() -> None:
    found = measured()
    named = ("round_overhead", "round_overhead_undecided", "round_overhead_all", "encrypted_inference")
    assert all(found[name]["value"] > 0 for name in named)
    assert found["encrypted_inference"]["unit"] == "ms an image"
    assert found["encrypted_inference"]["ratio"] > 0
    for gate in ("range", "norm", "similarity", "gradient"):
        for suffix in ("", ": sent by all three", ": rounds of communication"):
            assert found[f"gate {gate}{suffix}"]["value"] > 0
    for variant in VARIANTS:
        assert found[f"verification, {variant}"]["baseline"] > 0


def test_the_linear_steps_send_what_the_protocol_says() -> None:
    found, d = measured(), 62
    # A ring element an entry from each validator.
    assert found["Gram matrix: sent by all three"]["value"] == pytest.approx(3 * 8 * 4 * 4 / 1e6)
    assert found["products with the direction of use: sent by all three"]["value"] == pytest.approx(3 * 8 * 4 / 1e6)
    # One component and the digest of another from each.
    assert found["opening of the aggregate: sent by all three"]["value"] == pytest.approx(3 * (8 * d + 32) / 1e6)
    for step in ("Gram matrix", "products with the direction of use", "opening of the aggregate"):
        assert found[f"{step}: rounds of communication"]["value"] == 1
    assert found["random projections: sent by all three"]["value"] == 0


def test_all_three_together_are_as_slow_as_the_slowest_and_send_all_bytes() -> None:
    costs = [Cost(1.0, 10, 3, 0.5), Cost(3.0, 20, 2, 1.0), Cost(2.0, 30, 5, 1.5)]
    assert joined(costs) == Cost(3.0, 60, 5, 3.0)


def test_the_overhead_is_the_median_of_pairs_less_the_phases_left_out() -> None:
    def pair(secure: float, release: float, plain: float) -> tuple[Played, Played]:
        taken, of_processors = {"total": secure, "release": release}, {"total": 3 * secure, "release": 3 * release}
        return Played(taken, of_processors), Played({"total": plain}, {"total": plain})

    costs = RoundCosts(later={CHEAP: [pair(3, 1, 1), pair(8, 2, 2), pair(50, 10, 10)]})
    assert costs.overhead(CHEAP) == 4
    assert costs.overhead(CHEAP, without=("release",)) == 3
    assert costs.processor_overhead(CHEAP) == 12
    assert costs.processor_overhead(CHEAP, without=("release",)) == 9
    assert costs.phase("plain", "total") == 2


@pytest.mark.parametrize(
    ("rules", "off", "message"),
    [((Rule.NORM,), 0.0, "not the plaintext ones"), ((Rule.ACCEPTED,), 0.01, "differ from PyTorch")],
)
def test_other_verdicts_or_logits_than_in_the_clear_are_an_error(
    rules: tuple[Rule, ...], off: float, message: str
) -> None:
    logits = np.ones((1, 2, 2))
    found = [Found({}, (Rule.ACCEPTED,), share) for share in share_locally(encode(logits + off))]
    with pytest.raises(BenchmarkError, match=message):
        gates._check(found, rules, logits)


def test_the_cases_are_those_of_the_goal() -> None:
    study = cases()[0].study
    assert (study.model.name, study.hospitals.count, study.training.local_epochs) == ("cnn", 10, 5)
    assert study.defence == DefenceSettings()
