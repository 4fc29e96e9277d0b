from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from mithridate.errors import StudyError
from mithridate.study import Study, load_study

STUDIES = Path(__file__).parents[1] / "studies"
DEMO = STUDIES / "breast_cancer.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(text: str, folder: Path, *overrides: str) -> str:
    with pytest.raises(StudyError) as caught:
        load_study(write(folder, text), overrides)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_in_the_repository_is_valid(path: Path) -> None:
    assert load_study(path).name


def test_the_demo_has_ten_hospitals_and_four_attackers() -> None:
    study = load_study(DEMO)
    assert study.hospitals.count == 10
    assert len(study.malicious) == 4
    assert [attack.name for attack in study.attacks if 8 in attack.hospitals] == ["label_flip", "scaling"]


def test_everything_but_the_name_has_a_default(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, 'name = "x"'))
    assert (study.data.name, study.model.name, study.training.rounds, study.attacks) == ("breast_cancer", "mlp", 10, ())


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [field.annotation for field in model.model_fields.values()]
    return [model, *(kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel))]


@pytest.mark.parametrize("section", sections(Study), ids=lambda section: section.__name__)
def test_every_key_says_what_it_is_and_every_section_is_frozen_and_closed(section: type[BaseModel]) -> None:
    assert all(field.description for field in section.model_fields.values())
    assert section.model_config["frozen"]
    assert section.model_config["extra"] == "forbid"


# The key that the message must name, what is allowed, and the override that asks for it.
WRONG = [
    ("hospitals.count = 0", "greater than or equal to 1", "hospitals.count=0"),
    ("hospitals.count = '10'", "valid integer", 'hospitals.count="10"'),
    ("hospitals.count = True", "valid integer", "hospitals.count=true"),
    ("hospitals.drop_after = 1.5", "less than or equal to 1", "hospitals.drop_after=1.5"),
    ("training.learning_rate = nan", "finite number", "training.learning_rate=nan"),
    ("training.learning_rate = inf", "finite number", "training.learning_rate=inf"),
    ("training.optimizer = 'rmsprop'", "'adam' or 'sgd'", "training.optimizer=rmsprop"),
    ("training.momentum = 0.9", 'optimizer "sgd"', "training.momentum=0.9"),
    ("data.name = 'iris'", "breast_cancer", "data.name=iris"),
    ("data.partition = 'columns'", "'column'", "data.partition=columns"),
    ("data.column = (none)", "column of each record's site", "data.partition=column"),
    ("data.label = 'num'", 'name = "csv"', "data.label=num"),
    ("data.path = (none)", "should be given", "data.name=csv"),
    ("data.label = (none)", "should be given", "data.name=csv"),
    ("data.test_share = 1.0", "less than 1", "data.test_share=1.0"),
    ("model.name = 'resnet'", "cnn, logistic, mlp, or your own module:factory", "model.name=resnet"),
    ("model.name = 'a b:c'", "module:factory", "model.name=a b:c"),
    ("aggregation.min_accepted = 11", "at most hospitals.count = 10", "aggregation.min_accepted=11"),
    ("aggregation.min_accepted = 1", "greater than or equal to 2", "aggregation.min_accepted=1"),
    ("aggregation.name = 'mean'", "weighted_mean, reputation, bulyan", "aggregation.name=mean"),
    ("aggregation.name = 'fedavg'", "weighted_mean, reputation, bulyan", "aggregation.name=fedavg"),
    ("aggregation.malicious = 2", "left out: weighted_mean", "aggregation.malicious=2"),
    ("defence.name = 'krum'", "mithridate", "defence.name=krum"),
    ("defence.detectors = 'median'", "gradient", 'defence.detectors=["range", "median"]'),
    ("defence.detectors = ['norm']", 'should hold "range"', 'defence.detectors=["norm"]'),
    ("defence.inference = 'some'", '"audit:" and a share', "defence.inference=some"),
    ("defence.inference = 'audit:1.5'", "from 0 to 1", "defence.inference=audit:1.5"),
    ("defence.inference = 'audit:'", "from 0 to 1", "defence.inference=audit:"),
    ("defence.inference = 'audit:nan'", "from 0 to 1", "defence.inference=audit:nan"),
    ("defence.suspension = 0.5", "above quarantine = 0.9", "defence.suspension=0.5"),
    ("defence.probes = 17", "less than or equal to 16", "defence.probes=17"),
    ("defence.similarity_floor: unknown key", "defence", "defence.similarity_floor=-0.3"),
    ("attacks.0.hospitals = [2, 10]", "below hospitals.count = 10", "attacks.0.hospitals=[2,10]"),
    ("attacks.0.hospitals = [2, 2]", "each hospital once", "attacks.0.hospitals=[2,2]"),
    ("attacks.0.hospitals = []", "at least 1 item", "attacks.0.hospitals=[]"),
    ("attacks.0.hospitals.0 = -1", "greater than or equal to 0", "attacks.0.hospitals=[-1]"),
    ("attacks.0.from_round = 11", "at most training.rounds = 10", "attacks.0.from_round=11"),
    ("attacks.0.until_round = 11", "at most training.rounds = 10", "attacks.0.until_round=11"),
    ("attacks.0.name = 'adaptive'", "bench detection", "attacks.0.name=adaptive"),
    ("attacks.0.share = 1.5", "less than or equal to 1", "attacks.0.share=1.5"),
    ("attacks.0.source = (none)", "should be given", "attacks.0.variant=targeted"),
    ("attacks.0.source = 1", "left out", "attacks.0.source=1"),
    ("attacks.0.name = 'flip'", "ipm, label_flip, mimic", "attacks.0.name=flip"),
    ("attacks.0.name = (none)", "gaussian", "attacks=[3]"),
    ("attacks = 'none'", "a list", "attacks=none"),
    ("runtime = 'secure'", "a table", "runtime=secure"),
    ("attacks.2.gama: unknown key", "attacks.2.gamma", "attacks.2.gama=3"),
    ("training.optimiser: unknown key", "training.optimizer", "training.optimiser=sgd"),
    ("trainning: unknown key", "training", "trainning.rounds=3"),
    ("seed = -1", "greater than or equal to 0", "seed=-1"),
]


