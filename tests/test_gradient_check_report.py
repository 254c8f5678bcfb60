"""What a gradient check says: the fields of its report, the text, and the table in a notebook."""

import html

import numpy as np
import pytest
from planted_bugs import operation

from minigan import functional as F
from minigan import gradcheck, nn
from minigan.tensor import record


def wrong_at_1_2(x, w):
    """x·w, whose gradient in w is half of what it should be in the element (1, 2)."""
    half = np.ones(w.shape)
    half[1, 2] = 0.5
    return operation(np.multiply, [lambda g, y, x, w: g * w, lambda g, y, x, w: g * x * half])(x, w)


@pytest.fixture
def wrong_report():
    return gradcheck(wrong_at_1_2, [np.full((3, 5), 2.0), np.ones((3, 5))])


@pytest.fixture
def right_report():
    return gradcheck(F.mul, [np.full((3, 5), 2.0), np.ones((3, 5))])


def test_a_report_is_true_or_false(right_report, wrong_report):
    assert bool(right_report) is True and bool(wrong_report) is False


def test_a_report_names_the_wrong_argument_only(wrong_report):
    assert [(a.name, a.wrong) for a in wrong_report.arguments] == [("argument 0", 0), ("argument 1", 1)]


def test_a_report_counts_what_was_checked(wrong_report):
    assert [(a.shape, a.checked) for a in wrong_report.arguments] == [((3, 5), 15), ((3, 5), 15)]


def test_a_report_names_the_wrong_element(wrong_report):
    assert wrong_report.arguments[1].where == (1, 2)


def test_a_report_gives_both_values_at_the_wrong_element(wrong_report):
    a = wrong_report.arguments[1]
    assert 1 <= abs(a.numeric) <= 3 and a.analytic == pytest.approx(a.numeric / 2, rel=1e-6)


def test_the_error_of_an_argument_is_relative_to_the_numeric_value_where_that_is_large(wrong_report):
    a = wrong_report.arguments[1]
    assert a.error == pytest.approx(abs(a.analytic - a.numeric) / max(1, abs(a.numeric)))


def test_the_error_of_a_report_is_the_largest_of_its_arguments(wrong_report):
    assert wrong_report.error == wrong_report.arguments[1].error > wrong_report.arguments[0].error


def test_the_error_of_a_right_report_is_small():
    assert 0 < gradcheck(F.tanh, [np.linspace(-1, 1, 15)]).error < 1e-8


def test_of_several_wrong_elements_the_worst_is_named():
    factors = np.array([1.0, 1.01, 1.5, 1.1])
    report = gradcheck(operation(np.copy, [lambda g, y, x: g * factors]), [np.ones(4)], seed=1)
    assert report.arguments[0].where == (2,)


def test_a_wrong_element_is_named_before_a_right_one_with_a_larger_error():
    """The first element's relative error is larger, and within the tolerance; the second's derivative is small."""
    slopes, error = np.array([3000.0, 0.01]), np.array([1.5e-3, 2e-7])
    f = operation(lambda x: x * slopes, [lambda g, y, x: g * slopes + g * error])
    a = gradcheck(f, [np.ones(2)]).arguments[0]
    assert (a.wrong, a.where) == (1, (1,))


def test_nan_counts_as_infinitely_wrong():
    report = gradcheck(operation(np.exp, [lambda g, y, x: g * np.nan]), [np.ones(3)])
    assert report.arguments[0].wrong == 3 and report.error == np.inf


def test_a_report_reads_well(wrong_report):
    order, operation, first, second, cause, head, *rows = str(wrong_report).splitlines()
    assert order == "gradient of order 1: WRONG"
    assert operation.startswith("  first wrong operation: ") and "planted_bugs.py:" in operation
    assert first.startswith("  ok    argument 0 (3, 5): 0 of 15 wrong, worst error ")
    assert second.startswith("  WRONG argument 1 (3, 5): 1 of 15 wrong (7 %), worst error ")
    assert cause.startswith("    cause: ")
    assert head.split() == ["at", "analytic", "numeric", "ratio"]
    assert rows[0].split()[:2] == ["(1,", "2)"] and rows[0].split()[-1] == "0.5" and len(rows) == 5


