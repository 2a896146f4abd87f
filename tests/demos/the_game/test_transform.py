"""The demo of the transform method: its figures, the exact transforms against SciPy's distributions, and what is averaged."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import minigan as mg
from demos.the_game import transform
from demos.the_game.transform import TARGETS, Settings
from tests.demos.running import broken_claims, smaller_run, summary_of

pytestmark = pytest.mark.slow  # seconds for each quick run
SCIPY = {"exponential": stats.expon, "Gaussian": stats.norm}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    out = smaller_run(transform, tmp_path_factory.mktemp("transform"), steps=200, batch=64, pairs=3, lr=3e-3)
    assert (out / "transform.png").is_file()
    return summary_of(out)


@pytest.fixture
def tiny():
    return replace(Settings(), steps=8, pairs=1, n=1000)


def test_the_claim_holds(summary):
    assert len(summary["holds"]) == 3  # the face, and for each target the exact transform: the learnt ones need time
    assert all(summary["holds"].values()), summary["holds"]


@pytest.mark.slow
def test_the_claim_holds_after_a_quick_run(tmp_path):
    assert broken_claims(transform, tmp_path) == []


def test_a_face_has_116412_numbers(summary):
    assert summary["metrics"]["numbers in a face"] == 116412


@pytest.mark.parametrize("name", list(TARGETS))
def test_training_brings_t_near(name, summary, tiny):
    """An untrained T is many times as far away."""
    mg.seed(0)
    game = transform.make_game(tiny)
    untrained = transform.distance(TARGETS[name], lambda n: game.sample(n)[:, 0], tiny)
    learnt = summary["metrics"][f"{name}, seed 0: T(u), times that"] * summary["metrics"][f"{name}: distance of two samples"]
    assert learnt < untrained / 3


@pytest.mark.parametrize("name", list(TARGETS))
def test_the_exact_transform_gives_the_target(name):
    u = np.linspace(0.001, 0.999, 999)
    x = TARGETS[name].inverse(u)
    np.testing.assert_allclose(x, SCIPY[name].ppf(u), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(TARGETS[name].density(x), SCIPY[name].pdf(x), rtol=1e-12)
    samples = TARGETS[name].inverse(np.random.default_rng(0).random(10_000))
    assert stats.kstest(samples, SCIPY[name].cdf).statistic < 1.63 / 100  # 1 % of such samples lie farther away
    drawn = TARGETS[name].draw(np.random.default_rng(0), 10_000)
    assert stats.kstest(drawn, SCIPY[name].cdf).statistic < 1.63 / 100


@pytest.mark.parametrize("name", list(TARGETS))
def test_the_distance_of_two_samples_is_what_theory_says(name, summary):
    """W1 of two samples of size n is about 2 / sqrt(pi n) times the integral of sqrt(F (1 - F))."""
    x = np.linspace(-12, 40, 200_001)
    F = SCIPY[name].cdf(x)
    theory = 2 / np.sqrt(np.pi * 10_000) * np.sum(np.sqrt(F * (1 - F))) * (x[1] - x[0])
    assert summary["metrics"][f"{name}: distance of two samples"] == pytest.approx(theory, rel=0.4)


def test_the_average_is_that_of_the_second_half(tiny, monkeypatch):
    """Parameters that count the iterations, 1 to 8: the mean of 5, 6, 7 and 8 is 6.5."""

    def step(self, batches):
        self.count = getattr(self, "count", 0) + 1
        for p in self.G.parameters():
            p.data = np.full(p.shape, self.count, np.float32)

    monkeypatch.setattr(transform.games.GAN, "step", step)
    averaged, last = (transform.restored(state, tiny) for state in transform.train(0, "Gaussian", tiny))
    for mean, p in zip(averaged.G.parameters(), last.G.parameters(), strict=True):
        assert (mean.numpy() == 6.5).all()
        assert (p.numpy() == 8).all()


def test_the_seed_decides(tiny):
    first, again, other = (list(transform.train(seed, "exponential", tiny)[0].values()) for seed in (4, 4, 5))
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_a_generator_that_does_not_train_fails(tmp_path, monkeypatch):
    """In a run that is judged."""
    monkeypatch.setattr(transform.main, "settings", Settings(steps=2, pairs=2, seeds=1))
    monkeypatch.setattr(transform, "picture", lambda learnt: plt.figure())
    with pytest.raises(SystemExit, match="exponential: T\\(u\\), times that, worst"):
        transform.main(["--jobs", "1", "--out", str(tmp_path)])
