"""The documents' networks: their layers, shapes and first weights, and their derivatives under every objective."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from minigan import Tensor, gradcheck, nn
from minigan.errors import CheckpointError, ConfigError
from minigan.losses import OBJECTIVES
from minigan.models import (
    CONDITIONAL,
    MODELS,
    build,
    dcgan_bn_discriminator,
    dcgan_bn_generator,
    dcgan_discriminator,
    dcgan_generator,
    mlp_discriminator,
    mlp_generator,
    toy_discriminator,
    toy_generator,
)

PAIRS = {
    "mlp": ("mlp", (1, 8, 8)), "dcgan": ("dcgan", (1, 8, 8)), "dcgan-bn": ("dcgan-bn", (1, 8, 8)), "toy": ("mlp", (2,)),
}
every_pair = pytest.mark.parametrize("name, sample_shape", PAIRS.values(), ids=PAIRS)
image_models = pytest.mark.parametrize("name", ["mlp", "dcgan", "dcgan-bn"])
image_shapes = pytest.mark.parametrize("image_shape", [(1, 28, 28), (1, 8, 8), (3, 12, 16)], ids=str)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def shapes(network):
    return {key: array.shape for key, array in network.state_dict().items()}


def layers(network):
    return [repr(layer) for layer in network]


# --- the layers, as the documents print them ---

N1_G = ["Linear(100, 128)", "LeakyReLU(0.2)", "Linear(128, 256)", "LeakyReLU(0.2)", "Linear(256, 512)",
        "LeakyReLU(0.2)", "Linear(512, 784)", "Tanh()", "Unflatten((1, 28, 28))"]
N1_D = ["Flatten()", "Linear(784, 512)", "LeakyReLU(0.2)", "Linear(512, 256)", "LeakyReLU(0.2)", "Linear(256, 128)",
        "LeakyReLU(0.2)", "Linear(128, 1)"]
TWICE = "kernel_size=(4, 4), stride=2, padding=1)"
N2_G = ["Linear(100, 6272)", "LeakyReLU(0.2)", "Unflatten((128, 7, 7))", f"ConvTranspose2d(128, 64, {TWICE}",
        "LeakyReLU(0.2)", f"ConvTranspose2d(64, 1, {TWICE}", "Tanh()"]
N2_D = [f"Conv2d(1, 32, {TWICE}", "LeakyReLU(0.2)", f"Conv2d(32, 64, {TWICE}", "LeakyReLU(0.2)", "Flatten()",
        "Linear(3136, 1)"]
# The DCGAN paper's: no BatchNorm on G's output nor on D's input, ReLU in G, leaky ReLU in D.
BN_G = ["Linear(100, 6272)", "Unflatten((128, 7, 7))", "BatchNorm2d(128)", "ReLU()",
        f"ConvTranspose2d(128, 64, {TWICE}", "BatchNorm2d(64)", "ReLU()", f"ConvTranspose2d(64, 1, {TWICE}", "Tanh()"]
BN_D = [f"Conv2d(1, 32, {TWICE}", "LeakyReLU(0.2)", f"Conv2d(32, 64, {TWICE}", "BatchNorm2d(64)", "LeakyReLU(0.2)",
        "Flatten()", "Linear(3136, 1)"]
TOY_G = ["Linear(2, 128)", "LeakyReLU(0.2)", "Linear(128, 128)", "LeakyReLU(0.2)", "Linear(128, 2)"]
TOY_D = ["Linear(2, 128)", "LeakyReLU(0.2)", "Linear(128, 128)", "LeakyReLU(0.2)", "Linear(128, 1)"]


@pytest.mark.parametrize("make, expected", [
    (mlp_generator, N1_G), (mlp_discriminator, N1_D), (dcgan_generator, N2_G), (dcgan_discriminator, N2_D),
    (dcgan_bn_generator, BN_G), (dcgan_bn_discriminator, BN_D), (toy_generator, TOY_G), (toy_discriminator, TOY_D),
])
def test_layers_are_the_documents(make, expected):
    assert layers(make()) == expected


def batch_norm(i, C):
    return {f"{i}.weight": (C,), f"{i}.bias": (C,), f"{i}.running_mean": (C,), f"{i}.running_var": (C,),
            f"{i}.num_batches_tracked": ()}


@pytest.mark.parametrize("make, expected", [
    (mlp_generator, {"0.weight": (128, 100), "0.bias": (128,), "2.weight": (256, 128), "2.bias": (256,),
                     "4.weight": (512, 256), "4.bias": (512,), "6.weight": (784, 512), "6.bias": (784,)}),
    (mlp_discriminator, {"1.weight": (512, 784), "1.bias": (512,), "3.weight": (256, 512), "3.bias": (256,),
                         "5.weight": (128, 256), "5.bias": (128,), "7.weight": (1, 128), "7.bias": (1,)}),
    (dcgan_generator, {"0.weight": (6272, 100), "0.bias": (6272,), "3.weight": (128, 64, 4, 4), "3.bias": (64,),
                       "5.weight": (64, 1, 4, 4), "5.bias": (1,)}),
    (dcgan_discriminator, {"0.weight": (32, 1, 4, 4), "0.bias": (32,), "2.weight": (64, 32, 4, 4), "2.bias": (64,),
                           "5.weight": (1, 3136), "5.bias": (1,)}),
    (dcgan_bn_generator, {"0.weight": (6272, 100), "0.bias": (6272,), **batch_norm(2, 128),
                          "4.weight": (128, 64, 4, 4), "4.bias": (64,), **batch_norm(5, 64),
                          "7.weight": (64, 1, 4, 4), "7.bias": (1,)}),
    (dcgan_bn_discriminator, {"0.weight": (32, 1, 4, 4), "0.bias": (32,), "2.weight": (64, 32, 4, 4), "2.bias": (64,),
                              **batch_norm(3, 64), "6.weight": (1, 3136), "6.bias": (1,)}),
    (toy_generator, {"0.weight": (128, 2), "0.bias": (128,), "2.weight": (128, 128), "2.bias": (128,),
                     "4.weight": (2, 128), "4.bias": (2,)}),
    (toy_discriminator, {"0.weight": (128, 2), "0.bias": (128,), "2.weight": (128, 128), "2.bias": (128,),
                         "4.weight": (1, 128), "4.bias": (1,)}),
])
def test_a_state_has_these_names_and_shapes_in_this_order(make, expected):
    assert list(shapes(make()).items()) == list(expected.items())


@pytest.mark.parametrize("make, count", [
    (mlp_generator, 579_728), (mlp_discriminator, 566_273), (dcgan_generator, 765_633), (dcgan_discriminator, 36_513),
    (dcgan_bn_generator, 766_017), (dcgan_bn_discriminator, 36_641), (toy_generator, 17_154),
    (toy_discriminator, 17_025),
])
def test_the_number_of_parameters(make, count):
    assert sum(p.size for p in make().parameters()) == count


# --- what goes in and what comes out ---


@image_models
@image_shapes
def test_g_makes_images_and_d_scores_them(name, image_shape):
    G, D = build(name, 5, image_shape, rng=0)
    x = G(normal(4, 5).astype(np.float32))
    assert x.shape == (4, *image_shape)
    assert D(x).shape == (4, 1)


def test_toy_g_makes_points_and_d_scores_them():
    G, D = build("mlp", 3, (2,), rng=0)
    x = G(normal(4, 3).astype(np.float32))
    assert (x.shape, D(x).shape) == ((4, 2), (4, 1))


@image_models
def test_an_image_lies_between_minus_one_and_one_whatever_the_weights(name):
    G, _ = build(name, 5, (1, 8, 8), rng=0)
    for p in G.parameters():
        p.assign(p.data * 50)
    x = G(normal(8, 5).astype(np.float32)).data
    assert -1 <= x.min() < -0.9 and 0.9 < x.max() <= 1


@every_pair
def test_a_score_may_have_any_size(name, sample_shape):
    """The sigmoid of the documents lives in the loss."""
    _, D = build(name, 2, sample_shape, rng=0)
    for p in D.parameters():
        p.assign(p.data * 50)
    assert np.abs(D(normal(8, *sample_shape).astype(np.float32)).data).max() > 1


def test_a_point_may_have_any_size():
    G, _ = build("mlp", 2, (2,), rng=0)
    x = G(100 * normal(8, 2).astype(np.float32)).data
    assert x.min() < -1 and x.max() > 1


@every_pair
def test_a_network_of_float32_gives_float32(name, sample_shape):
    G, D = build(name, 2, sample_shape, rng=0)
    x = G(normal(4, 2).astype(np.float32))
    assert x.dtype == D(x).dtype == np.float32


@pytest.mark.parametrize("make", [dcgan_generator, dcgan_bn_generator])
@pytest.mark.parametrize("image_shape", [(1, 30, 28), (1, 28, 30), (1, 27, 27)], ids=str)
def test_a_generator_refuses_sides_that_are_no_multiple_of_4(make, image_shape):
    with pytest.raises(ConfigError, match="multiples of 4") as error:
        make(100, image_shape)
    assert f"{image_shape[1]}×{image_shape[2]}" in str(error.value)


@pytest.mark.parametrize("make", [dcgan_discriminator, dcgan_bn_discriminator])
@pytest.mark.parametrize("image_shape", [(1, 30, 28), (1, 28, 30), (1, 27, 27)], ids=str)
def test_a_discriminator_refuses_sides_that_are_no_multiple_of_4(make, image_shape):
    with pytest.raises(ConfigError, match="multiples of 4") as error:
        make(image_shape)
    assert f"{image_shape[1]}×{image_shape[2]}" in str(error.value)


def test_mlp_takes_sides_of_any_length():
    G, D = build("mlp", 2, (1, 5, 7), rng=0)
    assert D(G(normal(3, 2).astype(np.float32))).shape == (3, 1)


# --- build ---


@pytest.mark.parametrize("name, generator, discriminator", [
    ("mlp", N1_G, N1_D), ("dcgan", N2_G, N2_D), ("dcgan-bn", BN_G, BN_D),
])
def test_build_gives_the_pair_of_that_name(name, generator, discriminator):
    G, D = build(name, 100, (1, 28, 28))
    assert (layers(G), layers(D)) == (generator, discriminator)


def test_build_gives_the_pair_for_points():
    G, D = build("mlp", 2, (2,))
    assert (layers(G), layers(D)) == (TOY_G, TOY_D)


def test_the_pacgan_papers_networks_are_those_of_its_configuration():
    """Four hidden layers of 400 with BatchNorm in G, three of 200 maxout units with five pieces in D; N(0, 0.02)."""
    G, D = build("pacgan", 2, (2,), rng=0)
    hidden = ["BatchNorm1d(400)", "ReLU()"]
    assert layers(G) == ["Linear(2, 400)", *hidden, *(["Linear(400, 400)", *hidden] * 3), "Linear(400, 2)"]
    assert layers(D) == ["Linear(2, 1000)", "Maxout(5)", *(["Linear(200, 1000)", "Maxout(5)"] * 2), "Linear(200, 1)"]
    assert [layer.bias is None for layer in G if isinstance(layer, nn.Linear)] == [True] * 4 + [False]
    assert np.std(D[2].weight.data) == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("name", ["mpl", "", None])
def test_an_unknown_model_is_refused_with_the_list(name):
    with pytest.raises(ConfigError) as error:
        build(name, 100, (1, 28, 28))
    assert repr(name) in error.value.got
    assert all(valid in error.value.expected for valid in ("mlp", "dcgan", "dcgan-bn"))


@pytest.mark.parametrize("name", ["dcgan", "dcgan-bn"])
def test_a_convolutional_model_is_not_asked_for_points(name):
    with pytest.raises(ConfigError, match="mlp"):
        build(name, 2, (2,))


# --- the first weights ---


def weights(name, sample_shape, rng):
    G, D = build(name, 3, sample_shape, rng)
    return [*G.state_dict().values(), *D.state_dict().values()]


@every_pair
def test_a_seed_reproduces_the_weights(name, sample_shape):
    assert all(np.array_equal(a, b) for a, b in zip(weights(name, sample_shape, 7), weights(name, sample_shape, 7)))


@every_pair
def test_another_seed_gives_other_weights(name, sample_shape):
    assert not np.array_equal(weights(name, sample_shape, 7)[0], weights(name, sample_shape, 8)[0])


@every_pair
def test_a_generator_of_random_numbers_gives_its_own_weights(name, sample_shape):
    drawn = weights(name, sample_shape, np.random.default_rng(7))
    assert all(np.array_equal(a, b) for a, b in zip(weights(name, sample_shape, 7), drawn))


@every_pair
def test_d_does_not_start_with_the_numbers_g_started_with(name, sample_shape):
    G, D = build(name, 2, sample_shape, rng=0)
    first = {float(p.data.flat[0]) for network in (G, D) for key, p in network.named_parameters() if "weight" in key}
    assert len(first) == sum("weight" in key for network in (G, D) for key, _ in network.named_parameters())


def assert_drawn_from(values, distribution):
    """Kolmogorov and Smirnov's test: right numbers fail it once in a million seeds, and the seed is fixed."""
    assert stats.kstest(values.ravel(), distribution.cdf).pvalue > 1e-6


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


