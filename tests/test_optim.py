"""The optimisers: each beside its rule, written out in plain NumPy, and what `step` and `load_state_dict` refuse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, grad
from minigan.errors import CheckpointError, ConfigError, GraphError, ShapeError
from minigan.nn import Parameter
from minigan.optim import SGD, Adam, RMSProp

SHAPES = [(3, 2), (2,), ()]


def parameters(dtype=np.float64, seed=0):
    """Far from zero, so that a relative tolerance means the same for every element after a thousand steps."""
    rng = np.random.default_rng(seed)
    return [Parameter(np.array(rng.uniform(30, 40, shape), dtype)) for shape in SHAPES]


def gradients(steps, dtype=np.float64, seed=1):
    """Of sizes from about 1e-4 to 1e3, and both signs."""
    rng = np.random.default_rng(seed)
    return [[np.array(rng.normal(0, 1, shape) * 10 ** rng.normal(-1, 1, shape), dtype) for shape in SHAPES]
            for _ in range(steps)]


def follow(optimiser, rows):
    """Make a step with every row of gradients; the parameters' values at the end."""
    for row in rows:
        optimiser.step(row)
    return [p.data.copy() for p in optimiser.params]


def snapshot(optimiser):
    return [p.data.tobytes() for p in optimiser.params], [p.version for p in optimiser.params], \
        {k: v.tobytes() for k, v in optimiser.state_dict().items()}


OPTIMISERS = {
    "SGD": lambda params: SGD(params, 0.01),
    "SGD with momentum": lambda params: SGD(params, 0.01, momentum=0.9),
    "RMSProp": lambda params: RMSProp(params, 0.001),
    "Adam": lambda params: Adam(params, 0.001),
}
every_optimiser = pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
every_optimiser_with_state = pytest.mark.parametrize("make", list(OPTIMISERS.values())[1:], ids=list(OPTIMISERS)[1:])


# --- the rules, transcribed ---


def sgd_by_hand(theta, g_t, alpha, mu=0.0):
    v = np.zeros_like(theta)
    for g in g_t:
        v = mu * v + g
        theta = theta - alpha * v
    return theta


def rmsprop_by_hand(theta, g_t, alpha, rho, eps):
    v = np.zeros_like(theta)
    for g in g_t:
        v = rho * v + (1 - rho) * g**2
        theta = theta - alpha * g / (np.sqrt(v) + eps)
    return theta


def adam_by_hand(theta, g_t, alpha, beta_1, beta_2, eps):
    """Algorithm 1 of Kingma and Ba 2015, line for line."""
    m = np.zeros_like(theta)                            # m_0 ← 0
    v = np.zeros_like(theta)                            # v_0 ← 0
    for t, g in enumerate(g_t, start=1):                # t ← t + 1, g_t
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        theta = theta - alpha * m_hat / (np.sqrt(v_hat) + eps)
    return theta


def assert_follows(optimiser, rule, steps):
    rows = gradients(steps)
    expected = [rule(p.data.copy(), [row[i] for row in rows]) for i, p in enumerate(optimiser.params)]
    for actual, value in zip(follow(optimiser, rows), expected):
        assert_allclose(actual, value, rtol=1e-12, atol=0)


@pytest.mark.parametrize("steps", [1, 2, 1000])
@pytest.mark.parametrize("lr", [0.001, 0.1])
def test_sgd_is_gradient_descent(lr, steps):
    assert_follows(SGD(parameters(), lr), lambda theta, g: sgd_by_hand(theta, g, lr), steps)


@pytest.mark.parametrize("steps", [1, 2, 1000])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_sgd_with_momentum_is_its_rule(momentum, steps):
    assert_follows(SGD(parameters(), 1e-3, momentum), lambda theta, g: sgd_by_hand(theta, g, 1e-3, momentum), steps)


@pytest.mark.parametrize("steps", [1, 2, 1000])
@pytest.mark.parametrize("rho, eps", [(0.99, 1e-8), (0.9, 1e-8), (0.9, 1e-2), (0.0, 1e-2)])
def test_rmsprop_is_its_rule(rho, eps, steps):
    optimiser = RMSProp(parameters(), 1e-3, rho, eps)
    assert_follows(optimiser, lambda theta, g: rmsprop_by_hand(theta, g, 1e-3, rho, eps), steps)


@pytest.mark.parametrize("steps", [1, 2, 1000])
@pytest.mark.parametrize("betas, eps", [
    ((0.9, 0.999), 1e-8), ((0.5, 0.999), 1e-8), ((0.0, 0.9), 1e-8), ((0.9, 0.999), 1e-2), ((0.5, 0.0), 1e-2),
])
def test_adam_is_algorithm_1_of_its_paper(betas, eps, steps):
    optimiser = Adam(parameters(), 1e-3, betas, eps)
    assert_follows(optimiser, lambda theta, g: adam_by_hand(theta, g, 1e-3, *betas, eps), steps)


