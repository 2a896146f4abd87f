"""The engine in 80 lines: its gradients, its walk, what it refuses, that it learns; and the demo that compares it."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.gradients import engine, ladder
from minigan import losses
from tests.demos.running import coarse_pictures

SOURCE = Path(engine.__file__).read_text(encoding="utf-8")
shapes = st.tuples(*[st.integers(1, 6)] * 4)  # of z, G's hidden layer, x, D's hidden layer
few = settings(max_examples=15)

# --- gradients ----------------------------------------------------------------------------------------------------------


def largest_error(f, arrays, engine=engine):
    """How far the gradients of the scalar f(*tensors) are from central differences, relative to the largest."""
    leaves = [engine.Tensor(a.copy()) for a in arrays]
    f(*leaves).backward()
    worst, scale, step = 0.0, 1e-3, 1e-5
    for leaf in leaves:
        numeric = np.zeros_like(leaf.data)
        for i in np.ndindex(leaf.data.shape):
            kept, ends = leaf.data[i], []
            for value in (kept + step, kept - step):
                leaf.data[i] = value
                ends.append(f(*leaves).data)
            leaf.data[i] = kept
            numeric[i] = (ends[0] - ends[1]) / (2 * step)
        if leaf.grad is None or leaf.grad.shape != numeric.shape:
            return np.inf
        worst, scale = max(worst, np.abs(leaf.grad - numeric).max()), max(scale, np.abs(numeric).max())
    return worst / scale


def op_errors(engine):
    """The error of each op, and of the walk where gradients meet, by name."""
    rng = np.random.default_rng(0)
    x, y, w, b = (rng.standard_normal(shape) for shape in ((5, 3), (5, 3), (3, 4), 4))

    def weighed(t):  # log_loss is convex: every element gets a gradient of its own
        return engine.log_loss(t, label=1)

    def shared(x, b):  # paths of different lengths meet in b, in h, and in x
        h = engine.tanh(x + b)
        return weighed(engine.tanh(h + h) + h + x + b)

    cases = {
        "add": (lambda a, b: weighed(a + b), x, y),
        "add a bias": (lambda a, b: weighed(a + b), x @ w, b),
        "matmul": (lambda a, b: weighed(a @ b), x, w),
        "tanh": (lambda a: weighed(engine.tanh(a)), x),
        "log_loss of real": (lambda v: engine.log_loss(v, label=1), x),
        "log_loss of fake": (lambda v: engine.log_loss(v, label=0), x),
        "log_loss, used further": (lambda v: engine.tanh(engine.log_loss(v, label=1)), x),
        "shared": (shared, x @ w, b),
    }
    return {name: largest_error(f, arrays, engine) for name, (f, *arrays) in cases.items()}


def test_every_ops_gradients_are_those_of_finite_differences():
    errors = op_errors(engine)
    assert max(errors.values()) < 1e-8, errors


@few
@given(shapes, st.integers(0, 2**32 - 1))
def test_the_networks_gradients_are_those_of_finite_differences(shape, seed):
    G, D, x, z = ladder.players(seed, shape, batch=3)
    x, z = engine.Tensor(x), engine.Tensor(z)

    def loss_of_d(*parameters):
        D.parameters = parameters
        return engine.log_loss(D(x), label=1) + engine.log_loss(D(G(z).detach()), label=0)

    def loss_of_g(*parameters):
        G.parameters = parameters
        return engine.log_loss(D(G(z)), label=1)

    for network, loss in ((D, loss_of_d), (G, loss_of_g)):
        assert largest_error(loss, [p.data for p in network.parameters]) < 1e-6


@few
@given(shapes, st.integers(1, 7), st.integers(0, 2**32 - 1), st.sampled_from(ladder.LOSSES))
def test_the_gradients_are_minigans(shape, batch, seed, loss):
    G, D, x, z = ladder.players(seed, shape, batch)
    theirs = ladder.gradients_in_minigan(loss, ladder.twin(G), ladder.twin(D), x, z)
    assert ladder.difference(ladder.gradients_in_80_lines(loss, G, D, x, z), theirs) <= 1e-12


def test_the_losses_are_minigans_and_never_overflow():
    logits = np.array([[-1000.0], [-40.0], [0.0], [3.0], [1000.0]])
    for real, theirs in ((True, losses.generator_loss), (False, lambda v: -losses.generator_loss(v, saturating=True))):
        for v in (logits, *logits.reshape(5, 1, 1)):
            mine, other = engine.Tensor(v), ladder.Tensor(v, requires_grad=True)
            loss = engine.log_loss(mine, real)
            loss.backward()
            theirs(other).backward()
            np.testing.assert_allclose(loss.data, theirs(other).item(), rtol=1e-12)
            np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-12)


# --- the walk -----------------------------------------------------------------------------------------------------------


def test_b_waits_until_both_of_its_gradients_are_there():
    a = engine.Tensor(np.array([3.0]))
    b = a + a
    c = b + b
    c.backward()
    assert c.data == 12
    assert (a.grad, b.grad, c.grad) == (4, 2, 1)


def test_a_long_way_and_a_short_one_meet():
    a = engine.Tensor(np.array([1.0]))
    b = a + a
    long = b
    for _ in range(1100):  # deeper than Python's recursion
        long = long + engine.Tensor(np.zeros(1))
    (b + long).backward()
    assert a.grad == 4


def test_detach_keeps_the_values_and_lets_no_gradient_through_to_f():
    G, D, _, z = ladder.players(0, (2, 4, 3, 5), batch=6)
    fake = G(engine.Tensor(z))
    cut = fake.detach()
    engine.log_loss(D(cut), label=0).backward()
    assert cut.data is fake.data
    assert [p.grad for p in (fake, *G.parameters)] == [None] * 5
    assert all(p.grad.shape == p.data.shape for p in D.parameters)


@pytest.mark.parametrize("shape", [(5, 1), (1, 3)])
def test_what_is_broadcast_but_is_no_bias_is_refused(shape):
    y = engine.Tensor(np.zeros((5, 3))) + engine.Tensor(np.zeros(shape))
    with pytest.raises(ValueError, match="reshape"):
        y.backward()


DEFECTS = {
    "add, first": ("(self, lambda g: g), (b", "(self, lambda g: -g), (b"),
    "add, second": ("(b, lambda g: g))", "(b, lambda g: g + g))"),
    "add, an input forgotten": (", (b, lambda g: g))", ")"),
    "matmul, first": ("g @ W.data.T", "g @ W.data.T * 1.01"),
    "matmul, second": ("self.data.T @ g", "-self.data.T @ g"),
    "tanh": ("np.tanh(x.data) ** 2", "np.tanh(x.data)"),
    "log_loss, the sign": ("g * sign * np.exp", "g * np.exp"),
    "log_loss, the sigmoid": ("np.exp(u - softplus)", "np.exp(-softplus)"),
    "log_loss, the mean": (" / u.size", ""),
    "log_loss, g": ("lambda g: g * sign", "lambda g: sign"),
    "the order": ("max(arrived, key=lambda x: x.depth)", "next(iter(arrived))"),
    "the sum of what arrives": ("arrived[x] + g_x if", "g_x if"),
    "the sum over the rows": ("g_x.sum(axis=extra)", "(g_x.mean(axis=extra) if extra else g_x)"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(name):
    old, new = DEFECTS[name]
    assert SOURCE.count(old) == 1
    damaged = ModuleType("damaged")
    exec(SOURCE.replace(old, new), damaged.__dict__)
    assert max(op_errors(damaged).values()) > 1e-3


# --- the file, and the training -----------------------------------------------------------------------------------------


def test_the_file_has_at_most_80_lines_and_imports_numpy_alone():
    assert len(SOURCE.splitlines()) <= 80
    assert max(map(len, SOURCE.splitlines())) <= 115
    imports = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]


def test_each_players_step_leaves_the_other_alone():
    G, D, _, z = ladder.players(0, (1, 4, 1, 5), batch=6)
    before = [p.data for p in G.parameters + D.parameters]
    D.descend(engine.log_loss(D(G(engine.Tensor(z)).detach()), label=0), lr=0.1)
    assert all(p.data is old for p, old in zip(G.parameters, before, strict=False))
    after = [p.data for p in D.parameters]
    assert not any(np.array_equal(new, old) for new, old in zip(after, before[4:], strict=True))
    G.descend(engine.log_loss(D(G(engine.Tensor(z))), label=1), lr=0.1)
    assert all(p.data is old for p, old in zip(D.parameters, after, strict=True))
    assert not any(np.array_equal(p.data, old) for p, old in zip(G.parameters, before, strict=False))


def test_training_lets_no_gradient_of_ds_loss_into_g(monkeypatch):
    """Without detach, the parameters would be the same: only G's gradients tell."""

    def only_ds_walk(network, loss, lr):  # D has 32 hidden units, G 8
        if network.parameters[1].data.size == 32:
            loss.backward()

    monkeypatch.setattr(engine.Network, "descend", only_ds_walk)
    G, _ = next(engine.train(np.random.default_rng(0)))
    assert [p.grad for p in G.parameters] == [None] * 4


