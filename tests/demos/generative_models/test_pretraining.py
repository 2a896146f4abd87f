"""The demo of greedy pretraining: its layers' own tasks, the fairness of the comparison, and that the claim holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models import pretraining as demo
from demos.kit.claim import Claim
from demos.kit.pictures import strokes
from demos.kit.run import start
from demos.kit.runner.options import common_options
from minigan import data, nn
from tests.demos.running import assert_shows_something, summary_of

SMALL = demo.Settings(unlabelled=60, width=6, depth=3, pretraining_steps=3, steps=3, batch=20, labels=(20, 40), seeds=1)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretraining")
    demo.main(["--quick", "--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def images():
    return data.glyphs(100, np.random.default_rng(0))


@pytest.fixture
def loops(monkeypatch):
    """What the training loop is called with, and the arrays of each minibatch."""
    calls, loop = [], autoencoders.train

    def watched(objective, modules, arrays, name, *rest, **changing):
        parameters = [p for module in modules for p in module.parameters()]
        call = {"parameters": parameters, "arrays": arrays, "name": name, "rest": rest, "objective": objective, "seen": []}
        calls.append(call)

        def listening(*minibatch):
            call["seen"].append(minibatch)
            return objective(*minibatch)

        return loop(listening, modules, arrays, name, *rest, **changing)

    monkeypatch.setattr(autoencoders, "train", watched)
    return calls


@pytest.mark.slow
def test_the_claim_holds(out):
    summary = summary_of(out)
    assert summary["holds"] == {"sigmoid, 100 labels: seeds that gain, of 1": True}
    assert {path.name for path in out.iterdir()} == {"pretraining.png", "summary.json", "checkpoint.npz"}
    assert_shows_something(out / "pretraining.png")


@pytest.mark.slow
def test_layers_that_do_not_learn_to_encode_are_found_out(tmp_path, monkeypatch):
    """Planted: without labels, only the decoders, which are thrown away, are trained."""
    loop = autoencoders.train
    monkeypatch.setattr(
        autoencoders, "train", lambda objective, modules, *rest, **more: loop(objective, modules[-1:], *rest, **more)
    )
    with pytest.raises(SystemExit, match="does not hold: sigmoid, 100 labels: seeds that gain"):
        demo.main(["--quick", "--out", str(tmp_path)])


def test_a_network_has_the_layers_asked_for():
    model = demo.network("sigmoid", SMALL)
    kinds = [type(layer) for layer in model]
    assert kinds == [nn.Flatten, *[nn.Dense, nn.Sigmoid] * 3, nn.Dense]
    assert [layer.weight.shape for layer in model if isinstance(layer, nn.Dense)] == [(784, 6), (6, 6), (6, 6), (6, 10)]
    assert isinstance(demo.network("ReLU", SMALL)[2], nn.ReLU)


@pytest.mark.parametrize("units", demo.ACTIVATIONS)
def test_layer_after_layer_learns_to_encode_what_is_below(units, images, loops):
    mg.seed(0)
    model, x = demo.network(units, SMALL), images[0]
    before = model.state_dict()
    demo.pretrain(model, x, SMALL, "it")
    after = model.state_dict()
    h = x.reshape(100, -1)
    for l, call in enumerate(loops):
        np.testing.assert_allclose(call["arrays"][0], h, rtol=1e-4, atol=1e-6)
        v = h @ after[f"layers.{1 + 2 * l}.weight"] + after[f"layers.{1 + 2 * l}.bias"]
        h = expit(v) if units == "sigmoid" else np.maximum(v, 0)
        assert [p.shape for p in call["parameters"]][::2] == [(784 if l == 0 else 6, 6), (6, 784 if l == 0 else 6)]
    assert len(loops) == 3
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {f"layers.{i}.{part}" for i in (1, 3, 5) for part in ("weight", "bias")}  # not the logits' layer


@pytest.mark.parametrize("corruption", [0.0, 1.0])
def test_a_layer_reconstructs_what_it_sees_only_a_part_of(corruption, images, loops):
    mg.seed(0)
    model = demo.network("sigmoid", SMALL)
    settings = replace(SMALL, depth=1, corruption=corruption)
    demo.pretrain(model, images[0], settings, "it")
    (call,), h = loops, images[0].reshape(100, -1)
    W, b, V, c = (p.numpy().astype(float) for p in call["parameters"])
    p = expit(expit((1 - corruption) * h @ W + b) @ V + c)
    expected = -(h * np.log(p) + (1 - h) * np.log(1 - p)).mean()
    assert call["objective"](h)[0].item() == pytest.approx(expected, rel=1e-4)


def test_a_quarter_of_the_inputs_is_hidden(images, loops):
    mg.seed(0)
    shown, layer = [], demo.network("sigmoid", SMALL)[1]
    model = demo.network("sigmoid", SMALL)
    forward = type(layer).forward

    class Listening(nn.Dense):
        def forward(self, x):
            shown.append(x.numpy())
            return forward(self, x)

    model.layers[1] = Listening(784, 6)
    demo.pretrain(model, np.ones_like(images[0]), replace(SMALL, depth=1), "it")
    seen = np.concatenate(shown[:3])  # the training's; afterwards nothing is hidden
    assert set(np.unique(seen)) == {0, 1}
    assert (seen == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert (shown[-1] == 1).all()


def test_relus_are_reconstructed_by_the_squared_error(images, loops):
    mg.seed(0)
    demo.pretrain(demo.network("ReLU", SMALL), images[0], replace(SMALL, depth=2, corruption=0.0), "it")
    call, h = loops[1], loops[1]["arrays"][0]
    W, b, V, c = (p.numpy().astype(float) for p in call["parameters"])
    assert call["objective"](h)[0].item() == pytest.approx(((np.maximum(h @ W + b, 0) @ V + c - h) ** 2).mean(), rel=1e-4)


def test_errors_in_per_cent(images):
    x, _ = images
    model = nn.Sequential(nn.Flatten(), nn.Dense(784, 10))
    says = model(x).numpy().argmax(axis=1)
    assert demo.wrong(model, x, says) == 0
    assert demo.wrong(model, x[:50], np.append((says[:10] + 1) % 10, says[10:50])) == pytest.approx(20)


def test_both_starts_have_the_same_labels_minibatches_and_steps(images, loops):
    found = demo.from_both_starts("sigmoid", 0, *images, images, SMALL)
    labelled = {call["name"].removeprefix("sigmoid, seed 0, "): call for call in loops if "labels" in call["name"]}
    assert list(labelled) == [f"{name}, {n} labels" for name in demo.STARTS for n in (20, 40)]
    for n in (20, 40):
        random, pretrained = (labelled[f"{name}, {n} labels"] for name in demo.STARTS)
        assert random["rest"] == pretrained["rest"]
        assert len(random["arrays"][0]) == n
        for mine, yours in zip(random["seen"], pretrained["seen"], strict=True):
            for a, b in zip(mine, yours, strict=True):
                np.testing.assert_array_equal(a, b)
    assert {key for key in found if key != "weights"} == set(demo.product(demo.STARTS, (20, 40)))
    assert not np.array_equal(found["weights"]["random"], found["weights"]["pretrained"])


def test_every_training_begins_where_it_should(images, monkeypatch):
    starts = []
    monkeypatch.setattr(demo, "finetune", lambda model, *rest: starts.append(model[1].weight.numpy().copy()))
    found = demo.from_both_starts("sigmoid", 0, *images, images, SMALL)["weights"]
    for i, name in enumerate(("random", "random", "pretrained", "pretrained")):
        np.testing.assert_array_equal(starts[i], found[name])


def runs(few, many, known=0.0):
    """Six seeds: the errors with 100 and with 3000 labels, (random, pretrained) each, on either side of these means."""
    spread = np.array([-0.2, 0.2, -0.1, 0.1, 0.3, -0.3])
    found = [{} for _ in spread]
    for n, pair in ((100, few), (3000, many)):
        for name, mean in zip(demo.STARTS, pair, strict=True):
            for i, (run, off) in enumerate(zip(found, spread, strict=True)):
                run[name, n] = mean + (off if name == "random" else spread[i - 1]), known
    return found


def claimed(tmp_path, **trainings):
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "pretraining"), {})
    demo.measure(claim, trainings, demo.Settings(labels=(100, 3000)))
    return claim


GOOD = {"sigmoid": runs((32, 23), (8, 6.5)), "ReLU": runs((30, 26), (6, 6))}


def test_what_is_claimed(tmp_path):
    claim = claimed(tmp_path, **GOOD)
    assert len(claim.holds) == 8
    assert all(claim.holds.values())
    assert claim.metrics["sigmoid, 100 labels, pretrained: errors (%)"] == pytest.approx(23)
    assert claim.metrics[demo.change("sigmoid", 100)] == pytest.approx(-9)
    assert claim.metrics["sigmoid: change with 3000 labels"] == pytest.approx(1.5)
    words = claim.words(demo.ERRORS.format(n=3000))
    assert words == "3,000 labels: sigmoids 6.5, not 8.0 % (helps); ReLUs 6.0, not 6.0 % (no difference beyond chance)"


@pytest.mark.parametrize(
    ("units", "trainings", "fails"),
    [
        ("sigmoid", runs((23, 32), (8, 6.5)), {demo.change("sigmoid", 100), "sigmoid, 100 labels: seeds that gain, of 6"}),
        ("sigmoid", runs((32, 31.5), (8, 8)), set()),
        ("sigmoid", runs((32, 23), (12, 6)), {"sigmoid: change with 3000 labels"}),
        ("sigmoid", runs((32, 23), (8, 7), known=2.0), {"sigmoid, 100 labels: errors on these (%), worst seed"}),
        ("ReLU", runs((30, 30), (6, 6)), {demo.change("ReLU", 100)}),
        ("ReLU", runs((30, 26), (7, 5.8)), {"ReLU, 3000 labels: farther end of the interval"}),
    ],
)
def test_what_does_not_hold(tmp_path, units, trainings, fails):
    claim = claimed(tmp_path, **{**GOOD, units: trainings})
    assert {name for name, holds in claim.holds.items() if not holds} == fails


def test_weights_as_images():
    weights = np.zeros((784, 2), np.float32)
    weights[3, 0], weights[5, 0], weights[30, 1] = 2.0, -1.0, -4.0
    found = strokes(weights)
    assert found.shape == (2, 1, 28, 28)
    assert [found[0, 0, 0, 3], found[0, 0, 0, 5], found[1, 0, 1, 2], found[1, 0, 5, 5]] == [1.0, 0.25, 0.0, 0.5]


# --- what reaches what --------------------------------------------------------------------------------------------------


def test_every_seed_compares_on_the_others(main, record, two_sets):
    compared = record(demo, "from_both_starts", lambda units, seed, *rest: f"{units}, {seed}")
    measured = record(demo, "measure")
    main(demo)
    assert [(call.units, call.seed) for call in compared] == [(units, seed) for units in demo.ACTIVATIONS for seed in (5, 6)]
    for call in compared:
        np.testing.assert_array_equal(call.x, two_sets.x)
        np.testing.assert_array_equal(call.y, two_sets.y)
        np.testing.assert_array_equal(call.unseen[0], two_sets.others)
        np.testing.assert_array_equal(call.unseen[1], two_sets.classes)
    assert measured[0].runs == {units: [f"{units}, 5", f"{units}, 6"] for units in demo.ACTIVATIONS}


def test_errors_are_those_on_unseen_digits_and_then_those_on_the_labelled_ones(record, two_sets):
    pretrained, tuned = (record(demo, name) for name in ("pretrain", "finetune"))
    asked = record(demo, "wrong", lambda model, x, y: f"{len(x)}, {'un' if x.min() > 0.5 else ''}seen")
    unseen = two_sets.others, two_sets.classes
    found = demo.from_both_starts("ReLU", 0, two_sets.x, two_sets.y, unseen, replace(SMALL, unlabelled=50))
    for name, n in demo.product(demo.STARTS, (20, 40)):  # 40 is the number of the unseen ones, too
        assert found[name, n] == ("40, unseen", f"{n}, seen")
    for call in asked:
        x, y = unseen if call.x.min() > 0.5 else (two_sets.x, two_sets.y)
        where = [np.flatnonzero((x == image).all(axis=(1, 2, 3)))[0] for image in call.x]
        np.testing.assert_array_equal(y[where], call.y)
    labelled = [call for call in asked if call.x.max() < 0.5]
    for mine, yours in zip(tuned, labelled, strict=True):
        np.testing.assert_array_equal(mine.x, yours.x)
        np.testing.assert_array_equal(mine.y, yours.y)
    assert len(pretrained[0].x) == 50
    assert pretrained[0].x.max() < 0.5


def test_seeds_label_other_digits_and_start_from_other_weights(record, two_sets):
    record(demo, "pretrain")
    tuned = record(demo, "finetune")
    unseen = two_sets.others, two_sets.classes
    digits = two_sets.x, two_sets.y, unseen
    one, same, other = (demo.from_both_starts("ReLU", seed, *digits, SMALL)["weights"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one["random"], same["random"])
    assert (one["random"] != other["random"]).any()
    assert (tuned[0].x != tuned[-4].x).any()
    np.testing.assert_array_equal(tuned[0].x, tuned[4].x)
