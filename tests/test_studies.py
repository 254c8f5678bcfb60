"""Long studies, run once; their tables are kept in `tests/studies/`.

    python -m pytest tests/test_studies.py -m slow

Each setting is trained with several seeds and measured by `evaluate`; a table has the mean and the standard deviation
over the seeds. If MINIGAN_STUDIES is set, runs are kept in that folder, and those that are complete are not trained
again.
"""

import os
from pathlib import Path

import joblib
import numpy as np
import pytest

from minigan import run
from minigan.data import load
from minigan.errors import DataError
from minigan.evaluate import evaluate

TABLES = Path(__file__).parent / "studies"


def measured(folder, options):
    """The run in `folder`, trained if it is not complete, and what `evaluate` says: name → mean over the draws."""
    config = run.configure(**options)
    if not folder.exists():
        run.train(config, folder)
    elif run.load(folder).step < config.steps:
        run.resume(folder, config.steps)
    assert run.load(folder).config == config, f"{folder} is another run"
    return {figure.name: figure.mean for figure in evaluate(folder).figures}


def study(tmp_path, name, settings, seeds):
    """Every setting (label → options) with every seed: label → list over the seeds of what `measured` gives."""
    place = Path(os.environ.get("MINIGAN_STUDIES", tmp_path)) / name
    place.mkdir(parents=True, exist_ok=True)
    pairs = [(label, seed) for seed in seeds for label in settings]
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        found = joblib.Parallel(n_jobs=-1)(
            joblib.delayed(measured)(place / f"{label}-{seed}", settings[label] | {"seed": seed})
            for label, seed in pairs)
    return {label: [figures for (other, _), figures in zip(pairs, found) if other == label] for label in settings}


def over_seeds(results, name, scale=1.0, digits=2):
    values = [scale * figures[name] for figures in results]
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def write(name, text, header, rows):
    lines = [text, "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    TABLES.mkdir(exist_ok=True)
    (TABLES / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_the_ring_of_8_under_four_objectives(tmp_path):
    """The PacGAN paper's networks and batches of 100, for 2,000 steps of G instead of its 400,000, five seeds."""
    common = {"data": "ring", "model": "pacgan", "batch_size": 100, "steps": 2000}
    papers = common | {"lr": 1e-4, "beta1": 0.8}  # PacGAN's Adam; the Wasserstein objectives have their own papers'
    results = study(tmp_path, "ring", {
        "non-saturating": papers | {"objective": "non-saturating"}, "lsgan": papers | {"objective": "lsgan"},
        "wgan": common | {"objective": "wgan"}, "wgan-gp": common | {"objective": "wgan-gp"},
    }, range(5))
    rows = [[label, over_seeds(found, "modes covered", digits=1), over_seeds(found, "high quality", 100, 1),
             over_seeds(found, "reverse KL", digits=3), over_seeds(found, "sliced Wasserstein distance", digits=3)]
            for label, found in results.items()]
    scale = results["wgan-gp"][0]
    share = scale["perfect high quality"]
    chance = np.sqrt(share * (1 - share) / (5 * 2500))  # of each seed's mean, of which the other rows have the spread
    rows.append(["*perfect*", "8", f"{100 * share:.1f} ± {100 * chance:.1f}", "0.001",
                 f"{scale['real against real']:.3f}"])
    rows.append(["*one point*", "0 or 1", "0 to 100", "2.079", f"{scale['one point, n times']:.3f}"])
    write("ring", "Ring of 8, networks of the PacGAN paper, 2,000 steps of G in batches of 100 (the paper: 400,000), "
                  "mean ± standard deviation over 5 seeds, 5 × 2,500 samples each.",
          ["objective", "modes of 8", "high quality, %", "reverse KL", "sliced Wasserstein"], rows)
    for found in results.values():
        assert len(found) == 5 and all(0 <= figures["modes covered"] <= 8 for figures in found)
    assert np.mean([figures["modes covered"] for figures in results["non-saturating"]]) > 4


@pytest.mark.slow
def test_wgan_gp_against_the_non_saturating_loss_on_mnist(tmp_path):
    """N2 for 1,500 steps of G, three seeds. A step of wgan-gp has five of D, each with a penalty."""
    try:
        load("mnist", "test")
    except DataError as error:
        pytest.skip(f"MNIST is not at hand: {error}")
    common = {"data": "mnist", "model": "dcgan", "steps": 1500}
    settings = {label: common | {"objective": label} for label in ("non-saturating", "wgan-gp")}
    results = study(tmp_path, "mnist", settings, range(3))
    rows = [[label, over_seeds(found, "Fréchet distance", digits=1), over_seeds(found, "classes covered", digits=1),
             over_seeds(found, "reverse KL", digits=3), over_seeds(found, "auc", digits=3)]
            for label, found in results.items()]
    scale = results["wgan-gp"][0]
    rows.append(["*real images*", f"{scale['real against real']:.1f}", "10", "0", "0.5"])
    rows.append(["*one image*", f"{scale['one image, n times']:.0f}", "1", "2.3", ""])
    write("mnist", "MNIST, N2 (dcgan), 1,500 steps of G in batches of 64, mean ± standard deviation over 3 seeds, "
                   "5 × 10,000 samples each. The Fréchet distance is in the features of minigan's own classifier.",
          ["objective", "Fréchet distance", "classes of 10", "reverse KL", "AUC of D"], rows)
    distance = {label: np.mean([figures["Fréchet distance"] for figures in found]) for label, found in results.items()}
    assert distance["wgan-gp"] < distance["non-saturating"]
