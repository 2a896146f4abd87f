"""`mg.save` and `mg.load`: a game goes on from its file alone; what a file cannot describe; files that anyone may have made."""

import json
import re
import tracemalloc

import numpy as np
import pytest

import minigan as mg
from demos.commands import sample
from minigan import data, games, nn, optim
from minigan.data.npz_files import read_npz, write_npz
from tests.contracts.games import GAMES, make, mlp, stream
from tests.helpers.programs import ROOT, python
from tests.helpers.states import assert_same

DESCRIBED = [name for name in GAMES if name != "semi_supervised"]  # it has a stream of labelled data


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_game_goes_on_from_its_file_bit_for_bit(name, tmp_path):
    game, batches = make(name, dtype="float64" if name == "gan" else "float32"), stream(name)
    game.average = nn.MovingAverage(game.G, 0.9)
    game.step(batches)
    game.average.update()
    mg.save(game, tmp_path / "game.npz")
    state, position = game.state_dict(), batches.state_dict()
    expected = [dict(game.step(batches)) for _ in range(2)]
    mg.seed(5)
    loaded = mg.load(tmp_path / "game.npz")
    assert_same(loaded.state_dict(), state)
    batches.load_state_dict(position)
    assert [dict(loaded.step(batches)) for _ in range(2)] == expected


def test_layers_with_all_their_arguments_and_groups_of_parameters_come_back(tmp_path):
    G = nn.Sequential(
        nn.SpectralNorm(nn.Dense(3, 36, bias=False), iterations=2), nn.Reshape(4, 3, 3), nn.GroupNorm(2, 4, eps=0.1),
        nn.ELU(0.5), nn.ConvTranspose2d(4, 2, (3, 2), stride=2, output_padding=1), nn.Upsample((1, 2)),
        nn.AvgPool2d(2, stride=1, padding=1),
        nn.BatchNorm2d(2, momentum=0.3), nn.Dropout(0.25), nn.MaxPool2d((2, 1)), nn.Flatten(), nn.LayerNorm(120), nn.Sigmoid(),
        nn.Dense(120, 2), nn.LeakyReLU(0.1), nn.Softmax(),
    )  # fmt: skip
    D = nn.Sequential(nn.Dense(2, 4), nn.MinibatchDiscrimination(4, 2, 3), nn.Softplus(), nn.Dense(6, 1))
    D = nn.WithReference(nn.Sequential(*D, nn.VirtualBatchNorm(1, 3, eps=0.1)), np.eye(3, 2))
    opt_G = optim.Adam([{"params": G[0].parameters(), "lr": 0.3}, {"params": G[1:].parameters()}], 0.1, weight_decay=0.1)
    game = games.GAN(G, D, data.noise(3, "sphere"), opt_G, optim.OMD(D.parameters(), 0.1, 3), loss=mg.losses.hinge_game)
    batches = stream("gan")
    game.step(batches)
    opt_G.lr = 0.0
    mg.save(game, tmp_path / "game.npz")
    opt_G.lr, loaded = 0.1, mg.load(tmp_path / "game.npz")
    loaded.opt_G.lr = 0.1
    np.testing.assert_array_equal(loaded.sample(3), game.sample(3))
    assert_same(loaded.opt_G.state_dict(), opt_G.state_dict())
    assert str(loaded.G) == str(game.G)


@pytest.mark.parametrize("still", [nn.Module.eval, lambda layer: layer.requires_grad_(False)], ids=["in eval mode", "frozen"])
def test_a_batch_norm_that_rests_does_so_in_the_loaded_game(still, tmp_path):
    G, batches = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm1d(4), nn.Dense(4, 2)), stream("gan")
    game = make("gan", networks={"G": G})
    game.step(batches)
    still(G[1])
    weight, mean = G[1].weight.numpy().copy(), G[1].running_mean.copy()
    mg.save(game, tmp_path / "game.npz")
    position, expected = batches.state_dict(), dict(game.step(batches))
    loaded = mg.load(tmp_path / "game.npz")
    batches.load_state_dict(position)
    assert dict(loaded.step(batches)) == expected
    assert_same(loaded.state_dict(), game.state_dict())
    assert np.array_equal(loaded.G[1].weight.numpy(), weight) == (not G[1].weight.requires_grad)
    assert np.array_equal(loaded.G[1].running_mean, mean) == (not G[1].training)


