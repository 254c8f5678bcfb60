"""The networks N1 and N2, their gradients, Adam and Algorithm 1 once more, in plain NumPy and by hand.

A second opinion for the tests: nothing here is imported from minigan. Each layer remembers its input in `forward`;
`backward` takes ȳ, leaves the gradients of its parameters in `gradients` and returns x̄.
"""

import numpy as np


class Linear:
    def __init__(self, W, b):
        self.parameters = [W.copy(), b.copy()]

    def forward(self, x):
        self.x = x
        W, b = self.parameters
        return x @ W.T + b

    def backward(self, g):
        self.gradients = [g.T @ self.x, g.sum(0)]
        return g @ self.parameters[0]


def taps(W, size, stride):
    """(k, l, rows, columns): where the tap (k, l) of the kernel W lies in the padded image, for outputs of `size`."""
    for k in range(W.shape[2]):
        for l in range(W.shape[3]):
            yield k, l, slice(k, k + stride * size[0], stride), slice(l, l + stride * size[1], stride)


def pad(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def einsum(*args):
    return np.einsum(*args, optimize=True)


class Conv2d:
    """W : (out, in, kh, kw)"""

    def __init__(self, W, b, stride=2, padding=1):
        self.parameters, self.stride, self.padding = [W.copy(), b.copy()], stride, padding

    def forward(self, x):
        W, b = self.parameters
        self.x = pad(x, self.padding)
        size = [(n - k) // self.stride + 1 for n, k in zip(self.x.shape[2:], W.shape[2:])]
        y = np.zeros((len(x), W.shape[0], *size)) + b.reshape(1, -1, 1, 1)
        for k, l, rows, columns in taps(W, size, self.stride):
            y += einsum("nchw,oc->nohw", self.x[:, :, rows, columns], W[:, :, k, l])
        return y

    def backward(self, g):
        W, p = self.parameters[0], self.padding
        gW, gx = np.zeros_like(W), np.zeros_like(self.x)
        for k, l, rows, columns in taps(W, g.shape[2:], self.stride):
            gW[:, :, k, l] = einsum("nohw,nchw->oc", g, self.x[:, :, rows, columns])
            gx[:, :, rows, columns] += einsum("nohw,oc->nchw", g, W[:, :, k, l])
        self.gradients = [gW, g.sum((0, 2, 3))]
        return gx[:, :, p:-p, p:-p]


class ConvTranspose2d:
    """W : (in, out, kh, kw)"""

    def __init__(self, W, b, stride=2, padding=1):
        self.parameters, self.stride, self.padding = [W.copy(), b.copy()], stride, padding

    def forward(self, x):
        (W, b), p = self.parameters, self.padding
        self.x = x
        size = [(n - 1) * self.stride + k for n, k in zip(x.shape[2:], W.shape[2:])]
        y = np.zeros((len(x), W.shape[1], *size))
        for k, l, rows, columns in taps(W, x.shape[2:], self.stride):
            y[:, :, rows, columns] += einsum("nchw,co->nohw", x, W[:, :, k, l])
        return y[:, :, p:-p, p:-p] + b.reshape(1, -1, 1, 1)

    def backward(self, g):
        W, padded = self.parameters[0], pad(g, self.padding)
        gW, gx = np.zeros_like(W), np.zeros_like(self.x)
        for k, l, rows, columns in taps(W, self.x.shape[2:], self.stride):
            gW[:, :, k, l] = einsum("nchw,nohw->co", self.x, padded[:, :, rows, columns])
            gx += einsum("nohw,co->nchw", padded[:, :, rows, columns], W[:, :, k, l])
        self.gradients = [gW, g.sum((0, 2, 3))]
        return gx


class LeakyReLU:
    parameters = gradients = ()

    def forward(self, x):
        self.slope = np.where(x > 0, 1.0, 0.2)
        return x * self.slope

    def backward(self, g):
        return g * self.slope


class Tanh:
    parameters = gradients = ()

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, g):
        return g * (1 - self.y**2)


class Reshape:
    parameters = gradients = ()

    def __init__(self, *shape):
        self.shape = shape

    def forward(self, x):
        self.before = x.shape
        return x.reshape(len(x), *self.shape)

    def backward(self, g):
        return g.reshape(self.before)


class Network:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g):
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters]

    def gradients(self):
        return [g for layer in self.layers for g in layer.gradients]


def pairs(state):
    """The (weight, bias) pairs of a state dict, in their order."""
    arrays = list(state.values())
    return list(zip(arrays[::2], arrays[1::2]))


def n1(state_g, state_d, image_shape):
    """G and D of N1, with the weights of two state dicts."""
    g, d = pairs(state_g), pairs(state_d)
    G = Network(Linear(*g[0]), LeakyReLU(), Linear(*g[1]), LeakyReLU(), Linear(*g[2]), LeakyReLU(), Linear(*g[3]),
                Tanh(), Reshape(*image_shape))
    D = Network(Reshape(-1), Linear(*d[0]), LeakyReLU(), Linear(*d[1]), LeakyReLU(), Linear(*d[2]), LeakyReLU(),
                Linear(*d[3]))
    return G, D


