"""Initial weights: which distribution each rule draws from, what it leaves alone, and that seeds reproduce them.

Distributions are compared by their Kolmogorov-Smirnov distance; seeds are fixed, so these tests do not depend on luck.
"""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from minigan import nn
from minigan.nn import init


def follows(values, distribution):
    """Does the sample look drawn from this distribution? (Kolmogorov-Smirnov; scale errors of 2 % are found here.)"""
    return stats.kstest(values.ravel(), distribution.cdf).pvalue > 1e-3


def normal(std, mean=0.0):
    return stats.norm(mean, std)


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


def network():
    """Large layers of every kind; the fans of its weights are all different."""
    return nn.Sequential(
        nn.Linear(100, 300), nn.BatchNorm1d(4000), nn.Unflatten(3, 10, 10), nn.Conv2d(3, 50, (7, 5)),
        nn.BatchNorm2d(4000), nn.ConvTranspose2d(50, 20, (3, 5)),
    )


LINEAR, NORM_1D, CONV, NORM_2D, TRANSPOSED = 0, 1, 3, 4, 5
FAN_IN = {LINEAR: 100, CONV: 3 * 7 * 5, TRANSPOSED: 20 * 3 * 5}
FAN_OUT = {LINEAR: 300, CONV: 50 * 7 * 5, TRANSPOSED: 50 * 3 * 5}
each_weight = pytest.mark.parametrize("layer", [LINEAR, CONV, TRANSPOSED], ids=["Linear", "Conv2d", "ConvTranspose2d"])
each_norm = pytest.mark.parametrize("layer", [NORM_1D, NORM_2D], ids=["BatchNorm1d", "BatchNorm2d"])
RULES = [init.normal_, init.glorot_uniform_, init.he_normal_]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda f: f.__name__)


# --- fans ---


@pytest.mark.parametrize("layer, fans", [
    (nn.Linear(5, 3), (5, 3)),
    (nn.Conv2d(5, 3, (7, 2)), (5 * 14, 3 * 14)),
    (nn.ConvTranspose2d(5, 3, (7, 2)), (3 * 14, 5 * 14)),
], ids=["Linear", "Conv2d", "ConvTranspose2d: PyTorch's, from the weight's second axis"])
def test_fans(layer, fans):
    assert init.fans(layer.weight.shape) == fans


def test_fans_equal_pytorchs():
    torch = pytest.importorskip("torch")
    for shape in [(3, 5), (3, 5, 7, 2)]:
        assert init.fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


# --- the default: U(±1/√fan_in), for weights and biases ---


@each_weight
def test_a_new_weight_is_uniform_within_1_over_the_root_of_fan_in(layer):
    make = {LINEAR: nn.Linear, CONV: nn.Conv2d, TRANSPOSED: nn.ConvTranspose2d}[layer]
    arguments = {LINEAR: (100, 300), CONV: (3, 50, (7, 5)), TRANSPOSED: (50, 20, (3, 5))}[layer]
    weight, bound = make(*arguments, rng=0).weight.data, 1 / sqrt(FAN_IN[layer])
    assert np.abs(weight).max() <= np.float32(bound) and follows(weight, uniform(bound))


@pytest.mark.parametrize("make, fan_in", [
    (lambda: nn.Linear(10, 5000, rng=0), 10),
    (lambda: nn.Conv2d(2, 5000, (3, 1), rng=0), 2 * 3),
    (lambda: nn.ConvTranspose2d(1, 5000, (1, 2), rng=0), 5000 * 2),
], ids=["Linear", "Conv2d", "ConvTranspose2d"])
def test_a_new_bias_is_uniform_within_1_over_the_root_of_the_weights_fan_in(make, fan_in):
    bias, bound = make().bias.data, 1 / sqrt(fan_in)
    assert np.abs(bias).max() <= np.float32(bound) and follows(bias, uniform(bound))


