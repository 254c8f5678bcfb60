"""What is compared is comparable: every library plays the same game, and the command tells what it measured."""

from importlib import import_module
from importlib.util import find_spec

import compare
import numpy as np
import pytest
import with_minigan
from cases import CASES

SMALL = {name: case.with_batch(4) for name, case in CASES.items() if name != "dcgan64"}


def losses(library, case, steps=3):
    """(L_D, L_G) of each step, with the same noise for every library."""
    rng = np.random.default_rng(0)
    step = library.make(case, "cpu", lambda m: rng.standard_normal((m, case.latent), dtype=np.float32))
    return [(step(), step.losses())[1] for _ in range(steps)]


@pytest.mark.parametrize("name", [name for name in SMALL if name != "n2-gp"])  # its penalty is drawn by each library
@pytest.mark.parametrize("package, module, rtol", [
    ("torch", "with_pytorch", 1e-4),
    ("dezero", "with_dezero", 1e-3),  # its Adam adds ε to √v before the correction of v
])
def test_the_other_libraries_play_the_same_game(package, module, rtol, name):
    if not find_spec(package):
        pytest.skip(f"needs {package}")
    if package == "dezero" and name not in compare.DEZEROS:
        pytest.skip("not one of DeZero's cases")
    ours, theirs = losses(with_minigan, SMALL[name]), losses(import_module(module), SMALL[name])
    assert np.allclose(ours, theirs, rtol=rtol, atol=1e-5)


@pytest.mark.skipif(not find_spec("torch"), reason="needs PyTorch")
def test_pytorchs_penalty_is_ours_up_to_its_draws():
    ours, theirs = (losses(library, CASES["n2-gp"], steps=1)[0] for library in
                    (with_minigan, import_module("with_pytorch")))
    assert np.allclose(ours, theirs, rtol=0.02)


def test_products_are_counted():
    """The ring's networks, of 2·128 + 128² + 128·k weights: forward 2 + 3 times, W̄ 1 + 2 times, x̄ 1 + 2 + 1 times."""
    case = CASES["ring"].with_batch(256)
    G, D = 2 * 128 + 128**2 + 128 * 2, 2 * 128 + 128**2 + 128
    first = 2 * 128  # no gradient is taken in z, nor, in D's step, in x
    last = 128  # (m, 1) times (1, 128) is no matrix product
    multiplications = (2 * G + 3 * D) + (G + 2 * D) + (G - first) + 2 * (D - first - last) + (D - last)
    _, operations = with_minigan.products(case, steps=2)
    assert operations == 2 * 256 * multiplications


def test_the_command_prints_a_table(capsys, tmp_path):
    compare.main(["ring", "--libraries", "minigan", "--batch", "2", "4", "--turns", "2", "--steps", "1", "--rest", "0",
                  "--out", str(tmp_path / "table.md")])
    printed = capsys.readouterr().out
    head, rule, *rows = (line for line in printed.splitlines() if line.startswith("|"))
    assert "minigan, ms" in head and "in products" in head
    assert len({line.count("|") for line in (head, rule, *rows)}) == 1
    assert [row.split("|")[1].strip() for row in rows] == [f"ring, MLP 2×128, batch {m}" for m in (2, 4)]
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == printed


def test_ratios_are_taken_turn_by_turn():
    results = {("minigan", "cpu"): {"turns": [2.0, 30.0, 4.0]}, ("pytorch", "cpu"): {"turns": [1.0, 20.0, 1.0]}}
    ratio = compare.spread(results, ("minigan", "cpu"), lambda t, other: t / other, ("pytorch", "cpu"))
    assert ratio == "2.00 (1.50 to 4.00)"
    assert compare.spread(results, ("minigan", "cpu"), lambda t, other: t / other, ("dezero", "cpu")) == ""


def test_an_unknown_case_is_named(capsys):
    with pytest.raises(SystemExit):
        compare.main(["n3"])
    assert "no case n3; there are ring, n1" in capsys.readouterr().err
