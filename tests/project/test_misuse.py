"""What users get wrong, and what they are told: the error names the op or the class, and the argument, shape or remedy."""

import re

import numpy as np
import pytest

import minigan as mg
from minigan import backend, data, games, losses, metrics, nn, optim
from minigan.engine.tensor import Tensor


def ones(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


def _game(D=None, **options):
    G, D = nn.Sequential(nn.Dense(2, 2)), D or nn.Sequential(nn.Dense(2, 1))
    prior = options.pop("prior", None) or data.noise(2)
    return games.GAN(G, D, prior, optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), **options)


def _twice(block):
    for _ in range(2):
        with block:
            pass


def _other(game, D=None, **options):
    """A game of another kind; with classes, of three."""
    extra, width = (3 if game is games.ConditionalGAN else 0), (2 if game is games.BEGAN else 1)
    G, D = nn.Sequential(nn.Dense(2 + extra, 2)), D or nn.Sequential(nn.Dense(2 + extra, width))
    if extra:
        G, D = games.Conditional(G, 3), games.Conditional(D, 3)
    return game(G, D, data.noise(2), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), **options)


def _conditional_step(x, y):
    return _other(games.ConditionalGAN).step(iter([(x, y)]))


def _points(width=2):
    return data.batches(np.ones((8, width), np.float32), size=4)


def _stale(change):
    """A backward pass over a result whose parameter has been changed since."""
    layer = nn.Dense(2, 1)
    optimizer = optim.SGD(layer.parameters(), 0.1)
    first, second = [(layer(ones(3, 2)) ** 2).sum() for _ in range(2)]
    first.backward()
    change(layer, optimizer)
    second.backward()


def _optimizer_of(*tensors, rule=optim.SGD, **options):
    return rule(list(tensors), **{"lr": 0.1} | options)


