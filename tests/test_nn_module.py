"""Modules: the order and names of parameters, saving and loading, modes, types and devices."""

import copy
import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minigan import MiniganError, Tensor, backend, functional, grad, nn
from minigan.errors import CheckpointError, ConfigError, DeviceError, GraphError


class Block(nn.Module):
    """Parameters and modules in an order that is not the alphabet's."""

    def __init__(self):
        self.second = nn.Linear(3, 2, rng=1)
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.norm = nn.BatchNorm1d(2)
        self.alpha = nn.Parameter(np.zeros(2, np.float32))

    def forward(self, x):
        return self.norm(self.second(x)) * self.scale + self.alpha


def network():
    """One of everything: dense, convolutions, both norms, and layers without parameters between them."""
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(5, 12, rng=rng), nn.BatchNorm1d(12), nn.LeakyReLU(0.2), nn.Unflatten(3, 2, 2),
        nn.ConvTranspose2d(3, 2, 4, 2, 1, rng=rng), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 3, rng=rng),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False, rng=rng)), nn.Tanh(),
    )


def pytorchs_network(t):
    return t.Sequential(
        t.Linear(5, 12), t.BatchNorm1d(12), t.LeakyReLU(0.2), t.Unflatten(1, (3, 2, 2)),
        t.ConvTranspose2d(3, 2, 4, 2, 1), t.BatchNorm2d(2), t.ReLU(), t.Conv2d(2, 1, 3),
        t.Sequential(t.Flatten(), t.Linear(4, 1, bias=False)), t.Tanh(),
    )


def values(module):
    """Everything that loading could change: the bytes, types and versions of the state."""
    return ({name: (array.tobytes(), array.dtype) for name, array in module.state_dict().items()},
            [p.version for p in module.parameters()])


def another_state(module, seed=1):
    """A state that fits the module, with other numbers."""
    rng = np.random.default_rng(seed)
    return {name: np.array(rng.random(a.shape) * 9 + 1, a.dtype) for name, a in module.state_dict().items()}


# --- parameters: which, in which order, by which names ---


def test_parameters_come_in_the_order_of_assignment_own_ones_before_the_childrens():
    assert [name for name, _ in Block().named_parameters()] == \
        ["scale", "alpha", "second.weight", "second.bias", "norm.weight", "norm.bias"]


def test_parameters_are_those_of_named_parameters():
    block = Block()
    assert all(p is q for p, (_, q) in zip(block.parameters(), block.named_parameters(), strict=True))


def test_named_parameters_are_the_attributes_themselves():
    block = Block()
    assert dict(block.named_parameters())["second.bias"] is block.second.bias


def test_more_than_ten_layers_stay_in_their_order():
    names = [name for name, _ in nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(12))).named_parameters()]
    assert names == [f"{i}.weight" for i in range(12)]


def test_a_layer_that_is_replaced_keeps_its_place():
    block = Block()
    block.second = nn.Linear(7, 2)
    assert [name for name, _ in block.named_parameters()][2:4] == ["second.weight", "second.bias"]


def test_a_tensor_that_is_not_a_parameter_is_not_listed():
    block = Block()
    block.constant = Tensor(np.ones(2))
    assert "constant" not in dict(block.named_parameters())


def test_the_state_lists_own_parameters_own_buffers_then_the_childrens():
    class Counting(nn.Module):
        buffers = ("count",)

        def __init__(self):
            self.child = nn.BatchNorm1d(2)
            self.count = np.zeros((), np.int64)
            self.scale = nn.Parameter(np.ones(2, np.float32))

    assert list(Counting().state_dict()) == ["scale", "count", "child.weight", "child.bias", "child.running_mean",
                                             "child.running_var", "child.num_batches_tracked"]


def test_a_shared_parameter_is_listed_once():
    layer = nn.Linear(3, 3)
    assert [name for name, _ in nn.Sequential(layer, nn.Tanh(), layer).named_parameters()] == ["0.weight", "0.bias"]


def test_a_shared_parameter_is_saved_under_each_of_its_names():
    layer = nn.Linear(3, 3, bias=False)
    assert list(nn.Sequential(layer, layer).state_dict()) == ["0.weight", "1.weight"]


def test_a_shared_parameter_gets_the_gradient_of_all_its_uses():
    layer = nn.Linear(1, 1, bias=False).astype(np.float64)
    layer.weight.assign(3.0)
    assert grad(nn.Sequential(layer, layer)(Tensor(np.ones((1, 1)))), layer.weight).item() == 6  # d(w²)/dw


