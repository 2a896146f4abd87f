import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, losses
from minigan.testing import assert_gradients

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


# --- values and gradients -----------------------------------------------------------------------------------------------

LABELS = np.array([2, 0, 1, 2])
LOGITS = RNG.standard_normal((4, 3))


def naive_cross_entropy(v):
    p = np.exp(v) / np.exp(v).sum(axis=1, keepdims=True)
    return -np.mean([math.log(p[i, label]) for i, label in enumerate(LABELS)])


def naive_pull_away(S):
    n, unit = len(S), [s / np.sqrt(s @ s) for s in S]
    return sum((unit[i] @ unit[j]) ** 2 for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


CASES = {
    "log_loss": (losses.log_loss, lambda p, y: -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), (P, Y)),
    "log_loss_with_logits": (
        losses.log_loss_with_logits,
        lambda v, y: -np.mean(y * np.log(sigma(v)) + (1 - y) * np.log(1 - sigma(v))),
        (V, Y),
    ),
    "discriminator": (
        losses.discriminator_loss,
        lambda r, f: -(np.mean(np.log(sigma(r))) + np.mean(np.log(1 - sigma(f)))),
        (V, W),
    ),
    "generator": (losses.generator_loss, lambda f: np.mean(-np.log(sigma(f))), (V,)),
    "generator_saturating": (
        lambda f: losses.generator_loss(f, saturating=True),
        lambda f: np.mean(np.log(1 - sigma(f))),
        (V,),
    ),
    "critic": (losses.critic_loss, lambda r, f: np.mean(f) - np.mean(r), (V, W)),
    "cross_entropy": (lambda v: losses.cross_entropy(v, LABELS), naive_cross_entropy, (LOGITS,)),
    "mse": (losses.mse, lambda a, b: np.mean((a - b) ** 2), (V, W)),
    "l1": (losses.l1, lambda a, b: np.mean(np.abs(a - b)), (V, W)),
    "pull_away": (losses.pull_away_term, naive_pull_away, (LOGITS,)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_the_scalar_of_its_formula(name):
    loss, formula, inputs = CASES[name]
    value = loss(*map(Tensor, inputs))
    assert value.shape == ()
    assert value.item() == pytest.approx(formula(*inputs), rel=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_differentiable_twice(name):
    loss, _, inputs = CASES[name]
    assert_gradients(loss, *inputs)


@pytest.mark.parametrize("name", CASES)
def test_no_gradient_of_a_loss_vanishes(name):
    loss, _, inputs = CASES[name]
    tensors = [Tensor(x, requires_grad=True) for x in inputs]
    assert all(np.abs(g.numpy()).max() > 1e-3 for g in mg.grad(loss(*tensors), tensors))


def test_a_batch_of_copies_has_the_loss_of_one():
    assert losses.generator_loss(Tensor(np.full((7, 1), 0.3))).item() == pytest.approx(math.log(1 + math.exp(-0.3)), rel=1e-14)


def test_feature_matching_compares_the_means_over_the_batch():
    f_real, f_fake = RNG.standard_normal((5, 3)), RNG.standard_normal((4, 3))
    value = losses.feature_matching_loss(Tensor(f_real), Tensor(f_fake)).item()
    assert value == pytest.approx(np.sum((f_real.mean(axis=0) - f_fake.mean(axis=0)) ** 2), rel=1e-13)
    assert_gradients(lambda f: losses.feature_matching_loss(Tensor(f_real).astype(f.dtype), f), f_fake)


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


def test_log_loss_of_certain_and_right_answers_is_0():
    certain = np.array([0.0, 1.0, 1.0])
    assert losses.log_loss(certain, certain).item() == 0


def test_log_loss_keeps_its_gradient_at_certain_and_right_answers():
    g = gradient(lambda p: losses.log_loss(p, np.array([0.0, 1.0])), [0.0, 1.0])
    np.testing.assert_array_equal(g, [0.5, -0.5])


@pytest.mark.parametrize(("p", "y"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5)])
def test_log_loss_of_certain_and_wrong_answers_is_infinite(p, y):
    with np.errstate(divide="ignore"):
        assert losses.log_loss(np.array([p]), np.array([y])).item() == math.inf


def test_log_loss_takes_one_label_for_all():
    assert losses.log_loss(P, 1.0).item() == pytest.approx(-np.mean(np.log(P)), rel=1e-14)
    assert losses.log_loss_with_logits(V, 1.0).item() == pytest.approx(-np.mean(np.log(sigma(V))), rel=1e-13)


def test_the_gradient_of_the_fused_log_loss_is_sigma_minus_label():
    g = gradient(lambda v: losses.log_loss_with_logits(v, Y), V)
    np.testing.assert_allclose(g, (sigma(V) - Y) / V.size, rtol=1e-13)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", EXTREME)
@pytest.mark.parametrize("name", ["discriminator", "generator", "generator_saturating"])
def test_the_games_losses_are_finite_at_any_logit(name, v, dtype):
    loss, _, inputs = CASES[name]
    tensors = [Tensor(np.full((3, 1), v, dtype), requires_grad=True) for _ in inputs]
    value = loss(*tensors)
    assert value.dtype == dtype
    assert np.isfinite(value.item())
    assert abs(value.item()) <= 1000 * len(inputs) + 2
    for g in mg.grad(value, tensors):
        assert (np.abs(g.numpy()) <= 1 / 3 + 1e-6).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_is_exact_at_any_logit(dtype):
    v = Tensor(np.array([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 1000.0]], dtype), requires_grad=True)
    loss = losses.cross_entropy(v, [2, 0])
    assert loss.item() == pytest.approx((2000 + 2000 + math.log(2)) / 2, rel=1e-6)
    np.testing.assert_allclose(mg.grad(loss, v)[0].numpy(), [[0.5, 0, -0.5], [-0.5, 0.25, 0.25]], rtol=1e-4)


def test_cross_entropy_shifts_each_row_by_its_own_maximum():
    v = np.array([[1000.0, 1000.0], [0.0, 0.0]])
    assert losses.cross_entropy(v, [0, 1]).item() == pytest.approx(math.log(2), rel=1e-14)


def test_cross_entropy_of_two_classes_is_the_log_loss():
    two = np.concatenate([np.zeros_like(V), V], axis=1)
    labels = np.array([0, 1, 1, 0, 1])
    expected = losses.log_loss_with_logits(V, labels[:, None]).item()
    assert losses.cross_entropy(two, labels).item() == pytest.approx(expected, rel=1e-14)


# --- the players' losses ------------------------------------------------------------------------------------------------


def test_the_generator_loss_is_the_log_loss_of_fakes_labelled_1():
    assert losses.generator_loss(Tensor(V)).item() == pytest.approx(
        losses.log_loss_with_logits(V, np.ones_like(V)).item(), rel=1e-15, abs=1e-15
    )
    labelled = gradient(lambda v: losses.log_loss_with_logits(v, np.ones_like(V)), V)
    np.testing.assert_allclose(gradient(losses.generator_loss, V), labelled, rtol=1e-14, atol=0)


def test_the_discriminator_loss_is_the_log_loss_of_real_labelled_1_and_fake_0():
    labelled = losses.log_loss_with_logits(V, 1.0) + losses.log_loss_with_logits(W, 0.0)
    assert losses.discriminator_loss(Tensor(V), Tensor(W)).item() == pytest.approx(labelled.item(), rel=1e-14)


def test_the_saturating_gradient_is_minus_d_and_the_other_minus_1_minus_d():
    v = np.linspace(-30, 30, 61)
    d, n = sigma(v), v.size
    one_minus_d = sigma(-v)
    saturating = gradient(lambda v: losses.generator_loss(v, saturating=True), v)
    heuristic = gradient(losses.generator_loss, v)
    np.testing.assert_allclose(saturating, -d / n, rtol=1e-12, atol=0)
    np.testing.assert_allclose(heuristic, -one_minus_d / n, rtol=1e-12, atol=0)
    np.testing.assert_allclose(heuristic / saturating, one_minus_d / d, rtol=1e-12)


def test_the_default_gradient_does_not_vanish_where_d_is_sure():
    assert gradient(losses.generator_loss, [[-30.0]])[0, 0] == pytest.approx(-1, abs=1e-9)
    assert gradient(lambda v: losses.generator_loss(v, saturating=True), [[-30.0]])[0, 0] == pytest.approx(0, abs=1e-12)


def test_both_generator_losses_push_the_logit_up():
    for saturating in (False, True):
        assert (gradient(lambda v, s=saturating: losses.generator_loss(v, s), V) < 0).all()


def test_the_discriminator_loss_pushes_real_up_and_fake_down_by_the_probability_it_is_wrong():
    r, f = Tensor(V, requires_grad=True), Tensor(W, requires_grad=True)
    g_real, g_fake = mg.grad(losses.discriminator_loss(r, f), [r, f])
    np.testing.assert_allclose(g_real.numpy(), -sigma(-V) / 5, rtol=1e-13)
    np.testing.assert_allclose(g_fake.numpy(), sigma(W) / 5, rtol=1e-13)


def test_the_discriminator_loss_is_bounded_below_by_0():
    best = losses.discriminator_loss(Tensor([[1000.0]]), Tensor([[-1000.0]]))
    assert best.item() == 0
    for v in np.linspace(-50, 50, 21):
        for w in np.linspace(-50, 50, 21):
            assert losses.discriminator_loss(Tensor([[float(v)]]), Tensor([[float(w)]])).item() >= 0


def test_a_discriminator_that_can_only_guess_loses_twice_log_2():
    zero = Tensor(np.zeros((4, 1)))
    assert losses.discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2), rel=1e-15)
    assert losses.generator_loss(zero).item() == pytest.approx(math.log(2), rel=1e-15)
    assert losses.generator_loss(zero, saturating=True).item() == pytest.approx(-math.log(2), rel=1e-15)