def test_the_first_step_of_adam_is_lr_in_every_direction():
    """m̂/√v̂ = g/|g| at t = 1, which needs both corrections by powers of β."""
    p = parameters()
    start = [q.data.copy() for q in p]
    row = gradients(1)[0]
    after = follow(Adam(p, 0.25, eps=0.0), [row])
    for a, b, g in zip(start, after, row):
        assert_allclose(b - a, -0.25 * np.sign(g), rtol=1e-12)


def test_the_defaults_are_the_documents():
    adam, rmsprop, sgd = Adam(parameters()), RMSProp(parameters(), 0.1), SGD(parameters(), 0.1)
    assert (adam.lr, adam.betas, adam.eps) == (2e-4, (0.5, 0.999), 1e-8)
    assert (rmsprop.rho, rmsprop.eps) == (0.99, 1e-8)
    assert sgd.momentum == 0


@pytest.mark.parametrize("name, ours, theirs", [
    ("SGD", {"lr": 1e-3}, {"lr": 1e-3}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9}, {"lr": 1e-3, "momentum": 0.9}),
    ("RMSProp", {"lr": 1e-3, "rho": 0.9, "eps": 1e-2}, {"lr": 1e-3, "alpha": 0.9, "eps": 1e-2}),
    ("RMSProp", {"lr": 1e-3}, {"lr": 1e-3}),
    ("Adam", {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-2}, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-2}),
    ("Adam", {"betas": (0.5, 0.999)}, {"lr": 2e-4, "betas": (0.5, 0.999)}),
])
def test_pytorch_makes_the_same_1000_steps(name, ours, theirs):
    torch = pytest.importorskip("torch")
    rows, p = gradients(1000), parameters()
    q = [torch.tensor(x.data.copy(), requires_grad=True) for x in p]
    optimiser = getattr(torch.optim, name.replace("Prop", "prop"))(q, **theirs)
    for row in rows:
        for x, g in zip(q, row):
            x.grad = torch.tensor(g)
        optimiser.step()
    for actual, x in zip(follow({"SGD": SGD, "RMSProp": RMSProp, "Adam": Adam}[name](p, **ours), rows), q):
        assert_allclose(actual, x.detach().numpy(), rtol=1e-12, atol=0)


@every_optimiser
def test_it_finds_the_minimum_of_a_quadratic(make):
    p = [Parameter(np.array([3.0, -2.0]))]
    optimiser = make(p)
    optimiser.lr = 0.05
    for _ in range(400):
        optimiser.step(grad(((p[0] - np.array([1.0, 5.0])) ** 2).sum(), p))
    assert_allclose(p[0].data, [1, 5], atol=0.06)


# --- what a step touches ---


@every_optimiser
def test_parameters_are_updated_in_place(make):
    p = parameters()
    arrays = [q.data for q in p]
    values = [a.copy() for a in arrays]
    make(p).step(gradients(1)[0])
    assert all(q.data is a for q, a in zip(p, arrays))
    assert all(np.all(a != b) for a, b in zip(arrays, values))


@every_optimiser
def test_a_step_counts_one_change_of_every_parameter(make):
    p = parameters()
    follow(make(p), gradients(3))
    assert [q.version for q in p] == [3, 3, 3]


@every_optimiser
def test_a_graph_from_before_the_step_is_refused(make):
    p = parameters()
    optimiser = make(p)
    loss = (p[0] * p[0]).sum()
    optimiser.step(gradients(1)[0])
    with pytest.raises(GraphError, match="overwritten"):
        grad(loss, p[0])


@every_optimiser
def test_gradients_are_left_as_they_are(make):
    rows = gradients(2)
    follow(make(parameters()), rows)
    assert all(np.array_equal(a, b) for row, same in zip(rows, gradients(2)) for a, b in zip(row, same))


@every_optimiser
def test_gradients_may_be_tensors(make):
    rows = gradients(3)
    arrays = follow(make(parameters()), rows)
    tensors = follow(make(parameters()), [[Tensor(g) for g in row] for row in rows])
    assert all(np.array_equal(a, b) for a, b in zip(arrays, tensors))


@every_optimiser
@pytest.mark.parametrize("gradient_type", [np.float32, np.float64])
def test_float32_stays_float32(make, gradient_type):
    optimiser = make(parameters(np.float32))
    follow(optimiser, gradients(3, gradient_type))
    arrays = [p.data for p in optimiser.params] + [a for name in optimiser.slots for a in optimiser.state[name]]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


