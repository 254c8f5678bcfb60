"""Embedding: rows of its weight, their gradients, and labels that it does not have."""

import numpy as np
import pytest
from cupy_stand_in import counting
from numpy.testing import assert_allclose, assert_array_equal

from minigan import MiniganError, Tensor, grad, gradcheck, nn
from minigan.errors import DeviceError

LABELS = np.array([2, 0, 2, 4, 1, 2])


def test_a_label_gives_its_row_of_the_weight():
    layer = nn.Embedding(5, 3, rng=0)
    assert_array_equal(layer(LABELS).data, layer.weight.data[[2, 0, 2, 4, 1, 2]], strict=True)


def test_it_is_the_dense_layer_on_labels_one_hot():
    layer = nn.Embedding(5, 3, rng=0)
    dense = nn.Linear(5, 3, bias=False)
    dense.weight.assign(layer.weight.data.T)
    assert_array_equal(layer(LABELS).data, dense(np.eye(5, dtype=np.float32)[LABELS]).data)


@pytest.mark.parametrize("labels", [LABELS.astype(np.uint8), LABELS.astype(np.int32), LABELS.tolist()],
                         ids=["uint8", "int32", "a list"])
def test_labels_may_be_integers_of_any_size(labels):
    layer = nn.Embedding(5, 3, rng=0)
    assert_array_equal(layer(labels).data, layer(LABELS).data)


def test_labels_of_sequences_give_sequences_of_vectors():
    assert nn.Embedding(5, 3)(LABELS.reshape(2, 3)).shape == (2, 3, 3)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_in_the_weight_of_labels_that_come_twice(order):
    layer = nn.Embedding(5, 3, rng=0).astype(np.float64)
    report = gradcheck(lambda _: layer(LABELS) ** 3, [layer.weight], order)
    assert report, report


def test_labels_that_do_not_come_have_gradient_0():
    layer = nn.Embedding(5, 3)
    gradient = grad(layer(LABELS).sum(), layer.weight).data
    assert gradient[:, 0].tolist() == [1, 1, 3, 0, 1] and gradient.dtype == np.float32


def test_another_weight_for_one_call():
    layer, W = nn.Embedding(5, 3), Tensor(np.arange(15, dtype=np.float32).reshape(5, 3))
    assert_array_equal(layer(LABELS, W).data, W.data[LABELS])


def test_the_weight_starts_standard_normal():
    W = nn.Embedding(300, 400, rng=0).weight.data
    assert W.dtype == np.float32
    assert_allclose([W.mean(), W.std(), np.mean(W**4)], [0, 1, 3], atol=0.05)


def test_a_seed_reproduces_the_weight():
    one, same, other = (nn.Embedding(5, 3, rng=seed).weight.data for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_repr():
    assert repr(nn.Embedding(5, 3)) == "Embedding(5, 3)"


# --- what is refused ---


@pytest.mark.parametrize("label", [5, 99, -1])
def test_a_label_out_of_range_is_refused_with_the_range(label):
    with pytest.raises(MiniganError, match=rf"Embedding: .*out of range.*0 to 4.*{label}"):
        nn.Embedding(5, 3)(np.array([0, 1, label, 2]))


@pytest.mark.parametrize("labels", [np.ones(3), np.ones(3, bool), Tensor(np.ones(3)), [0.0, 1.0]],
                         ids=["floats", "booleans", "a tensor", "a list of floats"])
def test_labels_that_are_no_whole_numbers_are_refused(labels):
    with pytest.raises(MiniganError, match="whole numbers"):
        nn.Embedding(5, 3)(labels)


@pytest.mark.parametrize("sizes", [(0, 3), (5, 0), (5.0, 3)])
def test_sizes_that_are_not_positive_whole_numbers_are_refused(sizes):
    with pytest.raises(MiniganError, match=r"Embedding: (num_embeddings|embedding_dim)"):
        nn.Embedding(*sizes)


# --- on a device ---


def test_on_the_device_rows_and_gradients_are_the_same_and_nothing_waits(fake_cupy):
    layer = nn.Embedding(5, 3, rng=0)
    y = layer(LABELS)
    expected = y.data, grad((y * y).sum(), layer.weight).data
    layer.to("cuda")
    labels = fake_cupy.asarray(LABELS)
    with counting() as crossings:
        y = layer(labels)
        got = y.data, grad((y * y).sum(), layer.weight).data
    assert (crossings.to_host, crossings.synchronisations) == (0, 0)
    for a, b in zip(got, expected):
        assert_allclose(a.get(), b, rtol=1e-6)


@pytest.mark.parametrize("label", [5, 99, -1])
def test_on_the_device_a_label_out_of_range_gives_nan_and_not_the_vector_of_another_label(fake_cupy, label):
    layer = nn.Embedding(5, 3).to("cuda")
    bad = np.isnan(layer(fake_cupy.asarray(np.array([0, label, 2]))).data.get())
    assert bad.tolist() == [[False] * 3, [True] * 3, [False] * 3]


def test_labels_in_main_memory_reach_a_weight_on_the_device_and_not_the_other_way_round(fake_cupy):
    layer = nn.Embedding(5, 3).to("cuda")
    assert layer(LABELS).device == "cuda"
    with pytest.raises(DeviceError):
        layer.to("cpu")(fake_cupy.asarray(LABELS))


# --- against PyTorch ---


def test_value_gradient_and_state_equal_pytorchs():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Embedding(5, 3), nn.Embedding(5, 3)
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    g = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    y = theirs(torch.from_numpy(LABELS))
    (expected,) = torch.autograd.grad(y, [theirs.weight], torch.from_numpy(g))
    assert_array_equal(ours(LABELS).data, y.detach().numpy())
    assert_allclose(grad(ours(LABELS), ours.weight, g).data, expected.numpy(), rtol=1e-6)