@pytest.mark.slow
def test_the_file_runs_as_a_script():
    said = subprocess.run([sys.executable, engine.__file__], capture_output=True, text=True, check=True).stdout
    assert len(said.splitlines()) == 6
    assert said.splitlines()[-1].startswith("3000 steps: mean of G(z) ")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_the_samples_take_the_datas_mean_and_standard_deviation(seed):
    *_, samples = ladder.samples_over_training(seed, ladder.Settings())
    assert abs(samples.mean() - 3) < 0.1
    assert abs(samples.std() / 2 - 1) < 0.1


# --- the demo -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Of the demo with a fifth of the training."""
    out = tmp_path_factory.mktemp("ladder")
    with pytest.MonkeyPatch.context() as m, coarse_pictures():
        m.setattr(ladder.main, "settings", ladder.Settings(moments=(1, 600), seeds=1))
        ladder.main(["--quick", "--out", str(out)])
    assert (out / "ladder.png").is_file()
    return json.loads((out / "summary.json").read_text())


def test_the_claim_holds(summary):
    assert len(summary["holds"]) == len(summary["metrics"]) - 5 == 14
    assert all(summary["holds"].values()), summary["holds"]


@pytest.mark.slow
def test_with_a_missing_detach_the_run_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(engine.Tensor, "detach", lambda self: self)
    monkeypatch.setattr(ladder.main, "settings", ladder.Settings(moments=(1, 2), seeds=1))
    with coarse_pictures(), pytest.raises(SystemExit, match="D's loss: parameters without gradient, 80 lines"):
        ladder.main(["--quick", "--jobs", "1", "--out", str(tmp_path)])


def test_a_gradient_that_only_one_engine_has_counts_as_different():
    one = [np.ones(2)]
    assert ladder.difference([None, *one], [*one, *one]) == np.inf
    assert ladder.difference([None, *one], [None, *one]) == 0
    assert ladder.difference([np.array([1.0, 4.0])], [np.array([2.0, 5.0])]) == 0.2
