import pytest
import torch

from mithridate.errors import InputError, ModelError
from mithridate.models import models
from mithridate.models.build import build_model
from mithridate.models.parameters import layout_of, to_vector


def shapes(name: str, input_shape: tuple[int, ...], classes: int) -> list[tuple[int, ...]]:
    return list(layout_of(build_model(name, input_shape, classes, seed=0)).shapes)


def test_mlp_is_64_32() -> None:
    assert shapes("mlp", (30,), 2) == [(64, 30), (64,), (32, 64), (32,), (2, 32), (2,)]
    assert shapes("mlp", (1, 8, 8), 10)[0] == (64, 64)


def test_logistic_is_affine() -> None:
    assert shapes("logistic", (30,), 3) == [(3, 30), (3,)]


@pytest.mark.parametrize(
    ("input_shape", "units"), [((1, 28, 28), 1568), ((3, 28, 28), 1568), ((1, 8, 8), 128), ((3, 9, 13), 192)]
)
def test_cnn_pools_twice(input_shape: tuple[int, ...], units: int) -> None:
    channels = input_shape[0]
    assert shapes("cnn", input_shape, 10) == [
        (16, channels, 3, 3),
        (16,),
        (32, 16, 3, 3),
        (32,),
        (64, units),
        (64,),
        (10, 64),
        (10,),
    ]


def test_the_cnn_of_the_benchmarks_has_106_thousand_parameters() -> None:
    assert layout_of(build_model("cnn", (1, 28, 28), 10, seed=0)).size == 105_866


def test_cnn_pools_before_relu() -> None:
    kinds = [type(layer).__name__ for layer in build_model("cnn", (1, 8, 8), 2, seed=0).children()]
    assert kinds[:6] == ["Conv2d", "AvgPool2d", "ReLU"] * 2


@pytest.mark.parametrize("input_shape", [(30,), (8, 8), (1, 3, 8)])
def test_cnn_refuses_records_that_are_no_images(input_shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"model\.name"):
        build_model("cnn", input_shape, 2, seed=0)


def test_the_seed_decides_the_initial_parameters_and_nothing_else_changes() -> None:
    before = torch.get_rng_state()
    one, same, other = (to_vector(build_model("mlp", (30,), 2, seed=seed)).tobytes() for seed in (1, 1, 2))
    assert one == same != other
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", list(models))
def test_initial_parameters_lie_on_the_fixed_point_grid(name: str) -> None:
    scaled = to_vector(build_model(name, (1, 8, 8), 4, seed=3)).astype(float) * 2**18
    assert (scaled == scaled.round()).all()
    assert (scaled != 0).any()


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(InputError, match="cnn, logistic, mlp"):
        models.get("resnet")
