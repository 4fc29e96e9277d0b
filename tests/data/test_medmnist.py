import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mithridate.data import datasets
from mithridate.data.dataset import Dataset
from mithridate.data.settings import DataSettings
from mithridate.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 28, 28), dtype=np.uint8)


def read(path: Path, name: str = "pneumoniamnist") -> Dataset:
    return datasets.get(name)(DataSettings(name=name, path=str(path)))


def test_parts_are_pooled_scaled_and_equal_images_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "pneumoniamnist.npz"
    np.savez(
        path,
        train_images=IMAGES[:3],
        train_labels=np.array([[0], [1], [1]], dtype=np.uint8),
        val_images=IMAGES[2:4],
        val_labels=np.array([[1], [0]], dtype=np.uint8),
        test_images=IMAGES[4:],
        test_labels=np.array([[1], [1]], dtype=np.uint8),
    )
    dataset = read(tmp_path)
    assert dataset.features.shape == (6, 1, 28, 28)
    assert dataset.labels.tolist() == [0, 1, 1, 0, 1, 1]
    np.testing.assert_array_equal(np.rint(dataset.features[:, 0] * 255).astype(np.uint8), IMAGES)
    assert dataset.features.max() <= 1.0


def test_keras_keys_and_labels_that_do_not_start_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=IMAGES[:4], y_train=np.array([7, 3, 7, 3]), x_test=IMAGES[4:], y_test=np.array([9, 9]))
    dataset = read(path, "mnist")
    assert dataset.classes == ("3", "7", "9")
    assert dataset.labels.tolist() == [1, 0, 1, 0, 2, 2]


def test_colour_images_have_their_channels_first(tmp_path: Path) -> None:
    colour = RNG.integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
    np.savez(tmp_path / "bloodmnist.npz", train_images=colour, train_labels=np.arange(4))
    dataset = read(tmp_path, "bloodmnist")
    assert dataset.shape == (3, 28, 28)
    assert np.isclose(dataset.features[1, 2, 5, 6] * 255, colour[1, 5, 6, 2])


def pickled() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, train_images=np.array([{}], dtype=object), train_labels=np.array([0]))
    return stream.getvalue()


def archive(**arrays: npt.NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def zip_of_text() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("train_images.npy", "text")
        target.writestr("train_labels.npy", "text")
    return stream.getvalue()


GOOD = archive(train_images=IMAGES, train_labels=np.arange(6))
BAD = {
    "empty": b"",
    "text": b"no archive",
    "truncated": GOOD[: len(GOOD) // 2],
    "pickled objects": pickled(),
    "zip of text": zip_of_text(),
    "a bare array": GOOD[66:],
    "other arrays": archive(pictures=IMAGES),
    "float images": archive(train_images=IMAGES.astype(np.float32), train_labels=np.arange(6)),
    "flat images": archive(train_images=IMAGES.reshape(6, -1), train_labels=np.arange(6)),
    "four channels": archive(train_images=np.zeros((6, 8, 8, 4), np.uint8), train_labels=np.arange(6)),
    "fewer labels": archive(train_images=IMAGES, train_labels=np.arange(5)),
    "several labels an image": archive(train_images=IMAGES, train_labels=np.zeros((6, 14), np.uint8)),
    "float labels": archive(train_images=IMAGES, train_labels=np.arange(6.0)),
    "parts of other shapes": archive(
        train_images=IMAGES, train_labels=np.arange(6), test_images=IMAGES[:, :8], test_labels=np.arange(6)
    ),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pneumoniamnist.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"pneumoniamnist\.npz"):
        read(path)


def test_an_absent_archive_names_the_places_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITHRIDATE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="MITHRIDATE_DATA") as caught:
        datasets.get("retinamnist")(DataSettings(name="retinamnist"))
    assert str(tmp_path / "retinamnist" / "retinamnist.npz") in str(caught.value)
    with pytest.raises(DataError, match="not a list"):
        datasets.get("retinamnist")(DataSettings(name="retinamnist", path=("a", "b")))


def test_pneumoniamnist(medical: Callable[[str], Path]) -> None:
    medical("pneumoniamnist/pneumoniamnist.npz")
    dataset = datasets.get("pneumoniamnist")(DataSettings(name="pneumoniamnist"))
    assert dataset.shape == (1, 28, 28)
    assert dataset.classes == ("0", "1")
    # 5,856 images in three parts, less exact duplicates.
    assert 5800 < len(dataset) < 5856
    assert len({image.tobytes() for image in dataset.features}) == len(dataset)
