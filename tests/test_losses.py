import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, losses
from tests.contracts.losses import LOSSES

RNG = np.random.default_rng(0)
V, W = RNG.standard_normal((5, 1)) * 2, RNG.standard_normal((5, 1)) * 2
P, Y = RNG.uniform(0.05, 0.95, (5, 1)), RNG.uniform(0, 1, (5, 1))
EXTREME = [-1000.0, -40.0, 0.0, 40.0, 1000.0]


def sigma(v):
    return 1 / (1 + np.exp(-v))


def gradient(loss, v, dtype="float64"):
    v = Tensor(np.array(v, dtype), requires_grad=True)
    (g,) = mg.grad(loss(v), [v])
    assert g.dtype == dtype
    return g.numpy()


# --- log loss -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_fused_log_loss_is_the_composed_one(order):
    u = RNG.standard_normal(V.shape)
    results = []
    for loss in (losses.log_loss_with_logits, lambda v, y: losses.log_loss(mg.sigmoid(v), y)):
        v, y = Tensor(V, requires_grad=True), Tensor(Y, requires_grad=True)
        outputs = (loss(v, y),)
        for _ in range(order):
            outputs = mg.grad(sum((u * g).sum() for g in outputs), [v, y], create_graph=True)
        results.append([o.numpy() for o in outputs])
    for fused, composed in zip(*results, strict=True):
        np.testing.assert_allclose(fused, composed, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("p", "y", "expected"), [(0, 0, 0), (1, 1, 0), (0, 1, math.inf), (1, 0, math.inf), (0, 0.5, math.inf)])
def test_log_loss_of_certain_answers_is_0_or_infinite(p, y, expected):
    with np.errstate(divide="ignore"):
        assert losses.log_loss(np.array([float(p)]), np.array([float(y)])).item() == expected


def test_log_loss_keeps_its_gradients_at_certain_answers_and_labels():
    g = gradient(lambda p: losses.log_loss(p, np.array([0.0, 1.0])), [0.0, 1.0])
    np.testing.assert_array_equal(g, [0.5, -0.5])
    g = gradient(lambda y: losses.log_loss(np.array([0.3, 0.3]), y), [0.0, 1.0])
    np.testing.assert_allclose(2 * g, np.log(0.7) - np.log(0.3) + np.zeros(2))


# --- stability ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", EXTREME)
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_the_fused_log_loss_is_exact_at_any_logit(v, y, dtype):
    def loss(t):
        return losses.log_loss_with_logits(t, np.full((1, 1), y, dtype))

    softplus = max(v, 0) + math.log1p(math.exp(-abs(v)))
    assert loss(Tensor(np.full((1, 1), v, dtype))).item() == pytest.approx(softplus - y * v, rel=1e-6)
    sigma_v = math.exp(min(v, 0)) / (1 + math.exp(-abs(v)))
    np.testing.assert_allclose(gradient(loss, [[v]], dtype), sigma_v - y, rtol=1e-6, atol=0)


GAMES = {
    "discriminator": losses.discriminator_loss,
    "generator": lambda v, _: losses.generator_loss(v),
    "generator_saturating": lambda v, _: losses.generator_loss(v, saturating=True),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", EXTREME)
@pytest.mark.parametrize("loss", GAMES.values(), ids=GAMES)
def test_the_games_losses_are_finite_at_any_logit(loss, v, dtype):
    tensors = [Tensor(np.full((3, 1), v, dtype), requires_grad=True) for _ in range(2)]
    value = loss(*tensors)
    assert value.dtype == dtype
    assert abs(value.item()) <= 2002
    for g in mg.grad(value, tensors):
        assert (np.abs(g.numpy()) <= 1 / 3 + 1e-6).all()


@pytest.mark.parametrize("name", LOSSES)
def test_no_gradient_of_a_loss_vanishes(name):
    ((loss, inputs),) = LOSSES[name].cases
    tensors = [Tensor(x, requires_grad=True) for x in inputs()]
    assert all(np.abs(g.numpy()).max() > 1e-3 for g in mg.grad(loss(*tensors), tensors))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_is_exact_at_any_logit(dtype):
    v = Tensor(np.array([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 1000.0]], dtype), requires_grad=True)
    loss = losses.cross_entropy(v, [2, 0])
    assert loss.item() == pytest.approx((2000 + 2000 + math.log(2)) / 2, rel=1e-6)
    np.testing.assert_allclose(mg.grad(loss, v)[0].numpy(), [[0.5, 0, -0.5], [-0.5, 0.25, 0.25]], rtol=1e-4)


