r"""Optimisers: gradient descent with momentum, RMSProp, Adam.

Each takes a list of parameters θ and updates them in place from their gradients $g = \nabla_\theta L$:

    optimiser.step(grad(loss, theta))

Its own state has the parameters' type and device, so move a network to its device before making its optimiser.
"""

from math import isfinite

import numpy as np

from .backend import device_of, get_array_module, is_array, require_same_device, to_device, to_numpy
from .errors import CheckpointError, ConfigError, GraphError, ShapeError
from .tensor import Tensor

__all__ = ["Optimiser", "SGD", "RMSProp", "Adam"]

_PIECE = 65_536  # elements of a parameter that are updated at once


class Optimiser:
    """What the optimisers share: parameters, the step count t, and one array per parameter for each name in `slots`."""

    slots: tuple = ()

    def __init__(self, params, lr):
        self.params = [] if isinstance(params, Tensor) else list(params)
        if not self.params or not all(isinstance(p, Tensor) for p in self.params):
            raise ConfigError("an optimiser needs a list of parameters", where=type(self).__name__,
                              got=repr(params)[:60], fix="Pass network.parameters()")
        self.lr = _in_range(self, "lr", lr, 0, above=True)
        self.t = 0
        self.state = {name: [p.xp.zeros_like(p.data) for p in self.params] for name in self.slots}

    def step(self, grads=None):
        """Update every parameter from its gradient.

        grads : a list of tensors or arrays, in the parameters' order; by default what `backward` left in `.grad`
        Raises ShapeError or GraphError, before anything is changed, if gradients and parameters do not match.
        """
        arrays = self._matching([p.grad for p in self.params] if grads is None else list(grads))
        self.t += 1
        for i, (p, g) in enumerate(zip(self.params, arrays)):
            for piece in _pieces(p.data, g, *(self.state[name][i] for name in self.slots)):
                self.update(*piece)
            p.version += 1

    def update(self, theta, g, *state):
        """Change `theta` in place, element by element: it is called on flat pieces of the parameters."""
        raise TypeError(f"{type(self).__name__} does not define update")

    def _matching(self, grads):
        where = f"{type(self).__name__}.step"
        if len(grads) != len(self.params):
            raise ShapeError("there must be one gradient for each parameter", where=where, expected=len(self.params),
                             got=len(grads))
        arrays = [g.data if isinstance(g, Tensor) else g for g in grads]
        for i, (p, g) in enumerate(zip(self.params, arrays)):
            if not is_array(g):
                raise GraphError(f"parameter {i} has no gradient", where=where,
                                 fix="Pass grad(loss, parameters), or call loss.backward() before")
            require_same_device(where, p.data, g)
            if g.shape != p.shape:
                raise ShapeError(f"gradient {i} does not have its parameter's shape", where=where, expected=p.shape,
                                 got=g.shape)
            own = self.state[self.slots[0]][i] if self.slots else p.data
            if own.dtype != p.dtype or device_of(own) != p.device:
                raise ConfigError("the parameters were moved or converted after the optimiser was made", where=where,
                                  expected=f"{own.dtype} on {device_of(own)}", got=f"{p.dtype} on {p.device}",
                                  fix="Make the optimiser after network.to(device) or after loading another float type")
        return arrays

    def zero_grad(self):
        """Forget what `backward` left in `.grad`. Not needed if you pass `grad(loss, theta)` to `step`."""
        for p in self.params:
            p.grad = None

    def state_dict(self):
        """A flat dict `name → NumPy array` of copies: the step count, and each state array as "m.0", "m.1", …"""
        state = {"t": np.array(self.t)}
        for name in self.slots:
            state |= {f"{name}.{i}": np.array(to_numpy(array)) for i, array in enumerate(self.state[name])}
        return state

    def load_state_dict(self, state):
        """Take over a state; raises CheckpointError, before anything is changed, if names or shapes do not match."""
        own = self.state_dict()
        problems = [f"missing {k}" for k in own if k not in state] + [f"unexpected {k}" for k in state if k not in own]
        for k in own.keys() & state.keys():
            array = np.asarray(state[k])
            if array.shape != own[k].shape or array.dtype.kind != own[k].dtype.kind:
                problems.append(f"{k} is {array.dtype} {array.shape}, expected {own[k].dtype} {own[k].shape}")
        if problems:
            raise CheckpointError("the state does not fit this optimiser; nothing was loaded",
                                  where=type(self).__name__, got="; ".join(sorted(problems)))
        self.t = int(state["t"])
        for name in self.slots:
            self.state[name] = [to_device(np.array(state[f"{name}.{i}"]), p.device) for i, p in enumerate(self.params)]


