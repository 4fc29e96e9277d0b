"""Whole rounds: a secure one against a plain one, the defence against what honest hospitals alone would learn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mithridate.attacks import Conspiracy
from mithridate.evaluation.records import read_records
from mithridate.federation.local import run_study
from mithridate.study import Study

HONEST = (0, 1, 3, 5, 6)
ATTACKS = [
    {"name": "sign_flip", "hospitals": [2]},
    {"name": "scaling", "hospitals": [4], "gamma": 20.0},
    {"name": "label_flip", "hospitals": [7]},
    {"name": "scaling", "hospitals": [8], "gamma": 1000.0},
]
RULES = {2: {"gradient"}, 4: {"norm"}, 7: {"gradient", "validation loss"}, 8: {"range"}}
# So few parameters fit the curator's ten records of a class, and their probes, too well to judge honest hospitals by.
ATTACKED: dict[str, Any] = {"hospitals": {"count": 9}, "attacks": ATTACKS, "data": {"reference_per_class": 20}}
PATIENT = {"suspension": 8.0, "least_score": -2.0, "score_floor": 0.0, "score_share": 0.0}
"""Nobody is suspended in two rounds, so that each rejection keeps its reason."""


@pytest.fixture(scope="module")
def defended(federation_of: Any) -> tuple[Any, list[Any]]:
    federation = federation_of(**ATTACKED, defence=PATIENT)
    return federation, [federation.play(), federation.play()]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("attacker", RULES)
def test_each_attack_is_rejected_by_the_rule_that_is_meant_for_it(
    defended: tuple[Any, list[Any]], attacker: int, index: int
) -> None:
    _, records = defended
    assert records[index].verdicts[f"hospital-{attacker}"] in RULES[attacker]


@pytest.mark.parametrize("index", [0, 1])
def test_the_defended_model_is_that_of_the_honest_hospitals_and_the_curator_to_the_bit(
    defended: tuple[Any, list[Any]], index: int
) -> None:
    federation, records = defended
    record = records[index]
    assert {name for name, word in record.verdicts.items() if word == "accepted"} == {f"hospital-{i}" for i in HONEST}
    assert record.status == "released"
    assert record.attested == record.validators == 3
    base = bytes.fromhex(record.base_hash)
    assert record.model_hash == federation.in_the_clear(base, HONEST, record.round)
    assert record.model_hash != federation.in_the_clear(base, HONEST, record.round, curator=False)


def test_the_attackers_would_have_changed_the_model(defended: tuple[Any, list[Any]]) -> None:
    federation, (first, _) = defended
    base = bytes.fromhex(first.base_hash)
    everybody = federation.in_the_clear(base, range(9), 1)
    assert first.model_hash != everybody
    for attacker in RULES:
        assert first.model_hash != federation.in_the_clear(base, sorted((*HONEST, attacker)), 1)


def test_without_a_defence_a_secure_round_is_federated_averaging(federation_of: Any) -> None:
    federation = federation_of(**ATTACKED, defence={"name": "none"}, release={"tolerance": 1.0})
    record = federation.play()
    assert set(record.verdicts.values()) == {"accepted"}
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), range(9), 1)


def test_encrypted_inference_rejects_flipped_labels_without_the_other_rules(federation_of: Any) -> None:
    attacks = [{"name": "label_flip", "hospitals": [4]}, {"name": "sign_flip", "hospitals": [2]}]
    defence = {
        "detectors": ["range", "norm", "inference"],
        "inference": "all",
        "standard_errors": 4.0,
        "margin_cap": 5.0,
    }
    federation = federation_of(attacks=attacks, defence=defence)
    record = federation.play()
    assert record.rejected == {"hospital-2": "validation loss", "hospital-4": "validation loss"}
    assert record.inference.keys() == {f"hospital-{index}" for index in range(6)}
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), (0, 1, 3, 5), 1)


def test_a_secure_study_with_all_accepted_ends_with_the_model_of_the_plain_one(
    study_of: Callable[..., Study], tmp_path: Path
) -> None:
    # Without the gradient test the curator has no part in the aggregate.
    hospitals = {"hospitals": {"count": 5}, "defence": {"detectors": ["range", "norm", "inference"]}}
    secure = run_study(study_of(**hospitals), tmp_path / "secure")
    plain = run_study(study_of(**hospitals, runtime={"secure": False}), tmp_path / "plain")
    assert secure.verdicts == plain.verdicts == {f"hospital-{i}": {"accepted": 2} for i in range(5)}
    records = [[record.model_hash for record in read_records(run.run)] for run in (secure, plain)]
    assert len(set(records[0])) == 3, "each round changes the model"
    assert records[0] == records[1]
    assert secure.accuracy == plain.accuracy


def test_a_model_that_fell_behind_is_rolled_back_and_the_next_round_builds_on_the_stable_one(
    federation_of: Any,
) -> None:
    attacks = [{"name": "sign_flip", "hospitals": [1], "scale": 400.0, "from_round": 2}]
    federation = federation_of(attacks=attacks, defence={"name": "none"}, training={"rounds": 3})
    good, wrecked = federation.play(), federation.play()
    assert (good.status, wrecked.status) == ("released", "rolled_back")
    attested = federation.ledger.attempt(2, 0).model_hash.hex()
    everybody = range(6)
    assert attested == federation.in_the_clear(bytes.fromhex(good.model_hash), everybody, 2)
    assert wrecked.model_hash == good.model_hash != attested
    assert wrecked.accuracy == good.accuracy
    assert federation.ledger.stable_model() == federation.ledger.current_model() == bytes.fromhex(good.model_hash)

    reformed = federation.parties.hospitals[1]
    reformed.site = replace(reformed.site, conspiracy=Conspiracy((), 3))
    federation.prepared = replace(
        federation.prepared,
        sites=tuple(reformed.site if site.index == 1 else site for site in federation.prepared.sites),
    )
    third = federation.play()
    assert (third.round, third.status, third.base_hash) == (3, "released", good.model_hash)
    assert third.model_hash == federation.in_the_clear(bytes.fromhex(good.model_hash), everybody, 3)
