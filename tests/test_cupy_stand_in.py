"""The stand-in for CuPy: what it refuses, what it counts, and minigan's engine on its arrays."""

import inspect
import sys
from types import CellType, FunctionType

import cupy_stand_in
import numpy as np
import pytest
from cupy_stand_in import Counters, counting, names
from cupy_stand_in.arrays import BINARY, METHODS, NAMES, PARTS, signature
from cupy_stand_in.module import IMPLEMENTED, MODULES
from numpy.testing import assert_allclose

from minigan import Tensor, grad, nn
from minigan import functional as F
from minigan.errors import DeviceError, ShapeError
from minigan.gradient_check import gradcheck
from minigan.losses import OBJECTIVES
from minigan.optim import SGD, Adam, RMSProp
from minigan.samples import samples
from minigan.tensor import record
from minigan.train import minimax

NOTHING = Counters(to_device=0, to_host=0, synchronisations=0)
IMPLICIT = r"Implicit conversion to a NumPy array is not allowed. Please use `\.get\(\)`"
NUMPY_ARRAY = "Unsupported type <class 'numpy.ndarray'>"


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


@pytest.fixture
def x(fake_cupy):
    """The array [[0, 1, 2], [3, 4, 5]] in float32, on the stand-in's device."""
    return fake_cupy.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))


# --- refusals ---


@pytest.mark.parametrize("convert", [
    np.asarray, np.array, lambda x: x.__array__(), lambda x: np.asarray([x, x]), lambda x: np.asarray([x[0, 0]]),
    lambda x: ones(6)[x[0].astype(int)], lambda x: assert_allclose(x, ones(2, 3)),
])
def test_implicit_conversion_to_numpy_is_refused(x, convert):
    with pytest.raises(TypeError, match=IMPLICIT):
        convert(x)


@pytest.mark.parametrize("mix", [
    lambda x, a: x + a, lambda x, a: a + x, lambda x, a: x @ a.T, lambda x, a: a.T @ x, lambda x, a: x < a,
    lambda x, a: a == x, lambda x, a: x.__iadd__(a), lambda x, a: np.add(x, a), lambda x, a: np.where(a > 0, x, 0),
    lambda x, a: x + np.array(1.0), lambda x, a: np.concatenate([a, x]), lambda x, a: x.sum(out=a),
    lambda x, a: x.take(a), lambda x, a: x.dot(a.T),
])
def test_numpy_arrays_do_not_mix_with_cupys(x, mix):
    with pytest.raises(TypeError, match=f"{NUMPY_ARRAY}|must be cupy.ndarray"):
        mix(x, ones(2, 3))


@pytest.mark.parametrize("call", [
    lambda cupy, a: cupy.exp(a), lambda cupy, a: cupy.add(1.0, a), lambda cupy, a: cupy.sum(a),
    lambda cupy, a: cupy.zeros_like(a), lambda cupy, a: cupy.where(a > 0, 1.0, 0.0),
    lambda cupy, a: cupy.matmul(a, a.T), lambda cupy, a: cupy.concatenate([a, a]),
    lambda cupy, a: cupy.broadcast_to(a, (2, 2, 3)), lambda cupy, a: cupy.ascontiguousarray(a),
    lambda cupy, a: cupy.lib.stride_tricks.as_strided(a, (2,), (4,)),
    lambda cupy, a: cupy.add.at(cupy.zeros(3), [0, 1, 2], a), lambda cupy, a: cupy.full((2,), a),
])
def test_functions_refuse_numpy_arrays(fake_cupy, call):
    with pytest.raises(TypeError, match=NUMPY_ARRAY):
        call(fake_cupy, ones(2, 3))


