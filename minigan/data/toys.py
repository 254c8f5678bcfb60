r"""Mixtures of Gaussians in the plane: distributions whose every mode can be seen and counted.

$$x = c_y + \sigma\,\epsilon, \quad y \sim \mathrm{Uniform}\{0, \dots, K-1\}, \quad \epsilon \sim N(0, I_2)$$

Source: the "2D-ring" (8 modes) and the "2D-grid" (5 × 5) of Lin et al. 2018, "PacGAN", synthetic experiments.
"""

import numpy as np

from .checks import as_generator, not_negative, whole_number

__all__ = ["grid", "grid_modes", "ring", "ring_modes"]


def ring(n, rng, modes=8, radius=1.0, std=0.01, labels=False):
    """`n` points around `modes` centres, spread evenly over a circle.

    n, modes : whole numbers ≥ 1;  radius, std : ≥ 0
    rng      : a numpy Generator, or an int seed
    returns  : (n, 2) float32; with `labels`, also the index of each point's mode, (n,) int64
    raises   : ConfigError for an argument outside its range
    """
    return _mixture(ring_modes(modes, radius), n, rng, std, labels)


def grid(n, rng, side=5, spacing=2.0, std=0.05, labels=False):
    """`n` points around the `side` × `side` centres of a square grid, itself centred on the origin.

    n, side      : whole numbers ≥ 1
    spacing, std : ≥ 0; `spacing` is the distance of neighbouring centres
    rng          : a numpy Generator, or an int seed
    returns      : (n, 2) float32; with `labels`, also the index of each point's mode, (n,) int64
    raises       : ConfigError for an argument outside its range
    """
    return _mixture(grid_modes(side, spacing), n, rng, std, labels)


def ring_modes(modes=8, radius=1.0):
    r"""The centres $c_k = r\,(\cos 2\pi k/K,\ \sin 2\pi k/K)$, $k = 0 \dots K-1$, as (modes, 2) float32."""
    not_negative(radius, "radius")
    # Not linspace(0, 2π, K): that counts both ends of the circle, which are one point, and leaves K − 1 modes.
    angle = 2 * np.pi * np.arange(whole_number(modes, "modes")) / modes
    return (radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.float32)


def grid_modes(side=5, spacing=2.0):
    """The centres of the grid, as (side², 2) float32; their index runs along the second coordinate first."""
    not_negative(spacing, "spacing")
    line = spacing * (np.arange(whole_number(side, "side")) - (side - 1) / 2)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def _mixture(centres, n, rng, std, labels):
    n, rng = whole_number(n, "n"), as_generator(rng)
    not_negative(std, "std")
    y = rng.integers(len(centres), size=n)
    x = (centres[y] + std * rng.standard_normal((n, 2))).astype(np.float32)
    return (x, y) if labels else x
