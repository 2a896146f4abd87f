"""The demo of the manifold defence: its figures; generators from checkpoints; the defence where G is nearly perfect."""

import json

import numpy as np
import pytest

from demos.adversarial_examples import manifold_defense
from demos.architectures import dcgan
from demos.kit import digits
from demos.kit.checkpoints import read_checkpoint
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, attacks, data, metrics, nn
from minigan.npz_files import write_npz
from tests.demos.running import coarse_pictures


def run(out, *options):
    with coarse_pictures():
        manifold_defense.main(["--quick", "--out", str(out), *options])
    assert (out / "manifold_defense.png").is_file()
    return json.loads((out / "summary.json").read_text())


@pytest.mark.slow
def test_the_figures_of_a_quick_run_follow_from_its_accuracies(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "glyphs", lambda n, make=data.glyphs: make(min(n, 300)))
    summary = run(tmp_path)
    found = summary["metrics"]
    lost = found["attacked_0"] - found["attacked_0.2"]
    assert found["lost_to_the_attack"] == pytest.approx(lost)
    assert found["share_that_comes_back"] == pytest.approx((found["projected_0.2"] - found["attacked_0.2"]) / lost)
    assert found["cost_without_attack"] == pytest.approx(found["attacked_0"] - found["projected_0"])
    assert set(summary["holds"]) == {"accuracy that FGSM takes in so few steps"}
    assert summary["settings"]["generator"] == "trained"
    assert "this shows the attack, and no defense yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"after": 0.55}, ["share_that_comes_back"]),
        ({"after": 0.2}, ["projected - attacked, at 0.2", "share_that_comes_back"]),
        ({"attacked": 0.6}, ["lost_to_the_attack"]),
        ({"clean_after": 0.8}, ["cost_without_attack"]),
    ],
)
def test_the_bounds(tmp_path, wrong, said):
    rates = {"attacked": 0.2, "after": 0.81, "clean_after": 0.95} | wrong
    claim = Claim(start(digits.options(""), ["--out", str(tmp_path)], "manifold_defense"), {})
    runs = [
        {
            "rows": [
                {"epsilon": 0.0, "before": 1.0, "after": rates["clean_after"]},
                {"epsilon": 0.2, "before": rates["attacked"], "after": rates["after"] + difference},
            ]
        }
        for difference in (-0.01, 0.0, 0.01)
    ]
    manifold_defense.measure(claim, runs, manifold_defense.Settings(epsilons=(0.0, 0.2)))
    assert [name for name, holds in claim.holds.items() if not holds] == said
    assert claim.metrics["cost_without_attack"] == pytest.approx(1 - rates["clean_after"])
    assert "without an attack, the projection costs" in manifold_defense.found(claim.metrics)


def test_a_generator_is_known_by_its_content(tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.npz").write_bytes(content)
    a, b, c = (manifold_defense.content(tmp_path / name / "checkpoint.npz") for name in "abc")
    assert a == b != c
    assert manifold_defense.content(None) == "trained"


def test_a_projection_that_does_not_descend_gives_nothing_back(tmp_path, monkeypatch):
    x, y = data.glyphs(300)
    judge = metrics.train_judge(x, y, steps=60)
    chosen = np.array([np.flatnonzero(y == c)[0] for c in range(10)])
    settings = manifold_defense.Settings(seeds=2, images=5, epsilons=(0.0, 0.2), descents=50, restarts=2)
    album, held_out = (Album(x[chosen]), 10), (x[chosen], y[chosen])

    def back(lr):
        project = attacks.project
        monkeypatch.setattr(attacks, "project", lambda *a, **options: project(*a, **options, lr=lr))
        runs = [manifold_defense.experiment(1000 + i, i, settings, x, held_out, judge, album) for i in range(2)]
        monkeypatch.undo()
        claim = Claim(start(digits.options(""), ["--out", str(tmp_path)], "manifold_defense"), {})
        manifold_defense.measure(claim, runs, settings)
        return claim

    right, wrong = back(0.1), back(0.0)
    assert right.metrics["share_that_comes_back"] > wrong.metrics["share_that_comes_back"]
    assert not wrong.holds["share_that_comes_back"]
    assert not wrong.holds["cost_without_attack"]


def test_a_generator_from_a_checkpoint(tmp_path, small):
    dcgan.main(["--quick", "--steps", "2", "--out", str(tmp_path / "dcgan")])
    checkpoint = tmp_path / "dcgan" / "checkpoint.npz"
    G, z = manifold_defense.load(checkpoint)
    _, states = read_checkpoint(checkpoint)
    np.testing.assert_array_equal(G.parameters()[0].numpy(), states["training"]["game"]["G"]["layers.0.weight"])
    assert z == 64
    assert not G.training


@pytest.mark.parametrize("content", [None, b"nothing", "other"])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    if content == "other":
        outline = {"settings": {"z": 8, "channels": 2}, "entries": {}}
        write_npz(path, {"outline": np.array(json.dumps(outline))})
    elif content:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=r"^--generator: [^\n]*$"):
        run(tmp_path / "out", "--generator", str(path))


class Album(nn.Module):
    """A generator of all the sums z_1 x_1 + ... + z_10 x_10 of ten images."""

    def __init__(self, images):
        self.images = Tensor(images.reshape(10, 784))

    def forward(self, z):
        return (2.0 * (z @ self.images) - 1.0).reshape(-1, 1, 28, 28)


def test_where_g_makes_little_but_the_images_the_defence_works():
    x, y = data.glyphs(300)
    judge = metrics.train_judge(x, y, steps=60)
    chosen = np.array([np.flatnonzero(y == c)[0] for c in range(10)])
    x, y = x[chosen], y[chosen]
    settings = manifold_defense.Settings(descents=200, restarts=2)
    row = manifold_defense.defend(judge, Album(x), 10, (x, y), 0.25, settings)
    clean = manifold_defense.accuracy(judge, x, y)
    assert clean >= 0.6
    assert row["before"] <= 0.2
    assert row["after"] >= row["before"] + 0.3
    attacked, projected = (np.linalg.norm((row[key] - x).reshape(10, -1), axis=1) for key in ("attacked", "projected"))
    assert (projected < 0.7 * attacked).all()
    np.testing.assert_array_equal(row["attacked"], attacks.fgsm(judge, x, y, 0.25))
