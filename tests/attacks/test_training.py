"""The loss of adversarial training: its value and gradient, with x' a constant; both terms in the model's own mode."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, losses, nn, no_grad, optim
from minigan.attacks import adversarial_loss, fgsm
from tests.attacks.victims import convolutional, dense, dense_gradient, error, images, moody, trained

both_networks = pytest.mark.parametrize("make", [dense, convolutional])


def mixture(model, x, adversarial, y, alpha):
    """alpha loss(x) + (1 - alpha) loss(x'), for an x' that is given."""
    return alpha * losses.cross_entropy(model(Tensor(x)), y) + (1 - alpha) * losses.cross_entropy(model(Tensor(adversarial)), y)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.numpy() for p in model.parameters()]


@both_networks
@pytest.mark.parametrize("alpha", [0, 0.3, 0.5, 1])
def test_value_and_gradient_are_the_mixtures_with_x_fixed(make, alpha):
    model, (x, y) = make(), images()
    adversarial = fgsm(model, x, y, 0.25)
    expected = mixture(model, x, adversarial, y, alpha)
    found = adversarial_loss(model, x, y, 0.25, alpha)
    assert found.item() == pytest.approx(expected.item(), rel=1e-14)
    for mine, yours in zip(gradients(model, found), gradients(model, expected), strict=True):
        np.testing.assert_allclose(mine, yours, atol=1e-14)


def test_the_value_is_that_of_the_formula_by_hand():
    model, (x, y) = dense(), images()

    def by_hand(x):
        _, first, _, second = model.layers
        h = np.maximum(x.reshape(len(x), -1) @ first.weight.data + first.bias.data, 0)
        v = h @ second.weight.data + second.bias.data
        return np.mean(np.log(np.exp(v).sum(axis=1)) - v[np.arange(len(y)), y])

    adversarial = np.clip(x + 0.25 * np.sign(dense_gradient(model, x, y)), 0, 1)
    expected = 0.3 * by_hand(x) + 0.7 * by_hand(adversarial)
    assert adversarial_loss(model, x, y, 0.25, alpha=0.3).item() == pytest.approx(expected, rel=1e-12)


@both_networks
def test_the_gradient_is_the_slope_where_no_sign_flips(make):
    """x' is piecewise constant in the weights, so that finite differences of the whole loss must agree, too."""
    model, (x, y) = make(), images()
    found = gradients(model, adversarial_loss(model, x, y, 0.1))
    rng = np.random.default_rng(0)
    for p, g in zip(model.parameters(), found, strict=True):
        direction, start = rng.standard_normal(p.shape), p.data.copy()
        values = []
        for nudge in (1e-6, -1e-6):
            p.data = start + nudge * direction
            values.append(adversarial_loss(model, x, y, 0.1).item())
        p.data = start
        assert np.sum(g * direction) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)


def test_alpha_1_is_the_loss_alone_and_epsilon_0_too():
    model, (x, y) = dense(), images()
    alone = losses.cross_entropy(model(Tensor(x)), y).item()
    assert adversarial_loss(model, x, y, 0.25, alpha=1).item() == pytest.approx(alone, rel=1e-14)
    assert adversarial_loss(model, x, y, 0.0).item() == pytest.approx(alone, rel=1e-14)
    assert adversarial_loss(model, x, y, 0.25, alpha=0).item() > alone


def test_x_is_a_constant():
    model, y = dense(), images()[1]
    x = Tensor(images()[0], requires_grad=True)
    adversarial_loss(model, x, y, 0.1).backward()
    assert x.grad is None


class Modes(nn.Module):
    """Notes the mode in which each forward pass finds it."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(self.training)
        return x


@pytest.mark.parametrize("training", [True, False])
def test_x_is_attacked_in_eval_mode_and_learnt_from_in_the_models_own(training):
    model, (x, y) = nn.Sequential(Modes(), dense("float64")).train(training), images()
    adversarial_loss(model, x, y, 0.1)
    assert model[0].seen == [False, training, training]
    assert all(part.training == training for part in model.modules())


def test_dropout_is_drawn_for_both_terms_and_batch_norm_learns_from_them():
    model, (x, y) = moody(), images(8, "float32")
    average = model[2].state_dict()
    assert adversarial_loss(model, x, y, 0.1).item() != adversarial_loss(model, x, y, 0.1).item()
    assert any(not np.array_equal(average[name], value) for name, value in model[2].state_dict().items())


def test_another_loss_and_another_range():
    x, y = images()[0].reshape(5, 36) * 3 - 1, np.array([1.0, 0, 1, 1, 0])
    model = nn.Sequential(nn.Dense(36, 1), nn.Reshape())
    found = adversarial_loss(model, x, y, 0.5, loss=losses.log_loss_with_logits, clip=(-1, 2))
    attacked = fgsm(model, x, y, 0.5, losses.log_loss_with_logits, clip=(-1, 2))
    expected = [losses.log_loss_with_logits(model(Tensor(inputs)), y).item() for inputs in (x, attacked)]
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-6)


def test_lists_tensors_and_float32_are_taken():
    model, (x, y) = dense("float32"), images(dtype="float32")
    values = [adversarial_loss(model, inputs, y, 0.1) for inputs in (x, Tensor(x), x.tolist())]
    assert {value.dtype.name for value in values} == {"float32"}
    assert len({value.item() for value in values}) == 1


def test_under_no_grad_it_is_a_number_without_a_graph():
    model, (x, y) = dense(), images()
    with no_grad():
        found = adversarial_loss(model, x, y, 0.1)
    assert not found.requires_grad
    assert found.item() == adversarial_loss(model, x, y, 0.1).item()


def test_training_on_it_makes_a_network_harder_to_fool():
    plain, x, y = trained()
    mg.seed(0)
    hardened = nn.Sequential(nn.Dense(6, 16), nn.ReLU(), nn.Dense(16, 16), nn.ReLU(), nn.Dense(16, 3))
    rule, minibatches = optim.Adam(hardened.parameters(), 1e-2), data.batches(x, y, size=50)
    for _ in range(300):
        points, labels = next(minibatches)
        rule.zero_grad()
        adversarial_loss(hardened, points, labels, 0.1).backward()
        rule.step()
    fooled = [error(model, fgsm(model, x, y, 0.1), y) for model in (plain, hardened)]
    assert fooled[1] < 0.7 * fooled[0]
    assert error(hardened, x, y) < 0.1


@pytest.mark.parametrize("alpha", [-0.1, 1.1, np.nan, 2])
def test_an_alpha_outside_0_to_1_is_refused(alpha):
    with pytest.raises(ValueError, match=r"adversarial_loss: alpha is .*; expected 0 <= alpha <= 1"):
        adversarial_loss(dense(), *images(), 0.1, alpha)


def test_what_fgsm_refuses_is_refused():
    with pytest.raises(ValueError, match="epsilon is -1"):
        adversarial_loss(dense(), *images(), -1)
    with pytest.raises(ValueError, match="y has 2 labels for 5 inputs"):
        adversarial_loss(dense(), images()[0], [0, 1], 0.1)