def linear_and_convolution_weights(*networks):
    return [p.data for network in networks for p in network.parameters() if p.ndim > 1]


def biases(*networks):
    return [p.data for network in networks for key, p in network.named_parameters() if key.endswith("bias")]


class TestN1StartsAsInDocument004:
    networks = mlp_generator(rng=0), mlp_discriminator(rng=1)

    def test_with_glorots_uniform_weights(self):
        for W in linear_and_convolution_weights(*self.networks):
            bound = np.sqrt(6 / (W.shape[0] + W.shape[1]))
            assert np.abs(W).max() <= np.float32(bound)
            assert_drawn_from(W, uniform(bound))

    def test_with_zero_biases(self):
        assert not any(b.any() for b in biases(*self.networks))


class TestN2StartsAsInPyTorch:
    networks = dcgan_generator(rng=0), dcgan_discriminator(rng=1)
    # PyTorch takes shape[1] × window for fan_in, also for transposed convolutions, whose shape[1] is "out".
    fan_in = (100, 64 * 16, 1 * 16, 1 * 16, 32 * 16, 3136)

    def test_with_weights_uniform_within_one_over_root_fan_in(self):
        for W, n in zip(linear_and_convolution_weights(*self.networks), self.fan_in, strict=True):
            assert np.abs(W).max() <= np.float32(n**-0.5)
            assert_drawn_from(W, uniform(n**-0.5))

    def test_with_biases_uniform_within_the_same_bound(self):
        for b, n in zip(biases(*self.networks), self.fan_in, strict=True):
            assert b.all() and np.abs(b).max() <= np.float32(n**-0.5)
            assert_drawn_from(b, uniform(n**-0.5))