@every_optimiser
def test_float32_follows_float64(make):
    narrow = follow(make(parameters(np.float32)), gradients(50, np.float32))
    for a, b in zip(narrow, follow(make(parameters()), gradients(50))):
        assert_allclose(a, b, rtol=1e-5)


@every_optimiser
def test_without_an_argument_a_step_takes_what_backward_left(make):
    def loss(p):
        return (p[0] * p[0]).sum() * p[2] + p[1].sum()

    p, q = parameters(), parameters()
    loss(p).backward()
    make(p).step()
    make(q).step(grad(loss(q), q))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(p, q))


@every_optimiser
def test_zero_grad_forgets_what_backward_left(make):
    p = parameters()
    (p[0].sum() + p[1].sum() + p[2]).backward()
    make(p).zero_grad()
    assert [q.grad for q in p] == [None, None, None]


def test_a_learning_rate_may_be_changed_between_steps():
    p = [Parameter(np.array([1.0]))]
    optimiser = SGD(p, 0.5)
    optimiser.step([np.ones(1)])
    optimiser.lr = 0.25
    optimiser.step([np.ones(1)])
    assert p[0].data == 0.25


# --- what a step refuses, before anything is changed ---


def assert_refused(optimiser, grads, error, *words):
    before = snapshot(optimiser)
    with pytest.raises(error) as caught:
        optimiser.step(grads)
    assert all(word in str(caught.value) for word in words), caught.value
    assert snapshot(optimiser) == before


@every_optimiser
def test_too_few_gradients_are_refused_with_both_counts(make):
    assert_refused(make(parameters()), gradients(1)[0][:2], ShapeError, "expected 3", "got 2")


@every_optimiser
def test_too_many_gradients_are_refused_with_both_counts(make):
    assert_refused(make(parameters()), [*gradients(1)[0], np.ones(())], ShapeError, "expected 3", "got 4")


@every_optimiser
def test_a_gradient_of_another_shape_is_refused_with_both_shapes(make):
    row = gradients(1)[0]
    row[1] = np.ones((1, 2))  # would broadcast
    assert_refused(make(parameters()), row, ShapeError, "gradient 1", "(2,)", "(1, 2)")


@every_optimiser
def test_a_scalar_gradient_of_a_vector_is_refused(make):
    row = gradients(1)[0]
    row[1] = np.ones(())
    assert_refused(make(parameters()), row, ShapeError, "gradient 1", "(2,)", "()")


@every_optimiser
def test_a_missing_gradient_is_refused_by_its_number(make):
    row = gradients(1)[0]
    row[2] = None
    assert_refused(make(parameters()), row, GraphError, "parameter 2", "backward")


@every_optimiser
def test_a_step_without_backward_is_refused(make):
    assert_refused(make(parameters()), None, GraphError, "parameter 0", "backward")


@every_optimiser_with_state
def test_parameters_that_were_converted_are_noticed(make):
    p = parameters(np.float32)
    optimiser = make(p)
    optimiser.step(gradients(1, np.float32)[0])
    for q in p:
        q.data = q.data.astype(np.float64)
    assert_refused(optimiser, gradients(1)[0], ConfigError, "float32", "float64", "converted")


# --- settings that are refused ---

NOT_POSITIVE = [0, 0.0, -1e-3, float("nan"), float("inf"), float("-inf"), "0.1", None, [0.1], 1j]
NOT_A_FRACTION = [-0.1, 1, 1.0, 2, float("nan"), float("inf"), "0.9", None, [0.1]]
NEGATIVE = [-1e-8, float("nan"), float("inf"), "1e-8", None]


@every_optimiser
@pytest.mark.parametrize("lr", NOT_POSITIVE, ids=repr)
def test_a_learning_rate_that_is_not_positive_is_refused(make, lr):
    with pytest.raises(ConfigError) as error:
        type(make(parameters()))(parameters(), lr)
    assert "lr" in str(error.value) and repr(lr) in str(error.value)


@pytest.mark.parametrize("momentum", NOT_A_FRACTION, ids=repr)
def test_a_momentum_outside_0_to_1_is_refused(momentum):
    with pytest.raises(ConfigError, match="momentum"):
        SGD(parameters(), 0.1, momentum)


@pytest.mark.parametrize("rho", NOT_A_FRACTION, ids=repr)
def test_a_rho_outside_0_to_1_is_refused(rho):
    with pytest.raises(ConfigError, match="rho"):
        RMSProp(parameters(), 0.1, rho)


