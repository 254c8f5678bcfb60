"""How long whole training steps take: `python -m pytest -m bench tests/benchmarks/test_steps.py`."""

import pytest
import with_minigan
from cases import CASES

pytestmark = pytest.mark.bench
LARGEST = "dcgan64"  # seconds a step on a CPU


@pytest.mark.parametrize("name", [name for name in CASES if name != LARGEST])
def test_step(benchmark, name):
    benchmark.pedantic(with_minigan.make(CASES[name], "cpu"), warmup_rounds=3, rounds=20)


@pytest.mark.parametrize("batch", [32, 128, 512, 1024])
def test_step_of_n2_by_batch(benchmark, batch):
    step = with_minigan.make(CASES["n2"].with_batch(batch), "cpu")
    benchmark.pedantic(step, warmup_rounds=2, rounds=5)
    benchmark.extra_info["ms per image"] = 1e3 * benchmark.stats["median"] / batch


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_step_on_a_gpu(benchmark, name, real_cupy):
    step = with_minigan.make(CASES[name], "cuda")

    def finished():
        step()
        with_minigan.wait("cuda")

    benchmark.pedantic(finished, warmup_rounds=3, rounds=20)
