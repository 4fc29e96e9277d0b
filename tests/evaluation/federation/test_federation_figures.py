from dataclasses import replace

import pytest

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.figures import FACTS, growth_figures, round_figures, shortfalls, work_figures
from mithridate.evaluation.federation.round_time import RoundTime, check_accuracies
from mithridate.evaluation.federation.work import FEDAVG, LEDGERS, OURS, SECAGG, Work

PARTS = {"coordinator": 0.1, "validator-0": 0.2, "validator-1": 0.3, "validator-2": 0.4}
MINE = Work(OURS, 10, 1000, False, 0.002, 1.0, PARTS, 8100.0, 4000.0, 0.0)
PLAIN = replace(MINE, arm=FEDAVG, parts={"server": 0.1}, hospital=0.001, servers=0.1, up=4100.0)
THEIRS = replace(MINE, arm=SECAGG, parts={"server": 2.0}, hospital=0.008, servers=2.0, up=8200.0)


def test_every_quantity_stands_beside_its_baseline() -> None:
    rows = {each["name"]: each for each in work_figures([MINE, PLAIN, THEIRS])}
    assert rows["10 x 1k: a hospital's work"]["ratio"] == pytest.approx(0.25)
    assert rows["10 x 1k: all servers' work"]["ratio"] == pytest.approx(0.5)
    assert rows["10 x 1k: busiest validator's work"]["ratio"] == pytest.approx(0.2)
    assert rows["10 x 1k: upload"]["ratio"] == pytest.approx(8.1 / 4)
    assert rows["10 x 1k: a hospital's work, beside FedAvg"]["ratio"] == pytest.approx(2)


def test_extrapolated_baselines_are_marked() -> None:
    rows = work_figures([MINE, PLAIN, replace(THEIRS, extrapolated_from=(30, 60))])
    assert sum("SecAgg+ extrapolated" in row["name"] for row in rows) == 3


def test_goals_that_are_met_are_no_shortfalls() -> None:
    assert shortfalls([MINE, PLAIN, THEIRS], {}) == []


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        (replace(MINE, up=8401.0), "upload 2.10 times"),
        (replace(MINE, hospital=0.008), "a hospital's work is 1.00 times that of SecAgg+"),
        (replace(MINE, servers=2.0), "all servers' work is 1.00 times"),
        (replace(MINE, parts={**PARTS, "validator-1": 3.0}), "the busiest validator's work is 1.50 times"),
    ],
)
def test_a_missed_goal_is_named(mine: Work, words: str) -> None:
    (found,) = shortfalls([mine, PLAIN, THEIRS], {})
    assert words in found


def test_work_that_grows_faster_than_linearly_is_a_shortfall() -> None:
    def works(power: float) -> list[Work]:
        sizes = [(n, d) for n in (10, 100) for d in (1000, 10_000)]
        mine = [replace(MINE, hospitals=n, parameters=d, servers=1e-9 * n**power * d, up=8.0 * d) for n, d in sizes]
        theirs = [replace(THEIRS, hospitals=n, parameters=d, servers=1e-3 * n * d) for n, d in sizes]
        plain = [replace(PLAIN, hospitals=n, parameters=d) for n, d in sizes]
        return [*mine, *theirs, *plain]

    assert shortfalls(works(1.0), {}) == []
    (found,) = shortfalls(works(1.5), {})
    assert "hospitals to the power 1.50" in found
    assert len(growth_figures(works(1.0))) == 2


def test_rounds_on_each_network_are_compared_with_each_of_flowers() -> None:
    on_clique, on_ibft = LEDGERS["clique"], LEDGERS["ibft"]
    ours = {on_clique: RoundTime(5, 3, 9.0, 0.95), on_ibft: RoundTime(5, 3, 3.0, 0.95)}
    times = {**ours, FEDAVG: RoundTime(5, 3, 6.0, 0.95), SECAGG: RoundTime(5, 3, 24.0, 0.96)}
    ratios = [row["ratio"] for row in round_figures(times) if "a round" in row["name"]]
    assert ratios == pytest.approx([1.5, 0.375, 0.5, 0.125])
    assert shortfalls([], times) == ["a round of Mithridate on Clique takes 9.0 s, FedAvg's 6.0 s"]
    check_accuracies(times)
    with pytest.raises(BenchmarkError, match="models differ"):
        check_accuracies({**times, on_ibft: RoundTime(5, 3, 9.0, 0.8)})


def test_both_facts_about_flower_are_told() -> None:
    text = " ".join(FACTS)
    assert "not cryptographic" in text
    assert "every 3 s" in text