@pytest.mark.parametrize("beta", NOT_A_FRACTION, ids=repr)
@pytest.mark.parametrize("place", [0, 1])
def test_a_beta_outside_0_to_1_is_refused(beta, place):
    betas = [0.5, 0.5]
    betas[place] = beta
    with pytest.raises(ConfigError, match="beta"):
        Adam(parameters(), 0.1, betas)


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), ()], ids=repr)
def test_betas_that_are_not_two_are_refused(betas):
    with pytest.raises(ConfigError, match="beta"):
        Adam(parameters(), 0.1, betas)


@pytest.mark.parametrize("eps", NEGATIVE, ids=repr)
@pytest.mark.parametrize("optimiser", [RMSProp, Adam])
def test_a_negative_eps_is_refused(optimiser, eps):
    with pytest.raises(ConfigError, match="eps"):
        optimiser(parameters(), 0.1, eps=eps)


@pytest.mark.parametrize("optimiser", [SGD, RMSProp, Adam])
@pytest.mark.parametrize("params", [[], [np.ones(3)], [None]], ids=repr)
def test_anything_but_a_list_of_parameters_is_refused(optimiser, params):
    with pytest.raises(ConfigError, match="parameters"):
        optimiser(params, 0.1)


@pytest.mark.parametrize("optimiser", [SGD, RMSProp, Adam])
def test_one_tensor_instead_of_a_list_is_refused(optimiser):
    """Its rows would pass for a list of parameters."""
    with pytest.raises(ConfigError, match="parameters"):
        optimiser(Parameter(np.ones((3, 2))), 0.1)


# --- saving and going on ---


def test_a_state_has_the_step_count_and_an_array_per_parameter_and_slot():
    optimiser = Adam(parameters())
    follow(optimiser, gradients(2))
    state = optimiser.state_dict()
    assert list(state) == ["t", "m.0", "m.1", "m.2", "v.0", "v.1", "v.2"]
    assert state["t"] == 2
    assert [state[f"{name}.{i}"].shape for name in "mv" for i in range(3)] == SHAPES * 2


@every_optimiser
def test_a_loaded_state_goes_on_bit_for_bit(make):
    rows = gradients(20)
    whole = follow(make(parameters()), rows)

    first = make(parameters())
    middle = follow(first, rows[:10])
    second = make([Parameter(a) for a in middle])
    second.load_state_dict(first.state_dict())
    for a, b in zip(whole, follow(second, rows[10:])):
        assert_array_equal(a, b)


@every_optimiser_with_state
def test_a_state_is_a_copy(make):
    optimiser = make(parameters())
    follow(optimiser, gradients(2))
    state = optimiser.state_dict()
    before = {k: v.copy() for k, v in state.items()}
    follow(optimiser, gradients(2))
    assert all(np.array_equal(state[k], before[k]) for k in state)


@every_optimiser_with_state
def test_a_state_that_was_loaded_is_left_alone(make):
    first, second = make(parameters()), make(parameters())
    follow(first, gradients(2))
    state = first.state_dict()
    second.load_state_dict(state)
    follow(second, gradients(2))
    assert all(np.array_equal(state[k], v) for k, v in first.state_dict().items())


def misfits(state):
    last = list(state)[-1]
    yield "missing", {k: v for k, v in state.items() if k != last}, [f"missing {last}"]
    yield "unexpected", state | {"w.0": np.ones(2)}, ["unexpected w.0"]
    yield "misshaped", state | {last: np.ones((4, 4))}, [last, "(4, 4)"]
    yield "not of numbers", state | {last: np.full(state[last].shape, "x")}, [last]
    yield "several", {"w.0": np.ones(2)}, ["missing t", f"missing {last}", "unexpected w.0"]


@every_optimiser_with_state
@pytest.mark.parametrize("kind", ["missing", "unexpected", "misshaped", "not of numbers", "several"])
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(make, kind):
    optimiser = make(parameters())
    follow(optimiser, gradients(2))
    other = make(parameters())
    follow(other, gradients(5, seed=3))
    state, words = next((s, w) for k, s, w in misfits(other.state_dict()) if k == kind)
    before = snapshot(optimiser)
    with pytest.raises(CheckpointError) as error:
        optimiser.load_state_dict(state)
    assert all(word in str(error.value) for word in words), error.value
    assert snapshot(optimiser) == before


@pytest.mark.parametrize("name, other", [("SGD", "Adam"), ("Adam", "RMSProp"), ("SGD with momentum", "SGD")])
def test_the_state_of_another_optimiser_is_refused(name, other):
    with pytest.raises(CheckpointError):
        OPTIMISERS[name](parameters()).load_state_dict(OPTIMISERS[other](parameters()).state_dict())
