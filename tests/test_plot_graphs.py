"""The drawing of a computation's graph: every tensor and edge once, no two boxes on one place."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import minigan as mg
from minigan.errors import GraphError
from minigan.plot.graphs import _layout, _spread
from minigan.tensor import _graph


def drawn(stages, names=None, size=(9, 4)):
    ax = Figure(figsize=size).subplots()
    mg.plot.graph(ax, stages, names)
    return ax


def texts(ax):
    return [text.get_text() for text in ax.texts]


def count(ax, kind):
    return sum(type(patch) is kind for patch in ax.patches)


@pytest.fixture
def product():
    u, v = mg.Tensor([2.0, 5.0, 7.0]), mg.Tensor(3.0)
    return u, v, u * v + mg.functional.tanh(u * u)


def test_each_tensor_is_a_box_and_each_argument_an_arrow(product):
    ax = drawn(product[2])
    assert count(ax, FancyBboxPatch) == 6  # u, v, u v, u u, tanh, +
    assert count(ax, FancyArrowPatch) == 2 + 2 + 1 + 2  # u u has two arrows from u


def test_a_box_has_the_operation_and_the_shape_or_the_name(product):
    u, _, y = product
    said = texts(drawn(y, {"u": u, "y": y}))
    assert said.count("mul") == 2 and "tanh" in said and "u" in said and "y" in said and "add (3,)" in said


def test_a_name_in_latex_is_as_large_as_the_letters_it_shows(product):
    u, v, y = product
    names = {"p = 0.42": u, r"$\bar p = 0.42$": v}
    sizes = {text.get_text(): text.get_fontsize() for text in drawn(y, names, size=(3, 3)).texts}
    assert sizes["p = 0.42"] == sizes[r"$\bar p = 0.42$"] < 12


def test_an_unnamed_number_shows_its_value(product):
    assert "3" in texts(drawn(product[2]))


def test_a_tensor_stands_right_of_its_last_input_and_a_leaf_left_of_its_first_use(product):
    u, _, y = product
    w = mg.Tensor(1.0)
    place = _layout({t: 0 for t in _graph(y + w)})
    assert [place[t][0] for t in (u, y.inputs[1], y, w)] == [0, 2, 3, 3]


def test_those_who_want_the_same_height_share_the_way():
    height = {}
    _spread(["a", "b", "c", "d"], {"a": 0.0, "b": 0.0, "c": 0.0, "d": 9.0}, height)
    assert height == {"a": -1.0, "b": 0.0, "c": 1.0, "d": 9.0}


def penalty():
    D = mg.nn.Sequential(mg.nn.Linear(2, 3, rng=0), mg.nn.Tanh(), mg.nn.Linear(3, 1, rng=1))
    x = mg.Tensor(np.ones((5, 2), np.float32))
    a = D(x)
    g = mg.grad(a.sum(), x, create_graph=True)
    return D, a, g, mg.grad((g * g).sum(), D.parameters()[0], create_graph=True)


def test_no_two_boxes_touch_in_a_graph_of_second_order():
    *_, second = penalty()
    place = np.array(list(_layout({t: 0 for t in _graph(second)}).values()))
    apart = np.abs(place[:, None] - place[None]).max(axis=2) + 9 * np.eye(len(place))
    assert apart.min() > 1 - 1e-9


def test_every_stage_has_its_colour_for_what_it_adds():
    _, a, g, second = penalty()
    ax = drawn({"forward": a, "gradient": g, "second": second})
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["forward", "gradient", "second"]
    edges = [patch.get_edgecolor() for patch in ax.patches if type(patch) is FancyBboxPatch]
    assert len(edges) == len(set(_graph(a)) | set(_graph(g)) | set(_graph(second))) and len(set(edges)) == 3
    assert edges[:len(_graph(a))] == [edges[0]] * len(_graph(a))


def test_a_leaf_alone_can_be_drawn():
    x = mg.Tensor([1.0, 2.0])
    assert texts(drawn(x, {"x": x})) == ["x", "(2,)"]


def test_what_is_no_tensor_is_refused():
    with pytest.raises(GraphError, match="only tensors have a graph"):
        drawn({"forward": np.ones(3)})