def test_the_columns_of_the_worst_rows_are_aligned(wrong_report):
    assert len({len(line) for line in str(wrong_report).splitlines()[-6:]}) == 1


def test_a_right_report_reads_well(right_report):
    assert str(right_report).startswith("gradient of order 1: right\n  ok    argument 0 (3, 5): 0 of 15 wrong")


def test_a_report_is_shown_as_it_is_printed(wrong_report):
    assert repr(wrong_report) == str(wrong_report)


def test_a_report_of_second_order_ends_with_the_cotangent():
    report = gradcheck(F.mul, [np.ones((3, 5)), np.ones((3, 5))], order=2)
    assert report.order == 2 and [a.name for a in report.arguments] == ["argument 0", "argument 1", "cotangent"]


def test_the_same_seed_gives_the_same_report():
    def report(seed):
        return str(gradcheck(wrong_at_1_2, [np.full((3, 5), 2.0), np.ones((3, 5))], seed=seed))

    assert report(3) == report(3) != report(4)


# --- rows, cause, operation ---


def twice_where(wrong):
    """exp, whose gradient is twice what it should be at the elements where the array `wrong` is true."""
    return operation(np.exp, [lambda g, y, x: g * y * (1.0 + wrong)])


def test_a_wrong_argument_has_its_worst_five_elements():
    a = gradcheck(twice_where(np.arange(12) < 8), [np.linspace(0, 3, 12)]).arguments[0]
    assert len(a.worst) == 5 and all(where < (8,) for where, _, _ in a.worst)
    assert a.worst[0] == (a.where, a.analytic, a.numeric)


def test_the_worst_five_are_sorted_by_their_error():
    a = gradcheck(operation(np.copy, [lambda g, y, x: g * np.arange(1.0, 10.0)]), [np.zeros(9)], seed=3).arguments[0]
    errors = [abs(analytic - numeric) / max(1, abs(numeric)) for _, analytic, numeric in a.worst]
    assert errors == sorted(errors, reverse=True) and a.error == errors[0]


def test_right_elements_come_after_the_wrong_ones_among_the_worst_five():
    a = gradcheck(twice_where(np.arange(12) % 6 == 1), [np.linspace(0, 3, 12)]).arguments[0]
    assert {where for where, _, _ in a.worst[:2]} == {(1,), (7,)} and len(a.worst) == 5


@pytest.mark.parametrize("n, share", [
    (1, "1 of 12 wrong (8 %)"), (6, "6 of 12 wrong (50 %)"), (12, "12 of 12 wrong (100 %)"),
])
def test_the_share_of_wrong_elements_is_told(n, share):
    report = gradcheck(twice_where(np.arange(12) < n), [np.linspace(0, 3, 12)])
    assert share in str(report) and report.arguments[0].wrong == n


def test_the_share_of_a_large_argument_counts_directions():
    assert "25 of 25 wrong (100 %)" in str(gradcheck(twice_where(np.ones(700)), [np.linspace(0, 3, 700)]))


def test_the_errors_of_an_argument_have_its_shape_and_are_small_where_it_is_right():
    wrong = np.zeros((3, 4))
    wrong[2, 1] = 1.0
    a = gradcheck(twice_where(wrong), [np.linspace(0, 3, 12).reshape(3, 4)]).arguments[0]
    assert a.errors.shape == (3, 4) and a.errors.argmax() == 9 and (np.delete(a.errors.ravel(), 9) < 1e-8).all()


def test_the_errors_of_a_large_argument_are_not_kept():
    assert gradcheck(F.tanh, [np.linspace(0, 3, 700)]).arguments[0].errors is None


def test_a_right_report_has_neither_cause_nor_operation(right_report):
    assert (right_report.cause, right_report.operation, right_report.problem) == (None, None, None)


