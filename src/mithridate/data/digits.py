"""Optical recognition of handwritten digits: 1,797 images of 8 x 8 pixels with 17 grey levels.

Source: E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998 (the test part); the copy that scikit-learn
carries.
"""

import numpy as np

from mithridate.data.dataset import Dataset
from mithridate.data.registry import datasets
from mithridate.data.settings import DataSettings


@datasets.register("digits")
def load(settings: DataSettings) -> Dataset:
    """1,797 images (1, 8, 8) in [0, 1], ten classes."""
    from sklearn.datasets import load_digits

    source = load_digits()
    return Dataset(
        features=(source.images[:, np.newaxis] / 16.0).astype(np.float32),
        labels=source.target.astype(np.int64),
        classes=tuple(str(name) for name in source.target_names),
        kind="image",
    )
