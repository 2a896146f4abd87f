"""What the demos on digit images share: their data, the pictures of images, and the judge."""

import re
from argparse import Namespace

import numpy as np
import pytest

import minigan as mg
from demos.kit import digits, pictures
from demos.kit.claim import Claim
from minigan import data, metrics
from minigan.games import ConditionalGAN
from tests.demos.running import run, samples_of, summary_of

SMALL = ("--quick", "--steps", "3")


def args(**options):
    return Namespace(**{"data": "glyphs", "data_dir": None, "quick": True} | options)


# --- the data -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gan", "cgan"])
def test_a_folder_without_the_files_ends_the_demo_with_one_line_and_no_traceback(name, tmp_path):
    with pytest.raises(SystemExit) as end:
        run(name, tmp_path / "out", "--data", "mnist", "--data-dir", str(tmp_path))
    said = rf"no \S+-images-idx3-ubyte.gz in the folder {re.escape(str(tmp_path))}[^\n]*"
    assert re.fullmatch(said, end.value.code)  # a text: Python prints it, and exits with 1
    assert end.value.__suppress_context__
    assert not list((tmp_path / "out").iterdir())


def test_the_samples_are_compared_with_always_the_same_random_test_images(mnist_folder, monkeypatch):
    monkeypatch.setattr(digits, "SAMPLES", 30)
    x, y, (others, classes) = digits.load(args(data="mnist", data_dir=mnist_folder))
    for found, expected in zip((x, y), data.mnist(root=mnist_folder), strict=True):
        np.testing.assert_array_equal(found, expected)
    test, test_labels = data.mnist("test", root=mnist_folder)
    chosen = [int(np.flatnonzero((test == other).all(axis=(1, 2, 3)))[0]) for other in others]
    assert len(set(chosen)) == 30
    assert sorted(chosen) != list(range(30))  # they stand in no random order: the first ones are harder to read
    np.testing.assert_array_equal(test_labels[chosen], classes)
    np.testing.assert_array_equal(digits.load(args(data="mnist", data_dir=mnist_folder))[2][0], others)


# --- the judge ----------------------------------------------------------------------------------------------------------


def test_real_images_are_nearer_to_the_data_than_without_a_class_and_as_clear_as_the_judge_finds_them():
    (x, y), others = data.glyphs(400), data.glyphs(300, rng=np.random.default_rng(1))
    judge = metrics.train_judge(x, y, steps=60)
    found = digits.quality(judge, x, others, others[0], others[1])
    assert found["samples"] == found["real_images"]
    assert found["samples"]["frechet"] < digits.without_one_class(judge, x, others) < 10 * found["samples"]["frechet"]
    classes, clear = digits.opinion(judge, others[0])
    assert clear.mean() == pytest.approx(found["samples"]["confident"])
    assert (classes == others[1]).mean() == found["samples"]["accuracy"] > 0.5
    assert digits.classes_drawn(judge, others[0][others[1] < 7]) >= 7 > digits.classes_drawn(judge, others[0][others[1] == 3])


UNSEEN = {"clear digits, unseen real images": 0.9, "Frechet distance, real images without one class": 40.0}
UNSEEN |= {"clear digits half way on a straight line": 0.3}
NAMES = "classes", "clear digits", "Frechet distance", "clear digits half way on a great circle"


@pytest.mark.parametrize(
    ("values", "holds"), [((10, 0.6, 20.0, 0.55), True), ((9, 0.4, 41.0, 0.2), False), ((9, 0.4, float("nan"), 0.2), False)]
)
def test_a_game_on_digits_is_judged_by_what_real_images_reach(values, holds):
    claim = Claim(Namespace(quick=False), {})
    claim.metrics |= UNSEEN | dict(zip(NAMES, values, strict=True))
    digits.well_drawn(claim)
    digits.smooth(claim)
    assert claim.holds == dict.fromkeys(NAMES, holds)


def test_the_end_of_a_history_is_its_last_tenth_and_of_each_class_twelve_images_are_shown():
    assert digits.last_tenth([{"D": 0.9}] * 18 + [{"D": 0.6}, {"D": 0.64}]) == {"D": pytest.approx(0.62)}
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 15))
    shown = [i for c in range(10) for i in np.flatnonzero(labels == c)[:12]]
    assert digits.by_class(np.arange(150), labels).tolist() == shown


