"""Pictures: samples, curves, D's surface, the graph of a computation, animations.

Functions draw on a matplotlib axes that they are given; `save` writes what one of them draws to a file, and
`save_samples` a grid pixel by pixel. Matplotlib is loaded only when something is drawn.
"""

from .animations import Animation, animate
from .colours import D_COLOUR, G_COLOUR, GENERATED, PALETTE, REAL, style
from .files import save, save_samples
from .graphs import graph
from .logs import curves, read_log, roc
from .pictures import arrows, images, points, sequences, surface, tile

__all__ = [
    "style", "PALETTE", "REAL", "GENERATED", "D_COLOUR", "G_COLOUR",
    "tile", "images", "points", "arrows", "sequences", "surface", "curves", "roc", "graph", "animate", "Animation",
    "save", "save_samples", "read_log",
    "pictures", "logs", "graphs", "animations", "files", "colours",
]
