"""What every party of a study knows of it, with no record at hand: the model and the reference set's shape."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from mithridate.evaluation.prediction import ModelInputs
from mithridate.federation.reference import ReferenceShape
from mithridate.models.build import build_model
from mithridate.models.layout import Layout
from mithridate.models.parameters import layout_of, to_vector
from mithridate.seeds import derive_seed
from mithridate.study import Study


@dataclass(frozen=True)
class Material:
    """A study's public part.

    Args:
        study: as its configuration hash binds it.
        module: the model, with its initial parameters; shared, so whoever trains takes a copy.
        layout: of its parameters.
        initial: its initial parameters, float32 (d,).
        reference: shape of the reference set.
    """

    study: Study
    module: nn.Module
    layout: Layout
    initial: npt.NDArray[np.float32]
    reference: ReferenceShape

    @classmethod
    def of(cls, study: Study, inputs: ModelInputs, reference_records: int) -> "Material":
        """The material of a study whose inputs are known.

        Args:
            study: which.
            inputs: what the model takes and gives.
            reference_records: m, records of the reference set.

        Raises:
            ModelError: the model cannot be built for these inputs.
        """
        classes = len(inputs.classes)
        module = build_model(study.model.name, inputs.shape, classes, seed=derive_seed(study.seed, "model"))
        shape = ReferenceShape(reference_records, inputs.shape, classes)
        return cls(study, module, layout_of(module), to_vector(module), shape)
