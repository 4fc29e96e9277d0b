"""The models' contract: transitions, rollback by vote, certificates and findings."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.ledger.interface import ModelState, Status

World = Any
REPORT, OTHER = bytes([3]) * 32, bytes([4]) * 32


def rollback(world: World, rank: int, number: int, reason: str = "worse on the wards") -> Any:
    return world.send(f"validator-{rank}", "Models", "vote_rollback", world.model(number), reason)


def states(world: World, *numbers: int) -> list[int]:
    return [world.read("Models", "model", world.model(number))[0] for number in numbers]


def history(world: World) -> list[bytes]:
    return [world.read("Models", "history", index) for index in range(world.read("Models", "history_length"))]


@pytest.fixture
def three(begun: World) -> World:
    """Three rounds were released."""
    for number in (1, 2, 3):
        begun.attempt(number)
    return begun


def test_released_models_follow_one_another(three: World) -> None:
    assert history(three) == [three.model(number) for number in range(4)]
    assert three.read("Models", "initial_model") == three.model(0)
    assert three.read("Models", "current_model") == three.read("Models", "stable_model") == three.model(3)
    assert three.read("Models", "study") == three.addresses["Study"].lower()


def test_most_validators_roll_back_and_what_came_after_is_withdrawn(three: World) -> None:
    (vote,) = rollback(three, 0, 1, "first").events
    values = {"validator": three.address("validator-0"), "model": three.model(1), "reason": "first"}
    assert (vote.name, vote.values) == ("RollbackVoted", values)
    assert three.read("Models", "current_model") == three.model(3)
    events = rollback(three, 2, 1, "second").events
    assert [event.name for event in events] == ["RollbackVoted", "ModelWithdrawn", "ModelWithdrawn", "RolledBackTo"]
    assert [event.values["model"] for event in events[1:]] == [three.model(number) for number in (3, 2, 1)]
    assert events[-1].values["reason"] == "second"
    assert three.read("Models", "current_model") == three.read("Models", "stable_model") == three.model(1)
    assert states(three, 0, 1, 2, 3) == [2, 2, ModelState.WITHDRAWN, ModelState.WITHDRAWN]
    assert (history(three), three.read("Models", "rollbacks")) == ([three.model(0), three.model(1)], 1)


def test_a_withdrawn_model_never_comes_back(three: World) -> None:
    for rank in (0, 1):
        rollback(three, rank, 1)
    three.attempt(4, to="BOUND")
    three.send("validator-0", "Study", "attest_model", 4, 0, three.model(2))
    three.refuse("model was withdrawn", "validator-1", "Study", "attest_model", 4, 0, three.model(2))
    three.refuse("model was withdrawn", "auditor-0", "Models", "certify", three.model(2), REPORT)
    for validator in ("validator-0", "validator-1"):
        three.send(validator, "Study", "vote_void", 4, 0, "withdrawn before")
    three.refuse("model not released", "validator-2", "Models", "vote_rollback", three.model(3), "why")
    assert not three.read("Models", "may_deploy", three.model(2))


def test_votes_for_two_models_or_from_two_occasions_do_not_add_up(three: World) -> None:
    rollback(three, 0, 1)
    rollback(three, 1, 2)
    assert three.read("Models", "rollbacks") == 0
    three.attempt(4)
    rollback(three, 2, 1)
    assert three.read("Models", "rollbacks") == 0
    rollback(three, 0, 1)
    assert three.read("Models", "current_model") == three.model(1)


def test_a_validator_votes_once_for_a_rollback(three: World) -> None:
    rollback(three, 0, 1)
    three.refuse("already voted", "validator-0", "Models", "vote_rollback", three.model(1), "again")


def test_the_vote_of_a_validator_suspended_meanwhile_does_not_count(three: World) -> None:
    rollback(three, 0, 1)
    three.decide("Consortium", "set_status", three.address("validator-0"), int(Status.SUSPENDED), "stolen key")
    rollback(three, 1, 1)
    assert three.read("Models", "rollbacks") == 0
    three.decide("Consortium", "set_status", three.address("validator-0"), int(Status.ACTIVE), "new key")
    rollback(three, 1, 1)
    assert three.read("Models", "rollbacks") == 1


@pytest.mark.parametrize(("validators", "needed"), [(4, 3), (5, 3)])
def test_more_than_half_of_a_larger_pool_roll_back(
    make_world: Callable[..., World], validators: int, needed: int
) -> None:
    world = make_world(validators=validators)
    world.enrol()
    world.begin()
    world.draw()
    world.attempt(1)
    for rank in range(needed):
        assert world.read("Models", "rollbacks") == 0
        rollback(world, rank, 0)
    assert world.read("Models", "rollbacks") == 1


def test_a_model_released_twice_stands_until_its_first_release_is_undone(begun: World) -> None:
    for number, model in enumerate((1, 1, 2), 1):
        begun.attempt(number, model=begun.model(model))
    assert begun.read("Models", "model", begun.model(1)) == (ModelState.RELEASED, 0, 0, 2)
    for rank in (0, 1):
        rollback(begun, rank, 1)
    assert states(begun, 1, 2) == [ModelState.RELEASED, ModelState.WITHDRAWN]
    assert begun.read("Models", "model", begun.model(1))[3] == 2
    for rank in (0, 1):
        rollback(begun, rank, 0)
    assert begun.read("Models", "model", begun.model(1)) == (ModelState.WITHDRAWN, 0, 0, 0)


def test_a_model_attested_again_and_not_released_is_not_withdrawn(begun: World) -> None:
    begun.attempt(1)
    begun.attempt(2, to="FINAL", model=begun.model(1))
    begun.send("validator-0", "Study", "vote_release", 2, 0, False)
    events = begun.send("validator-1", "Study", "vote_release", 2, 0, False).events
    assert [event.name for event in events] == ["ReleaseVoted", "RolledBack", "Counted"]
    assert begun.read("Models", "model", begun.model(1)) == (ModelState.RELEASED, 0, 0, 1)


def test_a_model_that_failed_its_release_is_withdrawn(begun: World) -> None:
    begun.attempt(1, to="FINAL")
    assert states(begun, 1) == [ModelState.ATTESTED]
    assert begun.read("Models", "may_train", begun.model(1))
    begun.send("validator-0", "Study", "vote_release", 1, 0, False)
    events = begun.send("validator-2", "Study", "vote_release", 1, 0, False).events
    assert [event.name for event in events] == ["ReleaseVoted", "ModelWithdrawn", "RolledBack", "Counted"]
    assert events[1].values == {"model": begun.model(1), "current": begun.model(0)}
    assert states(begun, 1) == [ModelState.WITHDRAWN]


def test_a_certificate_and_a_finding_replace_one_another(three: World) -> None:
    model = three.model(2)
    (event,) = three.send("auditor-0", "Models", "certify", model, REPORT).events
    assert event.values == {"model": model, "auditor": three.address("auditor-0"), "report": REPORT}
    assert three.read("Models", "statement", model, three.address("auditor-0")) == (1, REPORT, three.now())
    three.send("auditor-1", "Models", "certify", model, OTHER)
    assert three.read("Models", "model", model)[1:3] == (2, 0)
    (event,) = three.send("auditor-0", "Models", "file_finding", model, OTHER, "leaks").events
    assert (event.name, event.values["reason"]) == ("FindingFiled", "leaks")
    assert three.read("Models", "model", model)[1:3] == (1, 1)
    three.send("auditor-0", "Models", "file_finding", model, REPORT, "leaks more")
    assert three.read("Models", "model", model)[1:3] == (1, 1)
    (event,) = three.send("auditor-0", "Models", "withdraw_statement", model, "mended").events
    assert (event.name, event.values["reason"]) == ("StatementWithdrawn", "mended")
    assert three.read("Models", "model", model)[1:3] == (1, 0)
    assert three.read("Models", "statement", model, three.address("auditor-0")) == (0, bytes(32), 0)


def test_a_finding_stops_training_deployment_and_rollback(three: World) -> None:
    for number in (1, 3):
        three.send("auditor-0", "Models", "file_finding", three.model(number), REPORT, "worst class")
        assert not three.read("Models", "may_deploy", three.model(number))
    assert not three.read("Models", "may_train", three.model(3))
    deadline = three.now() + 10
    three.refuse("model has a finding", "coordinator", "Study", "open_round", 4, three.model(3), deadline)
    three.refuse("model has a finding", "validator-0", "Models", "vote_rollback", three.model(1), "why")
    for rank in (0, 1):
        rollback(three, rank, 2)
    three.attempt(4)
    assert three.read("Models", "may_deploy", three.model(4))


def test_only_the_current_model_is_trained_on(three: World) -> None:
    assert [three.read("Models", "may_train", three.model(number)) for number in range(5)] == [False] * 3 + [
        True,
        False,
    ]
    assert not three.read("Models", "may_train", bytes(32))


def test_nothing_is_trained_on_before_the_study_begins(world: World) -> None:
    assert not world.read("Models", "may_train", bytes(32))


@pytest.mark.parametrize("required", [False, True])
def test_a_study_may_ask_for_a_certificate(make_world: Callable[..., World], required: bool) -> None:
    world = make_world(requires_certificate=required)
    world.enrol()
    world.begin()
    world.attempt(1, to="FINAL")
    assert world.read("Models", "requires_certificate") is required
    world.send("auditor-0", "Models", "certify", world.model(1), REPORT)
    assert not world.read("Models", "may_deploy", world.model(1))
    for rank in (0, 1):
        world.send(f"validator-{rank}", "Study", "vote_release", 1, 0, True)
    assert world.read("Models", "may_deploy", world.model(1))
    world.send("auditor-0", "Models", "withdraw_statement", world.model(1), "revised")
    assert world.read("Models", "may_deploy", world.model(1)) is not required


def test_what_a_revoked_auditor_said_is_struck_by_decision(three: World) -> None:
    said = (three.model(3), three.address("auditor-0"))
    three.send("auditor-0", "Models", "file_finding", three.model(3), REPORT, "spite")
    three.send("auditor-0", "Models", "certify", three.model(2), REPORT)
    strike = ("Models", "strike_statement", *said, "revoked for spite")
    three.vote(0, *strike)
    for status in (Status.SUSPENDED, Status.REVOKED):
        data = three.call_data(*strike)
        three.refuse("auditor not revoked", "administrator-1", "Consortium", "decide", three.addresses["Models"], data)
        three.decide("Consortium", "set_status", said[1], int(status), "spite")
    assert not three.read("Models", "may_train", three.model(3))
    event = three.vote(1, *strike).events[-1]
    assert (event.name, event.values["reason"]) == ("StatementStruck", "revoked for spite")
    assert three.read("Models", "may_train", three.model(3))
    assert three.read("Models", "statement", *said) == (0, bytes(32), 0)
    three.decide("Models", "strike_statement", three.model(2), said[1], "revoked")
    assert three.read("Models", "model", three.model(2))[1:3] == (0, 0)


@pytest.mark.slow
def test_a_rollback_undoes_at_most_1024_releases(world: World, puppet: Any) -> None:
    models = puppet("Models", world.addresses["Consortium"], False)
    models.forward("start", world.model(0))
    with world.ledger.block():
        for number in range(1, 1026):
            models.forward("attested", world.model(number))
            models.forward("released")
    for number in (0, 1):
        models.send("validator-0", "vote_rollback", world.model(number), "all of it")
    world.refuse("too far back", "validator-1", "Models", "vote_rollback", world.model(0), "all", at=models.target)
    assert models.read("history_length") == 1026
    gas = models.send("validator-1", "vote_rollback", world.model(1), "all of it").gas
    assert models.read("history_length") == 2
    assert gas < 12_400_000  # docs/contracts.md tells 11.8 million; like any call it may grow by 5 %
