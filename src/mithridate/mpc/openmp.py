"""One OpenMP thread a matrix product while SPU runs.

SPU asks Eigen for four threads in every product of matrices (SPU `src/libspu/mpc/utils/linalg.h`), and those wait for
each other by spinning. Three validators on one machine make two products each at a time: on two cores a product of 64 x
1568 by 1568 x 64 took 0.34 s with SPU's threads and 0.02 s without.
"""

import ctypes
import threading
from types import TracebackType


class SingleThreadedProducts:
    """Context in which OpenMP regions that begin in this process get one thread; nests, and many threads may enter it.

    It works by the process-wide nesting limit of the libgomp that PyTorch brings and SPU then shares; with another
    OpenMP runtime it has no effect but on speed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._levels = 0
        self._runtime = _openmp()

    def __enter__(self) -> None:
        with self._lock:
            self._entered += 1
            if self._entered == 1 and self._runtime is not None:
                self._levels = self._runtime.omp_get_max_active_levels()
                self._runtime.omp_set_max_active_levels(0)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered == 0 and self._runtime is not None:
                self._runtime.omp_set_max_active_levels(self._levels)


def _openmp() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libgomp.so.1")
    except OSError:
        return None


single_threaded_products = SingleThreadedProducts()