class SGD(Optimiser):
    r"""Gradient descent, with momentum: $v \leftarrow \mu v + g,\ \theta \leftarrow \theta - \alpha v$.

    lr : α > 0;  momentum : μ in [0, 1), 0 for the plain step θ ← θ − αg of Algorithm 1
    Source : document 001, Algorithm 1; momentum (Polyak 1964) in PyTorch's form.
    """

    def __init__(self, params, lr, momentum=0.0):
        self.momentum = _in_range(self, "momentum", momentum, 0, 1)
        self.slots = ("v",) if momentum else ()
        super().__init__(params, lr)

    def update(self, theta, g, v=None):
        """θ ← θ − αv"""
        if v is not None:
            v *= self.momentum
            v += g
            g = v
        theta -= self.lr * g


class RMSProp(Optimiser):
    r"""$v \leftarrow \rho v + (1 - \rho) g^2,\ \theta \leftarrow \theta - \alpha\, g/(\sqrt v + \varepsilon)$.

    lr : α > 0;  rho : ρ in [0, 1);  eps : ε ≥ 0, outside the root, as in PyTorch
    Source : document 001 §2.2; Tieleman and Hinton 2012 (ρ = 0.9 there; 0.99 is PyTorch's).
    """

    slots = ("v",)

    def __init__(self, params, lr, rho=0.99, eps=1e-8):
        self.rho, self.eps = _in_range(self, "rho", rho, 0, 1), _in_range(self, "eps", eps, 0)
        super().__init__(params, lr)

    def update(self, theta, g, v):
        """θ ← θ − αg / (√v + ε)"""
        v *= self.rho
        v += (1 - self.rho) * (g * g)
        theta -= self.lr * g / (_sqrt(v) + self.eps)


class Adam(Optimiser):
    r"""Adam, its paper's Algorithm 1.

    $$m \leftarrow \beta_1 m + (1 - \beta_1) g,\qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2,$$
    $$\theta \leftarrow \theta - \alpha\, \hat m/(\sqrt{\hat v} + \varepsilon),\qquad
      \hat m = m/(1 - \beta_1^t),\quad \hat v = v/(1 - \beta_2^t)$$

    lr : α > 0;  betas : (β₁, β₂), each in [0, 1);  eps : ε ≥ 0. The defaults are the DCGAN paper's (document 001 §5.1).
    Source : Kingma and Ba 2015, Algorithm 1; Radford et al. 2016, section 4.
    """

    slots = ("m", "v")

    def __init__(self, params, lr=2e-4, betas=(0.5, 0.999), eps=1e-8):
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ConfigError("betas must be two numbers", where="Adam", expected="(β₁, β₂)", got=repr(betas))
        self.betas = tuple(_in_range(self, "beta", beta, 0, 1) for beta in betas)
        self.eps = _in_range(self, "eps", eps, 0)
        super().__init__(params, lr)

    def update(self, theta, g, m, v):
        """θ ← θ − α m̂ / (√v̂ + ε)"""
        beta1, beta2 = self.betas
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * (g * g)
        # In place, in one scratch array: √v̂ + ε, then m̂ / (√v̂ + ε).
        step = _sqrt(v)
        step /= (1 - beta2**self.t) ** 0.5
        step += self.eps
        step = m / step
        step *= self.lr / (1 - beta1**self.t)
        theta -= step


def _pieces(theta, *arrays):
    """The arrays cut into flat pieces that fit the processor's cache, as views of theta and its state.

    An update makes a dozen passes over its arrays; on pieces of 64 k elements they take a third of the time.
    """
    if get_array_module(theta) is not np or not all(a.flags.c_contiguous for a in (theta, *arrays[1:])):
        return [(theta, *arrays)]
    flat = [array.reshape(-1) for array in (theta, *arrays)]
    return [[array[i:i + _PIECE] for array in flat] for i in range(0, theta.size, _PIECE)]


def _sqrt(v):
    return get_array_module(v).sqrt(v)


def _in_range(optimiser, name, value, low, high=float("inf"), above=False):
    good = isinstance(value, (int, float, np.number)) and isfinite(value) and (value > low if above else low <= value) \
        and value < high
    if not good:
        limits = f"{low} {'<' if above else '≤'} {name}" + (f" < {high}" if isfinite(high) else "")
        raise ConfigError(f"{name} is out of range", where=type(optimiser).__name__, expected=limits, got=repr(value))
    return float(value)
