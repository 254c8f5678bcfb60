"""Run the course's notebooks in full and keep their outputs: python notebooks/execute.py [NOTEBOOK …]

All of them without arguments, one after the other. A notebook that fails stays as it was. Progress bars are left out of
the outputs; any other line on stderr is an error, so that no warning is ever handed out.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
LARGEST = 1_500_000  # bytes
LONGEST = 600  # seconds for a cell


def without_progress(output):
    """Whether an output is to be kept; raises for a warning."""
    if output.get("name") != "stderr":
        return True
    rest = [line for part in output.text.split("\n") for line in part.split("\r") if line.strip()]
    if other := [line for line in rest if "it/s" not in line and "s/it" not in line and "?it" not in line]:
        raise RuntimeError("stderr: " + " ".join(other))
    return False


def in_one_piece(outputs):
    """The outputs, with consecutive pieces of a stream joined: a table that was printed slowly stays one table."""
    joined = []
    for output in outputs:
        if joined and "name" in output and output["name"] == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def execute(path):
    """Run one notebook from a fresh kernel and write it with its outputs; returns (seconds, bytes)."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    NotebookClient(notebook, timeout=LONGEST, kernel_name="python3", record_timing=False,
                   resources={"metadata": {"path": str(path.parent)}}).execute()
    seconds = time.perf_counter() - started
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = in_one_piece(output for output in cell.outputs if without_progress(output))
            cell.metadata = {}
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                         "language_info": {"name": "python"}}
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > LARGEST:
        raise RuntimeError(f"{path.name} would have {len(text.encode()):,} bytes, more than {LARGEST:,}")
    path.write_text(text, encoding="utf-8")
    return seconds, len(text.encode())


def main(names):
    """Run the notebooks of these names, or all."""
    os.environ.pop("MINIGAN_FAST", None)
    for path in [Path(name) for name in names] or sorted(HERE.glob("[0-9]*.ipynb")):
        seconds, size = execute(path)
        print(f"{path.name}: {seconds:.0f} s, {size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
