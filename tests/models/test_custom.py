from pathlib import Path

import pytest
import torch

from mithridate.errors import ModelError
from mithridate.models.build import build_model
from mithridate.models.parameters import layout_of

SOURCE = """
import torch
from torch import nn

def linear(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0], classes, bias=False))

def normalised(input_shape, classes):
    return nn.Sequential(nn.Linear(input_shape[0], 4), nn.BatchNorm1d(4), nn.Linear(4, classes))

def one_logit(input_shape, classes):
    return nn.Linear(input_shape[0], 1)

def double(input_shape, classes):
    return nn.Linear(input_shape[0], classes).double()

def mixed(input_shape, classes):
    module = nn.Linear(input_shape[0], classes)
    module.register_buffer("scale", torch.ones(1, dtype=torch.float64))
    return module

def infinite(input_shape, classes):
    module = nn.Linear(input_shape[0], classes)
    nn.init.constant_(module.bias, float("inf"))
    return module

def wrong_input(input_shape, classes):
    return nn.Linear(input_shape[0] + 1, classes)

def no_module(input_shape, classes):
    return lambda x: x

def failing(input_shape, classes):
    raise KeyError("weights")

def without_parameters(input_shape, classes):
    return nn.Identity()

constant = 3
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hospital_models.py").write_text(SOURCE)
    (tmp_path / "broken_models.py").write_text("import no_such_package_here\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_the_users_factory_is_called_with_shape_and_classes() -> None:
    module = build_model("hospital_models:linear", (5,), 3, seed=1)
    assert layout_of(module).shapes == ((3, 5),)
    assert module(torch.zeros(2, 5)).shape == (2, 3)


def test_running_statistics_are_parameters_and_counters_are_not() -> None:
    names = layout_of(build_model("hospital_models:normalised", (5,), 3, seed=1)).names
    assert {"1.running_mean", "1.running_var"} < set(names)
    assert "1.num_batches_tracked" not in names


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("hospital_models:one_logit", r"float32 logits \(2, 3\), it gives torch.float32 \(2, 1\)"),
        ("hospital_models:double", "fails on records"),
        ("hospital_models:mixed", "must be float32 throughout"),
        ("hospital_models:infinite", "finite"),
        ("hospital_models:wrong_input", r"fails on records of shape \(5,\)"),
        ("hospital_models:no_module", "it returned function"),
        ("hospital_models:failing", "KeyError"),
        ("hospital_models:without_parameters", r"float32 logits \(2, 3\)"),
        ("hospital_models:constant", "not callable"),
        ("hospital_models:absent", "cannot be imported"),
        ("broken_models:linear", "no_such_package_here"),
        ("no_such_module_here:linear", "cannot be imported"),
    ],
)
def test_a_factory_that_does_not_keep_to_the_contract_is_a_named_error(factory: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_model(factory, (5,), 3, seed=1)
