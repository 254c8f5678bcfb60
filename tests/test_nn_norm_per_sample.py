"""InstanceNorm2d and LayerNorm: their formula, their derivatives to second order, and PyTorch's answer."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import MiniganError, Tensor, grad, gradcheck, nn


class Case(NamedTuple):
    name: str
    make: object
    twin: object  # in torch.nn
    shape: tuple
    axes: tuple  # over which mean and variance are taken
    affine: tuple  # what γ and β are reshaped to, () where there are none
    shown: str


CASES = [
    Case("InstanceNorm2d", lambda **kw: nn.InstanceNorm2d(3, **kw), lambda t, **kw: t.InstanceNorm2d(3, **kw),
         (5, 3, 2, 7), (2, 3), (), "InstanceNorm2d(3)"),
    Case("InstanceNorm2d affine", lambda **kw: nn.InstanceNorm2d(3, affine=True, **kw),
         lambda t, **kw: t.InstanceNorm2d(3, affine=True, **kw), (5, 3, 2, 7), (2, 3), (3, 1, 1),
         "InstanceNorm2d(3, affine=True)"),
    Case("LayerNorm one axis", lambda **kw: nn.LayerNorm(3, **kw), lambda t, **kw: t.LayerNorm(3, **kw),
         (7, 3), (1,), (3,), "LayerNorm((3,))"),
    Case("LayerNorm of sequences", lambda **kw: nn.LayerNorm((3,), **kw), lambda t, **kw: t.LayerNorm((3,), **kw),
         (2, 7, 3), (2,), (3,), "LayerNorm((3,))"),
    Case("LayerNorm of images", lambda **kw: nn.LayerNorm((3, 2, 5), **kw),
         lambda t, **kw: t.LayerNorm((3, 2, 5), **kw), (7, 3, 2, 5), (1, 2, 3), (3, 2, 5), "LayerNorm((3, 2, 5))"),
    Case("LayerNorm not affine", lambda **kw: nn.LayerNorm((3, 5), affine=False, **kw),
         lambda t, **kw: t.LayerNorm((3, 5), elementwise_affine=False, **kw), (7, 3, 5), (1, 2), (),
         "LayerNorm((3, 5), affine=False)"),
]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])


def random(shape, seed=0):
    return np.random.default_rng(100 + seed).standard_normal(shape)


def batch(case, seed=0):
    """Numbers whose mean and variance differ from sample to sample and from channel to channel."""
    x = random(case.shape, seed)
    per_sample, per_channel = (-1,) + (1,) * (x.ndim - 1), (-1,) + (1,) * (x.ndim - 2)
    return x * (1 + np.arange(len(x))).reshape(per_sample) + 3 * random(x.shape[1], seed=9).reshape(per_channel)


def telling(case, **arguments):
    """A float64 layer in which γ ≠ 1 and β ≠ 0."""
    layer = case.make(**arguments).astype(np.float64)
    for i, p in enumerate(layer.parameters()):
        p.assign(random(p.shape, seed=20 + i))
    return layer


def formula(case, layer, x, eps=1e-5):
    """The definition, sample by sample, with NumPy's variance."""
    y = np.empty_like(x)
    for n, sample in enumerate(x):
        axes = tuple(a - 1 for a in case.axes)
        mu, v = sample.mean(axes, keepdims=True), sample.var(axes, keepdims=True)
        y[n] = (sample - mu) / np.sqrt(v + eps)
        if case.affine:
            y[n] = layer.weight.data.reshape(case.affine) * y[n] + layer.bias.data.reshape(case.affine)
    return y


@each_case
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_the_value_is_the_formulas(case, eps):
    """A large eps shows where it is added."""
    layer, x = telling(case, eps=eps), batch(case)
    assert_allclose(layer(Tensor(x)).data, formula(case, layer, x, eps), rtol=1e-10, atol=1e-12, strict=True)


@pytest.mark.parametrize("order", [1, 2])
@each_case
def test_derivatives_with_respect_to_input_and_parameters(case, order):
    report = gradcheck(telling(case), [batch(case)], order, max_elements=60)
    assert report, report


@each_case
def test_float32_in_float32_out_for_the_value_and_every_gradient(case):
    layer, x = case.make(), Tensor(batch(case).astype(np.float32))
    y = layer(x)
    gradients = grad(y, [x, *layer.parameters()], np.ones(y.shape, np.float32))
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


@each_case
def test_no_sample_is_mixed_with_another(case):
    layer, x = telling(case), batch(case)
    one_by_one = np.concatenate([layer(x[n:n + 1]).data for n in range(len(x))])
    assert_allclose(layer(x).data, one_by_one, rtol=1e-12, atol=1e-13)