def test_the_optimal_discriminators_loss_is_minus_the_games_value():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.3, 0.6])
    v = np.log(p / q)  # D* = p / (p + q)
    real, fake = (np.repeat(v, (10 * share).round().astype(int))[:, None] for share in (p, q))
    mixed = (p + q) / 2
    js = (np.sum(p * np.log(p / mixed)) + np.sum(q * np.log(q / mixed))) / 2
    assert losses.discriminator_loss(Tensor(real), Tensor(fake)).item() == pytest.approx(2 * math.log(2) - 2 * js, rel=1e-13)


def test_real_and_fake_minibatches_may_have_different_sizes():
    one = losses.discriminator_loss(Tensor(np.zeros((2, 1))), Tensor(np.full((6, 1), 0.5))).item()
    assert one == pytest.approx(math.log(2) + math.log(1 + math.exp(0.5)), rel=1e-14)


# --- the squared gradient norm ------------------------------------------------------------------------------------------


def test_the_squared_gradient_norm_is_the_mean_over_samples_of_the_sum_over_the_rest():
    x = RNG.standard_normal((4, 2, 3))
    t = Tensor(x, requires_grad=True)
    norm = losses.squared_gradient_norm(mg.sum(t**3, axis=(1, 2)).reshape(4, 1), t)
    assert norm.item() == pytest.approx(np.mean(np.sum((3 * x**2) ** 2, axis=(1, 2))), rel=1e-13)
    np.testing.assert_allclose(mg.grad(norm, t)[0].numpy(), 36 * x**3 / 4, rtol=1e-12)


