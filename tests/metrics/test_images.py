"""The judge, its cache, and the figures about images: against SciPy, brute force, and samples whose faults are known."""

import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import data, metrics, nn, ops
from minigan.backend import random_numbers
from minigan.data.npz_files import read_npz, write_npz
from minigan.metrics import images

STEPS = 120  # enough for 94 % on glyphs, in about a second
TRAIN_X, TRAIN_Y = data.glyphs(2000, np.random.default_rng(0))
X, Y = data.glyphs(1500, np.random.default_rng(1))  # held out
GREY = np.full((4, 1, 28, 28), 0.5, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def judge(folder):
    """A judge of glyphs; the tests leave it as it is."""
    return metrics.judge(TRAIN_X, TRAIN_Y, STEPS, root=folder)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test sees or changes the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minigan" / "judges"


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def logits(judge, x):
    with mg.no_grad():
        return judge(x).numpy()


# --- the Frechet distance ---

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
sizes = st.integers(2, 40)


def features(rng, n, d):
    """Correlated features with scales from 1 down to 1/d."""
    return rng.normal(size=(n, d)) / np.arange(1, d + 1) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@given(seeds, st.integers(1, 8))
def test_frechet_distance_is_the_formula_with_scipys_matrix_root(rng, d):
    linalg = pytest.importorskip("scipy.linalg")
    a, b = features(rng, 60, d), features(rng, 50, d)
    cov_a, cov_b = np.cov(a.T).reshape(d, d), np.cov(b.T).reshape(d, d)
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + np.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_frechet_distance_of_gaussians_with_the_same_axes_compares_means_and_deviations():
    a, b = np.array([3.0, 1.0, 0.0]), np.array([1.0, 2.0, 0.5])  # the points +-a_i e_i have mean 0 and variances 2/5 a_i^2
    points_a, points_b = (np.concatenate([np.diag(s), -np.diag(s)]) for s in (a, b))
    expected = 2**2 + 1 + 2 / 5 * np.sum((a - b) ** 2)
    assert metrics.frechet_distance(points_a, points_b + np.array([2.0, 0.0, -1.0])) == pytest.approx(expected)


@given(seeds, sizes, sizes, st.integers(1, 12))  # also fewer rows than features: the covariances are then singular
def test_frechet_distance_is_symmetric_and_does_not_look_at_where_both_are_nor_at_their_orientation(rng, n, m, d):
    a, b, shift = features(rng, n, d), features(rng, m, d), 10 * rng.normal(size=d)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    distance = metrics.frechet_distance(a, b)
    assert distance >= 0
    for p, q in ((b, a), (a + shift, b + shift), (a @ turn, b @ turn)):
        assert metrics.frechet_distance(p, q) == pytest.approx(distance, rel=1e-5, abs=1e-5)


@given(seeds, sizes, st.integers(1, 12))
def test_frechet_distance_of_the_same_rows_is_0_and_of_shifted_ones_the_squared_shift(rng, n, d):
    a, shift = features(rng, n, d), rng.normal(size=d)
    assert 0 <= metrics.frechet_distance(a, rng.permutation(a)) < 1e-5
    assert metrics.frechet_distance(a, a + shift) == pytest.approx(shift @ shift, rel=1e-5, abs=1e-5)


def test_frechet_distance_computes_in_float64():
    a, b = ((features(np.random.default_rng(i), 50, 4) + 1000).astype(np.float32) for i in (0, 1))
    expected = metrics.frechet_distance(a.astype(np.float64), b.astype(np.float64))
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


# --- the nearest training image ---


@given(seeds, st.integers(1, 9), st.integers(1, 9))
def test_nearest_distances_are_those_of_brute_force(rng, n, m):
    samples, train = rng.random((n, 1, 28, 28)), rng.random((m, 1, 28, 28)) * rng.random((m, 1, 1, 1))
    expected = [min(np.sqrt(np.sum((s - t) ** 2)) for t in train) for s in samples]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "NEIGHBOUR_CHUNK", 4)
        found = metrics.nearest_distances(samples, train)
    assert found.shape == (n,)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_copied_image_has_distance_0_and_a_nearly_copied_one_exactly_its_difference():
    train = np.concatenate([X, np.ones((1, 1, 28, 28), np.float32)])  # white: the largest squares, the most cancellation
    samples = np.concatenate([train[[7, -1]], train[[7, -1]]])
    samples[2:, 0, 3, 5] = np.abs(samples[2:, 0, 3, 5] - np.float32(1e-4))
    distances = metrics.nearest_distances(samples, train)
    np.testing.assert_array_equal(distances[:2], 0)
    np.testing.assert_allclose(distances[2:], 1e-4, rtol=1e-3)


