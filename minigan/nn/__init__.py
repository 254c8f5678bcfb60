"""Layers and networks: modules with parameters in a stable order, and PyTorch's names, shapes and layouts."""

from . import init
from .attention import SelfAttention2d
from .layers import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool2d,
    GlobalSumPool2d,
    LeakyReLU,
    Linear,
    Maxout,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Tanh,
    Unflatten,
    Upsample2d,
)
from .module import Module, Parameter, Sequential
from .norm import BatchNorm1d, BatchNorm2d, InstanceNorm2d, LayerNorm
from .recurrent import GRU
from .spectral import SpectralNorm

__all__ = [
    "Module", "Parameter", "Sequential", "Linear", "Conv2d", "ConvTranspose2d", "Embedding", "SpectralNorm",
    "BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "LayerNorm", "MaxPool2d", "AvgPool2d", "GlobalAvgPool2d",
    "GlobalSumPool2d", "Upsample2d", "GRU", "SelfAttention2d", "Flatten", "Unflatten", "ReLU", "LeakyReLU", "Tanh",
    "Sigmoid", "Maxout", "Dropout", "init",
    "module", "layers", "norm", "spectral", "recurrent", "attention",
]
