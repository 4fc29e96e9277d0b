"""One validator's SPU runtime: programs on replicated shares, jointly with the two other validators.

Protocol ABY3 (Mohassel, Rindal, "ABY3: A Mixed Protocol Framework for Machine Learning", ACM CCS 2018) as implemented
by SecretFlow SPU, ring Z_2^64, 18 fractional bits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import spu
from spu import libspu

from mithridate.crypto.fixed_point import FRACTION_BITS
from mithridate.errors import RoundVoid
from mithridate.mpc import spu_log
from mithridate.mpc.openmp import single_threaded_products
from mithridate.mpc.programs import InputType, Program, program
from mithridate.mpc.shares import VALIDATORS, ReplicatedShare
from mithridate.mpc.spu_values import Encoding, from_spu, to_spu


@dataclass(frozen=True)
class Integer:
    """Marks a share whose ring elements are integers and not fixed point."""

    share: ReplicatedShare


ProgramInput = ReplicatedShare | Integer | npt.NDArray[Any] | np.generic


def runtime_config() -> libspu.RuntimeConfig:
    """The SPU configuration that all three validators must use."""
    config = libspu.RuntimeConfig(libspu.ProtocolKind.ABY3, libspu.FieldType.FM64, FRACTION_BITS)
    # SPU counts the bytes of its link only while it profiles (`spu_log`).
    config.enable_pphlo_profile = True
    return config


class Session:
    """Runs programs on this validator's shares; the other two run the same ones, in the same order, at the same time.

    ABY3 here is secure against one curious validator. One that deviates from the protocol can alter an outcome
    without being noticed. Not for use by several threads at once: the messages of two programs would mix.

    Args:
        link: this validator's end of a link among exactly three, which no other session uses.

    Raises:
        ValueError: the link joins another number of parties.
    """

    def __init__(self, link: libspu.link.Context) -> None:
        if link.world_size != VALIDATORS:
            raise ValueError(f"a session joins three validators, this link {link.world_size}")
        self.rank: int = link.rank
        self._link = link
        self._runtime: spu.Runtime | None = None
        self._failure: str | None = None
        self._io = spu.Io(VALIDATORS, runtime_config())
        spu_log.start()

    def run(self, function: Callable[..., Any], inputs: Sequence[ProgramInput]) -> list[ReplicatedShare]:
        """Evaluate `function` on the shares, learning nothing but this validator's shares of its outputs.

        Args:
            function: a JAX function of len(inputs) arrays, compiled at its first use for these shapes
                (`programs.program` says which functions count as the same). Python control flow must not depend on
                the inputs' values.
            inputs: shares as fixed point (float32 to the function), `Integer` shares (int64), or arrays that all
                three validators know and give alike (numpy's own type; thresholds given so need no new compilation).

        Returns:
            Shares of the outputs in the order of JAX's tree leaves: floating-point ones in fixed point, integers as
            ring integers, booleans as the ring integers 0 and 1.

        Raises:
            RoundVoid: another validator did not answer in the link's time, or SPU failed; the session is then of no
                further use.
            ModelError: the function cannot be compiled.
            ValueError: a share is of another rank.
        """
        if self._failure is not None:
            raise RoundVoid(f"this session failed before ({self._failure}): open new links and a new session")
        self._check_ranks(inputs)
        compiled = program(function, [_type(value) for value in inputs])
        zero = ReplicatedShare(self.rank, np.zeros((), np.uint64), np.zeros((), np.uint64))
        try:
            return self._execute(compiled, [zero, Integer(zero), *inputs])
        except RuntimeError as error:
            self._runtime, self._failure = None, spu_log.first_line(error)
            raise RoundVoid(
                f"validator {self.rank}'s encrypted computation ended early: {self._failure}. "
                "Another validator is down or too slow; the round must be closed and opened anew"
            ) from error

    def close(self) -> None:
        """Give up the runtime and the link."""
        self._runtime, self._failure = None, "it was closed"

    def _execute(self, compiled: Program, inputs: list[ProgramInput]) -> list[ReplicatedShare]:
        if self._runtime is None:
            # Not in the constructor: setting up SPU already exchanges messages with the other two.
            self._runtime = spu.Runtime(self._link, runtime_config())
        for name, value in zip(compiled.inputs, inputs, strict=True):
            self._runtime.set_var(name, self._value(value))
        with single_threaded_products:
            self._runtime.run(compiled.executable)
        outputs = [from_spu(self._runtime.get_var(name), self.rank) for name in compiled.outputs]
        for name in (*compiled.inputs, *compiled.outputs):
            self._runtime.del_var(name)
        return outputs

    def _value(self, value: ProgramInput) -> libspu.Share:
        if isinstance(value, np.ndarray | np.generic):
            return self._io.make_shares(np.asarray(value), libspu.Visibility.VIS_PUBLIC)[self.rank]
        if isinstance(value, Integer):
            return to_spu(value.share, Encoding.INTEGER)
        return to_spu(value, Encoding.FIXED)

    def _check_ranks(self, inputs: Sequence[ProgramInput]) -> None:
        for value in inputs:
            share = value.share if isinstance(value, Integer) else value
            if isinstance(share, ReplicatedShare) and share.rank != self.rank:
                raise ValueError(f"a share of validator {share.rank} was given to validator {self.rank}")


def _type(value: ProgramInput) -> InputType:
    if isinstance(value, np.ndarray | np.generic):
        return InputType(value.shape, value.dtype.name, secret=False)
    if isinstance(value, Integer):
        return InputType(value.share.shape, "int64", secret=True)
    return InputType(value.shape, "float32", secret=True)
