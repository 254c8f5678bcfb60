"""The same step in DeZero, on the CPU, for the cases whose layers and objective it has: `DEZEROS` of compare.py."""

import numpy as np
from cases import BETAS, LEARNING_RATE

from minigan import nn as ours

np.int = int  # noqa: NPY001 - DeZero 0.0.13 still asks for it when it is imported
import dezero  # noqa: E402
import dezero.functions as F  # noqa: E402
import dezero.layers as L  # noqa: E402
from dezero.optimizers import Adam  # noqa: E402

VERSION = dezero.__version__


def make(case, device, noise=None):
    """step() plays one step; step.losses() reads (L_D, L_G) back."""
    rng = np.random.default_rng(2)
    G, D = (Network(net) for net in case.networks())
    opt_g, opt_d = (Adam(LEARNING_RATE, *BETAS).setup(net) for net in (G, D))
    x, m = case.batch_of_real(), case.batch

    def latent():
        return rng.standard_normal((m, case.latent), dtype=np.float32) if noise is None else noise(m)

    def step():
        with dezero.no_grad():
            x_fake = G(latent()).data
        D.cleargrads()
        loss_d = cross_entropy(D(x), 1) + cross_entropy(D(x_fake), 0)
        loss_d.backward()
        opt_d.update()

        G.cleargrads()
        D.cleargrads()
        loss_g = cross_entropy(D(G(latent())), 1)
        loss_g.backward()
        opt_g.update()
        step.last = loss_d, loss_g

    step.losses = lambda: tuple(float(loss.data) for loss in step.last)
    return step


def cross_entropy(a, y):
    """−log σ(a) for y = 1, −log σ(−a) for y = 0, the mean over the batch."""
    return F.sum(-F.log(F.sigmoid(a if y else -a))) / len(a)


def wait(device):
    """Until the device has done all that it was given: at once, on the CPU."""


class Network(L.Layer):
    """The same layers with the same weights."""

    def __init__(self, net):
        super().__init__()
        self.functions = []
        for i, layer in enumerate(net):
            function = LAYERS[type(layer)](layer)
            if isinstance(function, L.Layer):
                setattr(self, f"l{i}", function)  # so its parameters are found
                function.W.data = np.array(layer.weight.data.T if isinstance(function, L.Linear) else layer.weight.data)
                function.b.data = np.array(layer.bias.data)
            self.functions.append(function)

    def forward(self, x):
        for function in self.functions:
            x = function(x)
        return x


LAYERS = {
    ours.Linear: lambda layer: L.Linear(layer.weight.shape[0]),
    ours.Conv2d: lambda layer: L.Conv2d(layer.weight.shape[0], layer.weight.shape[2:], layer.stride, layer.padding),
    ours.ConvTranspose2d: lambda layer: L.Deconv2d(layer.weight.shape[1], layer.weight.shape[2:], layer.stride,
                                                   layer.padding),
    ours.LeakyReLU: lambda layer: lambda x: F.leaky_relu(x, layer.slope),
    ours.Tanh: lambda layer: F.tanh,
    ours.Flatten: lambda layer: F.flatten,
    ours.Unflatten: lambda layer: lambda x: F.reshape(x, (len(x), *layer.shape)),
}
