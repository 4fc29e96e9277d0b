"""Recordings made up so that what they come to can be worked out by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mithridate.evaluation.calibration.recording import Recording, inference_at
from mithridate.evaluation.calibration.thresholds import GATES, MARGIN_CAPS, STANDARD_ERRORS
from mithridate.evaluation.detection.cells import NO_ATTACK, OURS, Cell
from mithridate.verification.schedule import EVERY

MakeRecording = Callable[..., Recording]
ROUNDS = 10


@pytest.fixture(scope="session")
def make_recording() -> MakeRecording:
    """One study: the first `malicious` hospitals score `bad` each round, the others `good`; no detector flags any."""

    def make(
        hospitals: int = 10,
        *,
        malicious: int = 4,
        good: float = 0.5,
        bad: float = -0.5,
        lost: float = 10.0,
        seed: int = 1,
        dataset: str = "mnist",
        attack: str = "sign flip 2",
        **changed: Any,
    ) -> Recording:
        guilty = np.arange(hospitals) < malicious
        shape = (1, ROUNDS, hospitals)
        named = attack if malicious else NO_ATTACK
        cell = Cell(dataset, "iid", hospitals, 0.4 if malicious else 0.0, named, OURS, seed)
        arrays = {
            "scores": np.where(guilty, bad, good) * np.ones(shape),
            "evidence": np.zeros(shape),
            "sound": np.ones(shape, dtype=bool),
            "due": np.zeros((*shape, EVERY), dtype=bool),
            "attacking": np.broadcast_to(guilty, shape).copy(),
            "malicious": guilty[None],
            "lost": np.array([lost if malicious else 0.0]),
            **{gate.setting: np.full(shape, len(gate.values)) for gate in GATES},
            **{inference_at(cap): np.full(shape, len(STANDARD_ERRORS)) for cap in MARGIN_CAPS},
        }
        return Recording((cell,), {**arrays, **changed})

    return make