@pytest.mark.parametrize("call", [
    lambda cupy, x: cupy.exp(x, out=ones(2, 3)), lambda cupy, x: cupy.matmul(x, x.T, out=ones(2, 2)),
    lambda cupy, x: np.exp(x, out=ones(2, 3)), lambda cupy, x: x.max(out=ones(1)),
])
def test_out_must_be_on_the_device(fake_cupy, x, call):
    with pytest.raises(TypeError, match=r"Output arguments type must be cupy\.ndarray"):
        call(fake_cupy, x)


@pytest.mark.parametrize("call, message", [
    (lambda cupy, x: cupy.exp([1.0, 2.0]), "Unsupported type <class 'list'>"),
    (lambda cupy, x: cupy.sum([1.0, 2.0]), "Unsupported type <class 'list'>"),
    (lambda cupy, x: x * [1.0], "Unsupported type <class 'list'>"),
    (lambda cupy, x: x + None, "Unsupported type <class 'NoneType'>"),
    (lambda cupy, x: cupy.mean(3.0), "Unsupported type <class 'float'>"),
    (lambda cupy, x: cupy.where(True, x, 0.0), "Unsupported type <class 'bool'>"),
    (lambda cupy, x: cupy.add(x, 1, where=x > 1), "unexpected keyword argument 'where'"),
    (lambda cupy, x: x.sum(where=x > 1), "unexpected keyword argument 'where'"),
    (lambda cupy, x: x.max(initial=0), "unexpected keyword argument 'initial'"),
    (lambda cupy, x: x.std(mean=x), "unexpected keyword argument 'mean'"),
    (lambda cupy, x: x.astype(np.int32).__iadd__(0.5), "same_kind"),
    (lambda cupy, x: range(x.astype(int)[0, 0]), "cannot be interpreted as an integer"),
    (lambda cupy, x: x[:x.astype(int)[0, 1]], "__index__"),
    (lambda cupy, x: len(x[0, 0]), r"len\(\) of unsized object"),
    (lambda cupy, x: list(x[0, 0]), "iteration over a 0-d array"),
    (lambda cupy, x: hash(x), "unhashable"),
])
def test_wrong_types_and_unknown_parameters_are_refused(fake_cupy, x, call, message):
    with pytest.raises(TypeError, match=message):
        call(fake_cupy, x)


@pytest.mark.parametrize("call, message", [
    (lambda x: bool(x), "ambiguous"),
    (lambda x: x.item(), "size 1"),
    (lambda x: x.__setitem__(..., ones(2, 3)), "cannot be used for fill"),
    (lambda x: x.__setitem__(0, [1.0, 2.0, 3.0]), "cannot be used for fill"),
    (lambda x: x.__setitem__(([0, 0], [1, 1]), x[1, 1:]), "names an element twice"),
    (lambda x: x[x > 1, x[0] > 1], "more than one boolean"),
    (lambda x: x + x[:, :2], "broadcast"),
    (lambda x: x.reshape(4, 2), "reshape"),
])
def test_wrong_values_are_refused(x, call, message):
    with pytest.raises(ValueError, match=message):
        call(x)


@pytest.mark.parametrize("path", ["foo", "errstate", "nditer", "random.Generator.normal", "cuda.foo", "ndarray.ctypes",
                                  "add.identity", "lib.array_utils"])
def test_a_name_that_cupy_does_not_have_is_not_there(fake_cupy, path):
    *owners, name = path.split(".")
    owner = fake_cupy
    for part in owners:
        owner = getattr(owner, part)
    instance = fake_cupy.zeros(3) if owner is fake_cupy.ndarray else owner
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(instance, name)


@pytest.mark.parametrize("name", ["normal", "permutation", "shuffle", "choice"])
def test_cupys_generator_lacks_what_numpys_has(fake_cupy, name):
    with pytest.raises(AttributeError, match=f"'Generator' object has no attribute '{name}'"):
        getattr(fake_cupy.random.default_rng(0), name)