class TestDcganBnStartsAsInItsPaper:
    networks = dcgan_bn_generator(rng=0), dcgan_bn_discriminator(rng=1)

    def test_with_normal_weights_of_standard_deviation_002(self):
        for W in linear_and_convolution_weights(*self.networks):
            assert_drawn_from(W, stats.norm(0, 0.02))

    def test_with_batch_norm_weights_normal_around_one(self):
        norms = [layer for network in self.networks for layer in network if isinstance(layer, nn.BatchNorm2d)]
        gammas = [norm.weight.data for norm in norms]
        assert [g.size for g in gammas] == [128, 64, 64]
        assert_drawn_from(np.concatenate(gammas), stats.norm(1, 0.02))

    def test_with_zero_biases(self):
        assert not any(b.any() for b in biases(*self.networks))


class TestToyStartsAsHeEtAl:
    networks = toy_generator(rng=0), toy_discriminator(rng=1)

    def test_with_normal_weights(self):
        for W in linear_and_convolution_weights(*self.networks):
            assert_drawn_from(W, stats.norm(0, np.sqrt(2 / (1 + 0.2**2) / W.shape[1])))

    def test_with_a_variance_that_allows_for_the_slope_of_the_leaky_relu(self):
        """1.04 is close to 1: it takes many weights to see the difference."""
        squares = [toy_generator(rng=seed)[2].weight.data ** 2 for seed in range(10)]
        assert_allclose(np.mean(squares), 2 / (1 + 0.2**2) / 128, rtol=0.01)

    def test_with_zero_biases(self):
        assert not any(b.any() for b in biases(*self.networks))


