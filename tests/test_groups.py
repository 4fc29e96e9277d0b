"""Tests of one group share a worker: one network, one consortium of processes, however many workers there are."""

import pytest


@pytest.mark.xdist_group("together")
def test_the_scheduler_knows_a_test_s_group(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput") or not request.config.getvalue("loadgroup"):
        pytest.skip("the tests run in one process: no scheduler divides them")
    # It reads the group off the node id alone; without it each worker starts everything a group needs.
    assert request.node.nodeid.endswith("@together")