@pytest.mark.parametrize("read, name", [
    (lambda cupy: cupy.interp, "cupy.interp"), (lambda cupy: cupy.fft, "cupy.fft"),
    (lambda cupy: cupy.fuse, "cupy.fuse"), (lambda cupy: cupy.poly1d, "cupy.poly1d"),
    (lambda cupy: cupy.linalg.inv, "cupy.linalg.inv"),
    (lambda cupy: cupy.zeros(3).put, "cupy.ndarray.put"), (lambda cupy: cupy.add.outer, "cupy.ufunc.outer"),
    (lambda cupy: cupy.random.default_rng().gamma, "cupy.random.Generator.gamma"),
])
def test_a_name_that_only_the_stand_in_lacks_says_so(fake_cupy, read, name):
    with pytest.raises(AttributeError, match=f"the stand-in does not implement {name} yet"):
        read(fake_cupy)


def test_fresh_memory_is_not_zero(fake_cupy):
    assert np.isnan(fake_cupy.empty((2, 3), np.float32).get()).all()
    assert np.isnan(fake_cupy.empty_like(fake_cupy.zeros(3)).get()).all()


def test_installing_replaces_every_cupy_and_ends_with_the_test():
    with pytest.MonkeyPatch.context() as patch:
        stand_in = cupy_stand_in.install(patch)
        import cupy
        import cupy.lib.stride_tricks

        assert cupy is stand_in and cupy.cuda.is_available()
        with pytest.raises(ImportError):
            import cupyx  # noqa: F401
    assert sys.modules.get("cupy") is not stand_in


# --- the names are the real CuPy's ---


def test_the_stand_in_has_no_name_that_cupy_lacks():
    for path in IMPLEMENTED:
        place, _, name = f"cupy.{path}".rpartition(".")
        assert name in NAMES[place]
    for place, module in MODULES.items():
        assert [n for n in vars(module) if not n.startswith("__") and n not in NAMES[place]] == []
    internal = {"_array", "__slots__", "__module__", "__weakref__", "__getattr__", "__array_priority__", *dir(object)}
    assert set(vars(cupy_stand_in.ndarray)) - set(NAMES["cupy.ndarray"]) - internal == set()


@pytest.mark.parametrize("name", ["array", "asarray", "asnumpy", "concatenate", "empty", "empty_like",
                                  "get_array_module", "nonzero", "where"])
def test_functions_written_for_the_stand_in_take_cupys_parameters(fake_cupy, name):
    own = inspect.signature(getattr(fake_cupy, name)).parameters.values()
    theirs = signature(NAMES["cupy"][name]).parameters.values()
    assert [(p.name, p.kind) for p in own] == [(p.name, p.kind) for p in theirs]


def test_the_names_are_those_of_the_installed_cupy():
    pytest.importorskip("cupy")
    real, kept = names.read_names(), names.load()
    if real["version"] == kept["version"]:
        assert real == kept, "run: python tests/cupy_stand_in/names.py"
    for path in IMPLEMENTED:  # of another version, what the stand-in uses must not have changed
        place, _, name = f"cupy.{path}".rpartition(".")
        assert real[place].get(name) == kept[place][name], path
    for name in [*METHODS.split(), *PARTS, *(f"__{operator}__" for operator in BINARY if operator not in dir(object))]:
        assert name in real["cupy.ndarray"] or name.strip("_") in ("lt", "le", "eq", "ne", "gt", "ge")


# --- what crosses between the two memories ---


