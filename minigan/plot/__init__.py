"""Pictures: samples, curves, D's surface, the graph of a computation, animations.

Functions draw on a matplotlib axes that they are given; `save` writes what one of them draws to a file, and
`save_samples` a grid pixel by pixel. Matplotlib is loaded only when something is drawn.
"""

from .animations import Animation, animate
from .files import save, save_samples
from .graphs import graph
from .logs import curves, read_log, roc
from .pictures import arrows, images, points, sequences, surface, tile
from .style import D_COLOUR, G_COLOUR, GENERATED, PALETTE, REAL, style

__all__ = [
    "Animation", "D_COLOUR", "GENERATED", "G_COLOUR", "PALETTE", "REAL", "animate", "arrows", "curves", "graph",
    "images", "points", "read_log", "roc", "save", "save_samples", "sequences", "style", "surface", "tile",
]
