"""Datasets, their division among hospitals, and preprocessing. Importing this package registers the datasets."""

from mithridate.data import breast_cancer, csv_table, digits, medmnist
from mithridate.data.dataset import Dataset
from mithridate.data.registry import datasets
from mithridate.data.split import Split, load_split, split

__all__ = ["Dataset", "Split", "breast_cancer", "csv_table", "datasets", "digits", "load_split", "medmnist", "split"]