@pytest.mark.parametrize("act, expected", [
    (lambda cupy, x: (x * 2 + x).sum(axis=0), NOTHING),
    (lambda cupy, x: cupy.zeros(3) + cupy.arange(3) + cupy.full(3, 1.5), NOTHING),
    (lambda cupy, x: cupy.asarray(x), NOTHING),
    (lambda cupy, x: x.shape, NOTHING),
    (lambda cupy, x: cupy.asarray(np.ones(3)), Counters(1, 0, 0)),
    (lambda cupy, x: cupy.asarray([1.0, 2.0]), Counters(1, 0, 0)),
    (lambda cupy, x: x[np.array([0, 1])], Counters(1, 0, 0)),
    (lambda cupy, x: x[[0, 1]], Counters(1, 0, 0)),
    (lambda cupy, x: x.get(), Counters(0, 1, 1)),
    (lambda cupy, x: cupy.asnumpy(x), Counters(0, 1, 1)),
    (lambda cupy, x: float(x[0, 0]), Counters(0, 1, 1)),
    (lambda cupy, x: int(x[0, 0]), Counters(0, 1, 1)),
    (lambda cupy, x: x[0, 0].item(), Counters(0, 1, 1)),
    (lambda cupy, x: x.tolist(), Counters(0, 1, 1)),
    (lambda cupy, x: bool((x > 0).any()), Counters(0, 1, 1)),
    (lambda cupy, x: f"{x.sum():.2f}", Counters(0, 1, 1)),
    (lambda cupy, x: repr(x), Counters(0, 1, 1)),
    (lambda cupy, x: x[x > 1], Counters(0, 0, 1)),
    (lambda cupy, x: cupy.where(x > 1), Counters(0, 0, 1)),
    (lambda cupy, x: cupy.cuda.Device().synchronize(), Counters(0, 0, 1)),
])
def test_crossings_are_counted(fake_cupy, x, act, expected):
    with counting() as crossings:
        act(fake_cupy, x)
    assert crossings == expected


def test_counters_nest_and_can_be_reset(x):
    cupy_stand_in.counters.reset()
    with counting() as outer:
        x.get()
        with counting() as inner:
            x.get()
    x.get()
    assert (inner.to_host, outer.to_host, cupy_stand_in.counters.to_host) == (1, 2, 3)
    cupy_stand_in.counters.reset()
    assert cupy_stand_in.counters == NOTHING


# --- minigan's engine on its arrays ---

SAMPLES = [pytest.param(i, id=f"{s.operation} {s.case}".strip()) for i, s in enumerate(samples())]


def on_device(f, xp):
    """The function f with the arrays that it closes over, a sample's constants, on the device."""
    cells = [CellType(xp.asarray(c.cell_contents)) if isinstance(c.cell_contents, np.ndarray) else c
             for c in getattr(f, "__closure__", None) or ()]
    return FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, tuple(cells)) if cells else f


def value_and_gradients(xp, f, inputs, dtype):
    """The arrays of y = f(x), of x̄ = grad(⟨y, g⟩), and of the gradients of ⟨x̄, h⟩ in x and g; and what crossed."""
    rng = np.random.default_rng(1)
    inputs = [Tensor(xp.asarray(a.astype(dtype))) for a in inputs]
    g = Tensor(xp.asarray(rng.standard_normal(f(*inputs).shape).astype(dtype)))
    h = [xp.asarray(rng.standard_normal(x.shape).astype(dtype)) for x in inputs]
    # NumPy has warned of a small float32 product, rarely and for no reason in its numbers; they are compared below.
    with counting() as crossings, np.errstate(invalid="ignore"):
        y = f(*inputs)
        first = grad(y, inputs, g, create_graph=True)
        total = sum(((gx * hx).sum() for gx, hx in zip(first, h)), start=0.0)
        second = grad(total, [*inputs, g], allow_unused=True)
    return [t.data for t in (y, *first, total, *second)], crossings


