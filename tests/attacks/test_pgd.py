"""PGD: many small steps that stay in the ball, at least as strong as FGSM's one; the model stays as it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import Tensor, losses, no_grad
from minigan.attacks import fgsm, pgd
from tests.attacks.victims import assert_untouched, dense, dense_gradient, error, images, left_behind, moody, trained


def test_it_is_the_formula_with_gradients_by_hand():
    model, (x, y) = dense(), images()
    expected, epsilon, step = x, 0.1, 0.04
    for _ in range(6):
        expected = expected + step * np.sign(dense_gradient(model, expected, y))
        expected = np.clip(np.clip(expected, x - epsilon, x + epsilon), 0, 1)
    np.testing.assert_allclose(pgd(model, x, y, epsilon, step=step, steps=6), expected, atol=1e-12)


def test_one_step_of_epsilon_is_fgsm():
    model, (x, y) = dense(), images()
    for targeted in (False, True):
        one = pgd(model, x, y, 0.1, targeted=targeted, step=0.1, steps=1)
        np.testing.assert_allclose(one, fgsm(model, x, y, 0.1, targeted=targeted), atol=1e-15)


def test_a_step_that_is_not_given_is_two_and_a_half_times_what_reaches_the_border():
    model, (x, y) = dense(), images()
    np.testing.assert_array_equal(pgd(model, x, y, 0.2, steps=5), pgd(model, x, y, 0.2, step=0.1, steps=5))


@given(
    st.integers(0, 10_000),
    st.floats(0, 1),
    st.floats(0, 2),
    st.sampled_from([None, (0.0, 1.0), (-1.0, 1.5)]),
    st.sampled_from(["f4", "f8"]),
    st.booleans(),
)
def test_it_stays_in_the_ball_and_in_the_range(seed, epsilon, step, clip, dtype, random):
    model, (x, y) = dense(dtype), images(3, dtype, seed)
    found = pgd(model, x, y, epsilon, clip=clip, step=step, steps=3, rng=np.random.default_rng(seed) if random else None)
    assert found.dtype == x.dtype
    assert np.abs(found.astype("f8") - x).max() <= epsilon + 4 * np.finfo(dtype).eps
    if clip:
        assert clip[0] <= found.min()
        assert found.max() <= clip[1]


@pytest.mark.parametrize("epsilon", [0.05, 0.1, 0.15])
def test_it_is_at_least_as_strong_as_fgsm(epsilon):
    model, x, y = trained()
    errors, losses_ = [], []
    for attack in (fgsm, pgd):
        found = attack(model, x, y, epsilon)
        errors.append(error(model, found, y))
        losses_.append(losses.cross_entropy(model(Tensor(found)), y).item())
    assert errors[1] >= errors[0] > error(model, x, y)
    assert losses_[1] >= losses_[0]


def test_targeted_it_leads_to_the_class_asked_for():
    model, x, y = trained()
    target = (y + 1) % 3
    assert error(model, pgd(model, x, target, 0.3, targeted=True), target) < 0.1 < 0.9 < error(model, x, target)


def test_a_random_start_is_uniform_in_the_ball_and_decided_by_the_generator():
    x, y = np.full((2000, 1), 0.5), np.zeros(2000)

    def start(seed):  # where the slope is 0, nothing but the start remains
        rng = np.random.default_rng(seed)
        return pgd(lambda x: x[:, 0] * 0.0, x, y, 0.2, loss=lambda v, y: (v * 1.0).sum(), steps=1, rng=rng)

    a, b, c = start(1), start(1), start(2)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert 0.3 <= a.min() < 0.31
    assert 0.69 < a.max() <= 0.7
    assert abs(a.mean() - 0.5) < 0.01
    assert a.std() == pytest.approx(0.4 / np.sqrt(12), rel=0.05)


def test_the_model_is_never_asked_about_an_x_that_is_not_allowed():
    model, (x, y), seen = dense(), images(), []

    def watched(x):
        seen.append(x.numpy().copy())
        return model(x)

    pgd(watched, x, y, 0.4, steps=4, rng=np.random.default_rng(0))
    assert len(seen) == 4
    assert all(asked.min() >= 0 and asked.max() <= 1 and np.abs(asked - x).max() <= 0.4 + 1e-15 for asked in seen)


def test_without_a_generator_it_starts_at_x():
    x = np.full((3, 2), 0.5)
    np.testing.assert_array_equal(pgd(lambda x: x[:, 0] * 0.0, x, np.zeros(3), 0.2, loss=lambda v, y: v.sum(), steps=2), x)


def test_epsilon_0_gives_an_identical_array_that_is_another_one():
    model, (x, y) = dense("float32"), images(dtype="float32")
    for rng in (None, np.random.default_rng(0)):
        found = pgd(model, x, y, 0, rng=rng)
        np.testing.assert_array_equal(found, x)
        assert not np.shares_memory(found, x)


@pytest.mark.parametrize("number", [float, np.float64, np.float32])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_that_of_x(number, dtype):
    x, y = images(dtype=dtype)
    found = pgd(dense("float32"), Tensor(x), Tensor(y), number(0.1), clip=(number(0), number(1)), step=number(0.02))
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (x.dtype, x.shape)


@pytest.mark.parametrize("failing", [False, True])
def test_the_model_stays_as_it_was(failing):
    model, (x, y) = moody(), images(8, "float32")
    losses.cross_entropy(model(Tensor(x)), y).backward()
    model[2].eval()
    before, seen = left_behind(model), []

    def loss(v, y):
        seen.append(any(part.training for part in model.modules()))
        if failing and len(seen) == 3:
            raise ZeroDivisionError
        return losses.cross_entropy(v, y)

    with no_grad():
        if failing:
            with pytest.raises(ZeroDivisionError):
                pgd(model, x, y, 0.1, loss)
        else:
            pgd(model, x, y, 0.1, loss)
    assert seen == [False] * (3 if failing else 10)
    assert_untouched(model, before)


@pytest.mark.parametrize(
    ("options", "what"), [({"steps": 0}, "steps is 0"), ({"step": -0.1}, "step is -0.1"), ({"step": np.nan}, "step is nan")]
)
def test_steps_that_are_none_are_refused(options, what):
    with pytest.raises(ValueError, match=f"pgd: {what}; expected"):
        pgd(dense(), *images(), 0.1, **options)


@pytest.mark.parametrize("epsilon", [-0.1, np.nan, np.inf])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(ValueError, match="pgd: epsilon is"):
        pgd(dense(), *images(), epsilon)


def test_what_fgsm_refuses_is_refused():
    model, (x, y) = dense(), images()
    with pytest.raises(ValueError, match="pgd: x has values"):
        pgd(model, x + 1, y, 0.1)
    with pytest.raises(TypeError, match="pgd: x is int64"):
        pgd(model, np.zeros((5, 1, 6, 6), int), y, 0.1)
    with pytest.raises(ValueError, match="pgd: y has 2 labels for 5 inputs"):
        pgd(model, x, y[:2], 0.1)


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match="rng is 3; expected a generator"):
        pgd(dense(), *images(), 0.1, rng=3)
