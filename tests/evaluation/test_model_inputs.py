import json

import numpy as np
import pytest

from mithridate.data.preprocessing import Preprocessing
from mithridate.errors import MithridateError
from mithridate.evaluation.prediction import ModelInputs

STATISTICS = Preprocessing(np.array([1 / 3, 2.0]), np.array([0.1, -7.5]), np.array([1e-9, 3.0]))
INPUTS = ModelInputs("table", (2,), ("no", "yes, maybe"), ("age", "sex=f"), STATISTICS)


def test_the_file_holds_everything_exactly() -> None:
    back = ModelInputs.from_json(INPUTS.to_json())
    assert (back.kind, back.shape, back.classes, back.columns) == ("table", (2,), INPUTS.classes, INPUTS.columns)
    for name in ("median", "mean", "scale"):
        np.testing.assert_array_equal(getattr(back.preprocessing, name), getattr(STATISTICS, name))


@pytest.mark.parametrize("key", ["kind", "shape", "classes", "columns", "median", "mean", "scale"])
def test_a_file_that_lacks_a_key_is_refused(key: str) -> None:
    document = json.loads(INPUTS.to_json())
    del document[key]
    with pytest.raises(MithridateError, match=key):
        ModelInputs.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("kind", "song"),
        ("shape", [3]),
        ("shape", [2, 1]),
        ("columns", ["age"]),
        ("classes", ["only"]),
        ("scale", [0, 1]),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(key: str, wrong: object) -> None:
    with pytest.raises(MithridateError):
        ModelInputs.from_json(json.dumps({**json.loads(INPUTS.to_json()), key: wrong}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "1"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(MithridateError, match=r"preprocessing\.json"):
        ModelInputs.from_json(text)
