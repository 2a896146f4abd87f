"""FGSM beside gradients by hand and closed forms; and that it leaves the model as it was."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, losses, no_grad
from minigan.attacks import fgsm
from tests.attacks.victims import (
    assert_untouched,
    convolutional,
    convolutional_gradient,
    dense,
    dense_gradient,
    error,
    images,
    left_behind,
    moody,
    trained,
)

both_networks = pytest.mark.parametrize("make", [dense, convolutional])

# --- the formula --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "by_hand"), [(dense, dense_gradient), (convolutional, convolutional_gradient)])
@pytest.mark.parametrize("epsilon", [0.007, 0.25])
@pytest.mark.parametrize("targeted", [False, True])
def test_it_is_the_formula_with_a_gradient_by_hand(make, by_hand, epsilon, targeted):
    model, (x, y) = make(), images()
    g = by_hand(model, x, y)
    assert np.abs(g).min() > 1e-9  # no sign is left to rounding
    step = -epsilon if targeted else epsilon
    np.testing.assert_allclose(fgsm(model, x, y, epsilon, clip=None, targeted=targeted), x + step * np.sign(g), atol=1e-12)
    found = fgsm(model, x, y, epsilon, targeted=targeted)
    np.testing.assert_allclose(found, np.clip(x + step * np.sign(g), 0, 1), atol=1e-12)


@pytest.mark.parametrize(("make", "by_hand"), [(dense, dense_gradient), (convolutional, convolutional_gradient)])
def test_the_gradients_by_hand_are_the_slopes(make, by_hand):
    model, (x, y) = make(), images(2)
    g, nudge = by_hand(model, x, y), 1e-6
    for index in [(0, 0, 0, 0), (1, 0, 5, 5), (0, 0, 2, 3)]:
        up, down = x.copy(), x.copy()
        up[index], down[index] = x[index] + nudge, x[index] - nudge
        rise = losses.cross_entropy(model(Tensor(up)), y).item() - losses.cross_entropy(model(Tensor(down)), y).item()
        assert g[index] == pytest.approx(rise / (2 * nudge), rel=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0, 2))
def test_a_linear_models_margin_drops_by_epsilon_times_the_1_norm_of_its_weights(seed, n, epsilon):
    rng = np.random.default_rng(seed)
    w, b, x = rng.standard_normal(n), rng.standard_normal(), rng.standard_normal((3, n))
    y = np.array([1.0, 0.0, 1.0])
    signs = 2 * y - 1
    attacked = fgsm(lambda x: x @ Tensor(w) + b, x, y, epsilon, losses.log_loss_with_logits, clip=None)
    drop = signs * (x @ w + b) - signs * (attacked @ w + b)
    np.testing.assert_allclose(drop, epsilon * np.abs(w).sum(), atol=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
def test_logistic_regressions_worst_loss_is_the_closed_form(sign):
    """softplus(epsilon |w|_1 - y (w.x + b)); with the factor y before all of it, as printed, it is right for y = 1 alone."""
    rng, epsilon = np.random.default_rng(0), 0.25
    w, b, x = rng.standard_normal(20), 0.3, rng.standard_normal((1, 20))
    y = np.array([(sign + 1) / 2])

    def model(x):
        return x @ Tensor(w) + b

    attacked = fgsm(model, x, y, epsilon, losses.log_loss_with_logits, clip=None)
    found = losses.log_loss_with_logits(model(Tensor(attacked)), y).item()
    expected = np.logaddexp(0, epsilon * np.abs(w).sum() - sign * (x[0] @ w + b))
    assert found == pytest.approx(expected, abs=1e-12)
    as_printed = np.logaddexp(0, sign * (epsilon * np.abs(w).sum() - x[0] @ w - b))
    assert (abs(found - as_printed) < 1e-12) == (sign == 1)


def test_of_all_steps_it_is_the_worst_for_a_linear_model():
    rng = np.random.default_rng(0)
    w, x, y = rng.standard_normal((6, 2)), rng.random((1, 6)), np.array([1])

    def loss(x):
        return losses.cross_entropy(Tensor(x) @ Tensor(w), y).item()

    worst = loss(fgsm(lambda x: x @ Tensor(w), x, y, 0.1, clip=None))
    corners = np.array(np.meshgrid(*[[-0.1, 0.1]] * 6)).reshape(6, -1).T
    assert worst == pytest.approx(max(loss(x + corner) for corner in corners), abs=1e-12)


@given(st.integers(0, 10_000), st.floats(0, 3), st.sampled_from([None, (0.0, 1.0), (-1.0, 2.0)]), st.sampled_from(["f4", "f8"]))
def test_no_pixel_moves_farther_than_epsilon_or_out_of_the_range(seed, epsilon, clip, dtype):
    model, (x, y) = dense(dtype), images(3, dtype, seed)
    found = fgsm(model, x, y, epsilon, clip=clip)
    assert np.abs(found.astype("f8") - x).max() <= epsilon + 4 * np.finfo(dtype).eps * (1 + epsilon)
    if clip:
        assert clip[0] <= found.min()
        assert found.max() <= clip[1]


@both_networks
def test_epsilon_0_gives_an_identical_array_that_is_another_one(make):
    model, (x, y) = make(), images()
    for clip in (None, (0.0, 1.0)):
        found = fgsm(model, x, y, 0, clip=clip)
        np.testing.assert_array_equal(found, x)
        assert not np.shares_memory(found, x)


def test_x_itself_is_left_alone():
    model, (x, y) = dense(), images()
    before = x.copy()
    x.flags.writeable = False
    fgsm(model, x, y, 0.3)
    np.testing.assert_array_equal(x, before)


def test_it_fools_a_trained_network_and_targeted_it_leads_to_the_class_asked_for():
    model, x, y = trained()
    assert error(model, x, y) < 0.02
    attacked = fgsm(model, x, y, 0.2)
    assert error(model, attacked, y) > 0.8
    target = (y + 1) % 3
    aimed = fgsm(model, x, target, 0.2, targeted=True)
    assert error(model, aimed, target) < 0.5 < error(model, x, target)
    assert losses.cross_entropy(model(Tensor(aimed)), target).item() < losses.cross_entropy(model(Tensor(x)), target).item()


def test_a_pixel_without_a_slope_stays():
    x = np.full((2, 3), 0.5)
    found = fgsm(lambda x: x @ np.array([1.0, 0.0, -2.0]), x, np.ones(2), 0.1, losses.log_loss_with_logits)
    np.testing.assert_allclose(found, [[0.4, 0.5, 0.6]] * 2, atol=1e-15)


# --- what it takes and gives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model_dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_the_dtype_is_that_of_x(dtype, model_dtype, number):
    x, y = images(dtype=dtype)
    for clip in ((number(0), number(1)), None):
        found = fgsm(dense(model_dtype), x, y, number(0.25), clip=clip)
        assert type(found) is np.ndarray
        assert (found.dtype, found.shape) == (x.dtype, x.shape)


def test_tensors_lists_and_arrays_are_all_the_same():
    model, (x, y) = dense("float32"), images(dtype="float32")
    expected = fgsm(model, x, y, 0.1)
    for inputs in (Tensor(x), Tensor(x, requires_grad=True), x.tolist()):
        for labels in (y, y.tolist(), Tensor(y)):
            found = fgsm(model, inputs, labels, 0.1)
            assert type(found) is np.ndarray
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)


def test_a_tensor_gets_no_gradient_and_its_history_none_of_the_attack():
    weight = Tensor(np.ones((5, 1, 6, 6)), requires_grad=True)
    x = Tensor(images()[0], requires_grad=True)
    fgsm(dense(), x * weight, images()[1], 0.1, clip=None)
    assert x.grad is None
    assert weight.grad is None


def test_any_function_will_do_as_a_model():
    model, (x, y) = dense(), images()
    np.testing.assert_array_equal(fgsm(lambda x: model(x), x, y, 0.1), fgsm(model, x, y, 0.1))


@pytest.mark.parametrize("factor", [7.0, 1e-30])
def test_a_loss_may_be_any_and_a_factor_before_it_changes_nothing(factor):
    model, (x, y) = dense(), images()
    scaled = fgsm(model, x, y, 0.1, lambda v, y: factor * losses.cross_entropy(v, y))
    np.testing.assert_array_equal(scaled, fgsm(model, x, y, 0.1))
    np.testing.assert_array_equal(
        fgsm(model, x, y, 0.1, lambda v, y: -losses.cross_entropy(v, y)), fgsm(model, x, y, 0.1, targeted=True)
    )


def test_one_image_alone_is_attacked_as_among_others():
    model, (x, y) = convolutional(), images()
    together = fgsm(model, x, y, 0.1)
    alone = np.concatenate([fgsm(model, x[i : i + 1], y[i : i + 1], 0.1) for i in range(len(x))])
    np.testing.assert_array_equal(together, alone)


def test_under_no_grad_too():
    model, (x, y) = dense(), images()
    expected = fgsm(model, x, y, 0.1)
    with no_grad():
        np.testing.assert_array_equal(fgsm(model, x, y, 0.1), expected)
        assert not (model(Tensor(x)) * 1).requires_grad  # the block goes on as it was


# --- what it leaves behind ----------------------------------------------------------------------------------------------


def in_some_state(frozen, graded, modes):
    """A network with dropout and batch norm, in a state that an attack could spoil."""
    model, (x, y) = moody(), images(8, "float32")
    model.train(modes != "eval")
    if modes == "mixed":
        model[2].eval()
    if graded:
        losses.cross_entropy(model(Tensor(x)), y).backward()
    if frozen:
        model[1].requires_grad_(False)
    return model, x, y


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("modes", ["train", "eval", "mixed"])
@pytest.mark.parametrize("failing", [False, True])
def test_the_model_stays_as_it_was(frozen, graded, modes, failing):
    model, x, y = in_some_state(frozen, graded, modes)
    before = left_behind(model)
    assert (before["grads"][0] is None) != graded

    def loss(v, y):
        assert not any(part.training for part in model.modules())
        if failing:
            raise ZeroDivisionError
        return losses.cross_entropy(v, y)

    with pytest.raises(ZeroDivisionError) if failing else contextlib.nullcontext():
        fgsm(model, x, y, 0.1, loss)
    assert_untouched(model, before)


def test_a_model_that_raises_is_put_back_into_its_mode():
    model, x, y = in_some_state(False, True, "mixed")
    before = left_behind(model)
    with pytest.raises(ValueError, match="expected"):
        fgsm(model, x[:, :, :5], y, 0.1)
    assert_untouched(model, before)


def test_dropout_is_off_so_that_two_attacks_are_the_same():
    model, (x, y) = moody(), images(dtype="float32")
    np.testing.assert_array_equal(fgsm(model, x, y, 0.1), fgsm(model, x, y, 0.1))


def test_minigans_generator_is_not_drawn_from():
    draws = []
    for attacks in (0, 2):
        mg.seed(3)
        model, (x, y) = moody(), images(dtype="float32")
        for _ in range(attacks):
            fgsm(model, x, y, 0.1)
        draws.append(mg.random_numbers.generator().random())
    assert draws[0] == draws[1]


def test_no_gradient_of_a_parameter_is_computed(capsys):
    (x, y), calls = images(), {}
    for name in ("thawed", "frozen"):
        model = convolutional()
        model.requires_grad_(name == "thawed")
        with mg.profile() as profile:
            fgsm(model, x, y, 0.1)
        calls[name] = {op: row.calls for (op, direction), row in profile.rows.items() if direction == "backward"}
    assert calls["thawed"] == calls["frozen"]
    with mg.profile() as profile:
        losses.cross_entropy(convolutional()(Tensor(x, requires_grad=True)), y).backward()
    everything = sum(row.calls for (_, direction), row in profile.rows.items() if direction == "backward")
    assert sum(calls["thawed"].values()) == everything - 4  # two weights, two biases


# --- mistakes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [-0.1, -1, np.nan, np.inf])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(ValueError, match=r"fgsm: epsilon is .*; expected a finite number, at least 0"):
        fgsm(dense(), *images(), epsilon)


@pytest.mark.parametrize(("change", "clip"), [(1.0, (0.0, 1.0)), (-0.5, (0.0, 1.0)), (255.0, (0, 1)), (0.0, (0.2, 1.0))])
def test_x_outside_the_range_is_refused_instead_of_clipped(change, clip):
    x, y = images()
    with pytest.raises(ValueError, match=r"fgsm: x has values from .* to .*, outside clip=.*; pass the range of x"):
        fgsm(dense(), x + change, y, 0.1, clip=clip)


def test_x_with_nan_is_refused():
    x, y = images()
    x[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="x has values"):
        fgsm(dense(), x, y, 0.1)


def test_pixels_in_bytes_are_refused():
    with pytest.raises(TypeError, match="fgsm: x is uint8; expected floats, such as pixels / 255"):
        fgsm(dense(), (255 * images()[0]).astype(np.uint8), images()[1], 0.1)


@pytest.mark.parametrize("y", [[0, 1], np.arange(6) % 4, Tensor(np.zeros(4, int)), np.zeros((1, 5), int), []])
def test_another_number_of_labels_is_refused(y):
    with pytest.raises(ValueError, match=r"fgsm: y has \d labels for \(?5.* inputs; expected one for each"):
        fgsm(dense(), images()[0], y, 0.1)


@pytest.mark.parametrize("y", [np.zeros((5, 1), int), 2, np.array(2), np.full(5, 4), np.full(5, -1), np.full(5, 0.5)])
def test_labels_of_a_wrong_shape_kind_or_class_are_refused(y):
    with pytest.raises((ValueError, TypeError), match="cross_entropy: "):
        fgsm(dense(), images()[0], y, 0.1)
