"""What the demos on digit images share: their data, the pictures of images, and the judge."""

import re
import sys
from argparse import Namespace

import numpy as np
import pytest

from demos.kit import digits, pictures
from demos.kit.claim import Claim
from demos.kit.runner.codec import read_checkpoint
from demos.kit.runner.opening import start
from demos.kit.runner.options import common_options
from demos.kit.words import say
from minigan import data, metrics
from minigan.games import ConditionalGAN
from tests.demos.running import OTHERS, run, samples_of, summary_of

SMALL = ("--quick", "--steps", "3")
IMAGE_DEMOS = ("cgan", "dcgan", "began")
every_one = pytest.mark.parametrize("name", IMAGE_DEMOS)
also_gan = pytest.mark.parametrize("name", ["gan", *IMAGE_DEMOS])


def args(**options):
    return Namespace(**{"data": "glyphs", "data_dir": None, "quick": True} | options)


# --- the data -----------------------------------------------------------------------------------------------------------


@every_one
def test_the_data_are_glyphs_with_quick_and_else_mnist(name, tmp_path, monkeypatch):
    asked = []

    def play(claim, *rest, **options):
        asked.append(claim.args.data)
        raise StopIteration

    monkeypatch.setattr(digits, "play", play)
    for options in (["--quick"], [], ["--quick", "--data", "mnist"], ["--data", "glyphs"]):
        with pytest.raises(StopIteration):
            run(name, tmp_path, *options)
    assert asked == ["glyphs", "mnist", "mnist", "glyphs"]


@also_gan
@pytest.mark.parametrize("quick", [True, False])
def test_a_folder_without_the_files_ends_the_demo_with_one_line_and_no_traceback(name, quick, tmp_path):
    options = ["--data", "mnist", "--data-dir", str(tmp_path), *(["--quick"] if quick else [])]
    with pytest.raises(SystemExit) as end:
        run(name, tmp_path / "out", *options)
    message = end.value.code  # a text: Python prints it, and exits with 1
    assert re.match(rf"no \S+-images-idx3-ubyte.gz in the folder {re.escape(str(tmp_path))}", message)
    assert "\n" not in message
    assert end.value.__suppress_context__
    assert not list((tmp_path / "out").iterdir())


