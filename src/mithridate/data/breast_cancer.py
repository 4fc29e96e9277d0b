"""Breast cancer Wisconsin (diagnostic): 569 biopsies, 30 features of cell nuclei, malignant or benign.

Source: W. N. Street, W. H. Wolberg, O. L. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993;
the copy that scikit-learn carries.
"""

import numpy as np

from mithridate.data.dataset import Dataset
from mithridate.data.registry import datasets
from mithridate.data.settings import DataSettings


@datasets.register("breast_cancer")
def load(settings: DataSettings) -> Dataset:
    """569 records of 30 features; class 0 malignant (212), class 1 benign (357)."""
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    return Dataset(
        features=source.data.astype(np.float32),
        labels=source.target.astype(np.int64),
        classes=tuple(str(name) for name in source.target_names),
        kind="table",
        columns=tuple(str(name) for name in source.feature_names),
    )
