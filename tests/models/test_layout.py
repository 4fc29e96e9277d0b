import pytest

from mithridate.errors import ModelError
from mithridate.models import Layout


def test_sizes_count_values_and_a_scalar_is_one() -> None:
    layout = Layout(("a", "b", "c"), ((2, 3), (4,), ()))
    assert layout.sizes == (6, 4, 1)
    assert layout.size == 11


@pytest.mark.parametrize(
    ("names", "shapes"),
    [
        ((), ()),
        (("a",), ()),
        (("a", "a"), ((1,), (1,))),
        (("a",), ((0,),)),
        (("a",), ((-1,),)),
        (("a",), ((2**16, 2**15),)),
    ],
)
def test_impossible_layouts(names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ModelError):
        Layout(names, shapes)
