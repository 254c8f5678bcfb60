"""SpectralNorm: σ against NumPy's, the derivative of W/σ(W) against a difference quotient, its state, its modes."""

import numpy as np
import pytest
from cupy_stand_in import Counters, counting
from numpy.testing import assert_allclose, assert_array_equal

from minigan import MiniganError, Tensor, grad, gradcheck, nn, no_grad
from minigan.checkpoint import load, save
from minigan.losses import OBJECTIVES
from minigan.optim import Adam
from minigan.train import minimax

# name: (layer, shape of x)
LAYERS = {
    "Linear": (lambda: nn.Linear(5, 3, rng=1), (2, 5)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 4, 2, 1, rng=1), (2, 2, 6, 4)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 2, 4, 2, 1, rng=1), (2, 3, 3, 2)),
    "ConvTranspose2d, output padding": (lambda: nn.ConvTranspose2d(3, 2, 3, 2, 1, 1, rng=1), (2, 3, 3, 2)),
    "without a bias": (lambda: nn.Linear(5, 3, bias=False, rng=1), (2, 5)),
}
each_layer = pytest.mark.parametrize("make, shape", LAYERS.values(), ids=LAYERS)


def random(shape, seed=0):
    return np.random.default_rng(100 + seed).standard_normal(shape)


def matrix(weight, layer):
    """The matrix whose largest singular value is meant: (out, everything else)."""
    weight = np.moveaxis(weight, 1, 0) if isinstance(layer, nn.ConvTranspose2d) else weight
    return weight.reshape(len(weight), -1)


def sigma(layer):
    return np.linalg.norm(matrix(layer.weight.data, layer), 2)


def converged(make):
    """A float64 layer whose u and v are the singular vectors to the last digit."""
    layer = nn.SpectralNorm(make(), rng=2).astype(np.float64)
    W = matrix(layer.layer.weight.data, layer.layer)
    U, _, Vh = np.linalg.svd(W)
    layer.u, layer.v = U[:, 0].copy(), Vh[0].copy()
    return layer


# --- the value ---


@each_layer
def test_after_many_iterations_the_weight_is_divided_by_its_largest_singular_value(make, shape):
    layer, plain, x = nn.SpectralNorm(make(), rng=2).astype(np.float64), make().astype(np.float64), random(shape)
    for _ in range(200):
        y = layer(x)
    plain.weight.assign(plain.weight.data / sigma(plain))
    assert_allclose(y.data, plain(x).data, rtol=1e-10, atol=1e-12)


@each_layer
def test_a_new_layer_is_close_to_it_already(make, shape):
    layer = nn.SpectralNorm(make(), rng=2)
    W = matrix(layer.layer.weight.data, layer.layer)
    assert_allclose(layer.u @ W @ layer.v, sigma(layer.layer), rtol=0.05)


def test_one_training_step_is_one_iteration_and_starts_where_the_last_one_ended():
    layer = nn.SpectralNorm(nn.Linear(5, 3, rng=1), rng=2).astype(np.float64)
    layer.layer.weight.assign(random((3, 5)))
    W, u = layer.layer.weight.data, layer.u
    for _ in range(3):
        layer(random((2, 5)))
        v = W.T @ u / np.linalg.norm(W.T @ u)
        u = W @ v / np.linalg.norm(W @ v)
        assert_allclose(np.concatenate([layer.u, layer.v]), np.concatenate([u, v]), rtol=1e-12)


def test_sigma_follows_a_weight_that_changes():
    layer = nn.SpectralNorm(nn.Linear(5, 3, bias=False, rng=1), rng=2).astype(np.float64)
    x, W = random((2, 5)), random((3, 5), seed=1)
    for step in range(300):
        layer.layer.weight.assign(W + step / 300)
        y = layer(x)
    W = layer.layer.weight.data
    assert_allclose(y.data, x @ W.T / np.linalg.norm(W, 2), rtol=1e-3)


def test_a_layer_whose_largest_singular_value_is_1_stays_what_it_is():
    plain = nn.Linear(5, 3, rng=1).astype(np.float64)
    plain.weight.assign(np.linalg.svd(plain.weight.data, full_matrices=False)[2])
    x, y = random((2, 5)), plain(random((2, 5))).data
    assert_allclose(nn.SpectralNorm(plain)(x).data, y, rtol=1e-12)


def test_a_normalised_linear_layer_is_1_lipschitz():
    layer = converged(lambda: nn.Linear(5, 3, rng=1))
    x = random((2, 1000, 5))
    assert np.linalg.norm(layer(x[0]).data - layer(x[1]).data, axis=1).max() <= np.linalg.norm(
        x[0] - x[1], axis=1).max() + 1e-12


# --- derivatives ---


@pytest.mark.parametrize("order", [1, 2])
@each_layer
def test_derivatives_at_fixed_u_and_v(make, shape, order):
    report = gradcheck(nn.SpectralNorm(make(), rng=2).astype(np.float64).eval(), [random(shape)], order,
                       max_elements=60)
    assert report, report


