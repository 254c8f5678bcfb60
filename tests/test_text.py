"""Text for a terminal."""

from minigan.text import WIDTH, wrapped


def test_a_short_line_stays_as_it_is():
    assert wrapped("  auc      0.5    a coin") == "  auc      0.5    a coin"


def test_a_long_line_is_broken_between_words_and_its_rest_is_indented():
    line = "one-two " * 40 + "x" * 200
    lines = wrapped(line, indent=3).splitlines()
    assert all(len(each) <= WIDTH for each in lines[:-1]) and lines[-1].strip() == "x" * 200
    assert all(each.startswith("   ") and each[3] != " " for each in lines[1:])
    assert " ".join(each.strip() for each in lines) == line