def test_the_default_bounds_equal_pytorchs():
    torch = pytest.importorskip("torch")
    pairs = [(nn.Linear(7, 3000, rng=0), torch.nn.Linear(7, 3000)),
             (nn.Conv2d(2, 300, (3, 5), rng=0), torch.nn.Conv2d(2, 300, (3, 5))),
             (nn.ConvTranspose2d(300, 2, (3, 5), rng=0), torch.nn.ConvTranspose2d(300, 2, (3, 5)))]
    for ours, theirs in pairs:
        largest = theirs.weight.detach().abs().max().item()
        assert np.abs(ours.weight.data).max() == pytest.approx(largest, rel=0.01)


# --- the rules that change a network ---


@each_weight
def test_normal_draws_weights_from_a_normal_with_std_0_02(layer):
    assert follows(init.normal_(network(), 0)[layer].weight.data, normal(0.02))


@each_weight
def test_normal_takes_another_std(layer):
    assert follows(init.normal_(network(), 0, std=0.5)[layer].weight.data, normal(0.5))


@each_norm
def test_normal_draws_weights_of_batch_norm_around_1(layer):
    assert follows(init.normal_(network(), 0)[layer].weight.data, normal(0.02, mean=1.0))


@each_weight
def test_glorot_draws_weights_from_a_uniform_within_the_root_of_6_over_the_sum_of_fans(layer):
    weight, bound = init.glorot_uniform_(network(), 0)[layer].weight.data, sqrt(6 / (FAN_IN[layer] + FAN_OUT[layer]))
    assert np.abs(weight).max() <= np.float32(bound) and follows(weight, uniform(bound))


@each_weight
def test_he_draws_weights_from_a_normal_with_variance_2_over_fan_in(layer):
    assert follows(init.he_normal_(network(), 0)[layer].weight.data, normal(sqrt(2 / FAN_IN[layer])))


@each_weight
def test_he_takes_the_slope_of_a_leaky_relu_into_account(layer):
    weight = init.he_normal_(network(), 0, slope=0.5)[layer].weight.data
    assert follows(weight, normal(sqrt(2 / (1.25 * FAN_IN[layer]))))


def test_he_keeps_the_size_of_signals_through_ten_layers_of_leaky_relu():
    """What the rule is for: the mean square of a layer's output before its activation stays that of the first's."""
    slope = 0.2
    layers = [layer for _ in range(10) for layer in (nn.Linear(300, 300), nn.LeakyReLU(slope))]
    net = init.he_normal_(nn.Sequential(*layers), 0, slope=slope)
    x = np.random.default_rng(1).standard_normal((100, 300)).astype(np.float32)
    first, last = net[0](x), nn.Sequential(*list(net)[:-1])(x)
    assert 0.5 < (last.data ** 2).mean() / (first.data ** 2).mean() < 2


@pytest.mark.parametrize("rule", [init.glorot_uniform_, init.he_normal_], ids=lambda f: f.__name__)
@each_norm
def test_glorot_and_he_set_weights_of_batch_norm_to_1(rule, layer):
    net = network()
    net[layer].weight.assign(7.0)
    assert set(rule(net)[layer].weight.data) == {1.0}


@each_rule
def test_every_rule_sets_every_bias_to_0(rule):
    net = network()
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            p.assign(7.0)
    biases = [p.data for name, p in rule(net).named_parameters() if name.endswith("bias")]
    assert len(biases) == 5 and not any(bias.any() for bias in biases)


def test_normal_draws_weights_of_layer_and_instance_norm_around_1():
    net = nn.Sequential(nn.LayerNorm((40, 100)), nn.InstanceNorm2d(4000, affine=True), nn.InstanceNorm2d(3))
    init.normal_(net, 0)
    assert all(follows(norm.weight.data, normal(0.02, mean=1.0)) for norm in (net[0], net[1]))


@pytest.mark.parametrize("rule", [init.glorot_uniform_, init.he_normal_], ids=lambda f: f.__name__)
def test_glorot_and_he_set_weights_of_layer_norm_to_1_also_where_they_have_two_axes(rule):
    norm = nn.LayerNorm((4, 5))
    norm.weight.assign(7.0)
    assert set(rule(norm).weight.data.ravel()) == {1.0}


