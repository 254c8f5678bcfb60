"""How good is D, how good are the samples, how far are two distributions apart.

Everything here takes NumPy or CuPy arrays or Tensors, computes in float64 in main memory, and returns Python's
numbers: measuring is not training, and nothing here can be differentiated.
"""

from .distances import frechet_distance, sliced_wasserstein, wasserstein_1d

__all__ = ["frechet_distance", "sliced_wasserstein", "wasserstein_1d"]
