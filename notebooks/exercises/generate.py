"""Make the students' notebooks from the instructor's: python notebooks/exercises/generate.py

Solutions live in `instructor/` alone, between the marks `### BEGIN SOLUTION` and `### END SOLUTION`, which are
nbgrader's, as is the metadata of the cells: `nbgrader generate_assignment` makes the same notebooks.
Markdown is copied as it stands: links in it are those of the students' copies, `../02_gradients_by_hand.ipynb`.
"""

from pathlib import Path

import nbformat

HERE = Path(__file__).parent
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")


def cleared(source):
    """The source of a cell with every solution replaced by a stub."""
    lines, inside = [], False
    for line in source.splitlines():
        mark = line.strip()
        if mark == "### BEGIN SOLUTION":
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + stub for stub in STUB]
            inside = True
        elif mark == "### END SOLUTION":
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"BEGIN SOLUTION without END SOLUTION in\n{source}")
    return "\n".join(lines)


def student_notebook(notebook):
    """The student's version of an instructor's notebook: without solutions and without outputs."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source, cell.outputs, cell.execution_count = cleared(cell.source), [], None
            cell.metadata.pop("execution", None)
    return notebook


def main():
    """Write every student's notebook beside this file."""
    for path in sorted((HERE / "instructor").glob("*.ipynb")):
        nbformat.write(student_notebook(nbformat.read(path, as_version=4)), HERE / path.name)
        print(HERE / path.name)


if __name__ == "__main__":
    main()
