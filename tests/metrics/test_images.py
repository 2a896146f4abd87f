"""The judge, its cache, and the metrics of images: against NumPy, brute force, and samples whose faults are known."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import data, metrics
from minigan.backend import random_numbers
from minigan.data.npz_files import read_npz, write_npz
from minigan.metrics import images
from tests.helpers.states import assert_same

STEPS = 120  # enough for 94 % on glyphs, in about a second
TRAIN_X, TRAIN_Y = data.glyphs(2000, np.random.default_rng(0))
X, Y = data.glyphs(1500, np.random.default_rng(1))  # held out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def judge(folder):
    """A judge of glyphs; the tests leave it as it is."""
    return metrics.judge(TRAIN_X, TRAIN_Y, STEPS, root=folder)


# --- the distances ------------------------------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def features(rng, n, d):
    """Correlated features with scales from 1 down to 1/d."""
    return rng.normal(size=(n, d)) / np.arange(1, d + 1) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@given(seeds, st.integers(2, 40), st.integers(2, 40), st.integers(1, 12))  # also fewer rows than features: singular
def test_frechet_distance_is_the_formula_with_the_roots_of_the_products_eigenvalues(rng, n, m, d):
    a, b = features(rng, n, d), features(rng, m, d)
    cov_a, cov_b = np.cov(a.T).reshape(d, d), np.cov(b.T).reshape(d, d)
    shift = a.mean(axis=0) - b.mean(axis=0)
    root = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0)).sum()
    expected = shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * root
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert 0 <= metrics.frechet_distance(a, rng.permutation(a)) < 1e-5


@given(seeds, st.integers(1, 9), st.integers(1, 5), st.sampled_from([0.01, 0.3, 5.0]))
def test_the_inception_score_is_the_formula(rng, n, k, spread):
    p = rng.dirichlet(np.full(k, spread), n)
    p[rng.random(n) < 0.3] = np.eye(k)[0]  # sure of the first class: 0 log 0 is 0
    of_class = p.mean(axis=0)
    each = [sum(q * np.log(q / of_class[c]) for c, q in enumerate(row) if q > 0) for row in p]
    assert metrics.inception_score(p) == pytest.approx(np.exp(np.mean(each)))


@given(seeds, st.integers(1, 9), st.integers(1, 9))
def test_nearest_distances_are_those_of_brute_force(rng, n, m):
    samples, train = rng.random((n, 1, 28, 28)), rng.random((m, 1, 28, 28)) * rng.random((m, 1, 1, 1))
    expected = [min(np.sqrt(np.sum((s - t) ** 2)) for t in train) for s in samples]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "NEIGHBOUR_CHUNK", 4)
        np.testing.assert_allclose(metrics.nearest_distances(samples, train), expected, rtol=1e-5)


def test_a_copied_image_has_distance_0_and_a_nearly_copied_one_exactly_its_difference():
    train = np.concatenate([X, np.ones((1, 1, 28, 28), np.float32)])  # white: the largest squares, the most cancellation
    samples = np.concatenate([train[[7, -1]], train[[7, -1]]])
    samples[2:, 0, 3, 5] = np.abs(samples[2:, 0, 3, 5] - np.float32(1e-4))
    distances = metrics.nearest_distances(samples, train)
    np.testing.assert_array_equal(distances[:2], 0)
    np.testing.assert_allclose(distances[2:], 1e-4, rtol=1e-3)


# --- image_quality ------------------------------------------------------------------------------------------------------


def test_real_images_are_as_good_as_the_judge_is_right(judge):
    quality = metrics.image_quality(X, judge, TRAIN_X[:100], Y)
    assert json.loads(json.dumps(quality)) == quality
    with mg.no_grad():
        v = judge(X).numpy()
        expected = metrics.frechet_distance(judge.features(X).numpy(), judge.features(TRAIN_X[:100]).numpy())
    p = np.exp(v) / np.exp(v).sum(axis=1, keepdims=True)
    right = v.argmax(axis=1) == Y
    assert quality["accuracy"] == pytest.approx(right.mean())
    assert quality["accuracy"] > 0.9
    assert quality["class_accuracy"] == pytest.approx([right[np.equal(Y, c)].mean() for c in range(10)])
    assert quality["worst_class"] == min(quality["class_accuracy"])
    assert quality["confident"] == pytest.approx((p.max(axis=1) > 0.9).mean())
    assert quality["shares"] == pytest.approx(np.bincount(v.argmax(axis=1), minlength=10) / len(X))
    assert quality["classes"] == 10
    assert quality["kl"] == pytest.approx(np.sum(quality["shares"] * np.log(10 * np.array(quality["shares"]))))
    assert quality["frechet"] == pytest.approx(expected, rel=1e-4)  # all training images, as they are fewer
    assert quality["nearest"] == pytest.approx(np.median(metrics.nearest_distances(X, TRAIN_X[:100])), rel=0.05)
    without = metrics.image_quality(X[:50], judge, TRAIN_X)
    assert list(without) == ["confident", "classes", "shares", "kl", "frechet", "nearest"]


def test_a_training_set_that_is_sorted_by_class_is_drawn_from_throughout(judge):
    shuffled = metrics.image_quality(X[:400], judge, TRAIN_X)["frechet"]
    assert metrics.image_quality(X[:400], judge, TRAIN_X[TRAIN_Y.argsort()])["frechet"] < 2 * shuffled


def test_a_class_that_was_not_asked_for_has_no_accuracy_and_is_not_the_worst(judge):
    wanted = Y < 3
    quality = metrics.image_quality(X[wanted], judge, TRAIN_X, Y[wanted])
    assert quality["class_accuracy"][3:] == [None] * 7
    assert quality["worst_class"] == min(quality["class_accuracy"][:3]) > 0.8


@pytest.mark.parametrize(("count", "classes"), [(1, 1), (2, 2)])
def test_exactly_one_percent_of_the_samples_is_enough_for_a_class(judge, count, classes):
    seen = judge(X).numpy().argmax(axis=1)
    few, many = X[seen == 4][:count], np.repeat(X[seen == 7][:1], 200 - count, axis=0)
    assert metrics.image_quality(np.concatenate([few, many]), judge, TRAIN_X)["classes"] == classes


def test_tensors_other_dtypes_other_memory_layouts_and_pixels_rounded_beyond_0_and_1_are_taken(judge):
    x = X[:60] * np.float32(1.0000009)
    assert x.max() > 1
    expected = metrics.image_quality(x, judge, TRAIN_X, Y[:60])
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert metrics.image_quality(channels_last, judge, TRAIN_X, Y[:60].astype(np.uint8)) == expected
    assert metrics.image_quality(x.astype(np.float64), judge, TRAIN_X.astype(np.float64), Y[:60]) == expected
    assert metrics.image_quality(mg.Tensor(x), judge, mg.Tensor(TRAIN_X), mg.Tensor(Y[:60])) == expected


def test_the_judge_is_asked_in_eval_mode_without_gradients_and_a_few_images_at_a_time():
    judge, asked = metrics.Judge(), []
    features = judge.features
    judge.features = lambda x: (y := features(x), asked.append((len(x), y.requires_grad, judge.body.training)))[0]
    metrics.image_quality(X, judge, TRAIN_X, Y)
    assert asked == [(500, False, False)] * 6


# --- training -----------------------------------------------------------------------------------------------------------


def same_weights(a, b):
    return all(np.array_equal(v, w) for v, w in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_training_takes_a_generator_decays_the_rate_shows_its_progress_and_ends_in_eval_mode(monkeypatch):
    rates, steps, update = [], [], mg.optim.Adam.update
    monkeypatch.setattr(mg.optim.Adam, "update", lambda self, *rest: rates.append(self.lr) or update(self, *rest))

    def trained(rng=None):
        return metrics.train_judge(X[:40], Y[:40], 4, rng, progress=lambda all_: (steps.append(i) or i for i in all_))

    with mg.no_grad():
        first = trained()
    mg.seed(123)
    assert same_weights(first, trained())
    assert same_weights(first, trained(np.random.default_rng(0)))
    assert not same_weights(first, trained(np.random.default_rng(1)))
    assert steps == [0, 1, 2, 3] * 4
    assert sorted(set(rates), reverse=True) == pytest.approx([3e-3, 2.25e-3, 1.5e-3, 0.75e-3])
    assert not any(part.training for part in first.modules())


def test_training_and_judging_leave_minigans_generator_alone(judge, tmp_path):
    found = []
    for judging in (False, True):
        mg.seed(5)
        for _ in range(2 * judging):
            metrics.judge(X[:100], Y[:100], 2, root=tmp_path)
            metrics.image_quality(X[:20], judge, TRAIN_X)
        found.append((random_numbers.generators_state(), random_numbers.spawn().random(3).tolist()))
    assert found[0] == found[1]


# --- the cache ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def untrained(judge, tmp_path, monkeypatch):
    """Instead of training, the finished judge is returned; the list says for how many images, and how many steps."""
    calls = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "train_judge", lambda x, y, steps, **_: calls.append((len(x), steps)) or judge)
    return calls


def test_the_second_call_loads_what_the_first_has_trained_also_for_other_dtypes(judge, folder, untrained):
    again = metrics.judge(TRAIN_X.astype(np.float64), TRAIN_Y.astype(np.uint8), STEPS, root=str(folder))
    assert again is not judge
    assert_same(again.state_dict(), judge.state_dict())
    assert not any(part.training for part in again.modules())
    assert untrained == []


def test_a_judge_of_colour_images_is_trained_and_loaded_in_its_shape(tmp_path):
    x, y = data.scenes(60, np.random.default_rng(0))
    first, again = (metrics.judge(x, y, 2, root=tmp_path) for _ in range(2))
    assert_same(again.state_dict(), first.state_dict())
    assert (again.shape, len(list(tmp_path.iterdir())), again(x).shape) == ((3, 32, 32), 1, (60, 10))
    assert metrics.image_quality(x, again, x)["nearest"] == 0


OTHERS = {
    "a pixel": lambda x, y: (np.where(np.arange(28) == 14, x, 1 - x), y, STEPS),
    "a label": lambda x, y: (x, np.concatenate([y[:-1], (y[-1:] + 1) % 10]), STEPS),
    "the order": lambda x, y: (x[::-1], y[::-1], STEPS),
    "the number of images": lambda x, y: (x[:-1], y[:-1], STEPS),
    "the number of steps": lambda x, y: (x, y, STEPS + 1),
    "the version": lambda x, y: (images.__setattr__("_VERSION", -1), (x, y, STEPS))[1],
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_data_steps_or_versions_train_anew_into_the_users_cache(tmp_path, untrained, monkeypatch, change):
    monkeypatch.setattr(images, "_VERSION", 1)
    metrics.judge(X, Y, STEPS)
    x, y, steps = change(X, Y)
    for _ in range(2):
        metrics.judge(x, y, steps)
    assert untrained == [(len(X), STEPS), (len(x), steps)]
    assert len(list((tmp_path / "cache" / "minigan" / "judges").glob("*.npz"))) == 2


def changed(change):
    """A function that passes each array of the file through `change` and writes all again, with a right checksum."""
    return lambda file: write_npz(file, {name: change(array) for name, array in read_npz(file).items()})


DAMAGES = {
    "empty": (lambda file: file.write_bytes(b""), "checksum"),
    "another network": (lambda file: write_npz(file, {"layers.0.weight": np.zeros((2, 2))}), "other arrays than a judge's"),
    "nan": (changed(lambda array: array * np.float32("nan")), "nan or infinite"),
    "another dtype": (changed(lambda array: array.astype(np.float64)), "other arrays than a judge's"),
    "far too large": (lambda file: os.truncate(file, 2**20 + 1), "has 1048577 bytes; at most 1048576"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_trained_anew_and_replaced(tmp_path, judge, untrained, damage, message):
    metrics.judge(X, Y, root=tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    damage(file)
    with pytest.warns(RuntimeWarning, match=f"^judge: {file}: .*{message}.*; it is trained again$") as warned:
        assert metrics.judge(X, Y, root=tmp_path) is judge
    assert [w.filename for w in warned] == [__file__]
    assert len(untrained) == 2
    assert file.read_bytes() == good


def test_a_cache_that_cannot_be_written_costs_only_the_training_and_a_warning(tmp_path, judge, untrained):
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(RuntimeWarning, match="^judge: it is not cached: .*file") as warned:
        assert metrics.judge(X, Y, root=tmp_path / "file") is judge
    assert [w.filename for w in warned] == [__file__]
