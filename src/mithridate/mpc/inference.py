"""Encrypted inference: hospitals' models, held as shares, on samples held as shares.

All activations must stay below 2^27 in magnitude, and products of two of them too: beyond, fixed point wraps around in
Z_2^64 and the logits of that hospital (of no other) are arbitrary. A norm bound on the updates comes before.
"""

import itertools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mithridate.errors import ModelError
from mithridate.mpc.aten import Lowered
from mithridate.mpc.session import Session
from mithridate.mpc.shares import ReplicatedShare, concatenate

# Intermediate values of one chunk of samples; SPU took 20 bytes each for all three validators together, measured.
CHUNK_VALUES = 40_000_000
# Parameters of one program's models; their conversion and SPU's copies took 180 bytes each, likewise.
CHUNK_PARAMETERS = 2_000_000
# Far above any difference of logits that matters, far below the ring's bound (2^45).
MARGIN_LIMIT = 1024.0


def logits(lowered: Lowered, params: jax.Array, inputs: jax.Array) -> jax.Array:
    """Logits of every model on every sample, for use inside a function given to `Session.run`.

    All models go through one vectorised program: for 10 models of the mlp preset on 40 samples it took half the time of
    a run for each. Samples are taken in chunks so that memory does not grow with their number.

    Args:
        lowered: the architecture.
        params: (n, d), one model a row.
        inputs: (m, *input_shape), m at least 1.

    Returns:
        (n, m, C).

    Raises:
        ModelError: the shapes do not fit the architecture, or there is no model or no sample.
    """
    models, samples = params.shape[0], inputs.shape[0]
    if models < 1 or samples < 1:
        raise ModelError(f"encrypted inference needs a model and a sample at least, not {models} and {samples}")
    apply = jax.vmap(lowered.apply, in_axes=(0, None))
    chunks = min(samples, math.ceil(models * samples * _values_per_sample(lowered) / CHUNK_VALUES))
    parts = [apply(params, part) for part in _split(inputs, chunks)]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=1)


def margins(scores: jax.Array, onehot: jax.Array) -> jax.Array:
    """True class's logit minus the best other one, at most `MARGIN_LIMIT`; positive where the label is predicted.

    Two classes need one product an entry and no comparison; C classes need C - 1 comparisons.

    Args:
        scores: logits (n, m, C).
        onehot: (m, C), 1 at the true class and 0 elsewhere.

    Returns:
        (n, m).
    """
    if scores.shape[-1] == 2:
        return (scores[..., 1] - scores[..., 0]) * (onehot[:, 1] - onehot[:, 0])
    true = jnp.sum(scores * onehot, axis=-1)
    # The true class is lowered rather than left out, because which one it is stays secret.
    return true - jnp.max(scores - MARGIN_LIMIT * onehot, axis=-1)


@dataclass(frozen=True)
class LogitsProgram:
    """`logits` of one architecture as a function that the program cache finds again."""

    lowered: Lowered

    def __call__(self, params: jax.Array, inputs: jax.Array) -> jax.Array:
        """Logits (n, m, C) of params (n, d) and inputs (m, *input_shape)."""
        return logits(self.lowered, params, inputs)


def encrypted_logits(
    session: Session, lowered: Lowered, params: ReplicatedShare, inputs: ReplicatedShare
) -> ReplicatedShare:
    """This validator's share of the logits (n, m, C), in fixed point.

    Args:
        session: this validator's.
        lowered: the architecture.
        params: (n, d), fixed point.
        inputs: (m, *input_shape), fixed point.

    Raises:
        ModelError: the shapes do not fit the architecture, or there is no model or no sample.
        RoundVoid: another validator did not answer.
    """
    program = LogitsProgram(lowered)
    parts = [session.run(program, [params[rows], inputs])[0] for rows in model_chunks(*params.shape)]
    return concatenate(parts)


def model_chunks(models: int, parameters: int) -> list[slice]:
    """Slices of 0..models, of nearly equal length, that one program each may take without much memory."""
    count = max(1, math.ceil(models / max(1, CHUNK_PARAMETERS // parameters)))
    bounds = [index * models // count for index in range(count + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(bounds)]


def _split(inputs: jax.Array, chunks: int) -> list[jax.Array]:
    bounds = [index * inputs.shape[0] // chunks for index in range(chunks + 1)]
    return [jax.lax.slice_in_dim(inputs, start, end) for start, end in itertools.pairwise(bounds)]


def _values_per_sample(lowered: Lowered) -> int:
    """How many intermediate values one more sample makes: the difference of the programs for three and for two."""
    return max(1, _values(lowered, 3) - _values(lowered, 2))


def _values(lowered: Lowered, samples: int) -> int:
    params = jax.ShapeDtypeStruct((lowered.parameters,), np.float32)
    inputs = jax.ShapeDtypeStruct((samples, *lowered.input_shape), np.float32)
    equations = jax.make_jaxpr(lowered.apply)(params, inputs).eqns
    return sum(math.prod(result.aval.shape) for equation in equations for result in equation.outvars)
