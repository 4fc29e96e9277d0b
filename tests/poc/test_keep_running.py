"""Who ends is started again, as a service manager does; who fails again and again ends the proof of concept soon."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from mithridate.errors import RunError
from mithridate.poc.run import MAX_FAILURES, MAX_STARTS, Poc

NAME = "validator-0"


class Process:
    """Ends as soon as it is started."""

    def __init__(self, status: int) -> None:
        self.name, self.status, self.starts = NAME, status, 1

    def start(self) -> None:
        self.starts += 1

    def end_of_log(self) -> str:
        return "its last words"


def poc_of(status: int) -> tuple[Poc, Process]:
    poc, process = Poc.__new__(Poc), Process(status)
    held: Any = {NAME: process}
    poc.processes, poc.lost, poc._failures = held, set(), Counter()
    chain: Any = SimpleNamespace(reader=SimpleNamespace(latest=lambda: None))
    poc._chain = chain
    return poc, process


@pytest.mark.parametrize(("status", "again"), [(1, MAX_FAILURES - 1), (-9, MAX_STARTS - 1)])
def test_errors_of_its_own_end_it_soon_and_kills_hardly(status: int, again: int) -> None:
    poc, process = poc_of(status)
    for _ in range(again):
        poc.keep_running()
    assert process.starts == again + 1
    with pytest.raises(RunError, match="its last words"):
        poc.keep_running()


def test_who_is_done_is_not_started_again() -> None:
    poc, process = poc_of(0)
    poc.keep_running()
    assert process.starts == 1


def test_who_is_lost_for_good_is_left_alone() -> None:
    poc, process = poc_of(-9)
    poc.lost.add(NAME)
    poc.keep_running()
    assert process.starts == 1