def n2(state_g, state_d, image_shape):
    """G and D of N2, with the weights of two state dicts."""
    g, d = pairs(state_g), pairs(state_d)
    G = Network(Linear(*g[0]), LeakyReLU(), Reshape(128, image_shape[1] // 4, image_shape[2] // 4),
                ConvTranspose2d(*g[1]), LeakyReLU(), ConvTranspose2d(*g[2]), Tanh())
    D = Network(Conv2d(*d[0]), LeakyReLU(), Conv2d(*d[1]), LeakyReLU(), Reshape(-1), Linear(*d[2]))
    return G, D


# --- losses: their values and, by hand, their derivatives in the scores ---


def sigma(a):
    return 1 / (1 + np.exp(-a))


def minimax_discriminator(a_real, a_fake):
    """F4: the loss, ∂L/∂a_real and ∂L/∂a_fake."""
    p_real, p_fake = sigma(a_real), sigma(a_fake)
    return -np.mean(np.log(p_real)) - np.mean(np.log(1 - p_fake)), (p_real - 1) / len(a_real), p_fake / len(a_fake)


def saturating_generator(a):
    """F3: the loss and ∂L/∂a."""
    return np.mean(np.log(1 - sigma(a))), -sigma(a) / len(a)


def non_saturating_generator(a):
    """F5: the loss and ∂L/∂a."""
    return -np.mean(np.log(sigma(a))), (sigma(a) - 1) / len(a)


def least_squares_discriminator(a_real, a_fake):
    """F10: the loss, ∂L/∂a_real and ∂L/∂a_fake."""
    loss = np.mean((a_real - 1) ** 2) / 2 + np.mean(a_fake**2) / 2
    return loss, (a_real - 1) / len(a_real), a_fake / len(a_fake)


def least_squares_generator(a):
    """F10: the loss and ∂L/∂a."""
    return np.mean((a - 1) ** 2) / 2, (a - 1) / len(a)


def wasserstein_discriminator(a_real, a_fake):
    """F9: the loss, ∂L/∂a_real and ∂L/∂a_fake."""
    n, m = len(a_real), len(a_fake)
    return np.mean(a_fake) - np.mean(a_real), np.full_like(a_real, -1 / n), np.full_like(a_fake, 1 / m)


def wasserstein_generator(a):
    """F9: the loss and ∂L/∂a."""
    return -np.mean(a), np.full_like(a, -1 / len(a))


def hinge_discriminator(a_real, a_fake):
    """The hinge: the loss, ∂L/∂a_real and ∂L/∂a_fake."""
    loss = np.mean(np.maximum(0, 1 - a_real)) + np.mean(np.maximum(0, 1 + a_fake))
    return loss, -1.0 * (a_real < 1) / len(a_real), 1.0 * (a_fake > -1) / len(a_fake)


LOSSES = {
    "bce": (minimax_discriminator, saturating_generator),
    "non-saturating": (minimax_discriminator, non_saturating_generator),
    "lsgan": (least_squares_discriminator, least_squares_generator),
    "wgan": (wasserstein_discriminator, wasserstein_generator),
    "wgan-gp": (wasserstein_discriminator, wasserstein_generator),
    "hinge": (hinge_discriminator, wasserstein_generator),
    "r1": (minimax_discriminator, non_saturating_generator),
}


# --- optimisers: functions of one parameter's array, its gradient and its own memory, a dict ---


def sgd(lr):
    def update(theta, g, memory):
        theta -= lr * g
    return update


def adam(lr, beta_1=0.5, beta_2=0.999, eps=1e-8):
    """Kingma and Ba 2015, Algorithm 1."""
    def update(theta, g, memory):
        t = memory["t"] = memory.get("t", 0) + 1
        m = memory["m"] = beta_1 * memory.get("m", 0) + (1 - beta_1) * g
        v = memory["v"] = beta_2 * memory.get("v", 0) + (1 - beta_2) * g**2
        theta -= lr * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + eps)
    return update


def minimax(G, D, losses, update_g, update_d, batches, noise, n_d=1, clip=None):
    """Algorithm 1; yields (loss_d, loss_g) after every step of G. The networks change in place.

    clip : D's weights are brought into [−clip, clip] after each of its steps
    """
    discriminator_loss, generator_loss = losses
    memory_g, memory_d = ([{} for _ in network.parameters()] for network in (G, D))
    batches = iter(batches)
    while True:
        for _ in range(n_d):
            try:
                x = next(batches)
            except StopIteration:
                return
            x_fake = G.forward(noise(len(x)))
            loss_d, g_real, g_fake = discriminator_loss(D.forward(x), D.forward(x_fake))
            D.backward(g_fake)                              # D remembers the generated batch now
            of_fake = D.gradients()
            D.forward(x)
            D.backward(g_real)
            for theta, a, b, memory in zip(D.parameters(), D.gradients(), of_fake, memory_d):
                update_d(theta, a + b, memory)
                if clip:
                    np.clip(theta, -clip, clip, out=theta)
        loss_g, g = generator_loss(D.forward(G.forward(noise(len(x)))))
        G.backward(D.backward(g))
        for theta, g, memory in zip(G.parameters(), G.gradients(), memory_g):
            update_g(theta, g, memory)
        yield loss_d, loss_g
