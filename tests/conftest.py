"""Fixtures that several test files use."""

import cupy_stand_in
import numpy as np
import pytest


@pytest.fixture
def fake_cupy(monkeypatch):
    """The stand-in for CuPy, which `import cupy` finds during this test."""
    return cupy_stand_in.install(monkeypatch)


@pytest.fixture
def real_cupy():
    """CuPy itself; the test is skipped without it or without a GPU."""
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no GPU")
    return cupy


@pytest.fixture(params=["numpy", "stand-in", pytest.param("cupy", marks=pytest.mark.gpu)])
def device_xp(request):
    """Each module of arrays in turn: NumPy, the stand-in for CuPy, and CuPy where there is a GPU."""
    if request.param == "numpy":
        return np
    return request.getfixturevalue("fake_cupy" if request.param == "stand-in" else "real_cupy")
