"""What is special to single layers: Dense, Dropout, Embedding and MinibatchDiscrimination."""

import os
import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from tests.contracts.layers import LABELS, nearness

ONES = Tensor(np.ones((100, 100), np.float32))


# --- Dense --------------------------------------------------------------------------------------------------------------


def test_initial_values_do_not_depend_on_the_hash_seed():
    code = (
        "import minigan as mg; from minigan.nn import *; mg.seed(3); "
        "print([v.tobytes().hex() for v in Sequential(Dense(2, 3), Dense(3, 2)).state_dict().values()])"
    )
    printed = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": n}, capture_output=True, text=True)
        for n in ("1", "2")
    ]
    assert printed[0].stdout == printed[1].stdout != ""


def test_a_dense_layer_with_a_bias_is_one_op():
    with mg.profile() as p:
        nn.Dense(3, 2)(np.ones((4, 3), "float32"))
    assert {op: row.calls for (op, _), row in p.rows.items()} == {"affine": 1}


# --- Dropout ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [nn.Sequential(nn.Dropout(0.9)).eval(), nn.Dropout(0)])
def test_dropout_in_eval_or_with_probability_0_changes_nothing(layer):
    np.testing.assert_array_equal(layer(ONES).numpy(), ONES.numpy())


@pytest.mark.parametrize(("options", "p"), [((0.1,), 0.1), ((), 0.5), ((0.8,), 0.8)])
def test_in_training_the_share_p_becomes_0_the_mean_stays_and_the_gradient_is_the_mask(options, p):
    x = Tensor(3 * ONES.numpy(), requires_grad=True)
    y = nn.Dropout(*options)(x)
    assert np.mean(y.numpy() == 0) == pytest.approx(p, abs=0.02)
    np.testing.assert_allclose(y.numpy()[y.numpy() != 0], 3 / (1 - p), rtol=1e-6)
    np.testing.assert_allclose(mg.grad(y.sum(), x)[0].numpy(), y.numpy() / 3, rtol=1e-6)


def test_every_call_draws_anew_and_the_seed_reproduces_it():
    layer, pairs = nn.Dropout(), []
    for _ in range(2):
        mg.seed(1)
        pairs.append([layer(ONES).numpy(), layer(ONES).numpy()])
    np.testing.assert_array_equal(*pairs)
    assert not np.array_equal(*pairs[0])


# --- Embedding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [3, [0, 3, 3], [[0, 1, 2], [3, 2, 1]], np.array([1, 2], "uint8"), np.zeros((0, 2), int), Tensor(LABELS)], ids=str
)
def test_each_label_becomes_its_vector(labels):
    layer = nn.Embedding(5, 2)
    plain = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    np.testing.assert_array_equal(layer(labels).numpy(), layer.weight.numpy()[plain])


def test_gradients_of_repeated_labels_add_up_though_the_labels_are_changed_later():
    layer, labels = nn.Embedding(3, 2), np.array([0, 2, 0, 0])
    loss = (layer(labels) * [[1], [2], [3], [4]]).sum()
    labels[:] = 1
    np.testing.assert_array_equal(mg.grad(loss, layer.weight)[0].numpy(), [[8, 8], [0, 0], [2, 2]])


# --- MinibatchDiscrimination --------------------------------------------------------------------------------------------

X, T = np.random.default_rng(0).standard_normal((5, 3)), np.random.default_rng(1).standard_normal((3, 8))


def discrimination(x):
    made = nn.MinibatchDiscrimination(3, 2, 4)
    made.weight.data = T
    return made(Tensor(x)).numpy()


@pytest.mark.parametrize("n", [1, 2, 6])
def test_the_sum_counts_the_sample_itself_as_in_the_paper(n):
    """Of a heap of n samples all have o = n; of n that are far from each other, 1: their own."""
    alike, apart = np.tile(X[:1], (n, 1)), 1e3 * np.arange(n)[:, None] * np.ones((n, 3))
    np.testing.assert_allclose(discrimination(alike)[:, 3:], n)
    np.testing.assert_allclose(discrimination(apart)[:, 3:], 1)


def test_a_sample_is_judged_by_its_own_minibatch():
    np.testing.assert_allclose(discrimination(X), nearness(X, T))
    assert not np.allclose(discrimination(np.concatenate([X, X + 1]))[:5], discrimination(X))