class Own(nn.Dense):
    """A user's layer."""


def attribute(name, value):
    game = make("gan")
    setattr(game, name, value)
    return game


def of_two_layers(first, second):
    return make("gan", networks={"G": nn.Sequential(nn.Dense(3, 2), first, second)})


def with_a_constant():
    game = make("gan")
    game.G[0].weight = mg.Tensor(game.G[0].weight.numpy())
    return game


REFUSED = {
    r"G\.layers\.2 is shared by two places": lambda: of_two_layers(*[nn.Dense(2, 2)] * 2),
    "opt_G has a parameter that no network of the game has": with_a_constant,
    "G.1 is a Own, which is not minigan's": lambda: make("gan", networks={"G": nn.Sequential(nn.Dense(3, 2), Own(2, 2))}),
    "G.1 is a function, which is not minigan's": lambda: make("gan", networks={"G": nn.Sequential(nn.Dense(3, 2), mg.tanh)}),
    "the game is a Other, which is not minigan's": lambda: type("Other", (games.GAN,), {})(
        *list(vars(make("gan")).values())[:5]
    ),
    "prior is a function, which a file cannot describe": lambda: make("gan", prior=lambda m: np.zeros((m, 3))),
    "labelled is a Batches, which a file cannot describe": lambda: make("semi_supervised"),
    "loss is a GameLoss, which a file": lambda: make("gan", loss=mg.losses.GameLoss(max, min)),
    "a file cannot describe GAN.t; delete it": lambda: attribute("t", 3),
    "a file cannot describe GAN.other; delete it": lambda: attribute("other", mlp(2, 2)),
    "average is a .*, which a file cannot": lambda: attribute("average", nn.MovingAverage(mlp(2, 2))),
}


@pytest.mark.parametrize("match", REFUSED)
def test_what_a_file_cannot_describe_is_named_and_nothing_is_written(match, tmp_path):
    with pytest.raises(ValueError, match=f"^save: {match}"):
        mg.save(REFUSED[match](), tmp_path / "game.npz")
    assert list(tmp_path.iterdir()) == []


# --- files that anyone may have made ------------------------------------------------------------------------------------

ADAM = ["Adam", ["G.layers.0.weight"], [1.0], {}]
HUGE = ["Sequential", ["Dense", 10**6, 10**6]]
HOSTILE = {  # the description's part, and what is in its place
    "": ["[" * 10**5, "nan", "3", "null", "[]", "{}", '"GAN"'],
    "game": ["Module", "Game", "os.system", "__import__", 3, None, [], {}, "ALI"],
    "arguments": [{}, [], None, {"G": HUGE}, {"G": 1}],
    "arguments.G": [
        None, [], ["Module"], ["eval", "1"], ["Sequential", ["Sequential", 3]], ["Dense"], ["Dense", "3", 2], ["Dense", -3, 2],
        ["Dense", 3, 5, {"rng": 3}], ["Dense", 3, 5, {"weight_init": "x"}], HUGE, ["Embedding", 2**40, 2**20],
        ["Conv2d", 1, 10**5, [10**4, 10**4]], ["BatchNorm2d", 2**40], ["SpectralNorm", ["ReLU"]], ["LayerNorm", [10**5, 10**6]],
        ["Dense", True, 2], ["Dense", 1e400, 2],
        *[["WithReference", ["Dense", 3, 5], {"reference": shape}] for shape in ([10**4, 10**5], "x")],
        ["Dense", 3, {"out_features": 10**7}], ["SpectralNorm", ["Dense", 3, 5], {"iterations": 10**9}],
        ["noise", 3, "normal"], [["Dense"]], ["Sequential", ["Dense", 3, 6], ["Tanh"]],
    ],
    "arguments.prior": [None, 3, ["noise", 10**12, "x"], ["noise"], ["noise", 3, "normal", 3], ["part of D", 1]],
    "arguments.opt_G": [
        None, ["Adam"], ADAM, ["SGD", ["nowhere"], [1.0], {}], ["Adam", ["G.layers.0.weight"], [], {}], ["eval", [], [], {}],
        ["SGD", ["G.layers.0.weight"], ["x"], {}], ["OMD", ["G.layers.0.weight"], [1.0], {"predictor": 10**12}],
    ],
    "arguments.k": [-1, "hinge_game", 1.5, None, [1], 10**400], "arguments.loss": ["mse", 3, None, "__doc__"],
    "arguments.new": [3], "averages": [None, {"G": ["G", 0.9]}, {"a b": ["G", 0.9]}, {"a": ["X", 0.9]}, {"a": ["G", 9]}],
    "frozen": [None, 3, ["nowhere"], [["G"]]], "eval": [None, ["D.layers.9"], ["G.layers.0.weight"]],
}  # fmt: skip