@each_rule
def test_every_rule_draws_the_weight_of_an_embedding(rule):
    layer = nn.Embedding(30, 40, rng=1)
    before = layer.weight.data.copy()
    assert not np.any(rule(layer, 0).weight.data == before)


@each_rule
def test_every_rule_draws_the_weight_under_a_spectral_norm_and_leaves_the_vectors_alone(rule):
    layer = nn.SpectralNorm(nn.Linear(30, 40, rng=1), rng=1)
    before = layer.state_dict()
    after = rule(layer, 0).state_dict()
    assert {name for name in before if np.array_equal(before[name], after[name])} == {"u", "v"}


@each_rule
def test_every_rule_leaves_a_parameter_alone_that_is_no_weight_bias_or_norm(rule):
    class Scaled(nn.Module):
        def __init__(self):
            self.factor, self.gains = nn.Parameter(0.5), nn.Parameter(np.full(3, 0.5, np.float32))

    layer = rule(Scaled())
    assert layer.factor.item() == 0.5 and set(layer.gains.data) == {0.5}


@each_rule
def test_every_rule_sets_biases_to_0_that_have_a_longer_name(rule):
    """A recurrent layer's, in PyTorch: bias_ih_l0."""
    class Recurrent(nn.Module):
        def __init__(self):
            self.bias_ih_l0 = nn.Parameter(np.ones(3, np.float32))

    assert not rule(Recurrent()).bias_ih_l0.data.any()


@each_rule
def test_every_rule_returns_the_network_that_it_changed(rule):
    net = network()
    assert rule(net) is net


@each_rule
def test_every_rule_reproduces_from_a_seed(rule):
    one, same, other = (rule(network(), seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not any(np.array_equal(one[f"{i}.weight"], other[f"{i}.weight"]) for i in (LINEAR, CONV, TRANSPOSED))


@each_rule
def test_every_rule_draws_from_the_generator_it_is_given(rule):
    rng = np.random.default_rng(1)
    first, second = rule(network(), rng)[LINEAR].weight.data, rule(network(), rng)[LINEAR].weight.data
    assert np.array_equal(first, rule(network(), 1)[LINEAR].weight.data) and not np.array_equal(first, second)


@each_rule
def test_every_rule_draws_layers_of_one_shape_independently(rule):
    net = rule(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)), 0)
    assert not np.array_equal(net[0].weight.data, net[1].weight.data)


@each_rule
def test_every_rule_writes_in_place_and_keeps_the_type(rule):
    net = network()
    held = [p.data for p in net.parameters()]
    rule(net)
    assert all(p.data is array and p.dtype == np.float32 for p, array in zip(net.parameters(), held))


@each_rule
def test_every_rule_leaves_the_running_statistics_alone(rule):
    net = network()
    net[NORM_1D].running_mean[...] = 3.0
    rule(net)
    assert (set(net[NORM_1D].running_mean), set(net[NORM_1D].running_var)) == ({3.0}, {1.0})


@each_rule
def test_rules_reach_layers_inside_layers(rule):
    inner = nn.Linear(5, 5)
    inner.bias.assign(7.0)
    rule(nn.Sequential(nn.Sequential(inner)))
    assert not inner.bias.data.any()


@pytest.mark.parametrize("values, distribution", [
    (init.uniform((100, 200), 0.3, np.random.default_rng(0)), uniform(0.3)),
    (init.normal((100, 200), 0.3, np.random.default_rng(0)), normal(0.3)),
    (init.normal((100, 200), 0.3, np.random.default_rng(0), mean=1.0), normal(0.3, mean=1.0)),
], ids=["uniform", "normal", "normal with a mean"])
def test_arrays_drawn_for_layers_are_float32_and_of_the_distribution_named(values, distribution):
    assert (values.dtype, values.shape) == (np.float32, (100, 200)) and follows(values, distribution)
