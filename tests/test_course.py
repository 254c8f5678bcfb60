"""The course's notebooks as they are handed out: whole, with the outputs of a full run, and nothing that leads nowhere.

That they run is tested by `python -m pytest -m notebooks`.
"""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "notebooks"
NAMES = ["01_the_game", "02_gradients_by_hand", "03_dense_layers", "04_convolution", "05_the_minimax_game", "06_losses",
         "07_mnist", "08_when_it_fails", "09_wasserstein", "10_how_good_is_it", "11_reading_critically",
         "12_gpu_and_your_own_data"]

spec = importlib.util.spec_from_file_location("execute", COURSE / "execute.py")
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)


@pytest.fixture(params=NAMES, scope="module")
def notebook(request):
    return nbformat.read(COURSE / f"{request.param}.ipynb", as_version=4)


def cells(notebook, kind):
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def prose(notebook):
    return "\n\n".join(cell.source for cell in cells(notebook, "markdown"))


def test_there_are_these_notebooks_and_no_others():
    assert sorted(path.stem for path in COURSE.glob("*.ipynb")) == NAMES


def test_it_is_a_valid_notebook(notebook):
    nbformat.validate(notebook)


def test_it_was_run_from_top_to_bottom_without_an_error_or_a_warning(notebook):
    code = cells(notebook, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_it_shows_pictures(notebook):
    outputs = [output for cell in cells(notebook, "code") for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_enough_for_a_web_page(name):
    assert (COURSE / f"{name}.ipynb").stat().st_size <= execute.LARGEST


def test_it_says_nothing_about_the_machine_that_ran_it(notebook):
    text = nbformat.writes(notebook)
    assert not re.findall(r"/(?:home|root|tmp|work|Users|var)/[\w./-]*", re.sub(r'"image/png": "[^"]*"', "", text))


def test_it_has_a_title_with_its_number_and_a_question(notebook):
    first = notebook.cells[0].source
    assert re.match(r"# \d+\. \S", first) and re.search(r"\*\*[^*]+\?\*\*", first)


def test_its_first_code_installs_minigan_where_it_is_missing(notebook):
    assert cells(notebook, "code")[0].source == execute.INSTALL


def test_it_asks_questions_whose_answers_fold(notebook):
    text = prose(notebook)
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>") >= 3
    assert "## Questions" in text and "## Exercises" in text


def anchors(page):
    """What a link into a page of Markdown can lead to: its marks, and its headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return re.findall(r'id="([\w-]+)"', page) + [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]


def test_its_links_lead_somewhere(notebook):
    text = re.sub(r"\$[^$]*\$|`[^`]*`", "", prose(notebook))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert any(link.startswith("exercises/") for link in links)
    for link in links:
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = COURSE / path
            assert target.exists(), link
            if anchor and target.suffix == ".md":
                assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_it_imports_minigan_and_defines_nothing_that_minigan_has(notebook):
    import minigan as mg

    code = "\n".join(cell.source for cell in cells(notebook, "code"))
    assert re.search(r"^import minigan as mg$", code, re.MULTILINE)
    library = {name for module in (mg.functional, mg.losses, mg.nn, mg.optim, mg.metrics, mg.data, mg.models, mg.plot)
               for name in module.__all__ if callable(getattr(module, name, None))} | {"minimax", "Tensor", "grad"}
    defined = set(re.findall(r"^ *(?:def|class) (\w+)", code, re.MULTILINE))
    assert not defined & library


# --- execute.py, which makes the outputs ---


def write(path, *sources):
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources]), path)


def test_running_a_notebook_keeps_its_outputs_without_progress_bars(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGAN_FAST", "1")
    path = tmp_path / "a.ipynb"
    bars = "[print(i) for i in tqdm(range(3), leave=False) for _ in tqdm(range(2), leave=False)]"
    write(path, f"import os\nfrom tqdm import tqdm\n{bars}\nos.getcwd()", "print(os.environ.get('MINIGAN_FAST'))")
    execute.main([path])
    first, second = nbformat.read(path, as_version=4).cells
    assert [output.get("text") for output in first.outputs] == ["0\n0\n1\n1\n2\n2\n", None]
    assert second.outputs[0].text == "None\n"  # in full, whatever the environment says


def test_a_warning_is_refused_and_the_notebook_stays_as_it_was(tmp_path):
    path = tmp_path / "a.ipynb"
    write(path, "import warnings\nwarnings.warn('careful')")
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="careful"):
        execute.execute(path)
    assert path.read_bytes() == before
