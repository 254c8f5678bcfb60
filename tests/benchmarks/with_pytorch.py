"""The same step in PyTorch, eager, as its tutorials write it."""

import numpy as np
import torch
from cases import BETAS, LEARNING_RATE

from minigan import nn as ours

nn, bce = torch.nn, torch.nn.functional.binary_cross_entropy_with_logits
VERSION = torch.__version__


def make(case, device, noise=None):
    """step() plays one step; step.losses() reads (L_D, L_G) back."""
    G, D = (network(net).to(device) for net in case.networks())
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), LEARNING_RATE, BETAS) for net in (G, D))
    x, m = torch.from_numpy(case.batch_of_real()).to(device), case.batch
    loss_of_d, loss_of_g = wasserstein(D) if case.objective == "wgan-gp" else cross_entropy(m, device)

    def latent():
        return torch.randn(m, case.latent, device=device) if noise is None else torch.from_numpy(noise(m))

    def step():
        x_fake = G(latent()).detach()
        opt_d.zero_grad()
        loss_d = loss_of_d(D(x), D(x_fake), x, x_fake)
        loss_d.backward()
        opt_d.step()

        opt_g.zero_grad()
        loss_g = loss_of_g(D(G(latent())))
        loss_g.backward()
        opt_g.step()
        step.last = loss_d, loss_g

    step.losses = lambda: tuple(loss.item() for loss in step.last)
    return step


def cross_entropy(m, device):
    """The losses of the objective "non-saturating"."""
    ones, zeros = torch.ones(m, 1, device=device), torch.zeros(m, 1, device=device)
    return lambda a_real, a_fake, *_: bce(a_real, ones) + bce(a_fake, zeros), lambda a_fake: bce(a_fake, ones)


def wasserstein(D, lam=10.0):
    """The losses of the objective "wgan-gp"."""

    def loss_d(a_real, a_fake, x, x_fake):
        eps = torch.rand(len(x), 1, 1, 1, device=x.device)
        x_hat = (eps * x + (1 - eps) * x_fake).requires_grad_()
        (g,) = torch.autograd.grad(D(x_hat).sum(), x_hat, create_graph=True)
        return a_fake.mean() - a_real.mean() + lam * ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()

    return loss_d, lambda a_fake: -a_fake.mean()


def wait(device):
    """Until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


# --- a network of minigan's as PyTorch's ---


def network(net):
    """nn.Sequential of the same layers with the same weights."""
    layers = nn.Sequential(*(LAYERS[type(layer)](layer) for layer in net))
    layers.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in
                            zip(layers.state_dict(), net.state_dict().values(), strict=True)})
    return layers


def linear(layer):
    return nn.Linear(*reversed(layer.weight.shape))


def conv2d(layer):
    out, into = layer.weight.shape[:2]
    return nn.Conv2d(into, out, layer.weight.shape[2:], layer.stride, layer.padding)


def conv_transpose2d(layer):
    into, out = layer.weight.shape[:2]
    return nn.ConvTranspose2d(into, out, layer.weight.shape[2:], layer.stride, layer.padding)


LAYERS = {
    ours.Linear: linear,
    ours.Conv2d: conv2d,
    ours.ConvTranspose2d: conv_transpose2d,
    ours.BatchNorm2d: lambda layer: nn.BatchNorm2d(layer.weight.size),
    ours.LeakyReLU: lambda layer: nn.LeakyReLU(layer.slope),
    ours.ReLU: lambda layer: nn.ReLU(),
    ours.Tanh: lambda layer: nn.Tanh(),
    ours.Flatten: lambda layer: nn.Flatten(),
    ours.Unflatten: lambda layer: nn.Unflatten(1, layer.shape),
}
