"""The GRU: its equations, its derivatives, PyTorch's answer, and the same on the stand-in for a GPU."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from minigan import Tensor, grad, gradcheck, nn
from minigan.errors import ShapeError

N, L, I, H = 3, 5, 2, 7


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def gru(size=I, hidden=H, seed=0):
    """A float64 GRU."""
    return nn.GRU(size, hidden, rng=seed).astype(np.float64)


def by_hand(layer, x, h):
    """The four equations, for one sequence, one step and one unit after the other."""
    p = layer.state_dict()
    H = p["weight_hh_l0"].shape[1]
    states = np.zeros((*x.shape[:2], H))
    for k in range(len(x)):
        before = h[k]
        for t in range(x.shape[1]):
            for j in range(H):
                (ir, iz, i_n), (hr, hz, hn) = (
                    [p[f"weight_{name}_l0"][gate * H + j] @ value + p[f"bias_{name}_l0"][gate * H + j]
                     for gate in range(3)] for name, value in (("ih", x[k, t]), ("hh", before)))
                r, z = expit(ir + hr), expit(iz + hz)
                states[k, t, j] = (1 - z) * np.tanh(i_n + r * hn) + z * before[j]
            before = states[k, t]
    return states


def test_the_states_are_those_of_the_equations():
    layer, x, h0 = gru(), normal(N, L, I), normal(N, H, seed=1)
    assert_allclose(layer(x, h0).data, by_hand(layer, x, h0), rtol=1e-12)


def test_the_first_state_is_zero_by_default():
    layer, x = gru(), normal(N, L, I)
    assert_allclose(layer(x).data, by_hand(layer, x, np.zeros((N, H))), rtol=1e-12)


def test_a_sequence_in_two_parts_gives_the_states_of_the_whole():
    layer, x = gru(), normal(N, L, I)
    first = layer(x[:, :2])
    assert_allclose(layer(x[:, 2:], first[:, -1]).data, layer(x).data[:, 2:], rtol=1e-12)


def test_with_the_update_gate_open_the_state_is_kept():
    layer, h0 = gru(), normal(N, H)
    layer.bias_ih_l0.data[H:2 * H] = 100.0  # z = 1
    assert_allclose(layer(normal(N, L, I), h0).data, np.repeat(h0[:, None], L, axis=1), rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_in_the_input_the_first_state_and_every_parameter(order):
    report = gradcheck(gru(2, 3), [normal(2, 3, 2), normal(2, 3, seed=1)], order)
    assert report, report


def test_pytorchs_states_and_gradients_from_its_own_parameters():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.GRU(I, H, batch_first=True).double(), gru()
    ours.load_state_dict(theirs.state_dict())
    x, h0, g = normal(N, L, I), normal(N, H, seed=1), normal(N, L, H, seed=2)
    x_t, h_t = torch.tensor(x, requires_grad=True), torch.tensor(h0[None], requires_grad=True)
    y_t, _ = theirs(x_t, h_t)
    y_t.backward(torch.tensor(g))
    x, h0 = Tensor(x), Tensor(h0)
    y = ours(x, h0)
    assert_allclose(y.data, y_t.detach().numpy(), rtol=1e-12, atol=1e-14)
    expected = [x_t.grad, h_t.grad[0], *(p.grad for p in theirs.parameters())]
    for gradient, other in zip(grad(y, [x, h0, *ours.parameters()], g), expected, strict=True):
        assert_allclose(gradient.data, other.numpy(), rtol=1e-10, atol=1e-12)


def test_pytorchs_gru_has_the_same_keys_and_takes_our_state():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.GRU(I, H), gru()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict({key: torch.tensor(array) for key, array in ours.state_dict().items()})


def test_parameters_start_uniform_within_one_over_root_h():
    for p in nn.GRU(30, 64, rng=0).parameters():
        assert p.dtype == np.float32 and 0.115 < np.abs(p.data).max() <= 0.125
        assert_allclose(p.data.std(), 0.125 / np.sqrt(3), rtol=0.1)


def test_a_whole_networks_initialiser_knows_its_biases():
    """They are called bias_ih_l0 and bias_hh_l0, and have one axis, as a norm's weights have."""
    layer = nn.init.normal_(nn.GRU(I, H), 0)
    assert not layer.bias_ih_l0.data.any() and not layer.bias_hh_l0.data.any()


def test_float32_in_float32_out_for_the_states_and_every_gradient():
    layer, x = nn.GRU(I, H, rng=0), Tensor(normal(N, L, I).astype(np.float32))
    y = layer(x)
    gradients = grad(y, [x, *layer.parameters()], np.ones(y.shape, np.float32))
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


def test_on_the_device_it_computes_the_same_and_nothing_crosses(fake_cupy):
    from cupy_stand_in import Counters, counting

    layer, x, g = gru(), normal(N, L, I), normal(N, L, H, seed=1)
    y = layer(Tensor(x))
    expected = [y, *grad(y, layer.parameters(), g)]
    layer.to("cuda")
    x, g = fake_cupy.asarray(x), fake_cupy.asarray(g)
    with counting() as crossings:
        y = layer(Tensor(x))
        values = [y, *grad(y, layer.parameters(), g)]
    assert crossings == Counters(to_device=0, to_host=0, synchronisations=0)
    for a, b in zip(values, expected):
        assert_allclose(a.data.get(), b.data, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("x, h0, message", [
    (np.zeros((3, 2)), None, r"expected \(N, L, 2\) with L ≥ 1, got \(3, 2\)"),
    (np.zeros((3, 5, 4)), None, r"got \(3, 5, 4\)"),
    (np.zeros((3, 0, 2)), None, r"got \(3, 0, 2\)"),
    (np.zeros((3, 5, 2)), np.zeros((1, 3, 7)), r"the first state does not fit \(expected \(3, 7\), got \(1, 3, 7\)\)"),
    (np.zeros((3, 5, 2)), np.zeros((1, 7)), r"the first state does not fit"),
])
def test_an_input_that_does_not_fit_is_refused(x, h0, message):
    with pytest.raises(ShapeError, match=message):
        gru()(x, h0)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (2.5, 3)])
def test_a_size_that_is_no_positive_whole_number_is_refused(sizes):
    with pytest.raises(ShapeError, match="GRU: "):
        nn.GRU(*sizes)


def test_it_shows_its_sizes():
    assert repr(nn.GRU(I, H)) == "GRU(2, 7)"
