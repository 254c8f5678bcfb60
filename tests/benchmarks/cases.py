"""What is timed: one training step, D on real and generated samples and then G, float32, Adam."""

from dataclasses import dataclass, replace

import numpy as np

from minigan.models import build


@dataclass(frozen=True)
class Case:
    """A game: networks of `minigan.models`, the shape of a sample, the batch, the objective."""

    title: str
    model: str
    shape: tuple
    batch: int = 64
    latent: int = 100
    objective: str = "non-saturating"
    depth: int | None = None

    def networks(self):
        """G and D of minigan, of which the other libraries' networks are copies, weights and all."""
        return build(self.model, self.latent, self.shape, rng=0, depth=self.depth)

    def batch_of_real(self):
        """Real samples (m, …) in [−1, 1], float32. Their values do not matter for the time."""
        return np.tanh(np.random.default_rng(1).standard_normal((self.batch, *self.shape), dtype=np.float32))

    def with_batch(self, m):
        """The same game with another batch."""
        return replace(self, batch=m)


CASES = {
    "ring": Case("ring, MLP 2×128", "mlp", (2,), batch=256, latent=2),
    "n1": Case("N1, MLP", "mlp", (1, 28, 28)),
    "n2": Case("N2, DCGAN", "dcgan", (1, 28, 28)),
    "n2-gp": Case("N2, wgan-gp", "dcgan", (1, 28, 28), objective="wgan-gp"),
    "n2-bn": Case("N2 with BatchNorm", "dcgan-bn", (1, 28, 28)),
    "dcgan64": Case("DCGAN 64×64, 512 to 64 channels", "dcgan-bn", (3, 64, 64), depth=4),
}
LEARNING_RATE, BETAS = 2e-4, (0.5, 0.999)
