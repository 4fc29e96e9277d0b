import json
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from safetensors.torch import load

from mithridate.errors import ModelError
from mithridate.models import Layout
from mithridate.models.build import build_model
from mithridate.models.files import from_safetensors, to_safetensors
from mithridate.models.parameters import layout_of, to_vector

LAYOUT = Layout(("weight", "bias", "scale"), ((2, 3), (2,), ()))
VECTOR = np.arange(9, dtype=np.float32)
FILE = to_safetensors(VECTOR, LAYOUT)


def test_files_load_in_pytorch() -> None:
    module = build_model("cnn", (1, 8, 8), 3, seed=0)
    state = load(to_safetensors(to_vector(module), layout_of(module)))
    assert set(state) == set(module.state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())


def test_reading_is_the_inverse_of_writing() -> None:
    np.testing.assert_array_equal(from_safetensors(FILE, LAYOUT), VECTOR)
    assert from_safetensors(FILE, LAYOUT).flags.writeable


def test_the_bytes_are_the_same_in_another_process() -> None:
    script = (
        "import sys, numpy as np\n"
        "from mithridate.models import Layout\n"
        "from mithridate.models.files import to_safetensors\n"
        "layout = Layout(('weight', 'bias', 'scale'), ((2, 3), (2,), ()))\n"
        "sys.stdout.buffer.write(to_safetensors(np.arange(9, dtype=np.float32), layout))\n"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert done.stdout == FILE


def test_any_other_value_gives_other_bytes() -> None:
    for index in range(9):
        changed = VECTOR.copy()
        changed[index] = np.nextafter(changed[index], np.float32(100))
        assert to_safetensors(changed, LAYOUT) != FILE


@pytest.mark.parametrize(
    "vector", [VECTOR[:8], VECTOR.astype(np.float64), VECTOR.reshape(3, 3), VECTOR * np.float32(np.nan)]
)
def test_vectors_that_are_no_model_are_not_written(vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    with pytest.raises(ModelError):
        to_safetensors(vector, LAYOUT)


def parts(**changed: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    tensors = {
        "weight": np.zeros((2, 3), np.float32),
        "bias": np.zeros(2, np.float32),
        "scale": np.zeros((), np.float32),
        **changed,
    }
    return save(tensors)


def headed(header: dict[str, object], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


GOOD_HEADER = {
    "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "bias": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]},
    "scale": {"dtype": "F32", "shape": [], "data_offsets": [32, 36]},
}
HOSTILE = {
    "empty": b"",
    "noise": b"\xff" * 64,
    "truncated": FILE[:-1],
    "longer": FILE + b"\x00",
    "header longer than the file": struct.pack("<Q", 2**63) + FILE[8:],
    "another name": parts(extra=np.zeros(1, np.float32)),
    "another shape": parts(weight=np.zeros((3, 2), np.float32)),
    "another length": parts(bias=np.zeros(3, np.float32)),
    "float64": parts(scale=np.zeros((), np.float64)),
    "int32 of the same size": parts(bias=np.zeros(2, np.int32)),
    "NaN": parts(bias=np.array([0, np.nan], np.float32)),
    "infinite": parts(scale=np.array(-np.inf, np.float32)),
    "overlapping tensors": headed({**GOOD_HEADER, "bias": {**GOOD_HEADER["bias"], "data_offsets": [0, 8]}}, bytes(36)),
    "a gap between tensors": headed(
        {**GOOD_HEADER, "scale": {**GOOD_HEADER["scale"], "data_offsets": [36, 40]}}, bytes(40)
    ),
    "offsets beyond the file": headed(
        {**GOOD_HEADER, "scale": {**GOOD_HEADER["scale"], "data_offsets": [32, 2**40]}}, bytes(36)
    ),
    "a missing name": headed({name: GOOD_HEADER[name] for name in ("weight", "bias")}, bytes(32)),
    "far too long": FILE + bytes(10_000),
}


def test_the_hand_made_header_is_good() -> None:
    assert from_safetensors(headed({**GOOD_HEADER}, bytes(36)), LAYOUT).tolist() == [0.0] * 9


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        from_safetensors(data, LAYOUT)


def test_the_length_is_checked_before_anything_is_parsed() -> None:
    with pytest.raises(ModelError, match="too many for 9"):
        from_safetensors(FILE + bytes(10_000), LAYOUT)


@given(index=st.integers(0, len(FILE) - 1), value=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_gives_a_model_error_or_finite_values(index: int, value: int) -> None:
    data = bytearray(FILE)
    data[index] = value
    try:
        vector = from_safetensors(bytes(data), LAYOUT)
    except ModelError:
        return
    assert vector.shape == (9,)
    assert np.isfinite(vector).all()


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_arbitrary_bytes_are_no_model(data: bytes) -> None:
    with pytest.raises(ModelError):
        from_safetensors(data, LAYOUT)
