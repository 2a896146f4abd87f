"""The loss of adversarial training: its value and gradient, with x' a constant; both terms in the model's own mode."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, nn
from minigan.attacks import adversarial_loss, fgsm
from tests.attacks.victims import Watched, dense, images, loss_and_gradient, moody


@pytest.mark.parametrize(("alpha", "options"), [(0, {}), (0.3, {"clip": (-1, 2)}), (1, {})])
def test_the_value_is_that_of_the_formula_by_hand(alpha, options):
    model, (x, y) = dense(), images()
    adversarial = np.clip(x + 0.25 * np.sign(loss_and_gradient(model, x, y)[1]), *options.get("clip", (0, 1)))
    expected = alpha * loss_and_gradient(model, x, y)[0] + (1 - alpha) * loss_and_gradient(model, adversarial, y)[0]
    assert adversarial_loss(model, x, y, 0.25, alpha, **options).item() == pytest.approx(expected, rel=1e-12)


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
