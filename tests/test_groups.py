"""Tests of one group share a worker: one network, one consortium of processes, however many workers there are."""

import pytest


def group_of(request: pytest.FixtureRequest) -> str:
    if not hasattr(request.config, "workerinput") or not request.config.getvalue("loadgroup"):
        pytest.skip("the tests run in one process: no scheduler divides them")
    # The scheduler reads the group off the node id alone; without it each worker starts everything a group needs.
    return str(request.node.nodeid).rpartition("@")[2]


@pytest.mark.xdist_group("together")
def test_the_scheduler_knows_a_test_s_group(request: pytest.FixtureRequest) -> None:
    assert group_of(request) == "together"


def test_without_another_group_it_is_that_of_its_file(request: pytest.FixtureRequest) -> None:
    assert group_of(request) == "test_groups"