# --- image_quality ---


def test_real_images_are_as_good_as_the_judge_is_right(judge):
    quality = metrics.image_quality(X, judge, TRAIN_X, Y)
    v = logits(judge, X)
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
    with mg.no_grad():
        expected = metrics.frechet_distance(judge.features(X).numpy(), judge.features(TRAIN_X).numpy())
    assert quality["frechet"] == pytest.approx(expected, rel=0.5)  # from other training images
    assert quality["nearest"] == pytest.approx(np.median(metrics.nearest_distances(X, TRAIN_X)), rel=0.05)


def test_a_constant_image_shows_as_collapse(judge):
    real = metrics.image_quality(X[:500], judge, TRAIN_X, Y[:500])
    constant = metrics.image_quality(np.repeat(X[:1], 500, axis=0), judge, TRAIN_X, Y[:500])
    assert constant["classes"] == 1
    assert constant["kl"] == pytest.approx(np.log(10))
    assert sorted(constant["shares"]) == [0] * 9 + [1]
    assert constant["accuracy"] < 0.2
    assert constant["worst_class"] == 0
    assert constant["frechet"] > 20 * real["frechet"]


def test_the_training_images_themselves_have_distances_0_and_nearest_is_a_median(judge):
    quality = metrics.image_quality(np.random.default_rng(0).permutation(TRAIN_X), judge, TRAIN_X)
    assert quality["nearest"] == 0
    assert quality["frechet"] < 1e-3
    samples = np.concatenate([TRAIN_X[:3], np.random.default_rng(0).random((2, 1, 28, 28), dtype=np.float32)])
    assert metrics.image_quality(samples, judge, TRAIN_X)["nearest"] == 0


def test_fewer_training_images_than_samples_are_all_used(judge):
    train = TRAIN_X[:100]
    with mg.no_grad():
        expected = metrics.frechet_distance(judge.features(X).numpy(), judge.features(train).numpy())
    assert metrics.image_quality(X, judge, train)["frechet"] == pytest.approx(expected, rel=1e-4)


def test_a_training_set_that_is_sorted_by_class_is_drawn_from_throughout(judge):
    shuffled = metrics.image_quality(X[:400], judge, TRAIN_X)["frechet"]
    assert metrics.image_quality(X[:400], judge, TRAIN_X[TRAIN_Y.argsort()])["frechet"] < 2 * shuffled


@pytest.mark.parametrize("order", ["C", "F"], ids=["one class after the other", "the classes in turn"])
def test_the_nearest_images_are_looked_for_of_samples_from_all_classes(judge, monkeypatch, order):
    monkeypatch.setattr(images, "NEAREST", 120)
    compared = []
    monkeypatch.setattr(images, "nearest_distances", lambda samples, train: compared.extend(samples) or np.zeros(1))
    chosen = np.array([np.flatnonzero(np.equal(Y, c))[:120] for c in range(10)])
    metrics.image_quality(X[chosen.ravel(order)], judge, TRAIN_X)
    of_class = [len({x.tobytes() for x in compared} & {x.tobytes() for x in X[row]}) for row in chosen]
    assert sum(of_class) == len(compared) == 120
    assert min(of_class) >= 4


def test_a_class_that_was_not_asked_for_has_no_accuracy_and_is_not_the_worst(judge):
    wanted = Y < 3
    quality = metrics.image_quality(X[wanted], judge, TRAIN_X, Y[wanted])
    assert quality["class_accuracy"][3:] == [None] * 7
    assert quality["worst_class"] == min(quality["class_accuracy"][:3]) > 0.8


