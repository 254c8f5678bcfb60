"""What the diagnosis of a wrong vjp knows: the wrong gradient, the right one, and the Jacobians behind both."""

from functools import cached_property
from itertools import combinations

import numpy as np

__all__ = ["Evidence", "along", "broadcast_values", "proportional", "spanned", "subsets"]


class Evidence:
    """A wrong gradient beside the right one, for argument i of an `Operation` and the cotangent g.

    Of a large argument only a grid of elements is looked at: a few coordinates along every axis, the first and the last
    among them, so that what is said of axes and borders can be said of the grid.

    x, y    : the argument and the operation's result, arrays
    A, a    : the wrong gradient, as the vjp gave it, and on the grid
    J, t    : (grid…, y…), the Jacobian by difference quotients, and the right gradient, t = Jᵀg, on the grid
    """

    # As many elements of x and of y are looked at one by one, and as many entries of J; of a larger x, a grid.
    X, Y, ENTRIES, GRID = 300, 1000, 4_000_000, 40

    def __init__(self, operation, i, g, rng):
        self.operation, self.i, self.g, self.rng = operation, i, g, rng
        self.inputs, self.names = operation.inputs, operation.names
        self.x, self.name = self.inputs[i], self.names[i]
        self.y = operation.forward(self.inputs)
        self.A = self.vjp(g)
        self.coordinates = self._coordinates()
        self.whole = all(len(c) == n for c, n in zip(self.coordinates, self.x.shape))
        self.J = self.jacobian(i, self.coordinates)
        self.t = np.tensordot(self.J, g, g.ndim)
        self.tolerance = 1e-7 * (np.abs(self.t).max(initial=0.0) or 1.0)

    def _coordinates(self):
        """For each axis of x the coordinates on the grid: all of a small array."""
        shape, affordable = self.x.shape, self.ENTRIES // max(1, self.y.size)
        if self.x.size <= min(self.X, affordable):
            return [np.arange(n) for n in shape]
        sizes, most = [1] * len(shape), max(8, min(self.GRID, affordable))
        while True:
            growing = [k for k, n in enumerate(shape) if sizes[k] < n]
            growing = [k for k in growing if np.prod(sizes) // sizes[k] * (sizes[k] + 1) <= most]
            if not growing:
                return [np.unique(np.linspace(0, n - 1, m).round().astype(int)) for n, m in zip(shape, sizes)]
            sizes[min(growing, key=lambda k: sizes[k])] += 1

    def on_grid(self, array):
        """The elements of an array of x's shape that are looked at."""
        return array[np.ix_(*self.coordinates)] if self.x.ndim else array

    @cached_property
    def a(self):
        """The wrong gradient on the grid."""
        return self.on_grid(self.A)

    def vjp(self, g):
        """What the vjp gives for the cotangent g."""
        return np.asarray(self.operation.vjp(self.i, np.asarray(g, dtype=float)), dtype=float)

    def jacobian(self, i, coordinates=None, inputs=None, h=1e-5):
        """∂y/∂xᵢ by difference quotients, (xᵢ…, y…); only at these coordinates, if any are given."""
        inputs = [np.array(x) for x in (self.inputs if inputs is None else inputs)]
        x = inputs[i]
        axes = [np.arange(n) for n in x.shape] if coordinates is None else coordinates
        slopes = np.empty((*map(len, axes), *self.y.shape))
        for place in np.ndindex(*map(len, axes)):
            index = tuple(c[k] for c, k in zip(axes, place))
            here, ends = x[index], []
            step = h if abs(here) > 1e-3 or not here else max(1e-8, h * abs(here) * 1e3)  # not over a pole at 0
            for moved in (here + step, here - step):
                x[index] = moved
                ends.append(self.operation.forward(inputs))
            x[index] = here
            slopes[place] = (ends[0] - ends[1]) / (2 * step)
        return slopes

    def gradient(self, j):
        """The right gradient for another argument, by difference quotients."""
        return np.tensordot(self.jacobian(j), self.g, self.g.ndim)

    def same(self, p, q):
        """Do two arrays agree to the digits that a difference quotient has?"""
        return np.shape(p) == np.shape(q) and bool((np.abs(p - q) <= self.tolerance).all())

    def explained_at(self, inputs, A=None, g=None):
        """Is the wrong gradient the right one at these inputs? Asked along random directions, which is quick."""
        A, g, h = self.A if A is None else A, self.g if g is None else g, 1e-5
        rng, size = np.random.default_rng(0), np.sqrt((A * A).sum())
        for _ in range(3):
            v = rng.uniform(0.5, 1.5, self.x.shape) * rng.choice([-1.0, 1.0], self.x.shape)
            ends = [self.operation.forward([x + step * v if j == self.i else x for j, x in enumerate(inputs)])
                    for step in (h, -h)]
            if ends[0].shape != g.shape:
                return False
            slope = float((g * (ends[0] - ends[1])).sum() / (2 * h))
            if not abs(slope - float((A * v).sum())) <= 1e-6 * size:
                return False
        return True

    @cached_property
    def linear(self):
        """Is the vjp linear in g?"""
        h = self.rng.uniform(0.5, 1.5, self.g.shape) * self.rng.choice([-1.0, 1.0], self.g.shape)
        left, right = self.vjp(2 * self.g - 3 * h), 2 * self.A - 3 * self.vjp(h)
        return bool((np.abs(left - right) <= 1e-9 * (1 + np.abs(right).max(initial=0.0))).all())

    @cached_property
    def J_hat(self):
        """The Jacobian that the vjp believes in, like J; None where that is too large, or the vjp is not linear."""
        if not self.linear or not self.whole or not 0 < self.y.size <= self.Y:
            return None
        rows = [self.vjp(unit.reshape(self.y.shape)) for unit in np.eye(self.y.size)]
        return np.stack(rows, axis=-1).reshape(self.J.shape)

    @cached_property
    def mostly_wrong(self):
        """Are more than half of the elements wrong, of those that are not zero anyway?"""
        there = (np.abs(self.a) > self.tolerance) | (np.abs(self.t) > self.tolerance)
        return bool((np.abs(self.a - self.t) > self.tolerance)[there].mean() > 0.5) if there.any() else False

    @cached_property
    def matrices(self):
        """J and Ĵ as matrices, (x, y); None where Ĵ is not known."""
        return None if self.J_hat is None else [m.reshape(self.x.size, self.y.size) for m in (self.J, self.J_hat)]

    @cached_property
    def local(self):
        """(d, d̂, values) if each element of y depends on one element of x at most, and the vjp agrees; else None.

        d and d̂ are that derivative and what the vjp takes it for, of y's shape; `values` are the arguments and y,
        broadcast to it. Also if y is a sum of terms, each with one element of x: then they have x's shape.
        """
        if self.y.size == 1 and self.x.size > 1 and self.linear and self.whole and self._is_a_sum_of_terms():
            return self.t / self.g, self.a / self.g, broadcast_values(self)
        if self.J_hat is None or self.y.size < 2:
            return None
        J, J_hat = self.matrices
        small = 1e-6 * np.abs(J).max()
        if (((np.abs(J) > small) | (np.abs(J_hat) > small)).sum(0) > 1).any():
            return None
        shape, found = self.y.shape, []
        for label, v in [*zip(self.names, self.inputs), ("y", self.y)]:
            if v.size > 1 and v.ndim <= len(shape) and all(n in (1, m) for n, m in zip(v.shape[::-1], shape[::-1])):
                found.append((label, np.broadcast_to(v, shape)))
        return J.sum(0).reshape(shape), J_hat.sum(0).reshape(shape), found

    def _is_a_sum_of_terms(self):
        """Does ∂y/∂xₖ depend on xₖ alone?"""
        moved = [np.array(x) for x in self.inputs]
        moved[self.i].flat[0] += 0.1
        change = (self.jacobian(self.i, inputs=moved) - self.J).ravel()
        return np.abs(change[1:]).max() <= 1e-7 * np.abs(self.J).max()

    @cached_property
    def masks(self):
        """`local`, where both derivatives take one or two values, as that of ReLU does; else None.

        A constant, or a function of one index alone (concatenation, padding), is no mask.
        """
        if not self.local or self.local[0].size < 6 or any(len(np.unique(d.round(6))) > 2 for d in self.local[:2]):
            return None
        d = self.local[0]
        others = [tuple(k for k in range(d.ndim) if k != axis) for axis in range(d.ndim)]
        by_an_index = d.ndim > 1 and any(np.ptp(d, axes).max() < 1e-6 for axes in others)
        return self.local if np.ptp(d) > 1e-6 and not by_an_index else None


def broadcast_values(e, g=False):
    """(name, array) of x, y, the other arguments, and g if asked, in the grid's shape where they fit into it."""
    found, shape = [(e.name, e.on_grid(e.x))], e.x.shape
    for label, v in [*zip(e.names, e.inputs), ("y", e.y)] + [("g", e.g)] * g:
        if label == e.name or v.size < 2:
            continue
        if v.shape == shape:
            found.append((label, e.on_grid(v)))
            continue
        while (v.ndim and v.shape[0] == 1) or (v.ndim > len(shape) and v.shape[-1] == 1):
            v = v.squeeze(0 if v.shape[0] == 1 else -1)
        for axes in combinations(range(len(shape)), v.ndim):
            fitted = [v.shape[axes.index(k)] if k in axes else 1 for k in range(len(shape))]
            if all(n in (1, m) for n, m in zip(fitted, shape)):
                ambiguous = len(set(shape)) < len(shape) and v.ndim < len(shape)
                place = f"{label} {along(axes)}" if ambiguous else label
                found.append((place, e.on_grid(np.broadcast_to(v.reshape(fitted), shape))))
    return found


def proportional(p, q):
    """c if p = c q to seven digits, else None; of at least four numbers."""
    if p.size < 4 or not np.isfinite(p).all() or not np.isfinite(q).all() or not (q * q).sum():
        return None
    c = float((p * q).sum() / (q * q).sum())
    return c if c and (np.abs(p - c * q) <= 1e-7 * np.abs(p).max()).all() else None


def spanned(r, basis, axes, tolerance):
    """Is r, in every group of elements along `axes`, a combination of the arrays in `basis`?"""
    def groups(v):
        return np.moveaxis(v, axes, range(-len(axes), 0)).reshape(-1, int(np.prod([v.shape[k] for k in axes])))

    for target, *columns in zip(groups(r), *map(groups, basis)):
        matrix = np.stack(columns, axis=1)
        combination = matrix @ np.linalg.lstsq(matrix, target, rcond=None)[0]
        if np.abs(combination - target).max() > 10 * tolerance:
            return False
    return True


def subsets(axes):
    """All sets of axes but the empty one, the small ones first."""
    axes = list(axes)
    return [s for n in range(1, len(axes) + 1) for s in combinations(axes, n)]


def along(axes):
    """ "along axis 0", "along axes (0, 2)" """
    return f"along axis {axes[0]}" if len(axes) == 1 else f"along axes {tuple(axes)}"
