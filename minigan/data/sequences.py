r"""Sequences: noisy sine waves, whose amplitude, frequency and phase differ from one to the next.

Source: Esteban, Hyland and Rätsch 2017, "Real-valued (medical) time series generation with recurrent conditional
GANs", section 4.1, with noise and narrower ranges: theirs are $a$ from 0.1 to 0.9 and $f$ up to 5.
"""

import numpy as np

from .checks import as_generator, not_negative, whole_number

__all__ = ["AMPLITUDES", "FREQUENCIES", "sines"]

AMPLITUDES = (0.4, 0.9)
"""The smallest and the largest amplitude of a sine wave."""
FREQUENCIES = (1.0, 3.0)
"""The smallest and the largest number of periods in a sequence."""


def sines(n, rng, length=24, noise=0.05):
    r"""`n` sine waves of one channel, each in a phase of its own, and Gaussian noise on top.

    $$x_t = a \sin(2\pi f t/L + \varphi) + \sigma\,\epsilon_t, \quad t = 0, \dots, L - 1$$

    $a \sim U(0.4, 0.9)$; $f \sim U(1, 3)$, in periods per sequence; $\varphi \sim U(0, 2\pi)$;
    $\epsilon_t \sim N(0, 1)$, and so $|x_t|$ hardly exceeds 1.

    n, length : whole numbers ≥ 1, how many and L;  noise : σ ≥ 0
    rng       : a numpy Generator, or an int seed
    returns   : (n, length, 1) float32
    raises    : ConfigError for an argument outside its range
    """
    n, length, rng = whole_number(n, "n"), whole_number(length, "length"), as_generator(rng)
    not_negative(noise, "noise")
    a, f, phi = rng.uniform(*AMPLITUDES, (n, 1)), rng.uniform(*FREQUENCIES, (n, 1)), rng.uniform(0, 2 * np.pi, (n, 1))
    x = a * np.sin(2 * np.pi * f * np.arange(length) / length + phi)  # (n, 1) and (length,) -> (n, length)
    return (x + noise * rng.standard_normal((n, length)))[:, :, None].astype(np.float32)
