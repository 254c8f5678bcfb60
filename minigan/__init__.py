"""minigan: a GAN you can read. Autograd, layers, losses and Algorithm 1, on NumPy or CuPy arrays.

Start with `train`, the loop; then `losses`, the formulas; then `tensor`, which differentiates them.
"""

from . import checkpoint, data, functional, losses, metrics, models, nn, optim, plot, train
from .errors import MiniganError
from .gradient_check import gradcheck
from .tensor import Tensor, grad, no_grad

# What is not imported above is a module that is imported where it is asked for, as by `from minigan import tune`.
__all__ = [
    "Tensor", "grad", "no_grad", "gradcheck", "MiniganError",
    "train", "losses", "tensor", "conv", "functional", "nn", "models", "optim", "data", "metrics", "plot",
    "gradient_check", "samples", "exercises", "notebook", "games",
    "run", "config", "convergence", "evaluate", "yardsticks", "tune", "cli",
    "backend", "checkpoint", "files", "text", "errors",
]