def test_modules_are_listed_outer_before_inner():
    net = nn.Sequential(nn.Sequential(nn.Tanh()), nn.ReLU())
    assert net.modules() == [net, net[0], net[0][0], net[1]]


def test_a_module_without_forward_says_so():
    class Unfinished(nn.Module):
        pass

    with pytest.raises(TypeError, match="Unfinished does not define forward"):
        Unfinished()(1)


def test_a_module_takes_several_inputs():
    class Conditional(nn.Module):
        def forward(self, x, y):
            return functional.concatenate([x, y], axis=1)

    assert Conditional()(Tensor(np.ones((2, 3))), Tensor(np.ones((2, 5)))).shape == (2, 8)


# --- saving ---


def test_the_state_holds_numpy_arrays():
    assert {type(array) for array in network().state_dict().values()} == {np.ndarray}


def test_the_state_is_a_copy():
    net = network()
    before = values(net)
    for array in net.state_dict().values():
        array[...] = 7
    assert values(net) == before


def test_the_state_does_not_change_when_the_network_does():
    net = network()
    state = net.state_dict()
    before = {name: array.tobytes() for name, array in state.items()}
    net(Tensor(np.random.default_rng(0).random((7, 5)).astype(np.float32)))
    for p in net.parameters():
        p.assign(p.data + 1)
    assert {name: array.tobytes() for name, array in state.items()} == before


# --- loading ---


def test_a_state_that_was_saved_loads_into_another_network():
    net, other = network(), network()
    other.load_state_dict(another_state(other))
    net.load_state_dict(other.state_dict())
    assert values(net)[0] == values(other)[0]


def test_a_state_survives_a_file():
    net, file = network(), io.BytesIO()
    state = another_state(net)
    np.savez(file, **state)
    file.seek(0)
    with np.load(file) as saved:
        net.load_state_dict(saved)
    for name, array in net.state_dict().items():
        assert_array_equal(array, state[name], strict=True)


def test_tensors_are_taken_for_values_too():
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": Tensor(np.full((1, 2), 7, np.float32))})
    assert layer.weight.data.tolist() == [[7, 7]]


def test_loading_writes_in_place_where_the_types_agree():
    """Whoever holds the arrays, an optimiser's flat buffer say, sees the new values."""
    net = network()
    held = [p.data for p in net.parameters()] + [net[1].running_mean, net[1].num_batches_tracked]
    state = another_state(net)
    net.load_state_dict(state)
    now = [p.data for p in net.parameters()] + [net[1].running_mean, net[1].num_batches_tracked]
    assert all(a is b for a, b in zip(held, now)) and held[0].tobytes() == state["0.weight"].tobytes()


