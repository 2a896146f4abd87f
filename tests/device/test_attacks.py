"""Every attack on a device: NumPy's results, on the device."""

import numpy as np
import pytest

from minigan import Tensor, attacks, backend, data, nn
from tests.attacks import victims
from tests.device.comparing import assert_agree, everything_is_on, on_both

ATTACKS = {
    "fgsm": lambda model, x, y: attacks.fgsm(model, x, y, 0.1),
    "fgsm, targeted": lambda model, x, y: attacks.fgsm(model, x, y, 0.1, targeted=True, clip=None),
    "pgd": lambda model, x, y: attacks.pgd(model, x, y, 0.1, step=0.03, steps=4),
    "pgd from a random start": lambda model, x, y: attacks.pgd(
        model, x, y, 0.1, step=0.03, steps=4, rng=np.random.default_rng(3)
    ),
    "minimal": lambda model, x, y: attacks.minimal_perturbation(model, x, (y + 1) % victims.CLASSES, steps=20),
    "patch": lambda model, x, y: attacks.adversarial_patch(model, x, 1, 0.2, steps=5, batch=4, rng=np.random.default_rng(3)),
    "adversarial loss": lambda model, x, y: attacks.adversarial_loss(model, x, y, 0.1).data,
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", [victims.dense, victims.convolutional])
def test_an_attack_finds_what_it_finds_under_numpy(name, kind, device):
    def compute():
        model, (x, y) = kind(), victims.images()
        found = ATTACKS[name](model, x, y)
        return (found if isinstance(found, tuple) else (found,)), model.state_dict()

    here, there = on_both(compute)
    assert_agree(here, there, 1e-9)
    assert everything_is_on(device, *there[0])


def test_inputs_may_live_there_already(device):
    with backend.using("cupy"):
        model, (x, y) = victims.dense(), victims.images()
        expected = attacks.fgsm(model, x, y, 0.1)
        found = attacks.fgsm(model, Tensor(x).data, Tensor(y).data, 0.1)
        np.testing.assert_array_equal(backend.to_numpy(found), backend.to_numpy(expected))


def test_rubbish_projections_and_success_are_numpys(device):
    def compute():
        model, (x, y) = victims.dense("float32"), victims.images(dtype="float32")
        G = nn.Sequential(nn.Dense(3, 36), nn.Sigmoid(), nn.Reshape(1, 6, 6))
        rng = np.random.default_rng(2)
        rubbish = attacks.rubbish((5, 1, 6, 6), rng=rng)
        projected = attacks.project(G, x, data.noise(3, rng=rng), steps=5, rng=rng)
        pairs = attacks.overpowered(model, G, data.noise(3, rng=rng), 4, 2.0, steps=5, rng=rng)
        patch = np.full((1, 3, 3), 0.5, np.float32)
        return rubbish, projected, pairs, attacks.patch_success(model, x, y, patch, 1, 0.2, rng=rng)

    assert_agree(*on_both(compute), 1e-5)


def test_adversarial_training_copies_the_minibatch_and_nothing_else(stand_in):
    with backend.using("cupy"):
        model, (x, y) = victims.dense("float32"), victims.images(dtype="float32")
        for _ in range(2):
            stand_in.transfers.clear()
            attacks.adversarial_loss(model, Tensor(x), Tensor(y), 0.1).backward()
    assert stand_in.transfers == {"to_device": 2}
