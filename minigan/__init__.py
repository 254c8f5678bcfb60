"""minigan: a GAN you can read. Autograd, layers, losses and Algorithm 1, on NumPy or CuPy arrays."""

from . import functional
from .errors import MiniganError
from .tensor import Tensor, grad, no_grad
