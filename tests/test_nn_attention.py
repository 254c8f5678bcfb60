"""Self-attention: its formula by hand, which axis the softmax normalises, its derivatives, and where it starts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, grad, gradcheck, nn
from minigan.errors import ShapeError

N, C, H, W = 2, 16, 3, 5


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def attention(channels=C, gamma=0.7):
    layer = nn.SelfAttention2d(channels, rng=0).astype(np.float64)
    layer.gamma.assign(np.array([gamma]))
    return layer


def by_hand(layer, x, j):
    """y_j for one sample x (C, P) and one position j, and how much j looks at every position."""
    p = layer.state_dict()
    k, q, v = (p[f"{name}.weight"][:, :, 0, 0] @ x + p[f"{name}.bias"][:, None] for name in ("key", "query", "value"))
    s = np.einsum("c,ci->i", q[:, j], k)
    beta = np.exp(s) / np.exp(s).sum()
    return x[:, j] + p["gamma"] * np.einsum("i,ci->c", beta, v), beta


def test_every_position_is_the_formulas():
    layer, x = attention(), normal(N, C, H, W)
    y = layer(x).data.reshape(N, C, H * W)
    for n in range(N):
        for j in range(H * W):
            assert_allclose(y[n, :, j], by_hand(layer, x[n].reshape(C, -1), j)[0], rtol=1e-10)


def test_the_weights_of_the_position_that_looks_add_up_to_one():
    """With values of 1 everywhere every position gets 1, however much more it looks at one than at another."""
    layer, x = attention(gamma=1.0), 3 * normal(N, C, H, W)
    layer.value.weight.assign(np.zeros((C, C, 1, 1)))
    layer.value.bias.assign(np.ones(C))
    assert by_hand(layer, x[0].reshape(C, -1), 0)[1].max() > 2 / (H * W)
    assert_allclose(layer(x).data - x, 1, rtol=1e-12)


def test_a_position_looks_where_the_key_answers_its_query():
    """One position with a large key is seen by all: each gets that position's value."""
    layer, x = attention(1, gamma=1.0), np.zeros((1, 1, H, W))
    for conv, weight, bias in ((layer.key, 50.0, 0.0), (layer.query, 0.0, 1.0), (layer.value, 1.0, 0.0)):
        conv.weight.data[...], conv.bias.data[...] = weight, bias
    x[0, 0, 1, 2] = 2.0
    assert_allclose(layer(x).data - x, 2, rtol=1e-12)


def test_what_is_far_away_is_seen_as_well_as_what_is_near():
    """Exchange positions of the image, and the result is exchanged with them."""
    layer, x = attention(), normal(N, C, H, W)
    order = np.random.default_rng(1).permutation(H * W)
    shuffled = x.reshape(N, C, -1)[:, :, order].reshape(x.shape)
    assert_allclose(layer(shuffled).data.reshape(N, C, -1), layer(x).data.reshape(N, C, -1)[:, :, order], rtol=1e-10)


def test_it_starts_as_the_identity():
    x = normal(N, C, H, W).astype(np.float32)
    assert_array_equal(nn.SelfAttention2d(C, rng=0)(x).data, x)


def test_at_the_start_gamma_alone_has_a_gradient_beyond_the_identity():
    layer = nn.SelfAttention2d(C, rng=0)
    y = layer(normal(N, C, H, W).astype(np.float32))
    gradients = dict(zip(dict(layer.named_parameters()), grad((y * y).sum(), layer.parameters())))
    assert gradients.pop("gamma").data.all() and not any(g.data.any() for g in gradients.values())


def test_it_starts_as_the_identity_after_a_whole_networks_initialiser():
    layer = nn.init.normal_(nn.SelfAttention2d(C), 0)
    assert_array_equal(layer.gamma.data, [0])
    assert not layer.value.bias.data.any() and 0.015 < layer.value.weight.data.std() < 0.025


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_in_the_input_and_every_parameter(order):
    report = gradcheck(attention(3), [normal(2, 3, 2, 3)], order)
    assert report, report


def test_float32_in_float32_out_for_the_value_and_every_gradient():
    layer, x = nn.SelfAttention2d(C, rng=0), Tensor(normal(N, C, H, W).astype(np.float32))
    y = layer(x)
    gradients = grad(y, [x, *layer.parameters()], np.ones(y.shape, np.float32))
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


def test_on_the_device_it_computes_the_same_and_nothing_crosses(fake_cupy):
    from cupy_stand_in import Counters, counting

    layer, x = attention(), normal(N, C, H, W)
    y = layer(Tensor(x))
    expected = [y, *grad((y * y).sum(), layer.parameters())]
    layer.to("cuda")
    x = fake_cupy.asarray(x)
    with counting() as crossings:
        y = layer(Tensor(x))
        values = [y, *grad((y * y).sum(), layer.parameters())]
    assert crossings == Counters(to_device=0, to_host=0, synchronisations=0)
    for a, b in zip(values, expected):
        assert_allclose(a.data.get(), b.data, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("channels, narrow", [(16, 2), (64, 8), (8, 1), (3, 1)])
def test_keys_and_queries_have_an_eighth_of_the_channels(channels, narrow):
    shapes = {name: array.shape for name, array in nn.SelfAttention2d(channels).state_dict().items()}
    assert shapes == {
        "gamma": (1,), "key.weight": (narrow, channels, 1, 1), "key.bias": (narrow,),
        "query.weight": (narrow, channels, 1, 1), "query.bias": (narrow,),
        "value.weight": (channels, channels, 1, 1), "value.bias": (channels,),
    }


@pytest.mark.parametrize("shape", [(2, 16, 4), (2, 8, 4, 4)])
def test_an_input_that_does_not_fit_is_refused(shape):
    with pytest.raises(ShapeError, match=r"SelfAttention2d: the input does not fit \(expected \(N, 16, H, W\)"):
        attention()(np.zeros(shape))


def test_no_channels_are_refused():
    with pytest.raises(ShapeError, match="SelfAttention2d: channels"):
        nn.SelfAttention2d(0)