@pytest.mark.parametrize(("key", "allowed", "override"), WRONG, ids=[case[2] for case in WRONG])
def test_an_error_names_the_key_the_value_and_what_is_allowed(key: str, allowed: str, override: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(DEMO, [override])
    assert key in str(caught.value)
    assert allowed in str(caught.value)
    assert "breast_cancer.toml" in str(caught.value)


def test_more_malicious_hospitals_than_hospitals() -> None:
    with pytest.raises(StudyError, match=r"at most hospitals\.count = 3 malicious hospitals, not 4"):
        load_study(DEMO, ["hospitals.count=3"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["aggregation.name=krum", "aggregation.malicious=4"],
            "aggregation.malicious = 4.*2f [+] 3, 11 updates",
        ),
        (
            ["aggregation.name=bulyan", "aggregation.malicious=2"],
            "aggregation.malicious = 2.*4f [+] 3, 11 updates",
        ),
        (["aggregation.name=reputation", "defence.name=none"], "aggregation.name = 'reputation'.*nothing is verified"),
        (["aggregation.name=reputation", "runtime.secure=false"], "aggregation.name = 'reputation'.*nothing is verif"),
        (["aggregation.name=foolsgold", "training.rounds=820"], "clipping.norm = 10.0.*below 8192.*wrap around"),
    ],
)
def test_a_rule_whose_condition_cannot_hold_is_refused_before_the_first_round(changes: list[str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load_study(DEMO, changes)


def test_too_few_hospitals_for_a_rule_at_all() -> None:
    tables = {"hospitals": {"count": 6}, "aggregation": {"name": "bulyan"}}
    with pytest.raises(ValidationError, match="bulyan withstands no malicious hospital among n = 6"):
        Study.model_validate({"name": "x", **tables})
    # With f = 0 it is a mean, which nobody should get without asking for it.
    tables["aggregation"]["malicious"] = 0
    assert Study.model_validate({"name": "x", **tables}).aggregation.rule(6).malicious == 0


@pytest.mark.parametrize("changes", [["malicious=3", "name=krum"], ["name=bulyan"], ["name=fltrust", "malicious=9"]])
def test_a_rule_whose_condition_holds_is_taken(changes: list[str]) -> None:
    settings = load_study(DEMO, [f"aggregation.{change}" for change in changes]).aggregation
    assert settings.rule(10).malicious == (1 if settings.malicious is None else settings.malicious)


def test_the_curator_has_a_part_with_the_gradient_test_or_a_rule_that_trusts_it() -> None:
    def curated(*changes: str) -> bool:
        return load_study(DEMO, list(changes)).curated

    assert curated()
    assert not curated("defence.name=none")
    assert not curated("defence.name=none", "aggregation.name=median")
    assert curated("defence.name=none", "aggregation.name=fltrust")


def test_an_attack_may_end_with_the_last_round() -> None:
    assert load_study(DEMO, ["attacks.0.until_round=10"]).attacks[0].until_round == 10


def test_only_a_run_refuses_an_attack_that_asks_the_verification() -> None:
    """The detection benchmark builds its studies without a file, and a stored one is read as it is."""
    entry = {"name": "adaptive", "hospitals": [1]}
    study = Study.model_validate({"name": "x", "attacks": [entry]})
    assert Study.from_json(study.to_json()) == study


def test_what_a_run_refuses_is_named_with_all_else(tmp_path: Path) -> None:
    text = 'name = "x"\n[[attacks]]\nname = "adaptive"\nhospitals = [1]\nfrom_round = 12\nuntil_round = 13\n'
    message = problems(text, tmp_path)
    for key in ("attacks.0.name = 'adaptive'", "attacks.0.from_round = 12", "attacks.0.until_round = 13"):
        assert key in message


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = 'name = "x"\nsede = 1\n[hospitals]\ncount = 0\n[training]\nrounds = "ten"\n[[attacks]]\nname = "x"\n'
    message = problems(text, tmp_path)
    for key in (
        "sede: unknown key; did you mean seed?",
        "hospitals.count = 0",
        "training.rounds = 'ten'",
        "attacks.0.name",
    ):
        assert key in message


def test_a_missing_name_is_named(tmp_path: Path) -> None:
    assert "name: missing" in problems("seed = 1", tmp_path)


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    assert "line 2" in problems('name = "x"\nseed = = 1\n', tmp_path)


def test_a_missing_file_or_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="No such file"):
        load_study(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(tmp_path / "binary.toml")


def test_overrides_are_toml_values_else_text() -> None:
    study = load_study(DEMO, ["training.rounds=3", "name=two words", "attacks.2.gamma = 5", "runtime.secure=false"])
    assert (study.training.rounds, study.name, study.runtime.secure) == (3, "two words", False)
    assert study.attacks[2].model_dump()["gamma"] == 5.0
    assert load_study(DEMO, ["attacks=[]"]).malicious == frozenset()


@pytest.mark.parametrize(
    "override", ["rounds", "=3", "training..rounds=3", "attacks.9.gamma=1", "name.x=1", "attacks.x.y=1"]
)
def test_an_override_that_leads_nowhere_is_an_error(override: str) -> None:
    with pytest.raises(StudyError, match="--set"):
        load_study(DEMO, [override])


def test_an_override_cannot_smuggle_in_a_second_key() -> None:
    assert load_study(DEMO, ["name=1\nseed=9"]).seed == 1


def test_json_holds_the_whole_study() -> None:
    study = load_study(DEMO)
    again = Study.from_json(study.to_json())
    assert again == study
    assert again.configuration_hash() == study.configuration_hash()
    assert again.attacks[2].model_dump()["gamma"] == 10.0


@pytest.mark.parametrize("text", ["[", "[]", "{}", '{"name": "x", "sede": 1}', ""])
def test_json_that_is_no_study(text: str) -> None:
    with pytest.raises(StudyError):
        Study.from_json(text)


def test_the_configuration_hash_changes_with_any_value() -> None:
    overrides = [
        "seed=2",
        "attacks.2.gamma=9",
        "data.partition=dirichlet",
        "clipping.norm=9",
        "name=other",
        "attacks=[]",
    ]
    hashes = {load_study(DEMO, [override]).configuration_hash() for override in overrides}
    assert len(hashes | {load_study(DEMO).configuration_hash()}) == len(overrides) + 1
    assert all(len(value) == 32 for value in hashes)


def test_the_configuration_hash_does_not_depend_on_the_files_order(tmp_path: Path) -> None:
    one = load_study(write(tmp_path, 'name = "x"\nseed = 1\n[training]\nrounds = 3\nlearning_rate = 1'))
    other = load_study(write(tmp_path, 'seed = 1\nname = "x"\ntraining = {learning_rate = 1.0, rounds = 3}'))
    assert one.configuration_hash() == other.configuration_hash()


def test_a_study_names_a_place_for_its_models(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, 'name = "x"\n[store]\nurl = "s3://bucket/models"'))
    assert study.store.url == "s3://bucket/models"
    assert load_study(DEMO).store.url == ""


@pytest.mark.parametrize(
    "url", ["models", "s3://key:secret@bucket", "http://bucket", "file://models", "s3://b/a?x=secret"]
)
def test_a_place_for_models_that_is_none_is_refused_without_repeating_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(StudyError, match=r"store\.url.*should be a place for models") as refused:
        load_study(write(tmp_path, f'name = "x"\n[store]\nurl = "{url}"'))
    assert "secret" not in str(refused.value)