# --- the critic's loss --------------------------------------------------------------------------------------------------


def test_the_critic_loss_pushes_real_up_and_fake_down_by_the_same_whatever_f_says():
    r, f = Tensor(V, requires_grad=True), Tensor(W[:4], requires_grad=True)
    g_real, g_fake = mg.grad(losses.critic_loss(r, f), [r, f])
    np.testing.assert_array_equal(g_real.numpy(), np.full((5, 1), -1 / 5))
    np.testing.assert_array_equal(g_fake.numpy(), np.full((4, 1), 1 / 4))


def test_the_critic_loss_changes_its_sign_with_f_and_where_real_and_fake_change_places():
    value = losses.critic_loss(Tensor(V), Tensor(W)).item()
    assert losses.critic_loss(Tensor(-V), Tensor(-W)).item() == losses.critic_loss(Tensor(W), Tensor(V)).item() == -value != 0


def test_the_discriminator_loss_is_the_same_for_minus_v_where_real_and_fake_change_places():
    value = losses.discriminator_loss(Tensor(V), Tensor(W)).item()
    assert losses.discriminator_loss(Tensor(-W), Tensor(-V)).item() == pytest.approx(value, rel=1e-15)


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


def test_the_mixing_weights_are_uniform_not_normal():
    seen = []
    real, fake = Tensor(np.ones((4000, 1))), Tensor(np.zeros((4000, 1)))
    losses.gradient_penalty(lambda x: (seen.append(x.numpy().ravel()), x)[1], real, fake)
    shares = np.histogram(seen[0], bins=10, range=(0, 1))[0] / 4000
    assert shares.sum() == 1
    np.testing.assert_allclose(shares, 0.1, atol=0.025)