def assert_same_on_the_device(cupy, f, inputs, dtype, rtol):
    """f and its gradients are what they are on NumPy, stay on the device, and need no crossing."""
    expected, _ = value_and_gradients(np, f, inputs, dtype)
    got, crossings = value_and_gradients(cupy, on_device(f, cupy), inputs, dtype)
    assert crossings == NOTHING
    for ours, numpys in zip(got, expected, strict=True):
        assert type(ours) is cupy.ndarray
        assert (ours.dtype, ours.shape) == (numpys.dtype, numpys.shape)
        assert_allclose(ours.get(), numpys, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("i", SAMPLES)
def test_operations_compute_the_same_and_nothing_crosses(fake_cupy, i, dtype):
    assert_same_on_the_device(fake_cupy, samples()[i].f, samples()[i].inputs, dtype, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("i", SAMPLES)
def test_operations_compute_the_same_on_a_gpu(real_cupy, i, dtype):
    f, inputs = samples()[i].f, samples()[i].inputs
    assert_same_on_the_device(real_cupy, f, inputs, dtype, rtol=1e-4 if dtype is np.float32 else 1e-10)


NUMBERS = {
    "number + x": lambda x: 2 + x, "x − number": lambda x: x - 0.5, "number / x": lambda x: 3.0 / x,
    "x · NumPy's number": lambda x: x * np.float64(2.5), "NumPy's number · x": lambda x: np.float64(2.5) * x,
    "where, a number": lambda x: F.where(x.data > 1, x, 0.0), "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "maximum, a number": lambda x: F.maximum(x, 1.0), "maximum, a number first": lambda x: F.maximum(1.0, x),
    "x · an array on the device": lambda x: x * x.data, "an array on the device · x": lambda x: x.data * x,
    "whole mean": F.mean, "one element": lambda x: x[1, 2], "a 0-d tensor": lambda x: x.sum() ** 2,
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_beside_tensors(fake_cupy, case):
    x = np.random.default_rng(0).uniform(0.5, 2.0, (3, 5))
    assert_same_on_the_device(fake_cupy, lambda x: NUMBERS[case](x) + 0 * x.sum() ** 2, [x], np.float32, rtol=1e-6)


SHAPES = {
    "add": lambda x, y: x + y, "matmul": lambda x, y: y @ x, "batched matmul": lambda x, y: x.reshape(1, 3, 5) @ y,
    "reshape": lambda x, y: x.reshape(4, 4), "broadcast_to": lambda x, y: F.broadcast_to(x, (3, 4)),
    "concatenate": lambda x, y: F.concatenate([x, y], axis=1), "linear": lambda x, y: F.linear(x, y),
    "concatenate, no axes": lambda x, y: F.concatenate([x.sum(), y.sum()]),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_that_do_not_fit_give_the_same_error(device_xp, case):
    x, y = (Tensor(device_xp.ones(shape, dtype=np.float32)) for shape in ((3, 5), (2, 7)))
    with pytest.raises(ShapeError):
        SHAPES[case](x, y)


def _leaves_the_device(x):
    return record(np.tanh(x.data.get() if x.xp is not np else x.data), (x,), lambda g, y: g)


PLANTED = {
    "np.asarray in the forward": lambda x: record(np.tanh(np.asarray(x.data)), (x,), lambda g, y: g),
    "np.asarray in the vjp": lambda x: record(x.data * 2, (x,), lambda g, y: g * np.asarray(y.data)),
    "a NumPy constant": lambda x: record(x.data * np.full(x.shape, 2.0), (x,), lambda g, y: 2 * g),
    "a NumPy mask": lambda x: x * (np.arange(5) > 2),
    "a name that CuPy lacks": lambda x: record(x.xp.fabs(x.data), (x,), lambda g, y: g),
    "a parameter that CuPy lacks": lambda x: record(x.xp.add(x.data, 1, where=True), (x,), lambda g, y: g),
    "a copy to the device": lambda x: x * x.xp.asarray(np.arange(5.0)),
    "a copy to the device in the vjp": lambda x: record(x.data * 2, (x,), lambda g, y: g * y.xp.asarray([2.0])),
    "an index from the host": lambda x: F.index(x, np.array([0, 2, 0])),
    "a float()": lambda x: x / float(x.data.max()),
    "an if on values": lambda x: x * 2 if (x.data > 0).all() else x,
    "a boolean mask as index": lambda x: record(x.data[x.data > -9], (x,), lambda g, y: g.reshape(x.shape)),
    "a result in main memory": _leaves_the_device,
    "an uninitialised array": lambda x: record(0 * x.xp.empty(x.shape) + x.data, (x,), lambda g, y: g),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_caught(fake_cupy, fault):
    x = np.random.default_rng(0).standard_normal((3, 5))
    with pytest.raises((AssertionError, TypeError, AttributeError, DeviceError)):
        assert_same_on_the_device(fake_cupy, PLANTED[fault], [x], np.float64, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_the_gradient_checker_works_on_the_device(device_xp, order):
    x, W = (device_xp.asarray(np.random.default_rng(i).standard_normal(n)) for i, n in enumerate([(2, 3), (5, 3)]))
    assert gradcheck(lambda x, W: F.tanh(F.linear(x, W)), [x, W], order)
    assert not gradcheck(lambda x: record(x.data**2, (x,), lambda g, y: g * x.data), [x], order)


# --- a whole game on the device ---


def networks(seed=0):
    rng = np.random.default_rng(seed)
    G = nn.Sequential(nn.Linear(3, 8 * 2 * 2, rng=rng), nn.Unflatten(8, 2, 2), nn.BatchNorm2d(8), nn.ReLU(),
                      nn.ConvTranspose2d(8, 1, 4, 2, 1, rng=rng), nn.Tanh())
    D = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1, rng=rng), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Dropout(0.3, rng=1),
                      nn.Flatten(), nn.Linear(16, 1, rng=rng))
    return G, D


def play(device, objective, make_optimiser, steps=3):
    """The networks after some steps of the game, the last record, and what crossed meanwhile."""
    rng = np.random.default_rng(2)
    G, D = (network.to(device) for network in networks())
    batches = (rng.standard_normal((5, 1, 4, 4)).astype(np.float32) for _ in range(steps))
    game = minimax(G, D, objective, make_optimiser(G.parameters()), make_optimiser(D.parameters()), batches,
                   lambda m: rng.standard_normal((m, 3)).astype(np.float32), rng=np.random.default_rng(3))
    with counting() as crossings:
        for record in game:  # noqa: B007
            pass
    return G, D, record, crossings


OPTIMISERS = {"SGD": lambda p: SGD(p, 0.05, momentum=0.5), "RMSProp": lambda p: RMSProp(p, 0.01),
              "Adam": lambda p: Adam(p, 0.01)}


@pytest.mark.parametrize("make_optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "saturating"])
def test_a_game_on_the_device_is_the_game_on_the_host(fake_cupy, name, make_optimiser):
    G, D, record, _ = play("cpu", OBJECTIVES[name], make_optimiser)
    on_gpu = play("cuda", OBJECTIVES[name], make_optimiser)
    for ours, theirs in zip(on_gpu, (G, D)):
        assert all(p.device == "cuda" for p in ours.parameters())
        for key, value in theirs.state_dict().items():
            assert_allclose(ours.state_dict()[key], value, rtol=1e-4, atol=1e-6, err_msg=key)
    assert on_gpu[2].as_dict() == pytest.approx(record.as_dict(), rel=1e-4)


def test_the_loop_never_waits_for_the_device(fake_cupy):
    *_, record, crossings = play("cuda", OBJECTIVES["bce"], lambda p: Adam(p, 0.01), steps=4)
    # each step takes a batch and twice noise to the device, and Dropout's masks: for D(x), D(G(z)) and, for G, D(G(z))
    assert crossings == Counters(to_device=4 * (3 + 3), to_host=0, synchronisations=0)
    with counting() as reading:
        record.as_dict()
    assert reading.synchronisations == 7


def test_states_go_to_the_device_and_back(fake_cupy):
    G, _ = networks()
    before = G.state_dict()
    assert all(type(array) is np.ndarray for array in G.to("cuda").state_dict().values())
    other = networks(seed=1)[0].to("cuda")
    other.load_state_dict(G.state_dict())
    for key, value in other.to("cpu").state_dict().items():
        assert np.array_equal(value, before[key])