# --- the same networks in PyTorch ---


def in_pytorch(torch):
    L = torch.nn

    def leaky():
        return L.LeakyReLU(0.2)

    def up(a, b):
        return L.ConvTranspose2d(a, b, 4, 2, 1)

    def down(a, b):
        return L.Conv2d(a, b, 4, 2, 1)

    return {
        "mlp": (
            L.Sequential(L.Linear(100, 128), leaky(), L.Linear(128, 256), leaky(), L.Linear(256, 512), leaky(),
                         L.Linear(512, 784), L.Tanh(), L.Unflatten(1, (1, 28, 28))),
            L.Sequential(L.Flatten(), L.Linear(784, 512), leaky(), L.Linear(512, 256), leaky(), L.Linear(256, 128),
                         leaky(), L.Linear(128, 1)),
        ),
        "dcgan": (
            L.Sequential(L.Linear(100, 128 * 7 * 7), leaky(), L.Unflatten(1, (128, 7, 7)), up(128, 64), leaky(),
                         up(64, 1), L.Tanh()),
            L.Sequential(down(1, 32), leaky(), down(32, 64), leaky(), L.Flatten(), L.Linear(64 * 7 * 7, 1)),
        ),
        "dcgan-bn": (
            L.Sequential(L.Linear(100, 128 * 7 * 7), L.Unflatten(1, (128, 7, 7)), L.BatchNorm2d(128), L.ReLU(),
                         up(128, 64), L.BatchNorm2d(64), L.ReLU(), up(64, 1), L.Tanh()),
            L.Sequential(down(1, 32), leaky(), down(32, 64), L.BatchNorm2d(64), leaky(), L.Flatten(),
                         L.Linear(64 * 7 * 7, 1)),
        ),
    }


