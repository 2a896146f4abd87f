"""A perfect D: G's gradients and their bound against formulas by hand, and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.training import perfect_discriminator as demo
from minigan import Tensor, losses, nn
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

TINY = replace(demo.Settings(), **demo.QUICK | {"steps": 20, "probes": 8, "width": 8, "batch": 16})


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []
    assert_shows_something(tmp_path / "perfect_discriminator.png")


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=20, every=10, probes=8, width=8, batch=16)
    assert {path.name for path in out.iterdir()} == {"perfect_discriminator.png", "summary.json", "checkpoint.npz"}
    assert summary_of(out)["holds"] == {"log(1 - D): gradient / theorem 2.4's bound, largest": True}


# --- the measurements, by linear players ----------------------------------------------------------------------------------


@pytest.fixture
def linear():
    """G = z W + b in three dimensions, D = sigma(x w + c), four z in two parts, and noise; all in float64."""
    rng = np.random.default_rng(0)
    G, D = nn.Dense(2, 3), nn.Dense(3, 1)
    for p in (*G.parameters(), *D.parameters()):
        p.data = rng.standard_normal(p.shape)
    return G, D, rng.standard_normal((4, 2)), rng.standard_normal((4, 3))


@pytest.mark.parametrize("saturating", [True, False])
def test_gradients_are_those_by_hand_part_by_part(linear, saturating):
    """By each logit v, the loss has the derivative -D, if saturating, or else -(1 - D); v = (z W + b + noise) w + c."""
    G, D, z, noise = linear
    W, b, w, c = (p.numpy() for p in (*G.parameters(), *D.parameters()))
    v = (z @ W + b + noise) @ w + c
    slopes = -expit(v) if saturating else -expit(-v)
    found = demo.gradients_by_part(G, D, Tensor(z), Tensor(noise), saturating, 2)
    for part, row in zip((slice(2), slice(2, 4)), found, strict=True):
        by_W, by_b = z[part].T @ slopes[part] @ w.T / 2, (slopes[part] @ w.T).mean(axis=0)
        np.testing.assert_allclose(row, [*by_W.ravel(), *by_b], rtol=1e-12)


def test_gradients_are_the_slopes_of_the_losses_through_both_networks(linear):
    _, _, z, _ = linear
    mg.seed(0)
    G = demo.curve(TINY)
    D = nn.Sequential(nn.Dense(8, 8), nn.LeakyReLU(0.2), nn.Dense(8, 1))
    for p in (*G.parameters(), *D.parameters()):
        p.data = p.data.astype(np.float64)
    noise = np.random.default_rng(1).standard_normal((4, 8))
    W = G[0].weight

    def loss(weight, saturating):
        x = mg.tanh(Tensor(z) @ weight + G[0].bias) @ G[2].weight + G[2].bias
        return losses.generator_loss(D(x + noise), saturating)

    for saturating in (True, False):
        assert mg.gradcheck(lambda weight, saturating=saturating: loss(weight, saturating), W.numpy(), order=1)
        found = demo.gradients_by_part(G, D, Tensor(z), Tensor(noise), saturating, 1)[0]
        expected = mg.grad(loss(W, saturating), W)[0].numpy()
        np.testing.assert_allclose(found[: W.size], expected.ravel(), rtol=1e-10)


def test_the_norm_is_that_of_the_whole_batch_and_the_variance_is_between_its_parts(linear):
    G, D, z, noise = linear
    found = demo.measure(G, D, Tensor(z), Tensor(noise), 1.0, 2)
    for name, saturating in (("log(1 - D)", True), ("-log D", False)):
        whole, parts = (demo.gradients_by_part(G, D, Tensor(z), Tensor(noise), saturating, n) for n in (1, 2))
        assert found[f"{name}: norm"] == pytest.approx(np.linalg.norm(whole), rel=1e-12)
        assert found[f"{name}: variance"] == pytest.approx(np.var(parts, axis=0, ddof=1).sum(), rel=1e-12)


def test_m_is_the_jacobians_norm(linear):
    """Each of the three outputs has the derivatives z by its weights and 1 by its bias."""
    G, _, z, _ = linear
    assert demo.jacobian_norm(G, Tensor(z)) == pytest.approx(np.sqrt(3 * (np.sum(z**2, axis=1) + 1).mean()), rel=1e-12)


def test_the_bound_is_the_theorems_and_holds(linear):
    G, D, z, noise = linear
    W, b, w = (p.numpy() for p in (*G.parameters(), D.weight))
    M = demo.jacobian_norm(G, Tensor(z))
    D.bias.data = np.array([99.0])
    assert demo.theorem_2_4(G, D, Tensor(z), M) == np.inf  # this D takes all fakes for real
    D.bias.data = np.array([-9.0])
    d = expit((z @ W + b) @ w - 9)[:, 0]
    e = np.max(d + d * (1 - d) * np.linalg.norm(w))
    bound = demo.theorem_2_4(G, D, Tensor(z), M)
    assert bound == pytest.approx(M * e / (1 - e), rel=1e-12)
    assert demo.measure(G, D, Tensor(z), Tensor(0 * noise), M, 2)["log(1 - D): norm"] < bound < np.inf


def test_the_line_leads_from_a_fake_to_the_image_next_to_it():
    fakes, images = np.array([[0.0, 0], [5, 5], [9, 0]]), np.array([[0.0, 1], [5, 7], [9, 9]])  # 1, 2 and 8 or so apart
    line = demo.between(fakes, images)
    np.testing.assert_allclose(line[np.isclose(demo.T, 0)][0], [5, 5], atol=1e-6)
    np.testing.assert_allclose(line[np.isclose(demo.T, 1)][0], [5, 7], atol=1e-6)


# --- the training -------------------------------------------------------------------------------------------------------


def test_d_learns_and_g_stands_still(monkeypatch):
    seen = []

    def measure(G, D, *others):
        seen.append([np.concatenate([p.numpy().ravel() for p in network.parameters()]).copy() for network in (G, D)])
        return {}

    monkeypatch.setattr(demo, "measure", measure)
    rows = demo.train("without noise", 0, TINY)
    assert list(rows["step"]) == [0, 20]
    assert (seen[0][0] == seen[1][0]).all()
    assert (seen[0][1] != seen[1][1]).all()


def test_noise_is_on_what_d_sees_only_where_it_is_asked_for(monkeypatch):
    seen = {}
    for kind in demo.KINDS:
        inputs = seen[kind] = []

        class Watched(nn.Sequential):
            def forward(self, x, inputs=inputs):
                inputs.append(x.numpy().copy())
                return super().forward(x)

        with monkeypatch.context() as m:
            m.setattr(demo.nn, "Sequential", Watched)
            demo.train(kind, 0, replace(TINY, steps=1, noise=3.0))
    for kind, inputs in seen.items():
        widths = [np.ptp(x) for x in inputs if x.shape == (16, 8)]  # D's, real and fake, of two steps
        assert len(widths) == 4
        assert min(widths) > 8 if kind == "with noise" else max(widths) < 4


# --- the claim ----------------------------------------------------------------------------------------------------------


def reported(out, plain, noisy):
    """The claim of one seed: rows of a training without noise, and of one with."""
    claim = Claim(start(common_options(""), ["--out", str(out)], "perfect_discriminator"), {})
    demo.report(claim, {"without noise": [plain], "with noise": [noisy]})
    return claim


def rows(norms, variances, bound=100.0):
    found = {"log(1 - D): norm": norms, "-log D: norm": [1, 1, 1], "-log D: variance": variances, "bound": [bound] * 3}
    return {name: np.array(values) for name, values in {**found, "step": [0, 1, 2], "right": [0, 1, 1]}.items()}


PLAIN, NOISY = rows([1, 0.1, 1e-4], [1, 40, 80]), rows([1, 2, 1], [1, 2, 2])


def test_vanishing_and_exploding_gradients_are_what_is_claimed(tmp_path):
    claim = reported(tmp_path, PLAIN, NOISY)
    assert all(claim.holds.values())
    assert len(claim.holds) == 7
    assert claim.metrics["-log D: variance, at the end / when D is first right about all"] == 2


@pytest.mark.parametrize(
    ("plain", "noisy", "broken"),
    [
        (NOISY, NOISY, 4),  # nothing vanishes or explodes
        (PLAIN, PLAIN, 2),  # noise does nothing
        (rows([1, 0.1, 1e-4], [1, 40, 20]), NOISY, 1),  # the variance comes down again
        (rows([1, 0.1, 1e-4], [1, 40, 80], bound=0.5), NOISY, 1),  # the theorem does not hold
    ],
)
def test_what_is_otherwise_is_noticed(tmp_path, plain, noisy, broken):
    assert list(reported(tmp_path, plain, noisy).holds.values()).count(False) == broken
