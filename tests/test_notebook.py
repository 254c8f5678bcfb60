"""Source beside formula: both are what is in the code, and formulas survive."""

import numpy as np
import pytest

import minigan as mg
from minigan.errors import ConfigError
from minigan.notebook import Beside, beside, choose, progress


def with_formula(a):
    r"""A function (F5, not `F9`, PDF4 or F123).

    $$y < a_1^2 \\ & b$$

    a       : a number, `a < 2` and
              more of it
    returns : another

        with_formula(a < 3)
    """
    return a < 2  # a comment


class WithMethod:
    """A class."""

    def method(self):
        """A method."""
        return 1


def test_the_code_is_shown_without_the_docstring():
    (title, doc, code), = beside(with_formula).parts
    assert title == f"{__name__}.with_formula"
    assert doc.startswith("A function (F5")
    assert code == "def with_formula(a):\n    return a < 2  # a comment"


def test_a_class_keeps_the_docstrings_of_its_methods():
    (_, doc, code), = beside(WithMethod).parts
    assert doc == "A class." and '"""A method."""' in code and "A class" not in code


class Inherits(WithMethod):
    def method(self):
        print("said")
        return 2


def test_no_code_is_lost_where_the_docstring_is_inherited():
    (_, doc, code), = beside(Inherits.method).parts
    assert doc == "A method." and code == 'def method(self):\n    print("said")\n    return 2'


def test_formulas_stay_in_their_dollars_on_one_line_and_are_escaped():
    assert r"$$y &lt; a_1^2 \\ &amp; b$$" in beside(with_formula)._repr_html_()


def test_formula_numbers_are_links_to_the_courses_page():
    html = beside(with_formula)._repr_html_()
    assert '<a href="formulas.md#f5">F5</a>' in html and html.count("<a ") == 1


def test_arguments_have_a_line_each_and_a_continued_one_is_joined():
    html = beside(with_formula)._repr_html_()
    assert "</code> and more of it <br><b>returns</b>: another" in " ".join(html.split())
    assert "<b>a</b>: a number, <code>a &lt; 2</code>" in html


def test_a_long_line_of_code_anywhere_narrows_the_left_column_of_every_row():
    long = "x = " + " + ".join("abcdefgh" for _ in range(9))
    html = Beside([("f", "A.", "x = 1"), ("g", "B.", long)])._repr_html_()
    assert html.count("width: 26%") == 2 and "width: 42%" not in html


def test_an_indented_block_is_code():
    assert "with_formula(a &lt; 3)</pre>" in beside(with_formula)._repr_html_()


def test_the_code_is_escaped_where_pygments_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pygments", None)
    assert "return a &lt; 2  # a comment</pre>" in beside(with_formula)._repr_html_()


def test_as_text_it_has_title_docstring_and_code():
    assert repr(beside(WithMethod, with_formula)).split("\n\n")[:2] == [f"{__name__}.WithMethod", "A class."]


@pytest.mark.parametrize("function", [
    mg.losses.non_saturating_generator, mg.losses.gradient_penalty, mg.train.minimax, mg.grad, mg.Tensor, mg.nn.Linear,
    mg.functional.tanh, mg.functional.conv2d, mg.optim.Adam, mg.metrics.frechet_distance,
])
def test_what_the_library_has_can_be_shown(function):
    html = beside(function)._repr_html_()
    assert html.count("<td") == 2 and html.count("$") % 2 == 0


@pytest.mark.parametrize("thing", [np.add, lambda x: x, 3])
def test_what_has_no_source_or_docstring_is_refused(thing):
    with pytest.raises(ConfigError, match="nothing to show"):
        beside(thing)


def test_the_fast_value_is_chosen_where_the_environment_says_so(monkeypatch):
    monkeypatch.setenv("MINIGAN_FAST", "1")
    assert choose(full=8000, fast=10) == 10
    monkeypatch.setenv("MINIGAN_FAST", "0")
    assert choose(full=8000, fast=10) == 8000
    monkeypatch.delenv("MINIGAN_FAST")
    assert choose(full=8000, fast=10) == 8000


def test_a_progress_bar_hands_on_every_element_and_goes_away(capsys):
    assert list(progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err.rstrip(" ").endswith("\r")
