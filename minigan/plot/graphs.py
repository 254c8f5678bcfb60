"""The graph of a computation: which tensor was made from which, and by what operation."""

import re
from itertools import pairwise

import numpy as np

from ..errors import GraphError
from ..tensor import Tensor, _graph
from .colours import PALETTE

__all__ = ["graph"]

HALF_WIDTH, HALF_HEIGHT = 0.38, 0.3  # of a node; neighbours are 1 apart in both directions


def graph(ax, stages, names=None):
    """Draw how a tensor was computed, inputs on the left.

    A box is a tensor, with the operation that made it and its shape; an arrow leads to what was made from it, and
    enters there in the order of the arguments, the first on top. Constants are in no graph. It is read best on wide
    axes, about an inch for each operation of the longest chain.

    stages : a tensor; or a dict label → tensor, in which what a tensor adds to the ones before it has a colour of its
             own: {"forward": y, "its gradient": g}, where g was made with `create_graph=True`
    names  : dict name → tensor, for those that have a name in the formula
    raises : GraphError if something else than a tensor is to be drawn
    """
    labelled = not isinstance(stages, Tensor)
    stages = stages if labelled else {"": stages}
    for t in (*stages.values(), *(names or {}).values()):
        if not isinstance(t, Tensor):
            raise GraphError("only tensors have a graph", where="plot.graph", got=type(t).__name__)
    stage_of = {}
    for i, y in enumerate(stages.values()):
        for t in _graph(y):
            stage_of.setdefault(t, i)
    place = _layout(stage_of)
    x, y = np.array(list(place.values())).T
    ax.set_xlim(x.min() - 0.6, x.max() + 0.6)
    ax.set_ylim(y.min() - 0.7, y.max() + 0.7)
    ax.set_axis_off()
    inch = ax.get_position().width * ax.figure.get_size_inches()[0] / (np.ptp(x) + 1.2)  # of a unit
    _draw_edges(ax, stage_of, place)
    name_of = {t: name for name, t in (names or {}).items()}
    for t, i in stage_of.items():
        _draw_node(ax, place[t], t, name_of.get(t), PALETTE[i % len(PALETTE)], inch)
    if labelled:
        ax.legend(handles=[_patch(PALETTE[i % len(PALETTE)], label) for i, label in enumerate(stages)],
                  loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(stages), frameon=False)


# --- where: layers from left to right, neighbours at similar heights (Sugiyama, Tagawa and Toda 1981) ---


def _layout(tensors):
    """A dict node → (layer, height); a node is a tensor or, where an edge crosses a layer, (from, to, layer)."""
    layer = {}
    for t in tensors:  # inputs first
        layer[t] = 1 + max((layer[x] for x in t.inputs), default=-1)
    for t in tensors:  # a leaf stands right before its first use
        if not t.inputs:
            layer[t] = min((layer[u] for u in tensors if t in u.inputs), default=1) - 1
    links = []
    for t in tensors:
        for x in t.inputs:
            chain = [x, *((x, t, k) for k in range(layer[x] + 1, layer[t])), t]
            layer |= {node: node[2] for node in chain[1:-1]}
            links += pairwise(chain)
    rows = [[node for node in layer if layer[node] == k] for k in range(max(layer.values()) + 1)]
    before, after = ({node: [] for node in layer} for _ in range(2))
    for a, b in links:
        before[b].append(a)
        after[a].append(b)

    height = {node: float(i) for row in rows for i, node in enumerate(row)}
    for sweep in range(24):
        forwards = sweep % 2 == 0
        for row in rows if forwards else rows[::-1]:
            neighbours = before if forwards else after
            wish = {node: np.mean([height[n] for n in neighbours[node]] or [height[node]]) for node in row}
            row.sort(key=wish.get)
            _spread(row, wish, height)
    return {node: (layer[node], height[node]) for node in layer}


def _spread(row, wish, height):
    """Heights near the wishes, in their order, at least 1 apart: those who push each other share the way."""
    blocks = []  # [sum of what each would have its first member at, members]
    for node in row:
        blocks.append([wish[node], [node]])
        while len(blocks) > 1 and _start(blocks[-2]) + len(blocks[-2][1]) > _start(blocks[-1]):
            total, members = blocks.pop()
            blocks[-1][0] += total - len(members) * len(blocks[-1][1])
            blocks[-1][1] += members
    for block in blocks:
        for i, node in enumerate(block[1]):
            height[node] = _start(block) + i


def _start(block):
    return block[0] / len(block[1])


# --- the drawing ---


def _draw_edges(ax, tensors, place):
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    for t in tensors:
        for i, x in enumerate(t.inputs):
            port = 0.3 * ((len(t.inputs) - 1) / 2 - i)
            stops = [place[x], *(place[x, t, k] for k in range(place[x][0] + 1, place[t][0])), place[t]]
            stops[0] = (stops[0][0] + HALF_WIDTH, stops[0][1])
            stops[-1] = (stops[-1][0] - HALF_WIDTH - 0.03, stops[-1][1] + port)
            points, codes = [stops[0]], [Path.MOVETO]
            for (x0, y0), (x1, y1) in pairwise(stops):
                points += [((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1)]
                codes += [Path.CURVE4] * 3
            ax.add_patch(FancyArrowPatch(path=Path(points, codes), arrowstyle="-|>", mutation_scale=8, color="0.45",
                                         linewidth=1, zorder=1))


def _draw_node(ax, place, t, name, colour, inch):
    """inch : how long a unit is on the page"""
    from matplotlib.patches import FancyBboxPatch

    (x, y), leaf = place, not t.inputs
    ax.add_patch(FancyBboxPatch((x - HALF_WIDTH + 0.08, y - HALF_HEIGHT + 0.08), 2 * HALF_WIDTH - 0.16,
                                2 * HALF_HEIGHT - 0.16, boxstyle="round,pad=0.08", edgecolor=colour, linewidth=1.6,
                                facecolor=colour if leaf else "white", zorder=2))
    made_by = t.op if not leaf else f"{t.item():g}" if t.size == 1 and name is None else ""
    first, second = (name, f"{made_by} {t.shape}".strip()) if name is not None else (made_by, f"{t.shape}")
    for text, above, largest, weight in ((first, 0.11, 12, "bold"), (second, -0.13, 9, "normal")):
        letters = len(re.sub(r"\\[a-z]+|[$ {}]", "", text))  # $\bar p$ has one
        fits = 72 * inch * 2 * HALF_WIDTH / (0.68 * max(letters, 1))  # a letter is about 0.68 of its size wide
        ax.text(x, y + above, text, ha="center", va="center", fontsize=min(largest, fits), fontweight=weight,
                color="white" if leaf else "black", zorder=3)


def _patch(colour, label):
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, label=label)