@image_models
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_pytorchs_network_gives_the_same_output_from_its_own_state(name, training):
    torch = pytest.importorskip("torch")
    inputs = normal(4, 100), normal(4, 1, 28, 28)
    for ours, theirs, x in zip(build(name, 100, (1, 28, 28)), in_pytorch(torch)[name], inputs):
        theirs = theirs.double()
        ours.load_state_dict(theirs.state_dict())
        y = ours.train(training)(x)
        assert y.dtype == np.float64
        assert_allclose(y.data, theirs.train(training)(torch.tensor(x)).detach().numpy(), rtol=1e-10, atol=1e-14)


@image_models
def test_pytorchs_network_has_the_same_keys_and_takes_our_state(name):
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(build(name, 100, (1, 28, 28)), in_pytorch(torch)[name]):
        assert list(theirs.state_dict()) == list(ours.state_dict())
        theirs.load_state_dict({key: torch.tensor(array) for key, array in ours.state_dict().items()})


@every_pair
def test_a_state_goes_into_a_network_of_the_same_architecture(name, sample_shape):
    one, other = build(name, 2, sample_shape, rng=0)[1], build(name, 2, sample_shape, rng=1)[1]
    x = normal(4, *sample_shape).astype(np.float32)
    other.load_state_dict(one.state_dict())
    assert_array_equal(one(x).data, other(x).data)


def test_the_state_of_another_architecture_is_refused():
    with pytest.raises(CheckpointError, match=r"missing 1\.weight"):
        mlp_discriminator().load_state_dict(dcgan_discriminator().state_dict())


# --- whole networks: the derivatives that training uses ---


def game(name, image_shape, latent_dim=3, m=2):
    """G, D in float64, with all biases away from 0, real images and noise."""
    G, D = (network.astype(np.float64) for network in build(name, latent_dim, image_shape, rng=0))
    for i, p in enumerate(G.parameters() + D.parameters()):
        p.data = p.data + 0.05 * normal(*p.shape, seed=i)
    return G, D, np.tanh(normal(m, *image_shape, seed=1)), normal(m, latent_dim, seed=2)


def check_d(name, objective, image_shape, **options):
    G, D, x, z = game(name, image_shape)
    x_fake = Tensor(G(z).data)
    return gradcheck(lambda *_: OBJECTIVES[objective].discriminator(D(x), D(x_fake)), D.parameters(), **options)


def check_g(name, objective, image_shape, **options):
    G, D, _, z = game(name, image_shape)
    return gradcheck(lambda *_: OBJECTIVES[objective].generator(D(G(z))), G.parameters(), **options)


# A step small enough that no unit of these networks crosses the kink of its leaky ReLU on the way.
SMALL = {"eps": 1e-7, "max_elements": 30, "directions": 3}
every_objective = pytest.mark.parametrize("objective", ["bce", "non-saturating", "lsgan"])


@image_models
@every_objective
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_gradient_of_the_loss_in_every_parameter(name, objective, check):
    report = check(name, objective, (1, 8, 8), **SMALL)
    assert report, report


@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_gradient_of_the_loss_in_every_parameter_at_28_by_28(check):
    report = check("dcgan", "non-saturating", (1, 28, 28), eps=1e-8, rtol=1e-5, atol=1e-7, max_elements=20,
                   directions=3)
    assert report, report


@image_models
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_second_derivatives_of_the_loss(name, check):
    report = check(name, "non-saturating", (1, 4, 4), order=2, eps=1e-7, rtol=1e-4, atol=1e-5, max_elements=20,
                   directions=3)
    assert report, report


@pytest.mark.parametrize("name", [name for name, makes in MODELS.items() if "images" in makes])
def test_every_model_of_images_makes_and_judges_colour(name):
    y = [np.array([0, 1])] if name in CONDITIONAL else []
    G, D = build(name, 5, (3, 8, 8), 0, width=None if name == "single-layer" else 4, classes=2 if y else None)
    x = G(Tensor(np.ones((2, 5), np.float32)), *y)
    assert x.shape == (2, 3, 8, 8) and D(x, *y).shape == (2, 1)