def test_loading_writes_through_to_a_buffer_that_a_parameter_is_a_view_of():
    layer, flat = nn.Linear(2, 1, bias=False), np.zeros(2, np.float32)
    layer.weight.data = flat.reshape(1, 2)
    layer.load_state_dict({"weight": np.array([[3, 4]], np.float32)})
    assert flat.tolist() == [3, 4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_loaded_is_not_shared_with_the_state(dtype):
    net = network()
    state = {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in another_state(net).items()}
    net.load_state_dict(state)
    before = values(net)
    for array in state.values():
        array[...] = 0
    assert values(net) == before


def test_a_float64_state_makes_a_float64_network():
    net = network()
    net.load_state_dict(network().astype(np.float64).state_dict())
    assert {a.dtype for a in net.state_dict().values()} == {np.dtype(np.float64), np.dtype(np.int64)}
    assert net(Tensor(np.random.default_rng(0).random((7, 5)))).dtype == np.float64


def test_a_float64_state_keeps_every_digit():
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": np.array([[1 / 3, 0.1]])})
    assert layer.weight.data.tolist() == [[1 / 3, 0.1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_graph_that_used_the_old_values_raises_after_loading(dtype):
    layer = nn.Linear(2, 1, bias=False)
    y = layer(Tensor(np.ones((1, 2), np.float32))) ** 2
    layer.load_state_dict({"weight": np.ones((1, 2), dtype)})
    with pytest.raises(GraphError, match="overwritten"):
        grad(y, layer.weight)


def spoil(state, **changes):
    state = {**state, **changes}
    return {name: array for name, array in state.items() if array is not None}


SPOILT = {
    "missing": ({"0.bias": None}, "missing 0.bias"),
    "missing buffer": ({"1.running_var": None}, "missing 1.running_var"),
    "unexpected": ({"0.gamma": np.ones(3)}, "unexpected 0.gamma"),
    "misshaped": ({"0.weight": np.ones((5, 12), np.float32)}, r"0.weight has shape \(5, 12\), expected \(12, 5\)"),
    "misshaped, though it would broadcast":
        ({"0.bias": np.ones(1, np.float32)}, r"0.bias has shape \(1,\), expected \(12,\)"),
    "integers": ({"0.bias": np.ones(12, int)}, "0.bias has type int64, expected a type like float32"),
    "complex numbers": ({"0.bias": np.ones(12, complex)}, "0.bias has type complex128, expected a type like float32"),
    "objects": ({"0.bias": np.full(12, None)}, "0.bias has type object, expected a type like float32"),
    "words": ({"0.bias": np.full(12, "1.0")}, "0.bias has type .*, expected a type like float32"),
    "a count that is not whole": ({"1.num_batches_tracked": np.array(1.0)}, "1.num_batches_tracked has type float64"),
    "a ragged list": ({"0.bias": [[1.0], [2.0, 3.0]]}, "0.bias"),
}


@pytest.mark.parametrize("changes, problem", SPOILT.values(), ids=SPOILT.keys())
def test_a_state_that_does_not_fit_is_refused_with_the_name_and_the_reason(changes, problem):
    net = network()
    with pytest.raises(CheckpointError, match=problem):
        net.load_state_dict(spoil(another_state(net), **changes))


@pytest.mark.parametrize("changes", [row[0] for row in SPOILT.values()], ids=SPOILT.keys())
def test_a_state_that_does_not_fit_leaves_the_network_untouched(changes):
    net = network()
    before = values(net)
    with pytest.raises((MiniganError, ValueError)):
        net.load_state_dict(spoil(another_state(net), **changes))
    assert values(net) == before


EVERYTHING = {
    "0.bias": None, "8.1.weight": None, "gamma": np.ones(3), "0.weight": np.ones((5, 12), np.float32),
    "5.running_mean": np.ones(3, np.float32), "7.bias": np.ones(1, int),
}


def test_everything_that_does_not_fit_is_listed_in_one_error():
    net = network()
    with pytest.raises(CheckpointError) as error:
        net.load_state_dict(spoil(another_state(net), **EVERYTHING))
    for problem in ("missing 0.bias", "missing 8.1.weight", "unexpected gamma", "0.weight has shape (5, 12)",
                    "5.running_mean has shape (3,)", "7.bias has type int64"):
        assert problem in str(error.value)


def test_nothing_that_fits_is_listed_in_the_error():
    net = network()
    with pytest.raises(CheckpointError) as error:
        net.load_state_dict(spoil(another_state(net), **EVERYTHING))
    assert error.value.got.count(";") == len(EVERYTHING) - 1


def test_another_architecture_is_refused():
    with pytest.raises(CheckpointError):
        network().load_state_dict(Block().state_dict())


# --- modes ---


def test_a_new_module_is_in_training_mode():
    assert all(module.training for module in network().modules())


@pytest.mark.parametrize("switch, training", [
    (lambda net: net.eval(), False), (lambda net: net.eval().train(), True), (lambda net: net.train(False), False),
], ids=["eval", "train", "train(False)"])
def test_the_mode_reaches_every_module_inside(switch, training):
    net = network()
    switch(net)
    assert {module.training for module in net.modules()} == {training}


@pytest.mark.parametrize("method", ["train", "eval"])
def test_switching_the_mode_returns_the_module(method):
    net = network()
    assert getattr(net, method)() is net


def test_the_mode_of_one_network_is_not_anothers():
    one, other = network(), network()
    one.eval()
    assert other.training and nn.Module.training


# --- types ---


def test_a_new_network_is_float32():
    assert {p.dtype for p in network().parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_astype_converts_parameters_and_buffers_but_not_counts(dtype):
    types = {name: a.dtype for name, a in network().astype(dtype).state_dict().items()}
    counts = {name for name in types if name.endswith("num_batches_tracked")}
    assert {types.pop(name) for name in counts} == {np.dtype(np.int64)} and set(types.values()) == {np.dtype(dtype)}


def test_astype_keeps_values_and_parameters():
    net = network()
    parameters, before = net.parameters(), net.state_dict()
    net.astype(np.float64)
    assert all(p is q for p, q in zip(parameters, net.parameters(), strict=True))
    assert all(np.array_equal(before[name], array) for name, array in net.state_dict().items())


def test_astype_returns_the_module():
    net = network()
    assert net.astype(np.float64) is net


def test_a_graph_that_used_the_old_values_raises_after_astype():
    layer = nn.Linear(2, 1, bias=False)
    y = layer(Tensor(np.ones((1, 2), np.float32))) ** 2
    layer.astype(np.float64)
    with pytest.raises(GraphError, match="overwritten"):
        grad(y, layer.weight)


@pytest.mark.parametrize("dtype", [np.int64, bool, complex])
def test_astype_refuses_a_type_that_is_not_floating_point(dtype):
    """It would cut the weights down to whole numbers without a word."""
    with pytest.raises(MiniganError):
        nn.Linear(3, 2).astype(dtype)


# --- devices ---


def test_moving_to_the_device_where_it_is_changes_nothing():
    net = network()
    held = [p.data for p in net.parameters()]
    assert net.to("cpu") is net and all(p.data is array for p, array in zip(net.parameters(), held, strict=True))


def test_moving_to_a_gpu_that_is_not_there_raises(monkeypatch):
    monkeypatch.setattr(backend, "cuda_available", lambda: False)
    with pytest.raises(DeviceError, match="no GPU can be used here"):
        network().to("cuda")


def test_a_network_that_could_not_be_moved_is_untouched(monkeypatch):
    monkeypatch.setattr(backend, "cuda_available", lambda: False)
    net = network()
    before = values(net)
    with pytest.raises(DeviceError):
        net.to("cuda")
    assert values(net) == before


@pytest.mark.parametrize("device", ["gpu", "cuda:0", "", None])
def test_an_unknown_device_is_refused_with_the_known_ones(device):
    with pytest.raises(ConfigError, match="cpu or cuda"):
        network().to(device)


# --- Sequential ---


def test_sequential_applies_its_layers_in_order():
    net = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Tanh())
    x = Tensor(np.ones((5, 3), np.float32))
    assert_array_equal(net(x).data, np.tanh(x.data @ net[0].weight.data.T + net[0].bias.data))


def test_an_empty_sequential_gives_its_input():
    x = Tensor(np.ones(3))
    assert nn.Sequential()(x) is x


def test_sequential_is_a_sequence_of_its_layers():
    layers = [nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)]
    net = nn.Sequential(*layers)
    assert len(net) == 3 and list(net) == layers and net[0] is layers[0] and net[-1] is layers[2]


def test_a_layer_that_sequential_does_not_have_raises():
    with pytest.raises(IndexError):
        nn.Sequential(nn.Tanh())[1]


def test_a_slice_of_a_sequential_is_a_sequential_of_the_same_layers():
    layers = [nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)]
    part = nn.Sequential(*layers)[:2]
    assert isinstance(part, nn.Sequential) and list(part) == layers[:2]


# --- the rest ---


def test_repr_shows_the_layers_inside_indented():
    assert repr(nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Tanh(), nn.Flatten()))) == (
        "Sequential(\n  (0): Linear(3, 2)\n  (1): Sequential(\n    (0): Tanh()\n    (1): Flatten()\n  )\n)")


