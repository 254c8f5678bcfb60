"""Which settings train best: learning rates, betas, batch size, n_d, objective, width, depth and their like.

    from minigan import tune
    table = tune.search(data="ring", steps=500, lr=[1e-4, 1e-3], objective=["non-saturating", "lsgan"])
    print(table)

Every setting is trained from several seeds and judged by the mean of `evaluate.quality` over them, never by a loss: two
objectives' losses are on different scales, and even those of one objective do not say which samples are better.

Source : document 002 §1.2 and §9.2 (results depend on hyperparameters: try others), document 003 §3.2.
"""

from ..run import next_free
from .axes import KINDS
from .study import Stopped, resume, search
from .table import Row, Table

__all__ = [
    "KINDS", "Row", "Stopped", "Table", "next_free", "resume", "search",
    "study", "axes", "trials", "table",
]
