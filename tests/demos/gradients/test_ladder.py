"""The engine in 80 lines: its gradients, its backward pass, what it refuses, that it learns; and the demo that compares it."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.gradients import engine
from demos.gradients import ladder as demo
from minigan import losses
from tests.demos.experiments import broken

SOURCE = Path(engine.__file__).read_text(encoding="utf-8")
shapes = st.tuples(*[st.integers(1, 6)] * 4)  # of z, G's hidden layer, x, D's hidden layer


@settings(max_examples=15)
@given(shapes, st.integers(1, 7), st.integers(0, 2**32 - 1), st.sampled_from(demo.LOSSES))
def test_the_gradients_are_minigans(shape, batch, seed, loss):
    G, D, x, z = demo.players(seed, shape, batch)
    theirs = demo.gradients_in_minigan(loss, demo.twin(G), demo.twin(D), x, z)
    mine = demo.gradients_in_80_lines(loss, G, D, x, z)
    assert demo.difference(mine, theirs) <= 1e-12
    assert [g is None for g in mine] == 4 * [loss == "D's loss"] + 4 * [False]


def test_the_losses_are_minigans_never_overflow_and_can_be_used_further():
    logits = np.array([[-1000.0], [-40.0], [0.0], [3.0], [1000.0]])
    for real, theirs in ((True, losses.generator_loss), (False, lambda v: -losses.generator_loss(v, saturating=True))):
        for v in (logits, *logits.reshape(5, 1, 1)):
            mine, other = engine.Tensor(v), demo.Tensor(v, requires_grad=True)
            loss = engine.log_loss(mine, real)
            (loss + loss).backward()
            theirs(other).backward()
            np.testing.assert_allclose(loss.data, theirs(other).item(), rtol=1e-12)
            np.testing.assert_allclose(mine.grad, 2 * other.grad.numpy(), rtol=1e-12)


def test_b_waits_until_both_of_its_gradients_are_there_and_a_long_way_and_a_short_one_meet():
    a = engine.Tensor(np.array([3.0]))
    b = a + a
    c = b + b
    c.backward()
    assert c.data == 12
    assert (a.grad, b.grad, c.grad) == (4, 2, 1)
    long = b
    for _ in range(1100):  # deeper than Python's recursion
        long = long + engine.Tensor(np.zeros(1))
    (b + long).backward()
    assert (a.grad, b.grad) == (4, 2)


def test_a_bias_that_is_used_again_gets_the_sum_and_other_broadcasting_is_refused():
    assert demo.difference(*demo.gradients_of_sums(0, 5)) <= 1e-12
    for shape in ((5, 1), (1, 3)):
        y = engine.Tensor(np.zeros((5, 3))) + engine.Tensor(np.zeros(shape))
        with pytest.raises(ValueError, match="reshape"):
            y.backward()


def test_the_file_has_at_most_80_lines_and_imports_numpy_alone():
    assert len(SOURCE.splitlines()) <= 80
    assert max(map(len, SOURCE.splitlines())) <= 115
    imports = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]


def test_the_comparisons_hold(claim):
    demo.compare_gradients(claim, range(1), demo.Settings())
    demo.compare_iterations(claim, range(2), demo.Settings(iterations=20))
    assert broken(claim) == set()


def test_training_lets_no_gradient_of_ds_loss_into_g(monkeypatch):
    """Without detach, the parameters would be the same: only G's gradients tell."""

    def only_ds_pass(network, loss, lr):  # D has 32 hidden units, G 8
        if network.parameters[1].data.size == 32:
            loss.backward()

    monkeypatch.setattr(engine.Network, "descend", only_ds_pass)
    G, _ = next(engine.train(np.random.default_rng(0)))
    assert [p.grad for p in G.parameters] == [None] * 4


@pytest.mark.slow
def test_the_file_runs_as_a_script():
    said = subprocess.run([sys.executable, engine.__file__], capture_output=True, text=True, check=True).stdout
    assert len(said.splitlines()) == 6
    assert said.splitlines()[-1].startswith("3000 steps: mean of G(z) ")


@pytest.mark.slow
def test_the_samples_take_the_datas_mean_and_standard_deviation(claim):
    settings = demo.Settings()
    demo.measure_samples(claim, [demo.samples_over_training(seed, settings)[-1] for seed in range(100, 110)], settings)
    assert broken(claim) == set()


# --- planted faults -------------------------------------------------------------------------------------------------------


NO_GRADIENT = "D's loss: parameters without gradient, "
DIFFER = [f"{name}: difference of gradients" for name in (*demo.LOSSES, "broadcast bias, used again")]


def no_detach(self):
    return self


@pytest.mark.parametrize(
    ("where", "name", "fault", "fails"),
    [
        (engine.Tensor, "detach", no_detach, [NO_GRADIENT + "80 lines", DIFFER[0]]),
        (demo.Tensor, "detach", no_detach, [NO_GRADIENT + "minigan", DIFFER[0]]),
        (engine, "tanh", lambda x: x, DIFFER),
    ],
)
def test_a_fault_in_either_engine_breaks_the_claim(claim, monkeypatch, where, name, fault, fails):
    monkeypatch.setattr(where, name, fault)
    demo.compare_gradients(claim, range(1), demo.Settings())
    assert broken(claim) == set(fails)


def test_differences_are_relative_to_the_largest_number_and_a_gradient_that_one_engine_lacks_is_one():
    one = [np.ones(2)]
    assert demo.difference([None, *one], [*one, *one]) == np.inf
    assert demo.difference([None, *one], [None, *one]) == 0
    assert demo.difference([np.array([1.0, 4.0])], [np.array([2.0, 5.0])]) == 0.2


@pytest.mark.parametrize(("x", "fails"), [(3.0, "std of G(z), worst off by, per cent"), (3.2, "mean of G(z), worst off by")])
def test_the_worst_seeds_samples_decide(claim, x, fails):
    good = np.array([1.0, 5.0])
    demo.measure_samples(claim, [good, good + x - 3 if x > 3 else 3 + 1.2 * (good - 3)], demo.Settings())
    assert broken(claim) == {fails}
