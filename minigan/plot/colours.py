"""One look for every figure: Okabe and Ito's colours, which colour-blind readers can tell apart, and large letters."""

__all__ = ["D_COLOUR", "GENERATED", "G_COLOUR", "PALETTE", "REAL", "style"]

REAL, GENERATED, D_COLOUR, G_COLOUR = "#0072B2", "#D55E00", "#0072B2", "#D55E00"
"""Real data and D are blue, what is generated and G are vermilion."""
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colours of lines, in their order. Okabe and Ito's yellow is left out: too pale on white."""


def style():
    """Set matplotlib's defaults, until the program ends, to figures that can be read from the last row of a room.

    Colours come from `PALETTE` in its order; figures lay themselves out, so that no label is cut or covered.
    """
    import matplotlib

    matplotlib.rcParams.update({
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.prop_cycle": matplotlib.cycler(color=PALETTE),
        "axes.titlesize": "medium",
        "figure.constrained_layout.use": True,
        "figure.dpi": 80,
        "figure.figsize": (6.4, 4.0),
        "font.size": 13,
        "grid.alpha": 0.3,
        "image.cmap": "cividis",
        "legend.fontsize": "small",
        "legend.framealpha": 0.9,
        "lines.linewidth": 2,
    })
