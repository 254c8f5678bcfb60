"""Every error says what, where, expected, got and how to mend it, and is also the Python error one would expect."""

import pytest

from minigan import MiniganError, errors


def test_message_has_every_part_in_order():
    error = MiniganError("shapes differ", where="matmul", expected="(2, 3)", got="(3, 2)", fix="Transpose it")
    assert str(error) == "matmul: shapes differ (expected (2, 3), got (3, 2)). Transpose it"


def test_message_of_a_bare_error_is_its_sentence():
    assert str(MiniganError("shapes differ")) == "shapes differ"


@pytest.mark.parametrize("parts, message", [
    ({"where": "sum"}, "sum: wrong"),
    ({"expected": 2}, "wrong (expected 2)"),
    ({"got": 3}, "wrong (got 3)"),
    ({"fix": "Mend it"}, "wrong. Mend it"),
    ({"where": "sum", "got": 3, "fix": "Mend it"}, "sum: wrong (got 3). Mend it"),
])
def test_message_leaves_out_the_parts_that_are_not_given(parts, message):
    assert str(MiniganError("wrong", **parts)) == message


@pytest.mark.parametrize("value", [0, (), False, ""])
def test_expected_and_got_are_shown_even_when_they_are_falsy(value):
    assert str(MiniganError("wrong", expected=value, got=value)) == f"wrong (expected {value}, got {value})"


def test_parts_stay_readable_as_attributes():
    error = MiniganError("wrong", where="here", expected=1, got=2, fix="Mend it")
    assert (error.what, error.where, error.expected, error.got, error.fix) == ("wrong", "here", 1, 2, "Mend it")


@pytest.mark.parametrize("kind, python_error", [
    (errors.ShapeError, ValueError), (errors.GraphError, RuntimeError), (errors.ConfigError, ValueError),
    (errors.DataError, ValueError), (errors.CheckpointError, ValueError), (errors.DeviceError, RuntimeError),
    (errors.DivergenceError, ArithmeticError), (errors.OutOfMemoryError, MemoryError),
])
def test_each_kind_is_a_minigan_error_and_a_python_error(kind, python_error):
    assert issubclass(kind, MiniganError) and issubclass(kind, python_error)


def test_every_kind_is_exported():
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds == set(errors.__all__)
