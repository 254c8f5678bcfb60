"""BatchNorm: its formula, its derivatives to second order in both modes, its statistics, and PyTorch's answer."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import MiniganError, Tensor, grad, gradcheck, nn, no_grad


class Case(NamedTuple):
    name: str
    make: object
    shape: tuple


CASES = [
    Case("BatchNorm1d (N, C)", nn.BatchNorm1d, (7, 3)),
    Case("BatchNorm1d (N, C, L)", nn.BatchNorm1d, (5, 3, 2)),
    Case("BatchNorm2d", nn.BatchNorm2d, (5, 3, 2, 7)),
]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
both_modes = pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])

GAMMA, BETA = np.array([1.7, -0.6, 0.4]), np.array([0.3, -1.1, 2.0])
MEAN, VAR = np.array([0.4, -0.2, 1.1]), np.array([0.7, 2.1, 1.4])


def batch(shape, seed=0):
    """Numbers whose mean and variance differ from channel to channel, and are neither 0 nor 1."""
    per_channel = (-1,) + (1,) * (len(shape) - 2)
    x = np.random.default_rng(100 + seed).standard_normal(shape)
    return x * np.array([0.5, 2.0, 3.0]).reshape(per_channel) + np.array([1.0, -2.0, 0.5]).reshape(per_channel)


def telling(case, training=True, **arguments):
    """A float64 layer in which γ ≠ 1, β ≠ 0, and the running statistics are not those of a new one."""
    layer = case.make(3, **arguments).astype(np.float64).train(training)
    layer.weight.assign(GAMMA)
    layer.bias.assign(BETA)
    layer.running_mean[...], layer.running_var[...] = MEAN, VAR
    return layer


# --- the paper's Algorithm 1 and the backward derived from it by hand, on x of shape (values, channels) ---


def rows(x):
    """(N, C, …) → (N·…, C)"""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def unrows(r, shape):
    N, C, *rest = shape
    return np.moveaxis(r.reshape(N, *rest, C), -1, 1)


def training_forward(x, eps=1e-5):
    mu = x.sum(0) / len(x)
    v = ((x - mu) ** 2).sum(0) / len(x)
    x_hat = (x - mu) / np.sqrt(v + eps)
    return GAMMA * x_hat + BETA, x_hat, v


def training_backward(g, x_hat, v, eps=1e-5):
    """x̄ = γ/σ (ȳ − mean ȳ − x̂ mean(ȳ x̂)),  γ̄ = Σ ȳ x̂,  β̄ = Σ ȳ"""
    x_bar = GAMMA / np.sqrt(v + eps) * (g - g.mean(0) - x_hat * (g * x_hat).mean(0))
    return x_bar, (g * x_hat).sum(0), g.sum(0)


@each_case
def test_forward_in_training_is_the_papers(case):
    x = batch(case.shape)
    expected = unrows(training_forward(rows(x))[0], case.shape)
    assert_allclose(telling(case)(Tensor(x)).data, expected, rtol=1e-12, strict=True)


@each_case
def test_backward_in_training_is_the_one_derived_by_hand(case):
    layer, x, g = telling(case), Tensor(batch(case.shape)), batch(case.shape, seed=1)
    _, x_hat, v = training_forward(rows(x.data))
    x_bar, gamma_bar, beta_bar = training_backward(rows(g), x_hat, v)
    for ours, expected in zip(grad(layer(x), [x, layer.weight, layer.bias], g),
                              (unrows(x_bar, case.shape), gamma_bar, beta_bar)):
        assert_allclose(ours.data, expected, rtol=1e-9, atol=1e-12, strict=True)


@each_case
def test_forward_in_evaluation_uses_the_running_statistics(case):
    x = batch(case.shape)
    expected = unrows(GAMMA * (rows(x) - MEAN) / np.sqrt(VAR + 1e-5) + BETA, case.shape)
    assert_allclose(telling(case, training=False)(Tensor(x)).data, expected, rtol=1e-12, strict=True)


@each_case
def test_backward_in_evaluation_takes_the_running_statistics_for_constants(case):
    layer, x, g = telling(case, training=False), Tensor(batch(case.shape)), batch(case.shape, seed=1)
    scale = GAMMA / np.sqrt(VAR + 1e-5)
    x_hat = (rows(x.data) - MEAN) / np.sqrt(VAR + 1e-5)
    expected = unrows(rows(g) * scale, case.shape), (rows(g) * x_hat).sum(0), rows(g).sum(0)
    for ours, value in zip(grad(layer(x), [x, layer.weight, layer.bias], g), expected):
        assert_allclose(ours.data, value, rtol=1e-12, strict=True)


@each_case
def test_a_new_layer_gives_channels_of_mean_0_and_variance_1(case):
    y = rows(case.make(3).astype(np.float64)(Tensor(batch(case.shape))).data)
    assert_allclose([y.mean(0), y.var(0)], [np.zeros(3), np.ones(3)], atol=1e-4)


@pytest.mark.parametrize("order", [1, 2])
@both_modes
@each_case
def test_derivatives_with_respect_to_input_and_parameters(case, training, order):
    report = gradcheck(telling(case, training), [batch(case.shape)], order, max_elements=60)
    assert report, report


@both_modes
@each_case
def test_float32_in_float32_out_for_the_value_and_every_gradient(case, training):
    layer, x = case.make(3).train(training), Tensor(batch(case.shape).astype(np.float32))
    y = layer(x)
    gradients = grad(y, [x, layer.weight, layer.bias], np.ones(y.shape, np.float32))
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


@each_case
def test_eps_is_added_to_the_variance_under_the_root(case):
    """A large eps shows where it is added."""
    x = batch(case.shape)
    expected = unrows(training_forward(rows(x), eps=0.3)[0], case.shape)
    assert_allclose(telling(case, eps=0.3)(Tensor(x)).data, expected, rtol=1e-12)


def test_a_constant_channel_is_normalised_to_beta_without_a_warning():
    y = nn.BatchNorm1d(3)(Tensor(np.full((5, 3), 7.0, np.float32)))
    assert_array_equal(y.data, np.zeros((5, 3), np.float32))


# --- running statistics ---


@each_case
def test_new_running_statistics_are_mean_0_variance_1_and_no_batches(case):
    state = case.make(3).state_dict()
    assert (state["running_mean"].tolist(), state["running_var"].tolist(), state["num_batches_tracked"].item()) == \
        ([0, 0, 0], [1, 1, 1], 0)


@pytest.mark.parametrize("momentum", [0.1, 0.3, 1.0])
@each_case
def test_the_running_mean_moves_to_the_batchs_by_momentum(case, momentum):
    layer, x = telling(case, momentum=momentum), batch(case.shape)
    layer(Tensor(x))
    assert_allclose(layer.running_mean, (1 - momentum) * MEAN + momentum * rows(x).mean(0), rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, 0.3, 1.0])
@each_case
def test_the_running_variance_moves_to_the_batchs_unbiased_one_by_momentum(case, momentum):
    layer, x = telling(case, momentum=momentum), batch(case.shape)
    layer(Tensor(x))
    assert_allclose(layer.running_var, (1 - momentum) * VAR + momentum * rows(x).var(0, ddof=1), rtol=1e-12)


@each_case
def test_every_training_batch_is_counted(case):
    layer = telling(case)
    for _ in range(3):
        layer(Tensor(batch(case.shape)))
    assert layer.num_batches_tracked == 3


@each_case
def test_evaluation_leaves_the_running_statistics_alone(case):
    layer = telling(case, training=False)
    before = layer.state_dict()
    layer(Tensor(batch(case.shape)))
    assert all(before[name].tobytes() == array.tobytes() for name, array in layer.state_dict().items())


def test_training_under_no_grad_tracks_the_batch_too():
    """As in PyTorch: the generator's batch, held fixed in D's step, still counts."""
    layer = telling(CASES[0])
    with no_grad():
        layer(Tensor(batch((7, 3))))
    assert layer.num_batches_tracked == 1 and not np.array_equal(layer.running_mean, MEAN)


def test_running_statistics_are_updated_in_place():
    layer = nn.BatchNorm1d(3)
    held = layer.running_mean
    layer(Tensor(batch((7, 3)).astype(np.float32)))
    assert layer.running_mean is held and held.any()


def test_running_statistics_stay_float32():
    layer = nn.BatchNorm1d(3)
    layer(Tensor(batch((7, 3)).astype(np.float32)))
    assert {layer.running_mean.dtype, layer.running_var.dtype} == {np.dtype(np.float32)}


def test_the_output_does_not_change_when_the_running_statistics_do():
    layer, x = telling(CASES[0], training=False), Tensor(batch((7, 3)))
    y = layer(x)
    before = y.data.copy()
    layer.train()(x)
    assert_array_equal(y.data, before)


def test_the_running_statistics_are_not_parameters():
    assert [name for name, _ in nn.BatchNorm2d(3).named_parameters()] == ["weight", "bias"]


# --- what is refused ---


@pytest.mark.parametrize("make, shape", [
    (nn.BatchNorm1d, (1, 3)), (nn.BatchNorm1d, (1, 3, 1)), (nn.BatchNorm2d, (1, 3, 1, 1)), (nn.BatchNorm1d, (0, 3)),
])
def test_a_training_batch_of_one_value_per_channel_is_refused_with_the_reason(make, shape):
    reason = "one value per channel has no variance.*larger batch.*eval"
    with pytest.raises(MiniganError, match=f"{make.__name__}: .*{reason}"):
        make(3)(Tensor(np.ones(shape, np.float32)))


def test_a_refused_batch_leaves_the_running_statistics_alone():
    layer = telling(CASES[0])
    before = layer.state_dict()
    with pytest.raises(MiniganError):
        layer(Tensor(np.ones((1, 3))))
    assert all(before[name].tobytes() == array.tobytes() for name, array in layer.state_dict().items())


@pytest.mark.parametrize("make, shape", [
    (nn.BatchNorm1d, (1, 3, 2)), (nn.BatchNorm2d, (1, 3, 1, 2)), (nn.BatchNorm1d, (2, 3)),
])
def test_two_values_per_channel_are_enough(make, shape):
    assert make(3)(Tensor(np.ones(shape, np.float32))).shape == shape


@pytest.mark.parametrize("make, shape", [
    (nn.BatchNorm1d, (1, 3)), (nn.BatchNorm1d, (1, 3, 1)), (nn.BatchNorm2d, (1, 3, 1, 1)),
])
def test_one_value_per_channel_is_fine_in_evaluation(make, shape):
    assert make(3).eval()(Tensor(np.ones(shape, np.float32))).shape == shape


@both_modes
@pytest.mark.parametrize("make, shape", [
    (nn.BatchNorm1d, (7, 2)), (nn.BatchNorm1d, (3, 7)), (nn.BatchNorm1d, (3,)), (nn.BatchNorm1d, (5, 3, 2, 7)),
    (nn.BatchNorm1d, (7, 1)), (nn.BatchNorm2d, (7, 3)), (nn.BatchNorm2d, (5, 3, 2)), (nn.BatchNorm2d, (5, 2, 3, 7)),
    (nn.BatchNorm2d, (5, 7, 2, 3)),
])
def test_wrong_channels_or_axes_are_refused_with_both_shapes(make, shape, training):
    with pytest.raises(MiniganError) as error:
        make(3).train(training)(Tensor(np.ones(shape, np.float32)))
    assert str(shape) in str(error.value) and "(N, 3" in str(error.value) and f"{make.__name__}(3)" in str(error.value)


@pytest.mark.parametrize("make", [nn.BatchNorm1d, nn.BatchNorm2d])
@pytest.mark.parametrize("value", [0.8, 0.9, 0.99])
def test_a_momentum_that_lands_on_eps_is_refused_and_named(make, value):
    with pytest.raises(MiniganError, match=rf"got {value}.*second argument is eps.*momentum="):
        make(3, value)


@pytest.mark.parametrize("eps", [0, -1e-5, 1, float("nan")])
def test_an_eps_that_is_not_small_and_positive_is_refused(eps):
    with pytest.raises(MiniganError, match="eps"):
        nn.BatchNorm1d(3, eps=eps)


@pytest.mark.parametrize("momentum", [0, -0.1, 1.1, float("nan")])
def test_a_momentum_outside_0_to_1_is_refused(momentum):
    with pytest.raises(MiniganError, match="momentum"):
        nn.BatchNorm1d(3, momentum=momentum)


@pytest.mark.parametrize("num_features", [0, -1, 2.5])
def test_a_number_of_channels_that_is_not_a_positive_whole_number_is_refused(num_features):
    with pytest.raises(MiniganError, match="num_features"):
        nn.BatchNorm1d(num_features)


@pytest.mark.parametrize("make", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_repr(make):
    assert repr(make(3)) == f"{make.__name__}(3)"


# --- against PyTorch ---


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def pytorchs_twin(torch, layer, **arguments):
    twin = getattr(torch.nn, type(layer).__name__)(3, **arguments).double().train(layer.training)
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in layer.state_dict().items()})
    return twin


@both_modes
@each_case
def test_value_and_gradients_equal_pytorchs(case, training, torch):
    ours = telling(case, training)
    theirs = pytorchs_twin(torch, ours)
    x, g = batch(case.shape), batch(case.shape, seed=1)
    x_ours, x_theirs = Tensor(x), torch.tensor(x, requires_grad=True)
    y_ours, y_theirs = ours(x_ours), theirs(x_theirs)
    gradients = grad(y_ours, [x_ours, *ours.parameters()], g)
    expected = torch.autograd.grad(y_theirs, [x_theirs, *theirs.parameters()], torch.from_numpy(g))
    assert_allclose(y_ours.data, y_theirs.detach().numpy(), rtol=1e-10, atol=1e-12, strict=True)
    for a, b in zip(gradients, expected, strict=True):
        assert_allclose(a.data, b.numpy(), rtol=1e-9, atol=1e-12, strict=True)


@pytest.mark.parametrize("arguments", [{}, {"momentum": 0.3, "eps": 1e-3}], ids=["defaults", "momentum and eps given"])
@each_case
def test_running_statistics_equal_pytorchs_after_every_one_of_five_batches(case, arguments, torch):
    ours = case.make(3, **arguments).astype(np.float64)
    theirs = getattr(torch.nn, case.make.__name__)(3, **arguments).double()
    for seed in range(5):
        x = batch(case.shape, seed)
        ours(Tensor(x))
        theirs(torch.from_numpy(x))
        for name, array in ours.state_dict().items():
            assert_allclose(array, theirs.state_dict()[name].numpy(), rtol=1e-12, strict=True)


@each_case
def test_evaluation_after_training_equals_pytorchs(case, torch):
    ours, x = telling(case), batch(case.shape, seed=2)
    theirs = pytorchs_twin(torch, ours)
    for seed in range(2):
        ours(Tensor(batch(case.shape, seed)))
        theirs(torch.from_numpy(batch(case.shape, seed)))
    assert_allclose(ours.eval()(Tensor(x)).data, theirs.eval()(torch.from_numpy(x)).detach().numpy(), rtol=1e-10)


@each_case
def test_states_have_pytorchs_keys_shapes_and_types(case, torch):
    def outline(state):
        return [(name, tuple(array.shape), str(array.dtype).removeprefix("torch.")) for name, array in state.items()]

    assert outline(case.make(3).state_dict()) == outline(getattr(torch.nn, case.make.__name__)(3).state_dict())


@each_case
def test_pytorchs_state_loads(case, torch):
    theirs = getattr(torch.nn, case.make.__name__)(3)
    theirs(torch.from_numpy(batch(case.shape).astype(np.float32)))
    ours = case.make(3)
    ours.load_state_dict(theirs.state_dict())
    for name, array in theirs.state_dict().items():
        assert_array_equal(ours.state_dict()[name], array.numpy(), strict=True)
