"""The loss of adversarial training: its value and gradient, with x' a constant; both terms in the model's own mode."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, nn
from minigan.attacks import adversarial_loss, fgsm
from tests.attacks.victims import Watched, dense, error, images, loss_and_gradient, moody, trained


@pytest.mark.parametrize(("alpha", "options"), [(0, {}), (0.3, {"clip": (-1, 2)}), (1, {})])
def test_the_value_is_that_of_the_formula_by_hand(alpha, options):
    model, (x, y) = dense(), images()
    adversarial = np.clip(x + 0.25 * np.sign(loss_and_gradient(model, x, y)[1]), *options.get("clip", (0, 1)))
    expected = alpha * loss_and_gradient(model, x, y)[0] + (1 - alpha) * loss_and_gradient(model, adversarial, y)[0]
    assert adversarial_loss(model, x, y, 0.25, alpha, **options).item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_is_the_slope_where_no_sign_flips_and_x_is_a_constant():
    """x' is piecewise constant in the weights, so that finite differences of the whole loss must agree."""
    model, (x, y) = dense(), images()
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
    first, second = (adversarial_loss(model, x, y, 0.1).item() for _ in range(2))
    assert model[0].modes == 2 * [False, training, training]
    assert all(part.training == training for part in model.modules())
    assert (first != second) == training  # dropout


def test_another_loss():
    x, y, model = images()[0].reshape(5, 36), np.array([1.0, 0, 1, 1, 0]), nn.Sequential(nn.Dense(36, 1), nn.Reshape())
    found = adversarial_loss(model, x, y, 0.5, loss=losses.log_loss_with_logits)
    attacked = fgsm(model, x, y, 0.5, losses.log_loss_with_logits)
    expected = [losses.log_loss_with_logits(model(Tensor(inputs)), y).item() for inputs in (x, attacked)]
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-6)
    with mg.no_grad():
        assert not adversarial_loss(dense(), *images(), 0.1).requires_grad


def test_training_on_it_makes_a_network_harder_to_fool():
    plain, x, y = trained()
    hardened = trained(0.1)[0]
    fooled = [error(model, fgsm(model, x, y, 0.1), y) for model in (plain, hardened)]
    assert fooled[1] < 0.7 * fooled[0]
    assert error(hardened, x, y) < 0.1
