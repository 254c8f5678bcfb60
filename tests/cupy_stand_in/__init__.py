"""A stand-in for CuPy over NumPy, as strict as CuPy, for machines without a GPU.

It computes what NumPy computes and refuses what CuPy refuses: NumPy's arrays beside its own, conversion that
nobody asked for, names and parameters that CuPy does not have. It counts what would cross between the computer
and the GPU. What it does not do is a GPU's rounding: sums in another order differ in their last digits.

    def test(monkeypatch):
        cupy = cupy_stand_in.install(monkeypatch)      # `import cupy` gives the stand-in until the test ends
        x = cupy.asarray(np.ones(3))
        with cupy_stand_in.counting() as crossings:
            y = x * 2
        assert crossings == cupy_stand_in.Counters(to_device=0, to_host=0, synchronisations=0)

A name that CuPy has and the stand-in lacks says so; it is added in `module.IMPLEMENTED` or beside it.
"""

import sys
import warnings
from contextlib import contextmanager

from .arrays import Counters, counters, counting, ndarray
from .module import MODULES, cupy

__all__ = ["Counters", "counters", "counting", "cupy", "install", "ndarray", "waiting_for_nothing"]


def install(monkeypatch):
    """Let `import cupy` find the stand-in until the test ends; set the counters to zero; return it."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("cupy", "cupyx")]:
        monkeypatch.delitem(sys.modules, name)
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "cupyx", None)  # the real one would look for the real CuPy
    counters.reset()
    return cupy


@contextmanager
def waiting_for_nothing():
    """Within, the host may not wait for the device: the stand-in counts, the real CuPy itself refuses."""
    if sys.modules["cupy"] is cupy:
        with counting() as crossings:
            yield
        assert (crossings.to_host, crossings.synchronisations) == (0, 0)
    else:
        import cupyx

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy warns that it cannot see what other libraries wait for
            with cupyx.allow_synchronize(False):
                yield