@pytest.mark.parametrize(("count", "classes"), [(1, 1), (2, 2)])
def test_exactly_one_percent_of_the_samples_is_enough_for_a_class(judge, count, classes):
    seen = logits(judge, X).argmax(axis=1)
    few, many = X[seen == 4][:count], np.repeat(X[seen == 7][:1], 200 - count, axis=0)
    assert metrics.image_quality(np.concatenate([few, many]), judge, TRAIN_X)["classes"] == classes


def test_confident_is_a_probability_above_0_9():
    judge = metrics.Judge()
    for bias, expected in ((4.5, 1.0), (4.3, 0.0)):  # e^v / (e^v + 9) is 0.9 at v = log(81) = 4.39
        judge.head.weight.data = np.zeros_like(judge.head.weight.data)
        judge.head.bias.data = np.array([0, 0, bias, 0, 0, 0, 0, 0, 0, 0], np.float32)
        quality = metrics.image_quality(X[:20], judge, TRAIN_X)
        assert quality["confident"] == expected
        assert quality["shares"][2] == 1


def test_the_figures_are_plain_numbers_that_json_can_hold(judge):
    quality = metrics.image_quality(X[:50], judge, TRAIN_X, np.minimum(Y[:50], 8))
    assert json.loads(json.dumps(quality)) == quality
    lists = {name: quality.pop(name) for name in ("class_accuracy", "shares")}
    assert {type(share) for share in lists["class_accuracy"] + lists["shares"]} == {float, type(None)}
    assert {type(value) for value in quality.values()} == {float, int}
    assert list(metrics.image_quality(X[:50], judge, TRAIN_X)) == ["confident", "classes", "shares", "kl", "frechet", "nearest"]


