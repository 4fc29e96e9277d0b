"""MedMNIST v2 archives (numpy .npz) and MNIST in Keras's layout, read without pickle.

Source: J. Yang et al., "MedMNIST v2", Scientific Data 10, 41 (2023). The official parts (train, validation, test) are
pooled and records with equal pixels kept once, so that no image stands on both sides of a study's own split.
"""

import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mithridate.data.dataset import Dataset
from mithridate.data.locate import locate
from mithridate.data.registry import datasets
from mithridate.data.settings import DataSettings
from mithridate.errors import DataError

# ChestMNIST is absent: its records carry several labels at once.
NAMES = (
    *("bloodmnist", "breastmnist", "dermamnist", "mnist", "octmnist", "organamnist", "organcmnist", "organsmnist"),
    *("pathmnist", "pneumoniamnist", "retinamnist", "tissuemnist"),
)
PARTS = (
    ("train_images", "train_labels"),
    ("val_images", "val_labels"),
    ("test_images", "test_labels"),
    ("x_train", "y_train"),
    ("x_test", "y_test"),
)


def _load(settings: DataSettings, name: str) -> Dataset:
    """Images (channels, height, width) in [0, 1]; classes are the label values in ascending order.

    Raises:
        DataError: the archive is missing, unreadable, or holds something else.
    """
    return read_archive(_archive(settings, name))


def read_archive(path: Path) -> Dataset:
    """The images of one archive, (channels, height, width) in [0, 1], each once; classes are its label values.

    Raises:
        DataError: the archive is unreadable, or holds something else.
    """
    images, values = _read(path)
    kept = _first_of_equals(images)
    classes, labels = np.unique(values[kept], return_inverse=True)
    return Dataset(
        features=_channels_first(images[kept]).astype(np.float32) / np.float32(255.0),
        labels=labels.astype(np.int64),
        classes=tuple(str(value) for value in classes),
        kind="image",
    )


def _archive(settings: DataSettings, name: str) -> Path:
    if settings.path is None:
        return locate(f"{name}/{name}.npz", f"{name}.npz")
    if not isinstance(settings.path, str):
        raise DataError(f"data.path: {name} is one file or its folder, not a list")
    return locate(settings.path, f"{settings.path}/{name}.npz")


def _read(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            parts = [(archive[x], archive[y]) for x, y in PARTS if x in archive and y in archive]
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz archive: {error}") from error
    if not parts:
        raise DataError(f"{path} holds neither MedMNIST's arrays (train_images ...) nor Keras's (x_train ...)")
    _check(path, parts)
    images = np.concatenate([x for x, _ in parts])
    return images, np.concatenate([y.reshape(-1) for _, y in parts]).astype(np.int64)


def _check(path: Path, parts: Sequence[tuple[object, object]]) -> None:
    shapes = set()
    for x, y in parts:
        if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
            raise DataError(f"{path}: its members are no numpy arrays")
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] != 3):
            raise DataError(f"{path}: images must be uint8 (N, height, width[, 3]), got {x.dtype} {x.shape}")
        if not np.issubdtype(y.dtype, np.integer) or y.size != len(x):
            raise DataError(f"{path}: {len(x)} images need as many integer labels, got {y.dtype} {y.shape}")
        shapes.add(x.shape[1:])
    if len(shapes) > 1:
        raise DataError(f"{path}: images of different shapes, {sorted(shapes)}")


def _first_of_equals(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Indices of the images without later copies, ascending."""
    first: dict[bytes, int] = {}
    for index, image in enumerate(images):
        first.setdefault(image.tobytes(), index)
    return np.fromiter(first.values(), dtype=np.int64)


def _channels_first(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(N, H, W) or (N, H, W, channels) to (N, channels, H, W)."""
    return images[:, np.newaxis] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


for _name in NAMES:
    datasets.register(_name)(partial(_load, name=_name))