MISUSE = [  # (what the user does, the call, the error, what its message says); more: tests/contracts/refusals
    ("concatenate a tensor", lambda: mg.concatenate(ones(2)), ValueError, "concatenate: expected a list of tensors"),
    ("einsum without subscripts", lambda: mg.einsum(ones(2)), TypeError, "einsum: the first argument is a Tensor"),
    ("grad of a number", lambda: mg.grad(3.0, ones()), TypeError, "grad: the output is a float; expected a Tensor"),
    ("grad for a constant", lambda: mg.grad(ones(), Tensor(1.0)), ValueError, "grad: input 0 .*set requires_grad before"),
    ("shape of .data", lambda: setattr(ones(2), "data", np.ones(3)), ValueError, r"data: .*\(2,\).* shape \(3,\)"),
    (
        "step too early",
        lambda: _stale(lambda layer, opt: opt.step()),
        RuntimeError,
        "'weight'.*step.*Run the forward pass again",
    ),
    (
        "loading too early",
        lambda: _stale(lambda layer, opt: layer.load_state_dict(nn.Dense(2, 1).state_dict())),
        RuntimeError,
        "backward through .*'weight'.*load_state_dict",
    ),
    (
        "assignment too early",
        lambda: _stale(lambda layer, opt: setattr(layer.weight, "data", np.ones((2, 1)))),
        RuntimeError,
        r"backward through .*'weight'.*assignment to \.data",
    ),
    ("batch norm of one", lambda: nn.BatchNorm1d(2)(ones(1, 2)), ValueError, r"BatchNorm1d.*\(1, 2\).*eval\(\)"),
    (
        "state of another layer",
        lambda: nn.Dense(2, 1).load_state_dict(nn.Dense(3, 1).state_dict()),
        ValueError,
        r"weight.*\(2, 1\)",
    ),
    ("state of no layer", lambda: nn.Dense(2, 1).load_state_dict({}), ValueError, "load_state_dict: missing .*'weight'"),
    ("name that is a number", lambda: Tensor([1.0], name=5), TypeError, "name: expected a string or None, got 5, of type int"),
    ("named by a tensor", lambda: setattr(ones(2), "name", ones(1)), TypeError, "name: expected a string or None, got Tensor"),
    (
        "nothing to train",
        lambda: optim.SGD(nn.ReLU().parameters(), 0.1),
        ValueError,
        r"SGD: no parameters.*module\.parameters\(\)",
    ),
    ("names to train", lambda: optim.Adam(nn.Dense(1, 1).named_parameters()), TypeError, "Adam: parameter 0 is a tuple"),
    ("results to train", lambda: _optimizer_of(ones(2) * 2), ValueError, "SGD: parameter 0 .* is not a leaf with"),
    ("one beta", lambda: _optimizer_of(ones(2), rule=optim.Adam, betas=0.9), ValueError, "Adam: betas is 0.9; expected two"),
    (
        "state of another rule",
        lambda: _optimizer_of(ones(2)).load_state_dict(_optimizer_of(ones(2), rule=optim.Adam).state_dict()),
        ValueError,
        "load_state_dict: rule is 'SGD' here, and was 'Adam' where the state was saved",
    ),
    ("a network clipped", lambda: optim.clip_weights(nn.Dense(1, 1), 1), TypeError, r"clip_weights: .*module\.parameters\(\)"),
    (
        "prior of another size",
        lambda: _game(prior=lambda m: np.ones((3, 2))).step(_points()),
        ValueError,
        "prior: asked for 4 .*3, 2",
    ),
    ("batches run out", lambda: _game().step(iter([])), ValueError, r"step: the minibatches have run out; data\.batches"),
    ("classes without classes", lambda: _game().sample(2, y=[0, 1]), TypeError, "sample: GAN has no classes; leave y out"),
    ("half a critic step", lambda: _other(games.WGANGP, n_critic=0.5), ValueError, "WGANGP: n_critic is 0.5; .*whole number"),
    (
        "critic with a sigmoid",
        lambda: _other(games.WGAN, D=nn.Sequential(nn.Dense(2, 1), nn.Sigmoid())),
        ValueError,
        "WGAN: D ends in a Sigmoid; .*leave the Sigmoid out",
    ),
    ("points without classes", lambda: _other(games.ConditionalGAN).step(_points()), TypeError, r"ndarray; expected \(x, y\)"),
    (
        "classes as floats",
        lambda: _conditional_step(np.ones((2, 2)), [0.0, 1.0]),
        TypeError,
        "step: labels are float64; .*0, 1",
    ),
    (
        "classes in a column",
        lambda: _conditional_step(np.ones((2, 2)), [[0], [1]]),
        ValueError,
        r"x has shape \(2, 2\) and y \(2, 1\)",
    ),
    ("class too large", lambda: _conditional_step(np.ones((2, 2)), [0, 3]), ValueError, "labels from 0 to 3; expected 0 to 2"),
    ("samples of no class", lambda: _other(games.ConditionalGAN).sample(2), TypeError, "sample: .*pass y, n classes"),
    (
        "too few classes",
        lambda: _other(games.ConditionalGAN).sample(3, y=[0, 1]),
        ValueError,
        r"y has shape \(2,\); .*3 classes",
    ),
    ("unknown backend", lambda: backend.use("jax"), backend.BackendError, "unknown backend 'jax': choose 'numpy' or 'cupy'"),
    *[
        (f"{name} opened twice", lambda make=make: _twice(make()), RuntimeError, rf"^{name}: .* call {name}\(\.\.\.\) again")
        for name, make in {
            "trace": mg.trace,
            "profile": mg.profile,
            "debug": mg.debug,
            "using": lambda: backend.using("numpy"),
            "eval_mode": lambda: nn.eval_mode(nn.ReLU()),
        }.items()
    ],
    ("module without forward", lambda: nn.Module()(ones(2)), NotImplementedError, "Module has no forward: define forward"),
]


