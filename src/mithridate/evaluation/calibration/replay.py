"""The evidence under other settings than those that a study was recorded under.

What the detectors saw stays as it was, also where other settings would have led to another model or have left other
hospitals out: a first answer, which `check.py` then tests in studies played with the settings.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.experimental import enable_x64

from mithridate.evaluation.calibration.recording import Recording, inference_at
from mithridate.evaluation.calibration.thresholds import GATES, STANDARD_ERRORS, WATCHED, knobs
from mithridate.verification.evidence import MOST, Between, gathered
from mithridate.verification.schedule import EVERY
from mithridate.verification.settings import DefenceSettings

Flags = npt.NDArray[np.bool_]


def proofs(recording: Recording, settings: DefenceSettings) -> Flags:
    """bool (S, R, n): rejected by the range, norm or similarity detector.

    Args:
        recording: of the studies.
        settings: thresholds lie among the values of `GATES`; others are taken to the next looser one.
    """
    flagged = ~recording["sound"]
    for gate in GATES:
        flagged = flagged | flagged_by(recording[gate.setting], gate.values, getattr(settings, gate.setting))
    return np.asarray(flagged)


def harmful(recording: Recording, settings: DefenceSettings) -> Flags:
    """bool (S, R, n): what encrypted inference finds of an update if it is checked; `margin_cap` is a recorded one."""
    first = recording[inference_at(settings.margin_cap)]
    return flagged_by(first, STANDARD_ERRORS, settings.standard_errors)


def flagged_by(first: npt.NDArray[Any], values: tuple[float, ...], threshold: float) -> Flags:
    """Updates that a threshold flags, where `first` of `values`, the loosest first, flags each."""
    rising = values[-1] >= values[0]
    looser = [place for place, value in enumerate(values) if (value <= threshold if rising else value >= threshold)]
    return np.asarray(first <= (max(looser) if looser else -1))


def replayed(recording: Recording, settings: DefenceSettings) -> npt.NDArray[np.float64]:
    """The evidence (S, R, n) after the gates of each round, nobody being suspended."""
    numbers = {**knobs(settings), "suspension": WATCHED}
    by_round = (recording["scores"], proofs(recording, settings), harmful(recording, settings), recording["due"])
    with enable_x64():
        return np.asarray(_replayed(numbers, *(np.moveaxis(each, 1, 0) for each in by_round))).swapaxes(0, 1)


@jax.jit  # type: ignore[untyped-decorator]
def _replayed(numbers: dict[str, Any], scores: Any, proven: Any, harming: Any, due: Any) -> Any:
    settings = DefenceSettings().model_copy(update=numbers)
    undecided = Between(settings.quarantine)

    def next_round(state: Any, seen: Any) -> Any:
        (evidence, waited), (scored, proof, harm, drawn) = state, seen
        evidence = jax.vmap(lambda *one: gathered(one[0], one[1], one[2], settings))(evidence, scored, proof)
        passed = ~proof & (evidence <= settings.quarantine) & (scored >= settings.least_score)
        chosen = jnp.take_along_axis(drawn, jnp.minimum(waited, EVERY - 1)[..., None], axis=-1)[..., 0]
        checked = passed & (chosen | undecided(evidence))
        after = evidence + MOST * (checked & harm)
        return (after, jnp.where(checked, 0, waited + 1)), evidence

    zeros = jnp.zeros(scores.shape[1:])
    return jax.lax.scan(next_round, (zeros, zeros.astype(int)), (scores, proven, harming, due))[1]