def test_without_the_test_images_there_is_nothing_to_compare_with(mnist_folder):
    (mnist_folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(SystemExit, match=r"^no t10k-images-idx3-ubyte.gz in the folder"):
        digits.load(args(data="mnist", data_dir=mnist_folder))


@also_gan
def test_digits_come_from_the_folder_that_is_named(name, tmp_path, mnist_folder, small, monkeypatch):
    seen = []
    monkeypatch.setattr(
        data, "batches", lambda *arrays, size, make=data.batches: seen.append(arrays) or make(*arrays, size=size)
    )
    out = run(name, tmp_path / "out", *SMALL, "--data", "mnist", "--data-dir", str(mnist_folder))
    assert {path.name for path in out.iterdir()} == OTHERS - {"animation.gif"}  # pictures are left out here
    assert summary_of(out)["settings"]["data"] == "mnist"
    x, y = data.mnist(root=mnist_folder)
    np.testing.assert_allclose(seen[0][0], 2 * x - 1)  # the networks see pixels from -1 to 1
    assert (seen[0][0].min(), seen[0][0].max(), seen[0][0].dtype) == (-1, 1, np.float32)
    np.testing.assert_array_equal(seen[0][1], y)


def test_the_samples_are_compared_with_always_the_same_random_test_images(mnist_folder, monkeypatch):
    monkeypatch.setattr(digits, "SAMPLES", 30)
    x, y, (others, classes) = digits.load(args(data="mnist", data_dir=mnist_folder))
    for found, expected in zip((x, y), data.mnist(root=mnist_folder), strict=True):
        np.testing.assert_array_equal(found, expected)
    test, test_labels = data.mnist("test", root=mnist_folder)
    chosen = [int(np.flatnonzero((test == other).all(axis=(1, 2, 3)))[0]) for other in others]
    assert len(set(chosen)) == 30
    assert chosen != sorted(chosen)  # they stand in no random order: the first ones are harder to read
    np.testing.assert_array_equal(test_labels[chosen], classes)
    np.testing.assert_array_equal(digits.load(args(data="mnist", data_dir=mnist_folder))[2][0], others)


@pytest.mark.parametrize(("quick", "sizes"), [(True, [3_000, 300]), (False, [60_000, 5_000])])
def test_glyphs_are_as_many_as_mnist_and_fewer_with_quick(quick, sizes, monkeypatch):
    asked, glyphs = [], data.glyphs
    monkeypatch.setattr(data, "glyphs", lambda n: asked.append(n) or glyphs(5))
    x, y, (others, classes) = digits.load(args(quick=quick))
    assert asked == sizes
    assert (x.shape, y.shape, others.shape, classes.shape) == ((5, 1, 28, 28), (5,), (5, 1, 28, 28), (5,))
    assert not np.array_equal(x, others)


# --- the judge ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(monkeypatch):
    """Which judges were made, and how, instead of making them."""
    calls = []

    def make(name):
        return lambda *args, **options: calls.append((name, args, options)) or metrics.Judge(np.random.default_rng(0))

    for name in ("judge", "train_judge"):
        monkeypatch.setattr(metrics, name, make(name))
    return calls


def images(n):
    return data.glyphs(n, rng=np.random.default_rng(n))


def test_a_quick_run_trains_its_own_judge_and_the_cache_is_left_alone(judged):
    x, y = images(30)
    digits.judge_of(args(), x, y)
    [(name, data_given, options)] = judged
    assert name == "train_judge"
    assert data_given == (x, y)
    assert options == {"steps": 60}


@pytest.mark.slow
def test_no_quick_run_writes_into_the_users_cache(done):
    assert not list(done.cache.glob("minigan*"))


def test_a_whole_run_takes_the_judge_from_the_cache_and_shows_that_one_is_being_trained(judged, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    x, y = images(30)
    digits.judge_of(args(quick=False), x, y)
    [(name, data_given, options)] = judged
    assert name == "judge"
    assert data_given == (x, y)
    assert list(options) == ["progress"]  # as many steps as usual, from and into the usual place
    assert list(options["progress"](range(3))) == [0, 1, 2]
    assert "training a judge: 100%" in capsys.readouterr().err


def test_a_judge_that_is_cached_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(metrics, "judge", lambda x, y, progress, make=metrics.judge: make(x, y, steps=2, progress=progress))
    (x, y), (samples, _) = images(30), images(21)
    first = digits.judge_of(args(quick=False), x, y)
    assert len(list((tmp_path / "minigan" / "judges").iterdir())) == 1
    monkeypatch.setattr(metrics.images, "train_judge", None)
    again = digits.judge_of(args(quick=False), x, y)
    np.testing.assert_array_equal(digits.features(first, samples), digits.features(again, samples))


def test_samples_and_unseen_images_are_judged_by_the_same_judge_against_the_same_data(judged):
    (x, y), others, (samples, labels) = images(30), images(20), images(21)
    judge = digits.judge_of(args(), x, y)
    found = digits.quality(judge, x, others, samples, labels)
    assert found == {
        "samples": metrics.image_quality(samples, judge, x, labels),
        "real_images": metrics.image_quality(others[0], judge, x, others[1]),
    }
    assert "accuracy" in found["samples"]
    assert "accuracy" in found["real_images"]


@pytest.mark.slow
def test_the_interpolation_is_a_wide_picture_of_greys(quick):
    image = pytest.importorskip("PIL.Image")
    with image.open(quick("cgan").out / "interpolation.png") as picture:
        width, height = picture.size
    assert width > 2 * height  # two sheets of 8 rows and 12 columns


@pytest.mark.slow
def test_the_figures_that_are_noted_are_the_judges(quick):
    said, found = quick("cgan").said, summary_of(quick("cgan").out)["metrics"]
    for name, row, key in (
        ("clear digits", "samples", "confident"),
        ("clear digits, unseen real images", "real_images", "confident"),
        ("classes", "samples", "classes"),
        ("Frechet distance", "samples", "frechet"),
        ("Frechet distance, unseen real images", "real_images", "frechet"),
        ("of the class asked for", "samples", "accuracy"),
        ("of their class, unseen real images", "real_images", "accuracy"),
    ):
        assert found[name] == found[row][key]
        assert f"\n{name} " in said


GOOD = {"classes": 10, "clear digits": 0.6, "Frechet distance": 20.0}
GOOD |= {"clear digits, unseen real images": 0.9, "Frechet distance, real images without one class": 40.0}
GOOD |= {"clear digits half way on a straight line": 0.3, "clear digits half way on a great circle": 0.55}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", 9),
        ("clear digits", 0.4),
        ("Frechet distance", 41.0),
        ("Frechet distance", float("nan")),
        ("clear digits half way on a great circle", 0.4),
        (None, None),
    ],
)
def test_a_game_on_digits_is_judged_by_what_real_images_reach(name, value, tmp_path):
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "dcgan"), {})
    claim.metrics |= GOOD | ({name: value} if name else {})
    digits.well_drawn(claim)
    digits.smooth(claim)
    assert {key for key, holds in claim.holds.items() if not holds} == ({name} - {None})
    assert "60 % of the samples are clear digits (of real images 90 %)" in say(digits.DRAWN, GOOD)


