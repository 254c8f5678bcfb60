"""Layers and networks: modules with parameters in a stable order, and PyTorch's names, shapes and layouts."""

from . import init
from .layers import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Tanh,
    Unflatten,
)
from .module import Module, Parameter, Sequential
from .norm import BatchNorm1d, BatchNorm2d
from .recurrent import GRU

__all__ = [
    "Module", "Parameter", "Sequential", "Linear", "Conv2d", "ConvTranspose2d", "BatchNorm1d", "BatchNorm2d",
    "MaxPool2d", "AvgPool2d", "Flatten", "Unflatten", "ReLU", "LeakyReLU", "Tanh", "Sigmoid", "Dropout", "GRU", "init",
]
