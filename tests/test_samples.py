"""The table of operations: it is complete, its inputs are telling, and every operation is right to second order."""

import numpy as np
import pytest

from minigan import functional as F
from minigan import gradcheck
from minigan.samples import samples
from minigan.tensor import Tensor

SEEDS = (0, 1, 2)
TABLES = {seed: samples(seed) for seed in SEEDS}
NAMES = [" ".join([sample.operation, *sample.case.split()]).replace(",", "") for sample in TABLES[0]]

each_sample = pytest.mark.parametrize("i", range(len(NAMES)), ids=[name.replace(" ", "-") for name in NAMES])
each_seed = pytest.mark.parametrize("seed", SEEDS)


def is_prime(n):
    return n > 1 and all(n % k for k in range(2, n))


# --- the table is complete and telling ---


def test_every_public_operation_has_a_sample():
    assert set(F.__all__) - {sample.operation for sample in TABLES[0]} == set()


def test_every_sample_is_of_a_public_operation():
    assert {sample.operation for sample in TABLES[0]} - set(F.__all__) == set()


def test_no_two_samples_have_the_same_name():
    assert len(set(NAMES)) == len(NAMES)


@each_sample
def test_a_sample_calls_the_operation_that_it_is_named_after(i, monkeypatch):
    operation, _, f, inputs = TABLES[0][i]
    function, calls = getattr(F, operation), []

    def spy(*args, **kwargs):
        calls.append(operation)
        return function(*args, **kwargs)

    monkeypatch.setattr(F, operation, spy)
    f = spy if f is function else f
    f(*(Tensor(x) for x in inputs))
    assert calls


@each_sample
def test_axis_sizes_within_an_input_are_distinct_primes(i):
    """1 is allowed: it is what broadcasts. Where two axes were equally long, exchanging them would pass unseen."""
    for x in TABLES[0][i].inputs:
        sizes = [n for n in x.shape if n != 1]
        assert all(map(is_prime, sizes)) and len(set(sizes)) == len(sizes), x.shape


@each_sample
def test_inputs_are_float64(i):
    assert {x.dtype for x in TABLES[0][i].inputs} == {np.dtype(np.float64)}


def test_a_seed_gives_the_same_inputs_every_time():
    for first, again in zip(samples(7), samples(7)):
        assert all(np.array_equal(a, b) for a, b in zip(first.inputs, again.inputs))


def test_another_seed_gives_other_inputs():
    for one, other in zip(TABLES[0], TABLES[1]):
        assert not any(np.array_equal(a, b) for a, b in zip(one.inputs, other.inputs)), one.operation


def test_every_seed_gives_the_same_operations_and_shapes():
    def outline(table):
        return [(sample.operation, sample.case, [x.shape for x in sample.inputs]) for sample in table]

    assert outline(TABLES[0]) == outline(TABLES[1]) == outline(TABLES[2])


# --- every operation is right ---


@each_seed
@each_sample
def test_first_derivative(i, seed):
    sample = TABLES[seed][i]
    report = gradcheck(sample.f, sample.inputs, seed=seed)
    assert report, report


@each_seed
@each_sample
def test_second_derivative(i, seed):
    """With the first seed in every element; with the others, larger inputs in random elements and directions."""
    sample = TABLES[seed][i]
    report = gradcheck(sample.f, sample.inputs, order=2, seed=seed, max_elements=40 if seed else 500)
    assert report, report


@each_sample
def test_float32_in_float32_out_for_the_value_and_every_gradient(i):
    """Of every operation but cast, which is there to change the type, and keeps it for the gradient."""
    operation, _, f, inputs = TABLES[0][i]
    xs = [Tensor(x.astype(np.float32)) for x in inputs]
    y = f(*xs)
    y.backward(np.ones(y.shape, np.float32))
    assert y.dtype == (np.float64 if operation == "cast" else np.float32)
    assert {x.grad.dtype for x in xs} == {np.dtype(np.float32)}