@each_layer
def test_the_gradient_is_that_of_the_weight_over_its_largest_singular_value(make, shape):
    """Against the difference quotient of W/σ(W), σ from NumPy's singular values: u and v move with W there."""
    layer, x = converged(make), random(shape)
    g = random(layer(x).shape, seed=1)
    gradient = grad(layer(x), layer.layer.weight, g).data
    plain = make().astype(np.float64)
    W = plain.weight.data.copy()

    def value(weight):
        plain.weight.assign(weight)
        plain.weight.assign(weight / sigma(plain))
        return (plain(x).data * g).sum()

    h = 1e-6
    for i in list(np.ndindex(W.shape))[::5]:
        step = np.zeros(W.shape)
        step[i] = h
        assert gradient[i] == pytest.approx((value(W + step) - value(W - step)) / (2 * h), rel=1e-6, abs=1e-8)


def test_the_gradient_of_a_gradient_penalty_in_the_weight_is_exact_at_the_singular_vectors():
    """∂/∂W of ‖∂D/∂x‖², for D(x) = tanh(W x/σ(W)): σ is differentiated once."""
    layer, x = converged(lambda: nn.Linear(5, 3, rng=1)), random((2, 5))

    def penalty(weight, d):
        x_ = Tensor(x)
        (gx,) = grad((d(x_) ** 3).sum(), [x_], create_graph=True)
        return (gx * gx).sum()

    W = layer.layer.weight
    gradient = grad(penalty(W, layer), W).data
    plain = nn.Linear(5, 3, rng=1).astype(np.float64)

    def value(weight):
        plain.weight.assign(weight / np.linalg.norm(weight, 2))
        return penalty(None, plain).item()

    h, W = 1e-6, W.data.copy()
    for i in np.ndindex(W.shape):
        step = np.zeros(W.shape)
        step[i] = h
        assert gradient[i] == pytest.approx((value(W + step) - value(W - step)) / (2 * h), rel=1e-5, abs=1e-7)


def test_a_second_forward_leaves_the_first_ones_gradient_what_it_was():
    """D's step makes two forward passes, D(x) and D(G(z)), before it asks for gradients."""
    one, two = (nn.SpectralNorm(nn.Linear(5, 3, rng=1), rng=2).astype(np.float64) for _ in range(2))
    x = random((2, 5))
    expected = grad(one(x).sum(), one.layer.weight).data
    y = two(x)
    for _ in range(3):
        two(x)
    assert_array_equal(grad(y.sum(), two.layer.weight).data, expected)


@each_layer
def test_float32_in_float32_out_for_the_value_every_gradient_and_the_vectors(make, shape):
    layer, x = nn.SpectralNorm(make()), Tensor(random(shape).astype(np.float32))
    y = layer(x)
    gradients = grad(y, [x, *layer.parameters()], np.ones(y.shape, np.float32))
    assert {y.dtype, layer.u.dtype, layer.v.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


# --- modes and state ---


def test_evaluation_does_not_iterate():
    layer = nn.SpectralNorm(nn.Linear(5, 3, rng=1), rng=2).eval()
    before = layer.state_dict()
    y = layer(random((2, 5)).astype(np.float32)).data
    assert_array_equal(layer(random((2, 5)).astype(np.float32)).data, y)
    assert all(np.array_equal(before[name], array) for name, array in layer.state_dict().items())


def test_training_iterates_under_no_grad_too():
    layer = nn.SpectralNorm(nn.Linear(5, 3, rng=1), rng=2)
    layer.layer.weight.assign(random((3, 5)))
    before = layer.u.copy()
    with no_grad():
        layer(np.ones((1, 5), np.float32))
    assert not np.array_equal(layer.u, before)


def test_the_weight_of_the_layer_is_the_parameter_and_u_and_v_are_buffers():
    layer = nn.SpectralNorm(nn.Conv2d(2, 3, 4, rng=1))
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("layer.weight", (3, 2, 4, 4)),
                                                                         ("layer.bias", (3,))]
    assert {name: a.shape for name, a in layer.state_dict().items()} == {
        "u": (3,), "v": (32,), "layer.weight": (3, 2, 4, 4), "layer.bias": (3,)}


def test_a_seed_reproduces_the_vectors_and_the_layers_own_weights_do_not_depend_on_them():
    one, same, other = (nn.SpectralNorm(nn.Linear(50, 30, rng=1), rng=seed) for seed in (2, 2, 3))
    assert np.array_equal(one.u, same.u) and not np.array_equal(one.u, other.u)
    assert np.array_equal(one.layer.weight.data, other.layer.weight.data)


