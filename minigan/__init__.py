"""minigan: a GAN you can read. Autograd, layers, losses and Algorithm 1, on NumPy or CuPy arrays."""

from . import checkpoint, data, functional, losses, metrics, models, nn, optim, plot, train
from .errors import MiniganError
from .gradient_check import gradcheck
from .tensor import Tensor, grad, no_grad

__all__ = [
    "MiniganError", "Tensor", "checkpoint", "data", "functional", "grad", "gradcheck", "losses", "metrics", "models",
    "nn", "no_grad", "optim", "plot", "train",
]