@given(shapes_of_batches)
def test_the_penalty_of_a_linear_critic_is_that_of_the_length_of_its_weights_over_all_axes(shape):
    w = np.random.default_rng(1).standard_normal(shape[1:])
    real, fake = real_and_fake(shape)
    penalty = losses.gradient_penalty(lambda x: (x * w).reshape(len(x), -1).sum(1, keepdims=True), real, fake)
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx((np.sqrt((w**2).sum()) - 1) ** 2, rel=1e-10, abs=1e-20)


@pytest.mark.parametrize("shape", [(64, 2), (64, 1, 4, 4), (64, 3, 2, 2)])
def test_a_linear_critic_of_slope_1_has_penalty_0_on_a_batch_of_64(shape):
    w = np.random.default_rng(1).standard_normal(shape[1:])
    real, fake = real_and_fake(shape)
    w /= np.sqrt((w**2).sum())
    assert losses.gradient_penalty(lambda x: (x * w).reshape(64, -1).sum(1, keepdims=True), real, fake).item() < 1e-28


def test_the_penalty_is_a_mean_over_samples_of_squares_not_the_square_of_a_mean():
    """f = |x|^2 / 2 has slope |x_hat|: here 0 and 2, each 1 away from 1."""
    real, fake = Tensor(np.array([[0.0, 0.0], [0.0, 2.0]])), Tensor(np.array([[0.0, 0.0], [0.0, 2.0]]))
    assert losses.gradient_penalty(lambda x: (x * x).sum(1, keepdims=True) / 2, real, fake).item() == pytest.approx(
        1, rel=1e-14
    )


@pytest.mark.parametrize("activation", [mg.tanh, mg.softplus])
def test_the_penalty_is_differentiable_for_the_critics_weights(activation):
    real, fake = real_and_fake((4, 3))
    W, w = RNG.standard_normal((3, 5)), RNG.standard_normal((5, 1))

    def penalty(W, w):
        x, y = real.astype(W.dtype) * 0.2, fake.astype(W.dtype) * 0.2
        return losses.gradient_penalty(lambda v: activation(v @ W) @ w, x, y, rng=np.random.default_rng(0))

    assert_gradients(penalty, W, w)


def test_the_penaltys_gradient_is_the_formula_for_a_critic_of_one_hidden_layer():
    """g_i = W (w s_i) with s = 1 - tanh^2; d/dw of the mean of (|g_i| - 1)^2 is the sum of s_i (W^T q_i)."""
    real, fake = (0.2 * x for x in real_and_fake((4, 3)))
    W, w = RNG.standard_normal((3, 5)), RNG.standard_normal(5)
    leaf = Tensor(w[:, None], requires_grad=True)
    (found,) = mg.grad(losses.gradient_penalty(lambda v: mg.tanh(v @ W) @ leaf, real, fake, np.random.default_rng(0)), leaf)
    u = np.random.default_rng(0).random((4, 1))
    x_hat = u * real.numpy() + (1 - u) * fake.numpy()
    s = 1 - np.tanh(x_hat @ W) ** 2
    g = (s * w) @ W.T
    length = np.linalg.norm(g, axis=1, keepdims=True)
    q = 2 * (length - 1) / (4 * length) * g
    np.testing.assert_allclose(found.numpy()[:, 0], (s * (q @ W)).sum(axis=0), rtol=1e-11)


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


def test_the_penalty_touches_no_gradient_by_itself():
    real, fake = real_and_fake((4, 3))
    w = Tensor(np.ones((3, 1)), requires_grad=True)
    losses.gradient_penalty(lambda x: (x * x) @ w, real, fake)
    assert w.grad is None


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
    with pytest.raises(TypeError, match="rng is 3; expected a generator"):
        value(3)


