"""Fixtures that several test files use."""

import cupy_stand_in
import numpy as np
import pytest
from PIL import Image


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


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=pytest.mark.gpu)])
def any_cupy(request):
    """The stand-in for CuPy, and CuPy where there is a GPU."""
    return request.getfixturevalue("fake_cupy" if request.param == "stand-in" else "real_cupy")


@pytest.fixture(scope="session")
def pictures_of_ones_own(tmp_path_factory):
    """A folder of 40 small pictures in colour, in two classes of 24 and 16: light ones and dark ones."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, count, low, high in (("light", 24, 150, 256), ("sombre", 16, 0, 106)):
        (folder / name).mkdir()
        for i in range(count):
            pixels = rng.integers(low, high, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:02d}.png")
    return folder
