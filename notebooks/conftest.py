"""The course's notebooks as tests: `python -m pytest -m notebooks` runs each from a fresh kernel, in fast mode."""

import os

import pytest


def pytest_configure(config):
    os.environ["MINIGAN_FAST"] = "1"  # the kernels inherit it


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.notebooks)