def game(steps, G, D, opt_g, opt_d, rng):
    batches = (rng.standard_normal((8, 2)).astype(np.float32) for _ in range(steps))
    for record in minimax(G, D, OBJECTIVES["non-saturating"], opt_g, opt_d, batches,
                          lambda m: rng.standard_normal((m, 3)).astype(np.float32)):
        assert np.isfinite(record.loss_d)


def setup(seed):
    G = nn.Linear(3, 2, rng=seed)
    D = nn.Sequential(nn.SpectralNorm(nn.Linear(2, 7, rng=seed), rng=seed), nn.LeakyReLU(),
                      nn.SpectralNorm(nn.Linear(7, 1, rng=seed), rng=seed))
    return G, D, Adam(G.parameters(), 0.01), Adam(D.parameters(), 0.01)


def test_a_game_that_was_saved_and_resumed_is_the_same_bit_for_bit(tmp_path):
    whole = setup(0)
    game(10, *whole, np.random.default_rng(5))
    first, rng = setup(0), np.random.default_rng(5)
    game(4, *first, rng)
    names = ("G", "D", "opt_g", "opt_d")
    save(tmp_path / "c.npz", {name: part.state_dict() for name, part in zip(names, first)}, {})
    second = setup(1)
    parts, _ = load(tmp_path / "c.npz")
    for name, part in zip(names, second):
        part.load_state_dict(parts[name])
    game(6, *second, rng)
    for ours, theirs in zip(second[:2], whole[:2]):
        for name, array in theirs.state_dict().items():
            assert ours.state_dict()[name].tobytes() == array.tobytes(), name


def test_it_works_on_the_device_and_nothing_waits(fake_cupy):
    for make, shape in LAYERS.values():
        layer, x = nn.SpectralNorm(make(), rng=2), random(shape).astype(np.float32)
        y = layer(x)
        expected = [y.data, *(g.data for g in grad((y * y).sum(), layer.parameters())), layer.u, layer.v]
        layer = nn.SpectralNorm(make(), rng=2).to("cuda")
        x = fake_cupy.asarray(x)
        with counting() as crossings:
            y = layer(x)
            got = [y.data, *(g.data for g in grad((y * y).sum(), layer.parameters())), layer.u, layer.v]
        assert crossings == Counters(0, 0, 0)
        for a, b in zip(got, expected, strict=True):
            assert type(a) is fake_cupy.ndarray and a.dtype == np.float32
            assert_allclose(a.get(), b, rtol=1e-4, atol=1e-6)


def test_an_embedding_is_normalised_too():
    layer = converged(lambda: nn.Embedding(5, 3, rng=1))
    labels = np.array([0, 4, 2])
    W = layer.layer.weight.data
    assert_allclose(layer(labels).data, W[labels] / np.linalg.norm(W, 2), rtol=1e-12)


def test_repr_shows_the_layer_inside():
    assert repr(nn.SpectralNorm(nn.Linear(5, 3))) == "SpectralNorm(\n  (layer): Linear(5, 3)\n)"


# --- what is refused ---


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 3))], ids=repr)
def test_a_layer_without_a_weight_to_normalise_is_refused(layer):
    with pytest.raises(MiniganError, match=f"SpectralNorm: .*Linear.*got {type(layer).__name__}"):
        nn.SpectralNorm(layer)


def test_a_weight_of_zeros_is_refused():
    layer = nn.Linear(5, 3)
    layer.weight.assign(0.0)
    with pytest.raises(MiniganError, match=r"SpectralNorm: .*0 everywhere"):
        nn.SpectralNorm(layer)


# --- against PyTorch ---


@each_layer
def test_value_and_gradients_equal_pytorchs(make, shape):
    torch = pytest.importorskip("torch")
    ours = nn.SpectralNorm(make(), rng=2).astype(np.float64)
    plain = ours.layer
    if isinstance(plain, nn.Linear):
        theirs = torch.nn.Linear(5, 3, bias=plain.bias is not None)
    elif isinstance(plain, nn.Conv2d):
        theirs = torch.nn.Conv2d(2, 3, 4, 2, 1)
    else:
        theirs = torch.nn.ConvTranspose2d(3, 2, plain.weight.shape[2], 2, 1, plain.output_padding)
    theirs = torch.nn.utils.spectral_norm(theirs.double())  # the older of its two forms: no iterations when it is made
    state = {"weight_orig": plain.weight.data, "weight_u": ours.u, "weight_v": ours.v}
    if plain.bias is not None:
        state["bias"] = plain.bias.data
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    x = random(shape)
    for _ in range(3):
        y_ours, y_theirs = ours(x), theirs(torch.from_numpy(x))
    g = random(y_ours.shape, seed=1)
    expected = torch.autograd.grad(y_theirs, [theirs.weight_orig], torch.from_numpy(g))[0]
    assert_allclose(y_ours.data, y_theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert_allclose(grad(y_ours, plain.weight, g).data, expected.numpy(), rtol=1e-9, atol=1e-12)
    assert_allclose(ours.u, theirs.weight_u.numpy(), rtol=1e-10)
