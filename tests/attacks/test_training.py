"""The loss of adversarial training: its value and gradient, with x' a constant; both terms in the model's own mode."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, nn
from minigan.attacks import adversarial_loss, fgsm
from tests.attacks.victims import Watched, convolutional, dense, dense_gradient, error, images, moody, trained


def by_hand(model, x, y):
    """The cross-entropy of a dense network."""
    _, first, _, second = model.layers
    h = np.maximum(x.reshape(len(x), -1) @ first.weight.data + first.bias.data, 0)
    v = h @ second.weight.data + second.bias.data
    return np.mean(np.log(np.exp(v).sum(axis=1)) - v[np.arange(len(y)), y])


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_the_value_is_that_of_the_formula_by_hand(alpha):
    model, (x, y) = dense(), images()
    adversarial = np.clip(x + 0.25 * np.sign(dense_gradient(model, x, y)), 0, 1)
    expected = alpha * by_hand(model, x, y) + (1 - alpha) * by_hand(model, adversarial, y)
    assert adversarial_loss(model, x, y, 0.25, alpha).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("make", [dense, convolutional])
def test_the_gradient_is_the_slope_where_no_sign_flips_and_x_is_a_constant(make):
    """x' is piecewise constant in the weights, so that finite differences of the whole loss must agree."""
    model, (x, y) = make(), images()
    x = Tensor(x, requires_grad=True)
    adversarial_loss(model, x, y, 0.1).backward()
    assert x.grad is None
    rng = np.random.default_rng(0)
    for p in model.parameters():
        direction, start = rng.standard_normal(p.shape), p.data.copy()
        values = []
        for nudge in (1e-6, -1e-6):
            p.data = start + nudge * direction
            values.append(adversarial_loss(model, x, y, 0.1).item())
        p.data = start
        assert np.sum(p.grad.data * direction) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_x_is_attacked_in_eval_mode_and_learnt_from_in_the_models_own(training):
    model, (x, y) = nn.Sequential(Watched(), moody()).train(training), images(8, "float32")
    state = model.state_dict()
    first, second = (adversarial_loss(model, x, y, 0.1).item() for _ in range(2))
    assert model[0].modes == 2 * [False, training, training]
    assert all(part.training == training for part in model.modules())
    assert (first != second) == training  # dropout
    assert training == any(not np.array_equal(state[name], v) for name, v in model.state_dict().items())


def test_another_loss_and_another_range():
    x, y = images()[0].reshape(5, 36) * 3 - 1, np.array([1.0, 0, 1, 1, 0])
    model = nn.Sequential(nn.Dense(36, 1), nn.Reshape())
    found = adversarial_loss(model, x, y, 0.5, loss=losses.log_loss_with_logits, clip=(-1, 2))
    attacked = fgsm(model, x, y, 0.5, losses.log_loss_with_logits, clip=(-1, 2))
    expected = [losses.log_loss_with_logits(model(Tensor(inputs)), y).item() for inputs in (x, attacked)]
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-6)


def test_under_no_grad_it_is_a_number_without_a_graph():
    with mg.no_grad():
        assert not adversarial_loss(dense(), *images(), 0.1).requires_grad


def test_training_on_it_makes_a_network_harder_to_fool():
    plain, x, y = trained()
    hardened = trained(0.1)[0]
    fooled = [error(model, fgsm(model, x, y, 0.1), y) for model in (plain, hardened)]
    assert fooled[1] < 0.7 * fooled[0]
    assert error(hardened, x, y) < 0.1