@pytest.mark.parametrize(("call", "error", "says"), [case[1:] for case in MISUSE], ids=[case[0] for case in MISUSE])
def test_misuse_is_told_what_is_wrong(call, error, says):
    with pytest.raises(error, match=says):
        call()


# --- arrays of other kinds ----------------------------------------------------------------------------------------------

MASKED = np.ma.masked_array([1.0, 2.0], [False, True])
ARRAYS_GO_IN = {
    "Tensor": lambda x: Tensor(x),
    "Tensor with a dtype": lambda x: Tensor(x, dtype="float32"),
    "operand on the right": lambda x: ones(2) + x,
    "operand on the left": lambda x: x * ones(2),
    "op": lambda x: mg.exp(x),
    "part": lambda x: mg.stack([ones(2), x]),
    "data": lambda x: setattr(ones(2), "data", x),
    "gradient": lambda x: (ones(2) * 2).backward(x),
    "layer": lambda x: nn.Dense(2, 1)(x),
    "loss": lambda x: losses.mse(ones(2), x),
    "labels": lambda x: losses.log_loss_with_logits(ones(2), x),
    "minibatches": lambda x: next(data.batches(x, size=1)),
    "metric": lambda x: metrics.wasserstein1(x, x),
    "attack": lambda x: mg.attacks.fgsm(lambda v: v, x, None, 0.1, loss=lambda v, y: v.sum(), clip=None),
    "prior's ends": lambda x: data.lerp(x, x, 2),
    "gradcheck": lambda x: mg.gradcheck(mg.exp, x),
    "condition": lambda x: mg.where(x, ones(2), 0.0),
}


@pytest.mark.parametrize("call", ARRAYS_GO_IN.values(), ids=ARRAYS_GO_IN)
def test_a_masked_array_is_refused_wherever_arrays_go_in(call):
    with pytest.raises(TypeError, match=r"a masked array would lose its mask here: pass \.filled"):
        call(MASKED)
    call(np.array([1.0, 0.5]))


LABELS_GO_IN = {
    "cross_entropy": lambda y: losses.cross_entropy(ones(2, 3), y),
    "one_hot": lambda y: mg.one_hot(y, 3),
    "Embedding": lambda y: nn.Embedding(3, 2)(y),
    "index": lambda y: ones(3)[y],
}


@pytest.mark.parametrize("call", LABELS_GO_IN.values(), ids=LABELS_GO_IN)
def test_masked_labels_are_refused(call):
    with pytest.raises(TypeError, match="masked array"):
        call(np.ma.masked_array([0, 1], [False, True]))


KINDS = {
    "objects": np.array([1.0, None]),
    "text": np.array(["1", "2"]),
    "bytes": np.array([b"1", b"2"]),
    "dates": np.zeros(2, "datetime64[s]"),
    "durations": np.zeros(2, "timedelta64[s]"),
    "records": np.zeros(2, [("a", float), ("b", int)]),
    "voids": np.zeros(2, "V4"),
}
NUMBERS_GO_IN = ("Tensor", "operand on the right", "operand on the left", "op", "part", "data", "gradient", "loss", "attack")


@pytest.mark.parametrize("name", NUMBERS_GO_IN)
@pytest.mark.parametrize("array", KINDS.values(), ids=KINDS)
def test_arrays_of_anything_but_numbers_are_refused(name, array):
    with pytest.raises(TypeError, match=rf"{re.escape(str(array.dtype))} data .*; expected real numbers"):
        ARRAYS_GO_IN[name](array)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_an_array():
    matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    assert type(Tensor(matrix).data) is np.ndarray
    np.testing.assert_array_equal((ones(2, 2) * matrix).numpy(), np.asarray(matrix))  # elementwise, as everywhere
    np.testing.assert_array_equal((ones(2, 2) @ matrix).numpy(), [[4, 6], [4, 6]])
