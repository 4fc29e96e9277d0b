import pytest

from mithridate.errors import InputError
from mithridate.evaluation.federation.measuring import gram_seconds, line_errors, measure_all
from mithridate.evaluation.federation.profiles import PROFILES, Profile, neighbourhood, profile_of
from mithridate.evaluation.federation.work import FEDAVG, OURS, SECAGG, SECAGG_LEAST, Work
from mithridate.evaluation.federation.workload import Workload

PROFILE = Profile(((10, 1000), (100, 1000), (1000, 1000)), ((10, 1000), (1000, 1000)), None, ())


class Recorder:
    def __init__(self, bend: float = 1.0) -> None:
        self.asked: list[tuple[str, Workload, tuple[int, int]]] = []
        self._bend = bend

    def __call__(self, arm: str, workload: Workload, shares: tuple[int, int]) -> Work:
        self.asked.append((arm, workload, shares))
        servers = float(workload.hospitals**self._bend)
        parts = {"server": servers}
        return Work(
            arm, workload.hospitals, workload.parameters, workload.dropped, 1.0, servers, parts, 8000, 4000, 0.0
        )


def test_ours_is_measured_at_every_size_and_flowers_largest_lies_on_a_line() -> None:
    recorder = Recorder()
    works = list(measure_all(PROFILE, recorder))
    assert [(w.arm, w.hospitals, w.dropped) for w in works[:4]] == [
        (arm, 10, False) for arm in (OURS, FEDAVG, SECAGG, SECAGG_LEAST)
    ]
    assert {w.size for w in works if w.arm == OURS and not w.extrapolated_from} == {
        (10, 1000, False),
        (100, 1000, False),
        (1000, 1000, False),
        (10, 1000, True),
        (1000, 1000, True),
    }
    far = [w for w in works if w.extrapolated_from]
    assert {(w.arm, w.hospitals) for w in far} == {(arm, 1000) for arm in (FEDAVG, SECAGG, SECAGG_LEAST)}
    assert all(w.servers == pytest.approx(1000) for w in far)
    # On the line, a client has as many neighbours as among all.
    on_line = {shares for arm, load, shares in recorder.asked if arm == SECAGG and load.hospitals in (30, 60)}
    assert on_line == {neighbourhood(1000)}


def test_the_line_is_held_against_what_was_measured() -> None:
    straight, bent = Recorder(), Recorder(bend=1.5)
    assert line_errors(list(measure_all(PROFILE, straight)), straight)["servers"] == pytest.approx(1)
    assert line_errors(list(measure_all(PROFILE, bent)), bent)["servers"] < 0.95
    near = Profile(((10, 1000),), (), None, ())
    assert line_errors(list(measure_all(near, straight)), straight) == {}


@pytest.mark.parametrize(("hospitals", "expected"), [(5, (5, 3)), (10, (9, 5)), (100, (15, 8)), (1000, (21, 11))])
def test_neighbours_grow_with_the_logarithm(hospitals: int, expected: tuple[int, int]) -> None:
    assert neighbourhood(hospitals) == expected


def test_profiles_by_name() -> None:
    assert profile_of("full").sizes[-1] == (1000, 1_000_000)
    assert {n for n, _ in PROFILES["full"].sizes} == {10, 100, 1000}
    with pytest.raises(InputError, match="smoke, work, rounds, full"):
        profile_of("everyday")


def test_the_gram_matrix_takes_time() -> None:
    assert gram_seconds(20, 20_000) > 0