def test_real_images_without_a_class_are_further_away_than_all(monkeypatch):
    x, y = images(400)
    others = images(300)
    judge = metrics.train_judge(x, y, steps=60)
    whole = digits.quality(judge, x, others, x[:300], None)["real_images"]["frechet"]
    assert whole < digits.without_one_class(judge, x, others) < 10 * whole
    classes, clear = digits.opinion(judge, others[0])
    assert clear.mean() == pytest.approx(digits.quality(judge, x, others, x[:300], None)["real_images"]["confident"])
    assert (classes == others[1]).mean() > 0.5


def test_the_end_of_a_history_is_its_last_tenth():
    history = [{"D_accuracy": 0.9}] * 18 + [{"D_accuracy": 0.6}, {"D_accuracy": 0.64}]
    assert digits.last_tenth(history) == {"D_accuracy": pytest.approx(0.62)}
    assert "right about 62 % of the images" in say(digits.LATE_GUESSES, digits.last_tenth(history))
    assert "0.70 times" in say(digits.LATE_BALANCE, digits.last_tenth([{"ratio": 0.7, "M": 0.1}]))


def test_half_way_is_half_way():
    a, b = np.float32([[1, 0], [3, 0]]), np.float32([[0, 1], [0, 3]])
    straight, circle = digits.middles(a, b)
    np.testing.assert_allclose(straight, [[0.5, 0.5], [1.5, 1.5]])
    np.testing.assert_allclose(circle, np.sqrt([[0.5, 0.5], [4.5, 4.5]]), rtol=1e-6)


# --- the pictures -------------------------------------------------------------------------------------------------------


def test_a_sheet_has_the_images_row_by_row_with_a_line_around_each():
    values = np.arange(1, 8, dtype=np.float32) / 10
    sheet = pictures.sheet(np.ones((7, 1, 4, 5), np.float32) * values[:, None, None, None], columns=3)
    assert sheet.shape == (2 * 6, 3 * 7)  # the seventh does not fill a row
    tiles = sheet.reshape(2, 6, 3, 7).swapaxes(1, 2).reshape(6, 6, 7)
    np.testing.assert_array_equal(tiles[:, 1:-1, 1:-1], np.broadcast_to(values[:6, None, None], (6, 4, 5)))
    frame = np.ones((6, 7), bool)
    frame[1:-1, 1:-1] = False
    assert (tiles[:, frame] == 0.25).all()


def test_images_by_class_are_twelve_of_each_class_after_class():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 15))
    numbered = np.arange(150, dtype=np.float32).reshape(150, 1, 1, 1) * np.ones((1, 1, 28, 28), np.float32)
    chosen = digits.by_class(numbered, labels)
    assert chosen.shape == (120, 1, 28, 28)
    which = chosen[:, 0, 0, 0].astype(int)
    assert labels[which].tolist() == np.repeat(np.arange(10), 12).tolist()
    for c in range(10):
        assert which[12 * c : 12 * c + 12].tolist() == np.flatnonzero(labels == c)[:12].tolist()


class Draws:
    """A sampler that notes what it is asked for, and draws z's first number."""

    def __init__(self):
        self.asked = []

    def __call__(self, n, classes, z):
        self.asked.append((n, classes, z))
        return z[:, :1, None, None] * np.ones((n, 1, 28, 28), np.float32)


