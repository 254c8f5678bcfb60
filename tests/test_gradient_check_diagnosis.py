"""Planted bugs, and what the checker must say of each: where it is, always; why, mostly right and hardly ever wrong.

Two collections that were written without knowledge of the diagnosis: mistakes of students, as pairs of NumPy functions,
and replacements in minigan's own source, to first and to second order.
"""

import importlib
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from planted_by_students import EXERCISES
from planted_in_the_source import FIRST_ORDER, SECOND_ORDER

import minigan
from minigan import gradcheck

ALSO_CALLED = {"mean term": ("diagonal",), "exception": ("blank",)}  # what is said of a special case


def verdict(report, causes):
    """ "right", "not sure" or "misleading" is what a report says of the cause."""
    code = report.cause.code if report.cause else "not sure"
    accepted = {*causes, *(name for cause in causes for name in ALSO_CALLED.get(cause, ()))} or {"not sure"}
    return "right" if code in accepted else "not sure" if code == "not sure" else "misleading"


def planted_by_students(seed):
    """(exercise, mistake, report) of every mistake."""
    with np.errstate(all="ignore"):  # forwards at ±800, divisions by zero: that is what some mistakes are
        for exercise in EXERCISES:
            for name, mistake in exercise.wrong.items():
                xs = exercise.draw(np.random.default_rng(1000 + seed))
                vjps = tuple(wrong or right for wrong, right in zip(mistake.vjps, exercise.right))
                yield exercise, name, gradcheck((exercise.forward, vjps), xs, seed=seed)


@pytest.fixture(scope="module")
def students():
    return list(planted_by_students(seed=0))


def test_every_mistake_of_a_student_is_found(students):
    assert [(exercise.name, name) for exercise, name, report in students if report] == []


def test_every_mistake_of_a_student_is_found_in_the_right_arguments(students):
    elsewhere = []
    for exercise, name, report in students:
        mistaken = [i for i, vjp in enumerate(exercise.wrong[name].vjps) if vjp]
        found = [i for i, a in enumerate(report.arguments) if a.wrong]
        if found != mistaken and report.arguments:
            elsewhere.append((exercise.name, name, found, mistaken))
    assert elsewhere == []


def test_the_cause_of_a_students_mistake_is_mostly_told_and_hardly_ever_misleading(students):
    verdicts = Counter(verdict(report, exercise.wrong[name].causes) for exercise, name, report in students)
    assert verdicts.total() >= 100
    assert verdicts["right"] >= 0.9 * verdicts.total()
    assert verdicts["misleading"] <= 0.01 * verdicts.total()


@pytest.mark.parametrize("exercise", EXERCISES, ids=[exercise.name for exercise in EXERCISES])
def test_a_students_right_answer_passes(exercise):
    for seed in range(3):
        xs = exercise.draw(np.random.default_rng(1000 + seed))
        with np.errstate(all="ignore"):
            report = gradcheck((exercise.forward, exercise.right), xs, seed=seed)
        assert report, report


def planted_in_the_source(folder, collection, order):
    """(planted, report) of every bug: in a copy of the package, which is imported under another name."""
    sys.path.insert(0, str(folder))
    try:
        for k, planted in enumerate(collection):
            name = f"minigan_with_bug_{order}_{k}"
            shutil.copytree(Path(minigan.__file__).parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            source = (folder / name / planted.file).read_text(encoding="utf-8")
            assert source.count(planted.old) == 1, planted
            (folder / name / planted.file).write_text(source.replace(planted.old, planted.new), encoding="utf-8")
            importlib.invalidate_caches()
            package = importlib.import_module(f"{name}.samples"), importlib.import_module(f"{name}.gradient_check")
            samples, check = package[0].samples(0), package[1].gradcheck
            sample = next(s for s in samples if (s.operation, s.case) == (planted.operation, planted.case))
            with np.errstate(all="ignore"):
                yield planted, check(sample.f, sample.inputs, order)
            for module in [m for m in sys.modules if m.partition(".")[0] == name]:
                del sys.modules[module]
            shutil.rmtree(folder / name)
    finally:
        sys.path.remove(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("order, collection", [(1, FIRST_ORDER), (2, SECOND_ORDER)], ids=["first", "second"])
def test_a_bug_in_the_source_is_located_always_and_explained_mostly(order, collection, tmp_path):
    elsewhere, verdicts, missed = [], Counter(), []
    for planted, report in planted_in_the_source(tmp_path, collection, order):
        if report:
            missed.append(planted.name)
            continue
        arguments = tuple(i for i, a in enumerate(report.arguments) if a.wrong)
        name = report.operation and report.operation.name
        if name != planted.guilty or (order == 1 and arguments != planted.arguments):
            elsewhere.append((planted.name, name, arguments))
        verdicts[verdict(report, planted.causes)] += 1
    assert missed == [] and elsewhere == []
    assert verdicts.total() >= (100 if order == 1 else 30)
    assert verdicts["right"] >= 0.9 * verdicts.total()
    assert verdicts["misleading"] <= 0.01 * verdicts.total()
