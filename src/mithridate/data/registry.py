"""The datasets by name. A dataset is one file with one `register` line."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mithridate.registry import Registry

if TYPE_CHECKING:
    from mithridate.data.dataset import Dataset
    from mithridate.data.settings import DataSettings

datasets: "Registry[Callable[[DataSettings], Dataset]]" = Registry("dataset")