def test_tensors_other_dtypes_and_other_memory_layouts_give_the_same_figures(judge):
    expected = metrics.image_quality(X[:60], judge, TRAIN_X, Y[:60])
    channels_last = np.ascontiguousarray(X[:60].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert metrics.image_quality(channels_last, judge, TRAIN_X, Y[:60].astype(np.uint8)) == expected
    assert metrics.image_quality(X[:60].astype(np.float64), judge, TRAIN_X.astype(np.float64), Y[:60]) == expected
    assert metrics.image_quality(mg.Tensor(X[:60]), judge, mg.Tensor(TRAIN_X), mg.Tensor(Y[:60])) == expected


class Watched(metrics.Judge):
    """A judge that would forget half of what it sees in training mode, and that notes how it is asked."""

    def __init__(self, judge):
        super().__init__()
        self.load_state_dict(judge.state_dict())
        self.dropout, self.asked = nn.Dropout(0.5), []

    def features(self, x):
        y = self.dropout(super().features(x))
        self.asked.append((len(x), y.requires_grad))
        return y


def test_the_judge_is_asked_in_eval_mode_without_gradients_and_a_few_images_at_a_time(judge):
    watched = Watched(judge).train()
    assert metrics.image_quality(X, watched, TRAIN_X, Y) == metrics.image_quality(X, judge, TRAIN_X, Y)
    assert watched.asked == [(500, False)] * 6


# --- training ---


def test_training_twice_gives_the_same_bits_and_another_seed_others(judge):
    def trained(rng=None):
        return metrics.train_judge(TRAIN_X[:300], TRAIN_Y[:300], 5, rng=rng)

    first = trained()
    mg.seed(123)
    assert same_weights(first, trained())
    assert same_weights(first, trained(np.random.default_rng(0)))
    assert not same_weights(first, trained(np.random.default_rng(1)))


def test_training_and_judging_leave_the_course_of_a_game_beside_them_alone(judge, tmp_path):
    def next_numbers():
        return random_numbers.generators_state(), random_numbers.spawn().random(3).tolist()

    mg.seed(5)
    expected = next_numbers()
    mg.seed(5)
    trained = metrics.train_judge(X[:100], Y[:100], 2)
    for _ in range(2):
        assert same_weights(metrics.judge(X[:100], Y[:100], 2, root=tmp_path), trained)
    metrics.image_quality(X[:20], judge, TRAIN_X)
    assert next_numbers() == expected


def test_training_decays_the_learning_rate_to_0(monkeypatch):
    rates = []
    update = mg.optim.Adam.update
    monkeypatch.setattr(mg.optim.Adam, "update", lambda self, *rest: rates.append(self.lr) or update(self, *rest))
    metrics.train_judge(X[:100], Y[:100], 4)
    assert sorted(set(rates), reverse=True) == pytest.approx([3e-3, 2.25e-3, 1.5e-3, 0.75e-3])


def test_progress_wraps_the_steps(tmp_path):
    seen = []

    def progress(steps):
        for step in steps:
            seen.append(step)
            yield step

    metrics.train_judge(X[:100], Y[:100], 3, progress=progress)
    metrics.judge(X[:100], Y[:100], 3, root=tmp_path, progress=progress)
    metrics.judge(X[:100], Y[:100], 3, root=tmp_path, progress=progress)  # found: no steps
    assert seen == [0, 1, 2] * 2


def test_fewer_images_than_a_minibatch_are_enough_and_the_judge_is_in_eval_mode():
    judge = metrics.train_judge(X[:10], Y[:10], 60)
    assert (logits(judge, X[:10]).argmax(axis=1) == Y[:10]).all()
    assert not any(part.training for part in judge.modules())


def test_the_features_are_64_numbers_of_at_least_0_and_the_logits_linear_in_them(judge):
    assert judge.features(X[:3]).shape == (3, 64)
    assert judge(X[:3]).shape == (3, 10)
    np.testing.assert_array_equal(judge.head(ops.relu(judge.features(X[:3]))).numpy(), judge(X[:3]).numpy())


# --- the cache ---


@pytest.fixture
def untrained(judge, monkeypatch):
    """Instead of training, the finished judge is handed out; the list says for how many images, and how many steps."""
    calls = []
    monkeypatch.setattr(images, "train_judge", lambda x, y, steps, **_: calls.append((len(x), steps)) or judge)
    return calls


def test_the_second_call_loads_what_the_first_has_trained_also_for_other_dtypes(judge, folder, untrained):
    for x, y in ((TRAIN_X, TRAIN_Y), (TRAIN_X.astype(np.float64), TRAIN_Y.astype(np.uint8))):
        again = metrics.judge(x, y, STEPS, root=str(folder))
        assert again is not judge
        assert same_weights(again, judge)
        assert not any(part.training for part in again.modules())
    assert untrained == []
    assert len(list(folder.iterdir())) == 1


def one_pixel_more(x):
    x = x.copy()
    x[5, 0, 14, 14] = 1 - x[5, 0, 14, 14]
    return x


OTHERS = {
    "a pixel": lambda x, y: (one_pixel_more(x), y, STEPS),
    "a label": lambda x, y: (x, np.concatenate([y[:-1], (y[-1:] + 1) % 10]), STEPS),
    "the order": lambda x, y: (x[::-1], y[::-1], STEPS),
    "the number of images": lambda x, y: (x[:-1], y[:-1], STEPS),
    "the number of steps": lambda x, y: (x, y, STEPS + 1),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_data_or_steps_train_anew(tmp_path, untrained, change):
    x, y, steps = change(X, Y)
    metrics.judge(X, Y, STEPS, root=tmp_path)
    metrics.judge(x, y, steps, root=tmp_path)
    assert untrained == [(len(X), STEPS), (len(x), steps)]
    metrics.judge(X, Y, STEPS, root=tmp_path)
    metrics.judge(x, y, steps, root=tmp_path)
    assert len(untrained) == 2


def test_another_version_of_the_judge_trains_anew(tmp_path, untrained, monkeypatch):
    metrics.judge(X, Y, root=tmp_path)
    monkeypatch.setattr(images, "_VERSION", -1)
    metrics.judge(X, Y, root=tmp_path)
    assert len(untrained) == 2


def test_the_default_cache_is_the_users(cache, untrained, tmp_path, monkeypatch):
    metrics.judge(X, Y)
    assert len(list(cache.glob("*.npz"))) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    metrics.judge(X, Y)
    assert len(list((tmp_path / "home" / ".cache" / "minigan" / "judges").glob("*.npz"))) == 1


def changed(change):
    """A function that passes each array of the file through `change` and writes all again, with a right checksum."""
    return lambda file: write_npz(file, {name: change(name, array) for name, array in read_npz(file).items()})


def flipped(file):
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def one_nan(name, array):
    array = array.copy()
    array.flat[-1] = np.nan if name == "head.bias" else array.flat[-1]
    return array


DAMAGES = {
    "empty": (lambda file: file.write_bytes(b""), "checksum"),
    "a pipe": (lambda file: (file.unlink(), os.mkfifo(file)), "is not a file"),
    "a bit flipped": (flipped, "is damaged"),
    "another network": (lambda file: write_npz(file, {"layers.0.weight": np.zeros((2, 2))}), "other arrays than a judge's"),
    "one nan": (changed(one_nan), "nan or infinite"),
    "another dtype": (changed(lambda _, array: array.astype(np.float64)), "other arrays than a judge's"),
    "other shapes": (changed(lambda _, array: array.T), "other arrays than a judge's"),
    "far too large": (lambda file: os.truncate(file, 2**20 + 1), "has 1048577 bytes; at most 1048576"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_trained_anew_and_replaced(tmp_path, judge, untrained, damage, message):
    metrics.judge(X, Y, root=tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    damage(file)
    with pytest.warns(RuntimeWarning, match=f"^judge: {file}: .*{message}.*; it is trained again$") as warned:
        assert same_weights(metrics.judge(X, Y, root=tmp_path), judge)
    assert [w.filename for w in warned] == [__file__]
    assert len(untrained) == 2
    assert same_weights(metrics.judge(X, Y, root=tmp_path), judge)
    assert len(untrained) == 2
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == good


def raiser(error):
    def function(*_, **__):
        raise error

    return function


def test_a_cache_that_cannot_be_written_costs_only_the_training_and_a_warning(tmp_path, judge, untrained, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.warns(RuntimeWarning, match="^judge: it is not cached: .*file") as warned:
            assert metrics.judge(X, Y, root=root) is judge
        assert [w.filename for w in warned] == [__file__]
    monkeypatch.setattr(np.lib.format, "write_array", raiser(OSError("disk full")))
    with pytest.warns(RuntimeWarning, match="^judge: it is not cached: disk full$"):
        assert metrics.judge(X, Y, root=tmp_path / "full") is judge
    monkeypatch.setattr(np.lib.format, "write_array", raiser(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        metrics.judge(X, Y, root=tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []
    assert len(untrained) == 4


def test_processes_that_share_a_cache_do_not_disturb_each_other(tmp_path, judge, untrained):
    def ask():
        judges.append(metrics.judge(X, Y, root=tmp_path))

    judges = []
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [same_weights(found, judge) for found in judges] == [True] * 4
    assert len(list(tmp_path.iterdir())) == 1


def test_rounding_beyond_0_and_1_is_let_pass(judge):
    x = np.concatenate([GREY - np.float32(0.5000005), GREY + np.float32(0.5000005)])
    assert x.min() < 0 < 1 < x.max()
    metrics.image_quality(x, judge, x)


# --- MNIST ---


@pytest.mark.slow
def test_the_judge_of_mnist_is_right_about_98_percent():
    try:
        (x, y), (test_x, test_y) = data.mnist("train", download=False), data.mnist("test", download=False)
    except data.DataError as error:
        pytest.skip(str(error))
    judge = metrics.train_judge(x, y)
    quality = metrics.image_quality(test_x, judge, x, test_y)
    assert quality["accuracy"] >= 0.98
    assert quality["worst_class"] >= 0.95
    assert quality["confident"] > 0.9
    assert quality["kl"] < 0.01
    assert 3 < quality["nearest"] < 6
