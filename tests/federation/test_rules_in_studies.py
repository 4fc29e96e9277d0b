"""Robust rules in whole studies: applied to the accepted hospitals' shares, and as in the clear."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.aggregation import robust_rules
from mithridate.aggregation.robust import Gathered
from mithridate.crypto.fixed_point import decode, encode
from mithridate.evaluation.records import read_records
from mithridate.federation import committee
from mithridate.federation.collusion import agreed
from mithridate.federation.local import run_study
from mithridate.federation.robust import draws_of
from mithridate.ledger.store import ModelStore
from mithridate.models.files import from_safetensors
from mithridate.mpc.linear import open_share
from mithridate.verification.pipeline import curator_records

CLOSE = 2.0**-13
# Long enough to show in a mean, and within the bound.
ATTACK = {"attacks": [{"name": "sign_flip", "hospitals": [1], "scale": 3.0}]}
UNVERIFIED: dict[str, Any] = {
    **ATTACK,
    "hospitals": {"count": 7},
    "defence": {"name": "none"},
    "release": {"tolerance": 1.0},
}
FAMILIES = ("trimmed_mean", "multi_krum", "geometric_median")


class Round:
    """What the hospitals sent in a round, and the models before and after it."""

    def __init__(self, federation: Any, record: Any) -> None:
        self.federation, self.record, self.prepared = federation, record, federation.prepared
        self.base, self.model = self._vector(record.base_hash), self._vector(record.model_hash)

    def _vector(self, digest: str) -> np.ndarray:
        return from_safetensors(self.federation.parties.store.get(digest), self.prepared.layout)

    @property
    def step(self) -> np.ndarray:
        return self.model.astype(np.float64) - self.base

    @property
    def accepted(self) -> list[int]:
        return [i for i, word in enumerate(self.record.verdicts.values()) if word == "accepted"]

    def gathered(self, root: np.ndarray | None = None) -> Gathered:
        sites = self.prepared.sites
        trained = {site.index: site.update(self.base, self.record.round, 0) for site in sites}
        colluders = [site for site in sites if site.colludes(self.record.round)]
        sent = trained | agreed(colluders, trained, self.base, (), self.record.round, len(sites))
        updates = np.stack([decode(encode(sent[index])) for index in self.accepted])
        return Gathered(updates, np.array([len(sites[i].dataset) for i in self.accepted], dtype=np.float64), root)


def fedavg(gathered: Gathered) -> np.ndarray:
    return gathered.weights @ gathered.updates / gathered.weights.sum()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, federation_of: Any) -> tuple[str, Round]:
    federation = federation_of(**UNVERIFIED, aggregation={"name": request.param, "malicious": 2})
    return request.param, Round(federation, federation.play())


def test_a_study_s_step_is_the_rule_s_and_not_the_mean(family: tuple[str, Round]) -> None:
    name, played = family
    assert played.record.attested == 3
    assert played.accepted == list(range(7))
    expected = robust_rules.get(name)(malicious=2).aggregate(played.gathered())[0].step
    assert np.abs(played.step - expected).max() < CLOSE
    assert np.abs(played.step - fedavg(played.gathered())).max() > 100 * CLOSE


def test_a_rule_with_a_memory_goes_on_from_it_after_a_restart(federation_of: Any) -> None:
    federation = federation_of(**UNVERIFIED, aggregation={"name": "centred_clipping"})
    rule, memory = robust_rules.get("centred_clipping")(malicious=2), None
    for _ in range(2):
        played = Round(federation, federation.play())
        gathered = played.gathered()
        aggregate, memory = rule.aggregate(gathered, memory)
        assert np.abs(played.step - aggregate.step).max() < CLOSE
        # The channels are new, and all that is kept lies on the validators' disks.
        federation.parties.committee.assemble()
    assert np.abs(played.step - rule.aggregate(gathered)[0].step).max() > 4 * CLOSE


def test_sums_over_rounds_stay_with_their_hospitals_when_one_is_left_out(federation_of: Any) -> None:
    noise = {"name": "gaussian", "norm_multiple": 1.0}
    attacks = [
        {**noise, "hospitals": [5, 6], "until_round": 1},
        {"name": "scaling", "gamma": 1000.0, "hospitals": [2], "from_round": 2, "until_round": 2},
        {**noise, "hospitals": [1], "from_round": 3},
    ]
    tables = {**UNVERIFIED, "attacks": attacks, "training": {"rounds": 3}, "aggregation": {"name": "foolsgold"}}
    federation, rule = federation_of(**tables), robust_rules.get("foolsgold")(malicious=2)
    sums, left_out = np.zeros((7, federation.prepared.layout.size)), []
    for _ in range(3):
        played = Round(federation, federation.play())
        accepted, gathered = played.accepted, played.gathered()
        left_out.append(set(range(7)) - set(accepted))
        aggregate, sums[accepted] = rule.aggregate(gathered, sums[accepted])
        assert np.abs(played.step - aggregate.step).max() < CLOSE
    assert left_out == [set(), {2}, set()]
    assert np.abs(played.step - rule.aggregate(gathered)[0].step).max() > 4 * CLOSE


def test_what_a_rule_draws_follows_the_round_s_seed(federation_of: Any) -> None:
    federation = federation_of(**UNVERIFIED, aggregation={"name": "flame"})
    played = Round(federation, federation.play())
    seed = draws_of(federation.state().seed)
    rule = robust_rules.get("flame")(malicious=2)
    expected, other = (rule.seeded(each).aggregate(played.gathered())[0].step for each in (seed, seed + 1))
    assert np.abs(played.step - expected).max() < CLOSE
    assert np.abs(other - expected).max() > CLOSE


def test_fltrust_trusts_the_curator_s_update_without_any_other_defence(federation_of: Any) -> None:
    federation = federation_of(**UNVERIFIED, aggregation={"name": "fltrust"})
    played = Round(federation, federation.play())
    root = decode(encode(federation.curated(bytes.fromhex(played.record.base_hash), 1)[0]))
    expected = robust_rules.get("fltrust")(malicious=2).aggregate(played.gathered(root))[0].step
    assert np.abs(played.step - expected).max() < CLOSE
    assert np.abs(played.step - fedavg(played.gathered())).max() > 100 * CLOSE


def test_fltrust_without_the_curator_s_message_is_a_void_round(federation_of: Any) -> None:
    federation = federation_of(**UNVERIFIED, aggregation={"name": "fltrust"})
    federation.parties.coordinator.accept_curated = lambda state, message: None
    record = federation.play()
    assert record.status == "void"
    assert "needs the curator's update" in record.reason


def test_survivors_of_the_cascade_are_combined_by_the_rule_and_the_curator_keeps_its_part(
    federation_of: Any, lenient: dict[str, Any]
) -> None:
    attack = [{"name": "scaling", "hospitals": [2], "gamma": 1000.0}]
    tables: dict[str, Any] = {"hospitals": {"count": 7}, "attacks": attack, "defence": lenient}
    federation = federation_of(**tables, aggregation={"name": "median", "malicious": 2})
    played = Round(federation, federation.play())
    assert played.accepted == [0, 1, 3, 4, 5, 6]
    gathered = played.gathered()
    median = robust_rules.get("median")(malicious=2).aggregate(gathered)[0].step
    accepted, enrolled = int(gathered.weights.sum()), sum(len(site.dataset) for site in played.prepared.sites)
    weight = curator_records(played.prepared.study.defence, accepted, enrolled)
    own = federation.curated(bytes.fromhex(played.record.base_hash), 1)[0]
    expected = (accepted * median + weight * own) / (accepted + weight)
    assert np.abs(played.step - expected).max() < CLOSE
    assert np.abs(played.step - median).max() > 10 * CLOSE


def test_too_few_survivors_for_the_rule_void_the_round_with_the_reason_and_open_nothing(federation_of: Any) -> None:
    attack = [{"name": "scaling", "hospitals": [2], "gamma": 1000.0}]
    tables: dict[str, Any] = {"hospitals": {"count": 7}, "attacks": attack, "defence": {"name": "none"}}
    federation = federation_of(**tables, aggregation={"name": "krum", "malicious": 2})
    record = federation.play()
    # n >= 2f + 3 holds for all seven, and not for the six that keep the bound.
    assert record.rejected == {"hospital-2": "range"}
    assert record.status == "void"
    assert "too few accepted hospitals: krum for f = 2" in record.reason
    assert all(not validator._openings.entries() for validator in federation.parties.committee.validators)


def test_without_a_number_of_malicious_the_rule_takes_what_the_survivors_allow(federation_of: Any) -> None:
    attack = [{"name": "scaling", "hospitals": [2], "gamma": 1000.0}]
    tables: dict[str, Any] = {"hospitals": {"count": 7}, "attacks": attack, "defence": {"name": "none"}}
    federation = federation_of(**tables, aggregation={"name": "krum"})
    played = Round(federation, federation.play())
    assert len(played.accepted) == 6
    expected = robust_rules.get("krum")(malicious=1).aggregate(played.gathered())[0].step
    assert np.abs(played.step - expected).max() < CLOSE


def test_a_plain_study_applies_the_rule_in_the_clear(family: tuple[str, Round], study_of: Any, tmp_path: Path) -> None:
    name, played = family
    tables = {**UNVERIFIED, "training": {"rounds": 1}, "aggregation": {"name": name, "malicious": 2}}
    plain = run_study(study_of(**tables, runtime={"secure": False}), tmp_path / "plain")
    record = read_records(plain.run)[-1]
    model = from_safetensors(ModelStore(plain.run / "models").get(record.model_hash), played.prepared.layout)
    assert np.abs(model.astype(np.float64) - played.model).max() < CLOSE


def test_a_plain_study_leaves_out_what_exceeds_the_bound_and_voids_a_round_of_too_few(
    study_of: Any, tmp_path: Path
) -> None:
    attack = [{"name": "scaling", "hospitals": [2], "gamma": 1000.0}]
    tables: dict[str, Any] = {"hospitals": {"count": 7}, "attacks": attack, "runtime": {"secure": False}}
    run_study(study_of(**tables, aggregation={"name": "median", "malicious": 2}), tmp_path / "median")
    assert read_records(tmp_path / "median")[-1].rejected == {"hospital-2": "norm"}
    run_study(study_of(**tables, aggregation={"name": "krum", "malicious": 2}), tmp_path / "krum")
    record = read_records(tmp_path / "krum")[-1]
    assert record.status == "void"
    assert "krum for f = 2" in str(record.reason)


def test_a_plain_study_with_a_memory_goes_on_from_it_when_it_is_resumed(study_of: Any, tmp_path: Path) -> None:
    study = study_of(**UNVERIFIED, aggregation={"name": "centred_clipping"}, runtime={"secure": False})
    whole = run_study(study, tmp_path / "whole")
    run_study(study, tmp_path / "cut")
    lines = (tmp_path / "cut" / "rounds.jsonl").read_text().splitlines()
    (tmp_path / "cut" / "rounds.jsonl").write_text("\n".join(lines[:2]) + "\n")
    run_study(study, tmp_path / "cut", resume=True)
    hashes = [[record.model_hash for record in read_records(run)] for run in (whole.run, tmp_path / "cut")]
    assert hashes[0] == hashes[1]


def test_reputation_weighs_a_hospital_by_the_verdicts_on_the_ledger(federation_of: Any) -> None:
    attack = {"name": "scaling", "hospitals": [2], "gamma": 1000.0, "until_round": 1}
    tables: dict[str, Any] = {"attacks": [attack], "defence": {"detectors": ["range", "norm"]}}
    federation = federation_of(**tables, aggregation={"name": "reputation"}, release={"tolerance": 1.0})
    first, second = (Round(federation, federation.play()) for _ in range(2))
    assert (first.accepted, second.accepted) == ([0, 1, 3, 4, 5], [0, 1, 2, 3, 4, 5])
    assert np.abs(first.step - fedavg(first.gathered())).max() < CLOSE
    gathered = second.gathered()
    weights = gathered.weights.copy()
    # One rejection, (0 + 1) / (0 + 1 + 2), against one acceptance, (1 + 1) / (1 + 0 + 2).
    weights[2] = round(weights[2] / 2)
    assert np.abs(second.step - weights @ gathered.updates / weights.sum()).max() < CLOSE
    assert np.abs(second.step - fedavg(gathered)).max() > 4 * CLOSE


@pytest.mark.parametrize("name", ["krum", "foolsgold"])
def test_a_round_opens_the_verdicts_the_aggregate_and_the_release_bit_and_nothing_else(
    federation_of: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    federation, opened = federation_of(**UNVERIFIED, aggregation={"name": name}), []

    def recording(share: Any, peers: Any) -> Any:
        opened.append((peers.rank, share.shape))
        return open_share(share, peers)

    monkeypatch.setattr(committee, "open_share", recording)
    federation.play()
    size = federation.prepared.layout.size
    for rank in range(3):
        assert [shape for opener, shape in opened if opener == rank] == [(7,), (size,), (1,)]
