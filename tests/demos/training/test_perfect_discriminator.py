"""A perfect D: G's gradients and their bound against formulas by hand, and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from demos.training import perfect_discriminator as demo
from minigan import Tensor, nn
from tests.demos.experiments import broken, judged
from tests.demos.running import broken_claims

TINY = replace(demo.Settings(), **demo.QUICK | {"steps": 20, "probes": 8, "width": 8, "batch": 16})


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(demo, tmp_path) == []


@pytest.fixture
def linear():
    """G = z W + b in three dimensions, D = sigma(x w + c), four z in two parts, and noise; all in float64."""
    rng = np.random.default_rng(0)
    G, D = nn.Dense(2, 3), nn.Dense(3, 1)
    for p in (*G.parameters(), *D.parameters()):
        p.data = rng.standard_normal(p.shape)
    return G, D, rng.standard_normal((4, 2)), rng.standard_normal((4, 3))


def test_gradients_are_those_by_hand_part_by_part_and_so_are_norm_and_variance(linear):
    """By each logit v, the loss has the derivative -D, if saturating, or else -(1 - D); v = (z W + b + noise) w + c."""
    G, D, z, noise = linear
    W, b, w, c = (p.numpy() for p in (*G.parameters(), *D.parameters()))
    v = (z @ W + b + noise) @ w + c
    measured = demo.measure(G, D, Tensor(z), Tensor(noise), 1.0, 2)
    for name, slopes in (("log(1 - D)", -expit(v)), ("-log D", -expit(-v))):
        expected = []
        for part in (slice(2), slice(2, 4)):
            by_W, by_b = z[part].T @ slopes[part] @ w.T / 2, (slopes[part] @ w.T).mean(axis=0)
            expected.append([*by_W.ravel(), *by_b])
        found = demo.gradients_by_part(G, D, Tensor(z), Tensor(noise), name != "-log D", 2)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert measured[f"{name}: norm"] == pytest.approx(np.linalg.norm(np.mean(expected, axis=0)), rel=1e-12)
        assert measured[f"{name}: variance"] == pytest.approx(np.var(expected, axis=0, ddof=1).sum(), rel=1e-12)


def test_the_bound_is_the_theorems_and_holds(linear):
    G, D, z, noise = linear
    W, b, w = (p.numpy() for p in (*G.parameters(), D.weight))
    M = demo.jacobian_norm(G, Tensor(z))  # each of the three outputs has the derivatives z by its weights and 1 by its bias
    assert pytest.approx(np.sqrt(3 * (np.sum(z**2, axis=1) + 1).mean()), rel=1e-12) == M
    D.bias.data = np.array([99.0])
    assert demo.theorem_2_4(G, D, Tensor(z), M) == np.inf  # this D takes all fakes for real
    D.bias.data = np.array([-9.0])
    d = expit((z @ W + b) @ w - 9)[:, 0]
    e = np.max(d + d * (1 - d) * np.linalg.norm(w))
    found = demo.measure(G, D, Tensor(z), Tensor(0 * noise), M, 2)
    assert found["bound"] == pytest.approx(M * e / (1 - e), rel=1e-12)
    assert found["log(1 - D): norm"] < found["bound"] < np.inf


def test_the_line_leads_from_a_fake_to_the_image_next_to_it():
    fakes, images = np.array([[0.0, 0], [5, 5], [9, 0]]), np.array([[0.0, 1], [5, 7], [9, 9]])  # 1, 2 and 8 or so apart
    line = demo.between(fakes, images)
    np.testing.assert_allclose(line[np.isclose(demo.T, 0)][0], [5, 5], atol=1e-6)
    np.testing.assert_allclose(line[np.isclose(demo.T, 1)][0], [5, 7], atol=1e-6)


@pytest.mark.parametrize("kind", demo.KINDS)
def test_d_learns_and_g_stands_still_and_noise_is_only_where_it_is_asked_for(kind, monkeypatch, record):
    seen, inputs = [], []

    def measure(*networks_and_others):
        seen.append([np.concatenate([p.numpy().ravel() for p in network.parameters()]) for network in networks_and_others[:2]])
        return {}

    class Watched(nn.Sequential):
        def forward(self, x):
            inputs.append(x.numpy().copy())
            return super().forward(x)

    monkeypatch.setattr(demo, "measure", measure)
    monkeypatch.setattr(demo.nn, "Sequential", Watched)
    rows = demo.train(kind, 0, replace(TINY, noise=3.0))
    assert list(rows["step"]) == [0, 20]
    (G, D), (G_after, D_after) = seen
    assert (G_after == G).all()
    assert (D_after != D).all()
    widths = [np.ptp(x) for x in inputs if x.shape == (16, 8)]  # of D's minibatches
    assert len(widths) == 2 * 21
    assert min(widths) > 8 if kind == "with noise" else max(widths) < 4


def rows(norms, variances, bound=100.0):
    found = {"log(1 - D): norm": norms, "-log D: norm": [1, 1, 1], "-log D: variance": variances, "bound": [bound] * 3}
    return {name: np.array(values) for name, values in {**found, "step": [0, 1, 2], "right": [0, 1, 1]}.items()}


PLAIN, NOISY = rows([1, 0.1, 1e-4], [1, 40, 80]), rows([1, 2, 1], [1, 2, 2])


@pytest.mark.parametrize(
    ("plain", "noisy", "misses"),
    [
        (PLAIN, NOISY, 0),
        (NOISY, NOISY, 4),  # nothing vanishes or explodes
        (PLAIN, PLAIN, 2),  # noise does nothing
        (rows([1, 0.1, 1e-4], [1, 40, 20]), NOISY, 1),  # the variance comes down again
        (rows([1, 0.1, 1e-4], [1, 40, 80], bound=0.5), NOISY, 1),  # the theorem does not hold
    ],
)
def test_vanishing_and_exploding_gradients_are_what_is_claimed(plain, noisy, misses):
    made_up = {"without noise": [plain], "with noise": [noisy]}
    assert len(broken(judged(demo.report, made_up))) == misses
    if not misses:
        assert judged(demo.report, made_up).metrics["-log D: variance, at the end / when D is first right about all"] == 2
