"""Global models as safetensors files, whose SHA-256 is the model's hash."""

import numpy as np
import numpy.typing as npt
import safetensors
from safetensors.numpy import save

from mithridate.errors import ModelError
from mithridate.models.layout import Layout

# Room for one parameter's entry in the file's header beside its name: data type, shape, offsets, punctuation.
HEADER_BYTES_PER_ENTRY = 256


def to_safetensors(vector: npt.NDArray[np.float32], layout: Layout) -> bytes:
    """The file of a flat vector float32 (d,), the same bytes for the same values wherever it is made.

    Raises:
        ModelError: another number of values than the layout's, another data type, or a value that is not finite.
    """
    _check(vector, layout)
    parts = np.split(vector, np.cumsum(layout.sizes)[:-1])
    tensors = {
        name: np.asarray(part.reshape(shape), dtype="<f4")
        for name, shape, part in zip(layout.names, layout.shapes, parts, strict=True)
    }
    return save(tensors)


def from_safetensors(data: bytes, layout: Layout) -> npt.NDArray[np.float32]:
    """The flat vector float32 (d,) of a file that may come from anyone.

    Raises:
        ModelError: too many bytes, no safetensors file, or other names, shapes or data types than the layout's, or a
            value that is not finite.
    """
    _check_length(len(data), layout)
    try:
        entries = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise ModelError(f"this is not a safetensors file: {error}") from error
    if set(entries) != set(layout.names):
        unlike = sorted(set(entries) ^ set(layout.names))[:3]
        raise ModelError(f"the model file has other parameters than the study's model, such as {unlike}")
    vector = np.concatenate(
        [_values(name, entries[name], shape) for name, shape in zip(layout.names, layout.shapes, strict=True)]
    )
    _check(vector, layout)
    return vector


def _check_length(length: int, layout: Layout) -> None:
    header = sum(len(name.encode()) * 6 + HEADER_BYTES_PER_ENTRY for name in layout.names)
    if length > 4 * layout.size + 8 + header:
        raise ModelError(f"the model file has {length} bytes, too many for {layout.size} float32 parameters")


def _values(name: str, entry: dict[str, object], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if entry["dtype"] != "F32" or entry["shape"] != list(shape):
        raise ModelError(
            f"parameter {name!r} must be F32 {list(shape)}, the file has {entry['dtype']} {entry['shape']}"
        )
    return np.frombuffer(entry["data"], dtype="<f4").astype(np.float32)  # type: ignore[call-overload, no-any-return]


def _check(vector: npt.NDArray[np.float32], layout: Layout) -> None:
    if vector.dtype != np.float32 or vector.shape != (layout.size,):
        raise ModelError(f"the model has float32 ({layout.size},) values, these are {vector.dtype} {vector.shape}")
    if not np.isfinite(vector).all():
        raise ModelError("the model holds a value that is not finite")