def test_ways_lead_from_one_z_to_another_straight_and_on_great_circles():
    z = data.noise(6, rng=np.random.default_rng(0))(16)
    draws = Draws()
    straight, spherical = digits.ways(draws, z, conditional=False)
    assert straight.shape == spherical.shape == (8, 12, 1, 28, 28)
    for ways, way in ((draws.asked[:8], data.lerp), (draws.asked[8:], data.slerp)):
        for i, (n, classes, between) in enumerate(ways):
            assert (n, classes) == (12, None)
            np.testing.assert_array_equal(between, way(z[2 * i], z[2 * i + 1], 12))
    np.testing.assert_array_equal(straight[:, 0, 0, 0, 0], z[::2, 0])
    np.testing.assert_array_equal(straight[:, -1, 0, 0, 0], z[1::2, 0])
    np.testing.assert_allclose(spherical[:, [0, -1]], straight[:, [0, -1]], rtol=1e-5)
    assert not np.allclose(spherical, straight)


def test_ways_of_a_conditional_game_are_the_same_z_in_eight_classes():
    z = data.noise(6, rng=np.random.default_rng(0))(16)
    draws = Draws()
    digits.ways(draws, z, conditional=True)
    for ways, way in ((draws.asked[:8], data.lerp), (draws.asked[8:], data.slerp)):
        assert [classes for _, classes, _ in ways] == list(range(8))
        for _, _, between in ways:
            np.testing.assert_array_equal(between, way(z[0], z[1], 12))


@also_gan
def test_every_picture_gets_images_of_the_right_kind(name, tmp_path, small, monkeypatch):
    drawn = {}
    for picture in ("images", "interpolations", "images_over_time", "images_animation", "curves"):
        monkeypatch.setattr(pictures, picture, lambda *given, name=picture, **named: drawn.update({name: (given, named)}))
    monkeypatch.setattr(digits, "SAMPLES", 150)
    monkeypatch.setattr(digits, "WAYS", 100)
    out = run(name, tmp_path, *SMALL, "--data", "glyphs", *(["--gamma", "0.7"] if name == "began" else []))
    samples, conditional = samples_of(out)["samples"], name == "cgan"

    (real, fake), named = drawn["images"]
    assert real.max() == 1
    assert real.min() == 0
    expected = digits.by_class(samples, np.arange(150) % 10) if conditional else samples[:144]
    np.testing.assert_array_equal(fake, expected)
    assert named == ({"labels": list("0123456789")} if conditional else {})

    (straight, spherical, names), _ = drawn["interpolations"]
    assert names == ([f"class {c}" for c in range(8)] if conditional else [])
    assert straight.shape == spherical.shape == (8, 12, 1, 28, 28)
    assert 0 <= min(straight.min(), spherical.min()) < max(straight.max(), spherical.max()) <= 1

    columns = 10 if conditional else 8
    (path, snapshots, in_a_row), _ = drawn["images_animation"]
    assert (path, in_a_row) == (out / "animation.gif", columns)
    assert [int(s["step"]) for s in snapshots] == [0, 1, 2, 3]
    assert all(s["samples"].shape == (8 * columns, 1, 28, 28) for s in snapshots)
    assert drawn["images_over_time"] == ((snapshots, 2 * columns), {})
    (history, _), _ = drawn["curves"]
    assert [row["step"] for row in history] == [1, 2, 3]


def test_a_conditional_games_samples_are_asked_for_class_by_class_and_come_with_their_labels(tmp_path, small, monkeypatch):
    def draw_the_class(self, n, y=None, z=None):
        assert z is None or len(z) == n
        return np.broadcast_to((np.asarray(y) / 10)[..., None, None, None], (n, 1, 28, 28)).astype(np.float32)

    monkeypatch.setattr(ConditionalGAN, "sample", draw_the_class)
    seen = []
    monkeypatch.setattr(digits, "quality", lambda *given, make=digits.quality: seen.append(given[-1]) or make(*given))
    arrays = samples_of(run("cgan", tmp_path, *SMALL))
    np.testing.assert_allclose(arrays["samples"][:, 0, 5, 5], (arrays["labels"] / 10 + 1) / 2)  # [-1, 1] to [0, 1]
    np.testing.assert_array_equal(seen[0], arrays["labels"])
    assert np.bincount(arrays["labels"]).tolist() == [2] * 10
    _, states = read_checkpoint(tmp_path / "checkpoint.npz")
    columns = states["training"]["snapshots"][-1]["samples"].reshape(8, 10, 784)
    assert np.ptp(columns, axis=0).max() == 0  # a column of the animation is a class
    assert len(np.unique(columns)) == 10
