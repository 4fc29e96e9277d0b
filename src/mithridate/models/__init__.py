"""Models and their presets. Importing this package registers the presets; PyTorch is imported by `models.build`."""

from mithridate.models import cnn, logistic, mlp
from mithridate.models.layout import Layout
from mithridate.models.registry import models

__all__ = ["Layout", "cnn", "logistic", "mlp", "models"]