# --- the players' losses ------------------------------------------------------------------------------------------------


def test_the_saturating_gradient_is_minus_d_and_the_other_minus_1_minus_d():
    v = np.linspace(-30, 30, 61)
    d, n = sigma(v), v.size
    one_minus_d = sigma(-v)
    saturating = gradient(lambda v: losses.generator_loss(v, saturating=True), v)
    heuristic = gradient(losses.generator_loss, v)
    np.testing.assert_allclose(saturating, -d / n, rtol=1e-12, atol=0)
    np.testing.assert_allclose(heuristic, -one_minus_d / n, rtol=1e-12, atol=0)
    np.testing.assert_allclose(heuristic / saturating, one_minus_d / d, rtol=1e-12)


# --- the gradient penalty -----------------------------------------------------------------------------------------------

shapes_of_batches = st.tuples(st.integers(2, 5), st.integers(1, 3)) | st.tuples(
    st.integers(2, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)
)


def real_and_fake(shape, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return (Tensor((rng.standard_normal(shape) + shift).astype(dtype)) for shift in (4, -4))


@given(shapes_of_batches, st.integers(0, 1000))
def test_the_penalty_looks_between_real_and_fake_with_one_weight_from_0_to_1_a_sample(shape, seed):
    real, fake = real_and_fake(shape, seed)
    seen = []

    def critic(x):
        seen.append(x.numpy())
        return (x * x).reshape(len(x), -1).sum(1, keepdims=True)

    losses.gradient_penalty(critic, real, fake, rng=np.random.default_rng(seed))
    (x_hat,) = seen
    u = (x_hat - fake.numpy()) / (real.numpy() - fake.numpy())
    assert x_hat.shape == shape
    np.testing.assert_allclose(
        u, u.reshape(len(u), -1)[:, :1].reshape(-1, *[1] * (len(shape) - 1)) + np.zeros(shape), atol=1e-12
    )
    assert 0 <= u.min() <= u.max() <= 1
    weights = u.reshape(len(u), -1)[:, 0]
    assert len(set(weights.round(9))) == len(u)
    np.testing.assert_allclose(weights, np.random.default_rng(seed).random(len(u)), atol=1e-12)


def test_the_penalty_spends_nothing_on_gradients_for_the_points_it_looks_at():
    w, looked = Tensor(np.ones((3, 1)), requires_grad=True), []

    def critic(x):
        looked.append(x)
        h = mg.record("seen", x.data * 1.0, (x, lambda g, y: calls.append("x_hat") or g * 1.0))
        return mg.tanh(h * h) @ w

    calls = []
    real, fake = (Tensor(np.random.default_rng(i).standard_normal((4, 3))) for i in range(2))
    penalty = losses.gradient_penalty(critic, real, fake)
    assert calls == ["x_hat"]  # the slope itself
    penalty.backward()
    assert calls == ["x_hat"]
    assert (looked[0].grad, looked[0].requires_grad) == (None, False)
    assert np.abs(w.grad.numpy()).max() > 0


@given(shapes_of_batches)
def test_the_penalty_of_a_linear_critic_is_that_of_the_length_of_its_weights_over_all_axes(shape):
    w = np.random.default_rng(1).standard_normal(shape[1:])
    real, fake = real_and_fake(shape)
    penalty = losses.gradient_penalty(lambda x: (x * w).reshape(len(x), -1).sum(1, keepdims=True), real, fake)
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx((np.sqrt((w**2).sum()) - 1) ** 2, rel=1e-10, abs=1e-20)


def test_the_penalty_is_a_mean_over_samples_of_squares_not_the_square_of_a_mean():
    """f = |x|^2 / 2 has slope |x_hat|: here 0 and 2, each 1 away from 1."""
    real, fake = Tensor(np.array([[0.0, 0.0], [0.0, 2.0]])), Tensor(np.array([[0.0, 0.0], [0.0, 2.0]]))
    assert losses.gradient_penalty(lambda x: (x * x).sum(1, keepdims=True) / 2, real, fake).item() == pytest.approx(
        1, rel=1e-14
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_penalty_of_a_flat_critic_is_1_and_its_gradient_finite(dtype):
    real, fake = real_and_fake((4, 3), dtype=dtype)
    w = Tensor(np.zeros((3, 1), dtype), requires_grad=True)
    penalty = losses.gradient_penalty(lambda x: x @ w, real, fake)
    assert penalty.item() == 1
    (g,) = mg.grad(penalty, w)
    assert g.dtype == dtype
    assert np.isfinite(g.numpy()).all()


def test_a_critic_that_does_not_look_at_x_has_penalty_1():
    real, fake = real_and_fake((4, 3))
    assert losses.gradient_penalty(lambda x: Tensor(np.ones((4, 1))), real, fake).item() == 1


def test_nothing_flows_back_from_the_penalty_to_real_and_fake():
    real, fake = (Tensor(x.numpy(), requires_grad=True) for x in real_and_fake((4, 3)))
    w = Tensor(np.ones((3, 1)), requires_grad=True)
    made = fake * 2.0
    losses.gradient_penalty(lambda x: (x * x) @ w, real, made).backward()
    assert real.grad is None
    assert fake.grad is None
    assert w.grad is not None
    assert real.requires_grad


def test_the_penalty_draws_from_the_generator_given_or_from_minigans_own():
    real, fake = real_and_fake((4, 3))

    def value(rng=None):
        return losses.gradient_penalty(lambda x: (x**3).sum(1, keepdims=True), real, fake, rng).item()

    mg.seed(5)
    own = value()
    mg.seed(5)
    given_one = value(np.random.default_rng(1))
    assert value() == own != given_one  # a generator that is given leaves minigan's where it was
    assert value(np.random.default_rng(1)) == given_one


# --- misuse -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [10.0, 15.0, 20.0, 30.0, 36.0, 80.0])
def test_log_loss_with_logits_keeps_its_digits_where_the_logit_is_large_and_right(v, dtype):
    found = losses.log_loss_with_logits(np.array([v], dtype), np.array([1.0], dtype)).item()
    assert found == pytest.approx(np.log1p(np.exp(-v)), rel=1e-5)


# --- without a graph ----------------------------------------------------------------------------------------------------


def test_the_gradient_penalty_is_the_same_under_no_grad_and_has_no_graph():
    def critic(x):
        return (x * x).sum(axis=1, keepdims=True)

    real, fake = np.ones((4, 2)), np.zeros((4, 2))
    expected = losses.gradient_penalty(critic, real, fake, rng=np.random.default_rng(0))
    with mg.no_grad():
        penalty = losses.gradient_penalty(critic, real, fake, rng=np.random.default_rng(0))
    assert penalty.item() == expected.item() != 1.0
    assert not penalty.requires_grad


# --- integers -----------------------------------------------------------------------------------------------------------


def test_images_of_bytes_are_compared_as_floats():
    a, b = np.array([[0, 255]], np.uint8), np.array([[255, 250]], np.uint8)
    for x, y in ((a, b), (Tensor(a), b), (Tensor(a), Tensor(b))):
        assert losses.mse(x, y).item() == (255**2 + 5**2) / 2
        assert losses.l1(x, y).item() == (255 + 5) / 2
    assert losses.mse(a, b.astype("float64")).dtype == np.float64