@pytest.mark.parametrize("place", HOSTILE)
def test_a_description_that_was_tampered_with_is_refused_in_one_line_within_a_few_megabytes(place, tmp_path):
    mg.save(make("gan"), tmp_path / "game.npz")
    arrays = read_npz(tmp_path / "game.npz")
    for wrong in HOSTILE[place]:
        description = json.loads(str(arrays["game"]))
        *path, last = place.split(".")
        inner = description
        for key in path:
            inner = inner[key]
        inner[last] = wrong
        write_npz(tmp_path / "bad.npz", arrays | {"game": np.array(json.dumps(description) if place else wrong)})
        tracemalloc.start()
        before = mg.random_numbers.generators_state()
        with pytest.raises(ValueError, match=r"bad\.npz cannot be loaded as a game: .+\Z"):
            mg.load(tmp_path / "bad.npz")
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
        tracemalloc.stop()
        assert mg.random_numbers.generators_state()["default"] == before["default"]


def test_arrays_that_do_not_fit_the_description_are_refused(tmp_path):
    mg.save(make("gan"), tmp_path / "game.npz")
    arrays = read_npz(tmp_path / "game.npz")
    without = [{key: value for key, value in arrays.items() if key != name} for name in arrays]
    for wrong in (*without, arrays | {"state/G": np.zeros(2)}, arrays | {"more": np.zeros(2)}):
        write_npz(tmp_path / "bad.npz", wrong)
        with pytest.raises(ValueError, match=r"bad\.npz cannot be loaded as a game"):
            mg.load(tmp_path / "bad.npz")


# --- the command --------------------------------------------------------------------------------------------------------


def test_the_command_draws_digits_from_the_file_in_the_clone_and_refuses_others_in_one_line(tmp_path, monkeypatch, capsys):
    given = ROOT / "demos" / "gallery" / "cgan.npz"
    assert given.stat().st_size < 2e6
    ended = python("-m", "demos", "sample", given, "--y", 7, "--n", 20, "--out", tmp_path / "sevens.png")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "sevens.png").stat().st_size > 2000
    monkeypatch.setattr(sample, "limit_memory", lambda: None)  # of the tests' own process
    for options, line in (
        ([str(given), "--y", "70"], "sample: labels from 70 to 70; expected 0 to 9"),
        ([str(tmp_path / "no.npz")], "No such file"), ([str(ROOT / "README.md")], "does not end in"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            sample.main(options)
        assert (ended.value.code, (said := capsys.readouterr().err).count("\n")) == (2, 1)
        assert line in said
    huge = make("gan", networks={"G": nn.Sequential(nn.Dense(3, 2), nn.Reshape(2, 1, 1), nn.Upsample(10**5), nn.Flatten())})
    mg.save(huge, tmp_path / "huge.npz")
    ended = python("-m", "demos", "sample", tmp_path / "huge.npz")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert re.search("not enough memory|need more than 4 GB", ended.stderr)