def test_the_cause_of_a_report_is_that_of_its_wrong_argument(wrong_report):
    assert wrong_report.cause is wrong_report.operation.arguments[1].cause is not None


def test_the_cause_of_a_problem_is_the_problem():
    report = gradcheck(lambda x: x * 0.0, [np.ones(3)])
    assert report.cause is report.problem and "cause: nothing tested" in str(report)


def test_the_operation_of_a_report_is_named():
    def halved(x):
        return record(np.exp(x.data), (x,), lambda g, y: g * y * 0.5)

    report = gradcheck(lambda x: F.tanh(halved(x)), [np.linspace(-1, 1, 6)])
    assert report.operation.name == "halved" and "first wrong operation: halved, at test_gradient" in str(report)
    assert [(a.wrong, a.cause.code) for a in report.operation.arguments] == [(6, "scale")]


def test_notes_are_at_the_end():
    lines = str(gradcheck(F.mul, [np.ones(3), np.ones(3)])).splitlines()
    assert lines[-1].startswith("  note: argument 0 and argument 1 have the same values")


def test_a_report_of_nothing_has_an_infinite_error():
    assert gradcheck((np.exp, lambda g, x: None), [np.ones(3)]).error == np.inf


# --- in a notebook ---


def test_a_table_is_shown_with_a_row_for_each_argument(right_report):
    table = right_report._repr_html_()
    assert table.count("<table") == table.count("</table>") == 1 and table.count("<tr>") == 1 + 2
    assert "argument 0" in table and "argument 1" in table and "right" in table


def test_a_wrong_argument_has_a_heat_map_and_a_right_one_has_none(right_report, wrong_report):
    assert right_report._repr_html_().count("<img") == 0
    assert wrong_report._repr_html_().count("<img src='data:image/png;base64,iVBOR") == 1


def test_the_table_tells_the_operation_the_cause_and_the_worst_element(wrong_report):
    table = wrong_report._repr_html_()
    assert "first wrong operation" in table and html.escape(str(wrong_report.cause)) in table and "(1, 2)<br>" in table


@pytest.mark.parametrize("shape, maps", [((), 0), ((1,), 1), ((6,), 1), ((2, 3), 1), ((2, 1, 3, 2), 1), ((30, 40), 0)])
def test_arguments_of_any_shape_are_shown(shape, maps):
    x = np.random.default_rng(0).standard_normal(shape)
    table = gradcheck(operation(np.exp, [lambda g, y, x: g * y * 2]), [np.asarray(x)])._repr_html_()
    assert table.count("<table") == 1 and table.count("<img") == maps and html.escape(str(shape)) in table


def test_the_table_holds_no_html_from_names():
    class Strange(nn.Module):
        def __init__(self):
            setattr(self, "<b>w&'", nn.Parameter(np.ones(5)))

        def forward(self, x):
            return operation(np.multiply, [lambda g, y, x, w: g * w, lambda g, y, x, w: F.mean(g * x, 0)])(
                x, getattr(self, "<b>w&'"))

    report = gradcheck(Strange(), [np.random.default_rng(0).standard_normal((3, 5))])
    table = report._repr_html_()
    assert "<b>w" not in table and "&lt;b&gt;w&amp;" in table
    assert not report and "alt='error of &lt;b&gt;w&amp;&#x27;'" in table


@pytest.mark.parametrize("vjp", [
    lambda g, x: None, lambda g, x: g[0], lambda g, x: g * np.nan, lambda g, x: g * np.inf,
], ids=["missing", "of the wrong shape", "NaN", "infinite"])
def test_gradients_that_cannot_be_compared_are_shown(vjp):
    report = gradcheck((np.exp, vjp), [np.ones((3, 5))])
    assert not report and "WRONG" in report._repr_html_() and html.escape(report.cause.text) in report._repr_html_()


def test_a_note_is_shown():
    assert "note: argument 0 and argument 1 have the same values" in gradcheck(F.mul, [np.ones(3)] * 2)._repr_html_()
