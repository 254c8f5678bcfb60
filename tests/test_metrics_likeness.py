"""How like the data are samples: 0 for more data, about 1 for strangers, in any unit."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minigan import data
from minigan.errors import DataError, ShapeError
from minigan.metrics.likeness import likeness

RING = data.ring(1000, 0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("x", [data.ring(1500, 0), data.grid(1500, 0), data.load("digits")],
                         ids=["ring", "grid", "digits"])
def test_real_samples_are_like_real_ones(x, seed):
    x = np.random.default_rng(seed).permutation(x)
    found = likeness(x[:500], x[500:])
    assert max(found[:3]) < 0.1 and abs(found.variance - 1) < 0.1


def test_one_point_in_the_middle_is_a_stranger_without_variance():
    """From the middle every point of the ring is at distance 1, and points of the ring are at 4/π from one another."""
    found = likeness(np.zeros((500, 2)), RING)
    assert_allclose(found[:2], np.pi / 4, rtol=0.05)
    assert found.distance > 0.8 and found.variance == 0


def test_missing_modes_are_missed_and_not_strange():
    x, y = data.ring(1000, 1, labels=True)
    found = likeness(x[y < 4], RING)
    assert found.strange < 0.01 and found.missing > 0.3


def test_wrong_proportions_show_in_the_distance_alone():
    x, y = data.ring(4000, 1, labels=True)
    found = likeness(np.concatenate([x[y < 4], x[y >= 4][:40]]), RING)
    assert max(found[:2]) < 0.05 and found.distance > 0.3


def test_units_and_shapes_do_not_matter():
    x = data.ring(500, 1) + 0.3
    assert_allclose(likeness(1000 * x.reshape(-1, 1, 2, 1), 1000 * RING), likeness(x, RING), rtol=1e-3)


def test_a_handful_of_samples_or_data_of_one_point_say_nothing():
    assert likeness(RING[:15], RING) is None
    assert likeness(RING, RING[:31]) is None
    assert likeness(RING, np.ones((1000, 2))) is None


def test_other_sizes_and_broken_numbers_are_refused():
    with pytest.raises(ShapeError):
        likeness(RING, np.zeros((100, 3)))
    with pytest.raises(DataError):
        likeness(np.full((100, 2), np.nan), RING)
