"""A hospital's policy: nothing that it does not list is accepted, and every objection is named."""

from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import ModelError, PolicyError
from mithridate.federation.policy import Privacy, SitePolicy, enforce, load_policy
from mithridate.models.code import code_hash
from mithridate.study import Study

STUDY = Study.model_validate({"name": "s", "clipping": {"norm": 10.0}, "aggregation": {"min_accepted": 3}})
VALIDATORS = ["0x" + digit * 40 for digit in "abc"]
ACCEPTED: dict[str, Any] = {
    "studies": (STUDY.configuration_hash().hex(),),
    "model_code": ("preset:mlp",),
    "validators": tuple(VALIDATORS),
}


def test_what_is_listed_is_accepted() -> None:
    enforce(SitePolicy(**ACCEPTED), STUDY, [account.upper().replace("0X", "0x") for account in VALIDATORS])


def test_an_empty_policy_accepts_nothing_and_says_all_of_it() -> None:
    with pytest.raises(PolicyError) as raised:
        enforce(SitePolicy(), STUDY, VALIDATORS)
    for word in (STUDY.configuration_hash().hex()[:16], "preset:mlp", *VALIDATORS):
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "objection"),
    [
        ({"studies": ("0" * 64,)}, "study .* is not accepted"),
        ({"model_code": ("preset:cnn",)}, "model code preset:mlp is not approved"),
        ({"validators": tuple(VALIDATORS[:2])}, f"validator {VALIDATORS[2]} is not accepted"),
        ({"privacy": Privacy(clip=9.9)}, "clipping.norm 10 is above 9.9"),
        ({"privacy": Privacy(accepted=4)}, "aggregation.min_accepted 3 is below 4"),
        ({"privacy": Privacy(noise=0.5)}, "without differential privacy"),
        ({"privacy": Privacy(epsilon=8.0)}, "without differential privacy"),
    ],
)
def test_each_rule_objects_alone(changed: dict[str, Any], objection: str) -> None:
    policy = SitePolicy(**{**ACCEPTED, **changed})
    assert len(policy.objections(STUDY, VALIDATORS)) == 1
    with pytest.raises(PolicyError, match=objection):
        enforce(policy, STUDY, VALIDATORS)


def test_a_study_altered_in_one_setting_is_another_study() -> None:
    altered = STUDY.model_copy(update={"seed": 1})
    with pytest.raises(PolicyError, match="is not accepted"):
        enforce(SitePolicy(**ACCEPTED), altered, VALIDATORS)


def test_code_is_hashed_without_running_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "hospitals_own_net.py"
    module.write_text("raise SystemExit('this code ran')\n")
    first = code_hash("hospitals_own_net:make")
    module.write_text("raise SystemExit('this code ran, altered')\n")
    assert first != code_hash("hospitals_own_net:make")
    assert len(first) == 64
    policy = SitePolicy(**{**ACCEPTED, "model_code": (first,)})
    study = Study.model_validate({**STUDY.model_dump(mode="json"), "model": {"name": "hospitals_own_net:make"}})
    assert any("model code" in reason for reason in policy.objections(study, VALIDATORS))


def test_the_code_of_a_package_is_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_package_of_nets" / "deep").mkdir(parents=True)
    (tmp_path / "own_package_of_nets" / "__init__.py").write_text("raise SystemExit\n")
    (tmp_path / "own_package_of_nets" / "deep" / "helper.py").write_text("a = 1\n")
    first = code_hash("own_package_of_nets.net:make")
    (tmp_path / "own_package_of_nets" / "deep" / "helper.py").write_text("a = 2\n")
    assert code_hash("own_package_of_nets.net:make") != first


def test_missing_code_cannot_be_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no module 'nowhere_at_all'"):
        code_hash("nowhere_at_all:make")
    study = Study.model_validate({"name": "s", "model": {"name": "nowhere_at_all:make"}})
    with pytest.raises(PolicyError, match="nowhere_at_all"):
        enforce(SitePolicy(**ACCEPTED), study, VALIDATORS)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("studies = 'all'", "studies"),
        ("everything = true", "everything"),
        ("studies = [", "not valid TOML"),
        ("validators = ['0x12']", "validators"),
        ("[privacy]\nclip = -1.0", "clip"),
    ],
)
def test_a_policy_that_cannot_be_understood_is_refused(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(content)
    with pytest.raises(PolicyError, match=told):
        load_policy(file)


def test_a_missing_policy_accepts_nothing(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="without a policy no study is accepted"):
        load_policy(tmp_path / "policy.toml")


def test_a_policy_is_read_as_written(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    listed = ", ".join(f'"{account}"' for account in VALIDATORS)
    file.write_text(
        f'studies = ["{ACCEPTED["studies"][0]}"]\nmodel_code = ["preset:mlp"]\nvalidators = [{listed}]\n'
        "[privacy]\nclip = 12.5\naccepted = 3\n"
    )
    assert load_policy(file) == SitePolicy(**ACCEPTED, privacy=Privacy(clip=12.5, accepted=3))