@pytest.mark.parametrize("other", [(5, 3), (4, 1), (1, 3), (4, 3, 1)])
def test_the_penalty_refuses_real_and_fake_of_different_shapes(other):
    with pytest.raises(ValueError, match=r"gradient_penalty: shapes \(4, 3\) and .* differ"):
        losses.gradient_penalty(lambda x: x, Tensor(np.ones((4, 3))), Tensor(np.ones(other)))


# --- misuse -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [[-0.1], [1.1], [3.0], [math.nan]])
def test_log_loss_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\]; for logits, use log_loss_with_logits"):
        losses.log_loss(np.array(p), np.array([1.0]))


@pytest.mark.parametrize("loss", [losses.log_loss, losses.log_loss_with_logits])
@pytest.mark.parametrize("y", [2.0, -1.0, math.nan])
def test_labels_outside_0_to_1_are_refused(loss, y):
    with pytest.raises(ValueError, match=r"y must lie in \[0, 1\]"):
        loss(np.array([0.5]), np.array([y]))


@pytest.mark.parametrize("loss", [losses.log_loss, losses.log_loss_with_logits])
def test_labels_that_would_stretch_the_predictions_are_refused(loss):
    with pytest.raises(ValueError, match=r"\(5, 1\).*\(5,\)"):
        loss(P, Y[:, 0])


@pytest.mark.parametrize("loss", [losses.mse, losses.l1])
@pytest.mark.parametrize("other", [(5,), (1, 1), (4, 1), ()])
def test_mse_and_l1_refuse_to_broadcast(loss, other):
    with pytest.raises(ValueError, match=f"{loss.__name__}: shapes .*(differ|do not broadcast)"):
        loss(V, np.zeros(other))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], r"expected \(N, C\) and N integers"),
        ([[0], [1], [2], [0]], r"expected \(N, C\) and N integers"),
        ([0.0, 1.0, 2.0, 0.0], "expected integers"),
        (np.eye(3)[[0, 1, 2, 0]], "expected integers"),
        ([0, 1, 2, 3], "labels from 0 to 3; expected 0 to 2"),
        ([0, 1, 2, -1], "labels from -1 to 2; expected 0 to 2"),
    ],
)
def test_cross_entropy_refuses_wrong_labels(labels, message):
    with pytest.raises((TypeError, ValueError), match=message):
        losses.cross_entropy(LOGITS, labels)


def test_cross_entropy_refuses_logits_of_one_sample_without_a_batch_axis():
    with pytest.raises(ValueError, match=r"expected \(N, C\)"):
        losses.cross_entropy(LOGITS[0], [0])


def test_cross_entropy_takes_labels_as_tensor_array_and_list():
    values = {losses.cross_entropy(LOGITS, labels).item() for labels in (LABELS, Tensor(LABELS), LABELS.tolist())}
    assert len(values) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [10.0, 15.0, 20.0, 30.0, 36.0, 80.0])
def test_log_loss_with_logits_keeps_its_digits_where_the_logit_is_large_and_right(v, dtype):
    found = losses.log_loss_with_logits(np.array([v], dtype), np.array([1.0], dtype)).item()
    assert found == pytest.approx(np.log1p(np.exp(-v)), rel=1e-5)


def test_log_loss_has_a_gradient_for_labels_of_0_and_1():
    y = mg.Tensor(np.array([0.0, 1.0]), requires_grad=True)
    losses.log_loss(np.array([0.3, 0.3]), y).backward()
    np.testing.assert_allclose(2 * y.grad.numpy(), np.log(0.7) - np.log(0.3) + np.zeros(2))


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


def test_the_squared_gradient_norm_refuses_an_output_without_a_graph():
    x = mg.Tensor(np.ones((4, 2)), requires_grad=True)
    with mg.no_grad():
        y = x.sum(axis=1)
    with pytest.raises(ValueError, match="no graph: compute it outside no_grad"):
        losses.squared_gradient_norm(y, x)


# --- integers -----------------------------------------------------------------------------------------------------------


def test_images_of_bytes_are_compared_as_floats():
    a, b = np.array([[0, 255]], np.uint8), np.array([[255, 250]], np.uint8)
    for x, y in ((a, b), (Tensor(a), b), (Tensor(a), Tensor(b))):
        assert losses.mse(x, y).item() == (255**2 + 5**2) / 2
        assert losses.l1(x, y).item() == (255 + 5) / 2
    assert losses.mse(a, b.astype("float64")).dtype == np.float64
