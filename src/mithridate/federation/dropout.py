"""Hospitals that drop out, as the study simulates them: before they commit, or after, with nothing delivered."""

from typing import Literal

import numpy as np

from mithridate.seeds import derive_seed
from mithridate.study import Study


def drops(study: Study, when: Literal["before", "after"], hospital: int, round_number: int, attempt: int) -> bool:
    """Whether a hospital drops out of one attempt; drawn from the study's seed."""
    chance = study.hospitals.drop_before if when == "before" else study.hospitals.drop_after
    rng = np.random.default_rng(derive_seed(study.seed, "drop", when, hospital, round_number, attempt))
    return bool(rng.random() < chance)
