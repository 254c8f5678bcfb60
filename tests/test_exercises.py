"""The exercises: every solution passes, every blank says what to do, and the two notebooks of each are in step."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from minigan import Tensor
from minigan import functional as F
from minigan.exercises import NotYet, check_gradient, check_value

EXERCISES = Path(__file__).parent.parent / "notebooks" / "exercises"
INSTRUCTOR = sorted((EXERCISES / "instructor").glob("*.ipynb"))
NAMES = [path.stem for path in INSTRUCTOR]

spec = importlib.util.spec_from_file_location("generate", EXERCISES / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def nbgrader(cell, key):
    return cell.metadata.get("nbgrader", {}).get(key, False)


@pytest.fixture
def in_the_folder(monkeypatch):
    """Where a notebook runs, with pictures that are drawn and not shown."""
    import matplotlib

    monkeypatch.chdir(EXERCISES)
    monkeypatch.setenv("MPLBACKEND", "agg")
    matplotlib.use("agg")


def run(cells, expected_to_fail=()):
    """Run the cells one after the other; returns (cell, its NotYet or None) of every check."""
    names, checks = {"__name__": "__main__"}, []
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            error = None
            try:
                exec(compile(cell.source, cell.id, "exec"), names)
            except NotYet as not_yet:
                error = not_yet
            assert not error or nbgrader(cell, "grade"), f"{cell.id} is no check, and raised {error}"
            if nbgrader(cell, "grade"):
                checks.append((cell.id, error))
    return checks


# --- the notebooks ---


def test_there_are_exercises_and_each_has_a_students_notebook():
    assert len(NAMES) >= 15 and sorted(path.stem for path in EXERCISES.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("path", INSTRUCTOR, ids=NAMES)
def test_the_students_notebook_is_in_step_with_the_instructors(path):
    made = generate.student_notebook(read(path))
    assert made == read(EXERCISES / path.name), "run: python notebooks/exercises/generate.py"


@pytest.mark.parametrize("path", INSTRUCTOR, ids=NAMES)
def test_the_students_notebook_holds_no_solution_and_no_output(path):
    for cell in code_cells(EXERCISES / path.name):
        assert "SOLUTION" not in cell.source and not cell.outputs
        assert not nbgrader(cell, "solution") or "# YOUR CODE HERE" in cell.source


@pytest.mark.parametrize("path", INSTRUCTOR, ids=NAMES)
def test_every_solution_passes(path, in_the_folder):
    checks = run(code_cells(path))
    assert len(checks) >= 4 and [str(error) for _, error in checks if error] == []


@pytest.mark.parametrize("path", INSTRUCTOR, ids=NAMES)
def test_every_blank_fails_with_a_message_that_says_what_to_do(path, in_the_folder):
    for name, error in run(code_cells(EXERCISES / path.name)):
        assert error is not None, f"{name} passes on a blank"
        assert "still to be written: put your code in the place of" in str(error), name


@pytest.mark.parametrize("path", INSTRUCTOR, ids=NAMES)
def test_nbgrader_finds_its_marks(path):
    cells = code_cells(path)
    ids = [nbgrader(cell, "grade_id") for cell in cells if "nbgrader" in cell.metadata]
    assert len(ids) == len(set(ids))
    for cell in cells:
        assert ("### BEGIN SOLUTION" in cell.source) == bool(nbgrader(cell, "solution"))
        assert not nbgrader(cell, "grade") or (nbgrader(cell, "points") > 0 and nbgrader(cell, "locked"))


def test_the_command_writes_what_is_there(tmp_path, monkeypatch):
    (tmp_path / "instructor").mkdir()
    (tmp_path / "instructor" / INSTRUCTOR[0].name).write_bytes(INSTRUCTOR[0].read_bytes())
    monkeypatch.setattr(generate, "HERE", tmp_path)
    generate.main()
    assert read(tmp_path / INSTRUCTOR[0].name) == read(EXERCISES / INSTRUCTOR[0].name)


def test_a_solution_without_an_end_is_refused():
    with pytest.raises(ValueError, match="without END"):
        generate.cleared("def f():\n    ### BEGIN SOLUTION\n    return 1")


def test_a_notebook_shows_the_message_of_a_failed_check_and_no_traceback():
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (
        "import numpy as np\nfrom minigan.exercises import check_gradient",
        "check_gradient((np.tanh, lambda g, x: -g * (1 - np.tanh(x) ** 2)), [np.ones((2, 3)) / 3], name='tanh')",
    )])
    NotebookClient(notebook, timeout=60, allow_errors=True, kernel_name="python3").execute()
    table, error = notebook.cells[1].outputs
    assert "<table" in table.data["text/html"] and "<img" in table.data["text/html"]
    shown = "\n".join(error.traceback)
    assert error.ename == "NotYet" and "sign" in shown and "Traceback" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("path", INSTRUCTOR, ids=NAMES)
def test_every_instructors_notebook_runs_in_a_kernel(path):
    environment = os.environ | {"MPLBACKEND": "agg"}
    options = ["-q", "-m", "", "--nbmake", "-p", "no:cacheprovider", "--rootdir", str(path.parent)]  # -m "": all
    subprocess.run([sys.executable, "-m", "pytest", *options, str(path)], check=True, env=environment, cwd=path.parent)


# --- the checks ---


def test_a_right_gradient_is_said_to_be_right(capsys):
    check_gradient((np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)), [np.linspace(-1, 1, 5)], name="tanh")
    assert capsys.readouterr().out == "✓ tanh: right\n"


def test_a_wrong_gradient_is_explained():
    with pytest.raises(NotYet, match=r"(?s)✗ tanh.*5 of 5 wrong.*cause: sign.*analytic.*numeric"):
        check_gradient((np.tanh, lambda g, x: -g * (1 - np.tanh(x) ** 2)), [np.linspace(-1, 1, 5)], name="tanh")


def blank(*_):
    raise NotImplementedError


@pytest.mark.parametrize("f", [(np.tanh, blank), (blank, np.tanh), blank, lambda x: F.tanh(blank(x))],
                         ids=["vjp", "forward", "function of tensors", "inside"])
def test_a_blank_is_called_a_blank(f):
    with pytest.raises(NotYet, match="still to be written"):
        check_gradient(f, [np.linspace(-1, 1, 5)])


def test_an_exception_in_a_function_of_tensors_is_one_sentence():
    with pytest.raises(NotYet, match="✗ mine: ZeroDivisionError: division by zero"):
        check_gradient(lambda x: x * (1 / 0), [np.ones(2)], name="mine")


def test_a_number_from_numpy_is_an_input():
    check_gradient((np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)), [np.float64(0.3)])


def test_a_vjp_of_arrays_may_use_grad_itself():
    from minigan import grad

    def vjp(g, x):
        x = Tensor(x)
        return grad(F.tanh(x), x, g).data

    check_gradient((np.tanh, vjp), [np.linspace(-1, 1, 5)])


@pytest.mark.parametrize("expected", [
    2.0, None, np.ones((2, 3)), (1.0, np.ones(2)), [np.zeros(2)], {"a": 1.0, "b": None}, (),
], ids=repr)
def test_a_right_value_passes(expected, capsys):
    check_value(lambda: expected, [], expected, name="it")
    assert capsys.readouterr().out == "✓ it: right\n"


X = np.arange(1.0, 7.0).reshape(2, 3) ** 2


@pytest.mark.parametrize("got, expected, message", [
    (3.0, 2.0, r"wrong: got 3, expected 2"),
    (None, 2.0, r"returned None. Is there a `return`\?|got None"),
    (X[0], X, r"expected the shape \(2, 3\), got \(3,\)"),
    (X, (X, X), r"expected 2 values, in a tuple, got one array of shape \(2, 3\)"),
    ((X,), (X, X), r"expected 2 values, in a tuple, got 1 values"),
    (2.0, {"a": 1.0}, r"expected a dict with the keys 'a', got a number"),
    ({"b": 1.0}, {"a": 1.0}, r"expected a dict with the keys 'a', got a dict with the keys 'b'"),
    ((X, -X), (X, X), r"✗ it\[1\]: 6 of 6 elements are wrong: got -36 at \(1, 2\), expected 36\n  cause: sign"),
    ({"a": X / 2}, {"a": X}, r"(?s)it\['a'\].*cause: scale: .*0.5 times .* 2, the number of elements"),
    (X[::-1], X, r"cause: flipped: .*reversed along axis 0"),
    (np.roll(X, 1, axis=1), X, r"cause: shifted"),
    (X + 1, X, r"cause: added: 1 is added"),
    (0 * X, X, r"cause: zero"),
    (X * np.nan, X, r"cause: non-finite"),
    (X.astype(np.float16) / 3, X / 3, r"cause: precision"),
    ("text", X, r"expected numbers, got str"),
], ids=str)
def test_a_wrong_value_is_explained(got, expected, message):
    with pytest.raises(NotYet, match=message):
        check_value(lambda: got, [], expected, name="it")


def test_a_wrong_value_that_nothing_explains_has_no_cause():
    with pytest.raises(NotYet) as caught:
        check_value(lambda: np.array([1.0, 5.0, 2.0, 9.0]), [], np.array([1.3, 4.0, 2.7, 11.0]))
    assert "cause" not in str(caught.value)


def test_an_exception_is_one_sentence_with_its_line():
    def divide(x):
        return x / (1 - 1) if False else 1 / 0

    with pytest.raises(NotYet, match=r"✗ divide: exception: .* ZeroDivisionError.*line \d+ of divide: return x"):
        check_value(divide, [1.0], 1.0)


def test_a_function_cannot_spoil_its_arguments():
    x = np.ones(3)

    def spoil(x):
        x *= 2
        return x

    check_value(spoil, [x], 2 * np.ones(3))
    assert x.tolist() == [1, 1, 1]