def test_a_deep_copy_is_independent():
    net = network()
    twin = copy.deepcopy(net)
    before = values(net)
    twin.load_state_dict(another_state(twin))
    assert values(net) == before and not any(p is q for p, q in zip(net.parameters(), twin.parameters()))


# --- against PyTorch ---


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def test_a_network_has_pytorchs_keys_in_pytorchs_order_with_its_shapes_and_types(torch):
    def outline(state):
        return [(name, tuple(array.shape), str(array.dtype).removeprefix("torch.")) for name, array in state.items()]

    assert outline(network().state_dict()) == outline(pytorchs_network(torch.nn).state_dict())


def test_parameters_come_in_pytorchs_order(torch):
    theirs = pytorchs_network(torch.nn)
    assert [name for name, _ in network().named_parameters()] == [name for name, _ in theirs.named_parameters()]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours to PyTorch", "PyTorch's to ours"])
def test_after_an_exchange_of_states_both_networks_compute_the_same(ours_first, training, torch):
    ours, theirs = network(), pytorchs_network(torch.nn)
    ours.load_state_dict(another_state(ours))
    if ours_first:
        theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    else:
        ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(1).standard_normal((7, 5))
    y_ours = ours.astype(np.float64).train(training)(Tensor(x)).data
    y_theirs = theirs.double().train(training)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y_ours, y_theirs, rtol=1e-9, atol=1e-12)