# --- the pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conditional", [False, True])
def test_ways_lead_from_one_z_to_another_straight_and_on_great_circles_in_eight_classes_if_there_are_any(conditional):
    z, asked = data.noise(6, rng=np.random.default_rng(0))(16), []
    found = digits.ways(lambda n, classes, z: asked.append(classes) or z, z, conditional)
    assert asked == 2 * (list(range(8)) if conditional else [None] * 8)
    for images, way in zip(found, (data.lerp, data.slerp), strict=True):
        for i in range(8):
            a, b = (0, 1) if conditional else (2 * i, 2 * i + 1)
            np.testing.assert_array_equal(images[i], way(z[a], z[b], 12))
    straight, circle = digits.middles(np.float32([[1, 0], [3, 0]]), np.float32([[0, 1], [0, 3]]))
    np.testing.assert_allclose(straight, [[0.5, 0.5], [1.5, 1.5]])
    np.testing.assert_allclose(circle, np.sqrt([[0.5, 0.5], [4.5, 4.5]]), rtol=1e-6)


@pytest.mark.parametrize("name", ["gan", "cgan", "dcgan", "began"])
def test_the_pictures_and_the_figures_are_of_the_samples_from_0_to_1(name, tmp_path, small, record):
    drawn, moving = record(pictures, "images"), record(pictures, "images_animation")
    fed = record(data, "batches", data.batches)
    out = run(name, tmp_path, *SMALL, "--data", "glyphs", *(["--gamma", "0.7"] if name == "began" else []))
    samples, conditional, found = samples_of(out)["samples"], name == "cgan", summary_of(out)["metrics"]
    real, fake = drawn[0].arguments
    _, snapshots, columns = moving[0].arguments
    assert (real.min(), real.max(), fed[0].arrays[0].min(), fed[0].arrays[0].max()) == (0, 1, -1, 1)
    np.testing.assert_array_equal(fake, digits.by_class(samples, np.arange(20) % 10) if conditional else samples[:144])
    assert [int(s["step"]) for s in snapshots] == [0, 1, 2, 3]
    assert all(s["samples"].shape == (8 * columns, 1, 28, 28) for s in snapshots)
    named = [("clear digits", "confident"), ("Frechet distance", "frechet")]
    assert all(found[name] == found["samples"][key] for name, key in [*named, ("classes", "classes")])
    assert all(found[f"{name}, unseen real images"] == found["real_images"][key] for name, key in named)
    assert not conditional or found["of the class asked for"] == found["samples"]["accuracy"]


def test_a_conditional_games_samples_are_asked_for_class_by_class_and_come_with_their_labels(
    tmp_path, small, monkeypatch, record
):
    def draw_the_class(self, n, y=None, z=None, G=None):
        assert G is self.average.module
        assert z is None or len(z) == n
        return np.broadcast_to((np.asarray(y) / 10)[..., None, None, None], (n, 1, 28, 28)).astype(np.float32)

    monkeypatch.setattr(ConditionalGAN, "sample", draw_the_class)
    judged = record(digits, "quality", digits.quality)
    arrays = samples_of(run("cgan", tmp_path, *SMALL))
    np.testing.assert_allclose(arrays["samples"][:, 0, 5, 5], (arrays["labels"] / 10 + 1) / 2)  # [-1, 1] to [0, 1]
    np.testing.assert_array_equal(judged[0].labels, arrays["labels"])
    assert np.bincount(arrays["labels"]).tolist() == [2] * 10


def test_d_is_three_dense_layers_with_leaky_relus_between():
    D, x = digits.dense_discriminator(3, side=2), np.random.default_rng(0).standard_normal((5, 1, 2, 2)).astype("float32")
    h = x.reshape(5, 4)
    (W, b), *others = [[p.numpy() for p in layer.parameters()] for layer in D if layer.parameters()]
    h = h @ W + b
    for W, b in others:
        h = np.maximum(h, 0.2 * h) @ W + b
    np.testing.assert_allclose(D(mg.Tensor(x)).numpy(), h, rtol=1e-5)