def test_only_batch_norm_says_that_it_mixes_samples():
    network = nn.Sequential(nn.LayerNorm(3), nn.BatchNorm1d(3), nn.InstanceNorm2d(3), nn.BatchNorm2d(3))
    assert [layer.mixes_samples for layer in network.modules()] == [False, False, True, False, True]


@each_case
def test_evaluation_computes_what_training_does(case):
    layer, x = telling(case), batch(case)
    assert_array_equal(layer(x).data, layer.eval()(x).data)


@each_case
def test_the_state_has_nothing_but_weight_and_bias(case):
    assert list(case.make().state_dict()) == (["weight", "bias"] if case.affine else [])


@each_case
def test_repr(case):
    assert repr(case.make()) == case.shown


def test_a_constant_sample_is_normalised_to_beta_without_a_warning():
    assert not nn.LayerNorm(3)(np.full((5, 3), 7.0, np.float32)).data.any()
    assert not nn.InstanceNorm2d(1)(np.full((5, 1, 2, 3), 7.0, np.float32)).data.any()


# --- what is refused ---


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_images_of_one_pixel_are_refused_with_the_reason(training):
    with pytest.raises(MiniganError, match=r"InstanceNorm2d: .*no variance.*\(5, 3, 1, 1\)"):
        nn.InstanceNorm2d(3).train(training)(np.ones((5, 3, 1, 1), np.float32))


@pytest.mark.parametrize("pixels", [(1, 2), (2, 1)])
def test_images_of_two_pixels_are_enough(pixels):
    assert nn.InstanceNorm2d(3)(np.ones((5, 3, *pixels), np.float32)).shape == (5, 3, *pixels)


@pytest.mark.parametrize("shape", [1, (1,), (1, 1), ()])
def test_a_layer_norm_over_one_element_is_refused_when_it_is_made(shape):
    with pytest.raises(MiniganError, match=r"LayerNorm: .*no variance"):
        nn.LayerNorm(shape)


@pytest.mark.parametrize("layer, shape", [
    (nn.InstanceNorm2d(3), (2, 3)), (nn.InstanceNorm2d(3), (2, 3, 4)), (nn.InstanceNorm2d(3), (2, 2, 3, 3)),
    (nn.LayerNorm(3), (3, 2)), (nn.LayerNorm((3, 5)), (2, 5, 3)), (nn.LayerNorm((3, 5)), (5,)), (nn.LayerNorm(3), ()),
], ids=repr)
def test_an_input_that_does_not_fit_is_refused_with_both_shapes(layer, shape):
    with pytest.raises(MiniganError) as error:
        layer(np.ones(shape, np.float32))
    assert str(shape) in str(error.value)
    assert ("(N, 3, H, W)" if isinstance(layer, nn.InstanceNorm2d) else "(…, 3") in str(error.value)


@pytest.mark.parametrize("make, named", [
    (lambda: nn.InstanceNorm2d(0), "num_features"), (lambda: nn.LayerNorm(0), "normalized_shape"),
    (lambda: nn.LayerNorm((3, 2.5)), "normalized_shape"), (lambda: nn.InstanceNorm2d(3, 0.9), "eps"),
    (lambda: nn.LayerNorm(3, eps=0), "eps"),
])
def test_arguments_out_of_range_are_refused_by_name(make, named):
    with pytest.raises(MiniganError, match=named):
        make()


# --- against PyTorch ---


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("arguments", [{}, {"eps": 1e-3}], ids=["defaults", "eps given"])
@each_case
def test_value_and_gradients_equal_pytorchs(case, arguments, torch):
    ours, theirs = telling(case, **arguments), case.twin(torch.nn, **arguments).double()
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    x, g = batch(case), random(case.shape, seed=1)
    x_ours, x_theirs = Tensor(x), torch.tensor(x, requires_grad=True)
    y_ours, y_theirs = ours(x_ours), theirs(x_theirs)
    gradients = grad(y_ours, [x_ours, *ours.parameters()], g)
    expected = torch.autograd.grad(y_theirs, [x_theirs, *theirs.parameters()], torch.from_numpy(g))
    assert_allclose(y_ours.data, y_theirs.detach().numpy(), rtol=1e-10, atol=1e-12, strict=True)
    for a, b in zip(gradients, expected, strict=True):
        assert_allclose(a.data, b.numpy(), rtol=1e-9, atol=1e-12, strict=True)


@each_case
def test_states_have_pytorchs_keys_shapes_and_types(case, torch):
    def outline(state):
        return [(name, tuple(array.shape), str(array.dtype).removeprefix("torch.")) for name, array in state.items()]

    assert outline(case.make().state_dict()) == outline(case.twin(torch.nn).state_dict())
    case.make().load_state_dict(case.twin(torch.nn).state_dict())
