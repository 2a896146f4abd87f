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


def _generator():
    yield


def _optimizer_of(*tensors, rule=optim.SGD, **options):
    return rule(list(tensors), **{"lr": 0.1} | options)


MISUSE = [  # (what the user does, the call, the error, what its message says)
    # shapes
    ("add shapes", lambda: ones(2, 3) + ones(2), ValueError, r"add: shapes \(2, 3\) and \(2,\).*reshape"),
    ("matmul shapes", lambda: ones(2, 3) @ ones(2, 3), ValueError, r"matmul: shapes \(2, 3\) and \(2, 3\)"),
    ("matmul by a number", lambda: ones(2, 3) @ 2.0, ValueError, r"matmul: shapes \(2, 3\) and \(\)"),
    ("reshape", lambda: ones(2, 3).reshape(4, 2), ValueError, r"reshape: 6 elements of shape \(2, 3\).*\(4, 2\)"),
    ("transpose of two of three", lambda: ones(2, 3, 4).transpose(0, 1), ValueError, r"transpose: axes \(0, 1\).*\(2, 3, 4\)"),
    ("concatenate a tensor", lambda: mg.concatenate(ones(2)), ValueError, "concatenate: expected a list of tensors"),
    ("stack shapes", lambda: mg.stack([ones(2), ones(3)]), ValueError, r"stack: the shapes differ: \[\(2,\), \(3,\)\]"),
    ("split unevenly", lambda: mg.split(ones(5), 2), ValueError, r"split: axis 0 of shape \(5,\).*2 equal parts"),
    ("where shapes", lambda: mg.where([True, False], ones(3), 0.0), ValueError, r"where: shapes \(2,\) and \(3,\)"),
    ("einsum shapes", lambda: mg.einsum("ij,jk", ones(2, 3), ones(2, 3)), ValueError, r"einsum: 'ij,jk' does not fit"),
    ("conv2d channels", lambda: mg.conv2d(ones(1, 2, 4, 4), ones(1, 3, 2, 2)), ValueError, r"conv2d: x \(1, 2, 4, 4\)"),
    ("conv2d window", lambda: mg.conv2d(ones(1, 1, 2, 2), ones(1, 1, 3, 3)), ValueError, r"conv2d: a window of \(3, 3\)"),
    ("pool of no image", lambda: mg.max_pool2d(ones(4, 4), 2), ValueError, r"max_pool2d: x has shape \(4, 4\).*N, C, H, W"),
    ("max of nothing", lambda: ones(0, 2).max(), ValueError, r"max: no elements .* \(0, 2\)"),
    # axes and indices
    ("sum axis", lambda: ones(2, 3).sum(2), ValueError, r"sum: axis 2 .* \(2, 3\)"),
    ("sum axis in words", lambda: ones(2, 3).sum("rows"), TypeError, r"sum: axis is 'rows'; expected"),
    ("softmax axis", lambda: mg.softmax(ones(2, 3), axis=-3), ValueError, r"softmax: axis -3 .* \(2, 3\)"),
    ("index too large", lambda: ones(3)[5], IndexError, r"getitem: index 5 does not fit shape \(3,\)"),
    ("float as index", lambda: ones(3)[0.5], IndexError, r"getitem: index .*0\.5.* \(3,\).*integer"),
    ("item of many", lambda: ones(3).item(), ValueError, r"item: a tensor of shape \(3,\) has 3 elements"),
    ("truth of many", lambda: bool(ones(3) > 0), ValueError, r"\(3,\) has 3 elements, not one"),
    # what is no number
    ("None added", lambda: ones(2) + None, TypeError, "add: argument 2 is a NoneType; expected"),
    ("text added", lambda: "a" + ones(2), TypeError, "add: argument 1 is a str; expected"),
    ("text clipped", lambda: mg.clip(ones(2), "low"), TypeError, "clip: argument 2 is a str"),
    ("tensor of None", lambda: Tensor(None), TypeError, "Tensor: .*NoneType.*expected real numbers"),
    ("tensor of a tensor", lambda: Tensor(ones(2)), TypeError, r"Tensor: .* already; use it .* \.detach\(\)"),
    ("ragged list", lambda: Tensor([[1.0], [1.0, 2.0]]), ValueError, "Tensor: cannot make an array of this list"),
    ("einsum without subscripts", lambda: mg.einsum(ones(2)), TypeError, "einsum: the first argument is a Tensor"),
    # gradients
    ("gradient of integers", lambda: Tensor(np.arange(3), requires_grad=True), TypeError, r"int64; .*astype\('float32'\)"),
    ("backward of many", lambda: (ones(3) * 2).backward(), RuntimeError, r"backward: .*\(3,\) is not a scalar.*gradient="),
    ("backward of a leaf", lambda: ones().backward(), RuntimeError, r"backward: .* has no graph"),
    ("backward of a constant", lambda: ones(3).detach().sum().backward(), RuntimeError, "no graph.*detached"),
    ("seed shape", lambda: (ones(3) * 2).backward(np.ones(2)), ValueError, r"backward: gradient has shape \(2,\)"),
    ("grad of a number", lambda: mg.grad(3.0, ones()), TypeError, "grad: the output is a float; expected a Tensor"),
    ("grad for a constant", lambda: mg.grad(ones(), Tensor(1.0)), ValueError, "grad: input 0 .*set requires_grad before"),
    ("array as .grad", lambda: setattr(ones(2), "grad", np.ones(2)), TypeError, r"grad: .*ndarray; wrap it: Tensor\(g\)"),
    ("shape of .data", lambda: setattr(ones(2), "data", np.ones(3)), ValueError, r"data: .*\(2,\).* shape \(3,\)"),
    ("ufunc of a tensor", lambda: np.exp(ones(2)), TypeError, "Tensor.*ufunc"),
    ("array of a tensor", lambda: np.asarray(ones(2)), TypeError, r"minigan's op, or \.detach\(\)"),
    ("no_grad on a generator", lambda: mg.no_grad()(_generator), TypeError, "no_grad: _generator is a generator.*inside"),
    (
        "derivative is no tensor",
        lambda: mg.record("op", np.ones(()), (ones(), lambda g, y: 1)).backward(),
        RuntimeError,
        "op: .*int",
    ),
    # changed between forward and backward
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
    # layers
    ("Dense input", lambda: nn.Dense(2, 3)(ones(4, 5)), ValueError, r"Dense\(2, 3\): the input has shape \(4, 5\).*2"),
    ("Dense sizes", lambda: nn.Dense(0, 3), ValueError, "Dense: sizes must be whole numbers of at least 1, got 0, 3"),
    ("list to Sequential", lambda: nn.Sequential([nn.ReLU()]), TypeError, "Sequential: argument 1 is a list"),
    ("batch norm of one", lambda: nn.BatchNorm1d(2)(ones(1, 2)), ValueError, r"BatchNorm1d.*\(1, 2\).*eval\(\)"),
    ("batch norm channels", lambda: nn.BatchNorm2d(2)(ones(4, 3, 2, 2)), ValueError, r"BatchNorm2d.*\(4, 3, 2, 2\)"),
    ("label to Embedding", lambda: nn.Embedding(3, 2)([3]), ValueError, r"Embedding\(3, 2\): labels.*0 to 2"),
    ("dropping all", lambda: nn.Dropout(1.0), ValueError, "Dropout: p is 1.0"),
    ("Conv2d kernel", lambda: nn.Conv2d(1, 1, 0), ValueError, "Conv2d: kernel_size is 0"),
    (
        "state of another layer",
        lambda: nn.Dense(2, 1).load_state_dict(nn.Dense(3, 1).state_dict()),
        ValueError,
        r"weight.*\(2, 1\)",
    ),
    ("state of no layer", lambda: nn.Dense(2, 1).load_state_dict({}), ValueError, "load_state_dict: missing .*'weight'"),
    # losses
    (
        "logits to log_loss",
        lambda: losses.log_loss(Tensor([2.0, -1.0]), 1.0),
        ValueError,
        "log_loss: p must.*log_loss_with_logits",
    ),
    (
        "labels -1 and 1",
        lambda: losses.log_loss_with_logits(ones(2), [-1, 1]),
        ValueError,
        r"log_loss_with_logits: y must .*\[0, 1\]",
    ),
    ("labels' axis", lambda: losses.log_loss_with_logits(ones(3, 1), np.ones(3)), ValueError, r"\(3, 1\).*\(3,\); reshape"),
    ("mse of (N, 1) and (N,)", lambda: losses.mse(ones(3, 1), np.ones(3)), ValueError, r"mse: shapes \(3, 1\) and \(3,\)"),
    (
        "one-hot labels",
        lambda: losses.cross_entropy(ones(2, 2), np.eye(2)),
        TypeError,
        "cross_entropy: labels are float64; expected integers",
    ),
    ("label too large", lambda: losses.cross_entropy(ones(2, 3), [0, 3]), ValueError, "cross_entropy: labels from 0 to 3.*2"),
    (
        "penalty between shapes",
        lambda: losses.gradient_penalty(lambda x: x, ones(4, 1), ones(4, 2)),
        ValueError,
        r"gradient_penalty: shapes \(4, 1\) and \(4, 2\) differ",
    ),
    ("one_hot of floats", lambda: mg.one_hot([0.5], 3), TypeError, "one_hot: labels are float64; expected integers"),
    ("name that is a number", lambda: Tensor([1.0], name=5), TypeError, "name: expected a string or None, got 5, of type int"),
    ("named by a tensor", lambda: setattr(ones(2), "name", ones(1)), TypeError, "name: expected a string or None, got Tensor"),
    # optimizers
    (
        "nothing to train",
        lambda: optim.SGD(nn.ReLU().parameters(), 0.1),
        ValueError,
        r"SGD: no parameters.*module\.parameters\(\)",
    ),
    ("names to train", lambda: optim.Adam(nn.Dense(1, 1).named_parameters()), TypeError, "Adam: parameter 0 is a tuple"),
    ("results to train", lambda: _optimizer_of(ones(2) * 2), ValueError, "SGD: parameter 0 .* is not a leaf with"),
    ("integers to train", lambda: _optimizer_of(Tensor(np.arange(2))), ValueError, "SGD: parameter 0 .*int64"),
    ("negative rate", lambda: _optimizer_of(ones(2), lr=-1), ValueError, "SGD: lr is -1; expected"),
    ("rate as text", lambda: _optimizer_of(ones(2), lr="0.1"), ValueError, "SGD: lr is '0.1'; expected a finite number"),
    ("one beta", lambda: _optimizer_of(ones(2), rule=optim.Adam, betas=0.9), ValueError, "Adam: betas is 0.9; expected two"),
    ("beta of 1", lambda: _optimizer_of(ones(2), rule=optim.Adam, betas=(0.9, 1.0)), ValueError, r"Adam: betas\[1\] is 1.0"),
    (
        "state of another rule",
        lambda: _optimizer_of(ones(2)).load_state_dict(_optimizer_of(ones(2), rule=optim.Adam).state_dict()),
        ValueError,
        "load_state_dict: rule is 'SGD' here, and was 'Adam' where the state was saved",
    ),
    ("weights clipped to 0", lambda: optim.clip_weights([ones(2)], 0), ValueError, "clip_weights: c is 0; .*above 0"),
    ("a network clipped", lambda: optim.clip_weights(nn.Dense(1, 1), 1), TypeError, r"clip_weights: .*module\.parameters\(\)"),
    ("alpha of 1", lambda: _optimizer_of(ones(2), rule=optim.RMSProp, alpha=1), ValueError, "RMSProp: alpha is 1; expected"),
    ("decay over no steps", lambda: optim.LinearDecay(_optimizer_of(ones(2)), 0), ValueError, "LinearDecay: steps is 0"),
    # data and metrics
    ("batch larger than the data", lambda: data.batches(np.ones(3), size=4), ValueError, "size is 4; .*from 1 to 3"),
    ("batch of 2.0", lambda: data.batches(np.ones(3), size=2.0), ValueError, "size is 2.0; .*from 1 to 3"),
    ("arrays of two lengths", lambda: data.batches(np.ones(3), np.ones(2), size=1), ValueError, r"lengths \[3, 2\]"),
    ("kind of noise", lambda: data.noise(2, kind="gauss"), ValueError, "kind is 'gauss': choose one of 'normal'"),
    ("noise of 2.5 dimensions", lambda: data.noise(2.5), ValueError, "noise: d is 2.5; expected a whole number"),
    ("ring of no modes", lambda: data.ring(10, modes=0), ValueError, "ring: modes is 0; .*at least 1"),
    ("split of MNIST", lambda: data.mnist("val"), ValueError, "split is 'val': choose 'train' or 'test'"),
    (
        "samples on a line",
        lambda: metrics.mode_coverage(np.ones(3), np.ones((1, 2)), 0.1),
        ValueError,
        r"samples has shape \(3,\)",
    ),
    ("std of 0", lambda: metrics.mode_coverage(np.ones((3, 2)), np.ones((1, 2)), 0), ValueError, "std is 0; .*above 0"),
    (
        "distance of two sizes",
        lambda: metrics.wasserstein1(np.ones((3, 2)), np.ones((2, 2))),
        ValueError,
        r"\(3, 2\) and b \(2, 2\)",
    ),
    # games
    ("no D step", lambda: _game(k=0), ValueError, "GAN: k is 0; .*at least 1"),
    ("negative r1", lambda: _game(r1=-1), ValueError, "GAN: r1 is -1"),
    (
        "prior of another size",
        lambda: _game(prior=lambda m: np.ones((3, 2))).step(_points()),
        ValueError,
        "prior: asked for 4 .*3, 2",
    ),
    ("prior of another width", lambda: _game(prior=data.noise(5)).step(_points()), ValueError, r"Dense\(2, 2\): .*\(4, 5\)"),
    ("points in space", lambda: _game().step(_points(3)), ValueError, r"Dense\(2, 1\): the input has shape \(4, 3\)"),
    ("batches run out", lambda: _game().step(iter([])), ValueError, r"step: the minibatches have run out; data\.batches"),
    ("classes without classes", lambda: _game().sample(2, y=[0, 1]), TypeError, "sample: GAN has no classes; leave y out"),
    ("no critic step", lambda: _other(games.WGAN, n_critic=0), ValueError, "WGAN: n_critic is 0; .*at least 1"),
    ("half a critic step", lambda: _other(games.WGANGP, n_critic=0.5), ValueError, "WGANGP: n_critic is 0.5; .*whole number"),
    ("clip of 0", lambda: _other(games.WGAN, clip=0), ValueError, "WGAN: clip is 0; expected .* above 0"),
    ("penalty below 0", lambda: _other(games.WGANGP, penalty=-1), ValueError, "WGANGP: penalty is -1; expected .* at least 0"),
    ("gamma above 1", lambda: _other(games.BEGAN, gamma=2), ValueError, "BEGAN: gamma is 2; expected 0 <= gamma <= 1"),
    ("lambda_k below 0", lambda: _other(games.BEGAN, lambda_k=-1), ValueError, "BEGAN: lambda_k is -1; .*at least 0"),
    (
        "critic with a sigmoid",
        lambda: _other(games.WGAN, D=nn.Sequential(nn.Dense(2, 1), nn.Sigmoid())),
        ValueError,
        "WGAN: D ends in a Sigmoid; .*leave the Sigmoid out",
    ),
    (
        "autoencoder that returns logits",
        lambda: _other(games.BEGAN, D=nn.Sequential(nn.Dense(2, 1))).step(_points()),
        ValueError,
        r"l1: shapes \(4, 1\) and \(4, 2\) differ",
    ),
    ("points without classes", lambda: _other(games.ConditionalGAN).step(_points()), TypeError, r"ndarray; expected \(x, y\)"),
    (
        "classes as floats",
        lambda: _conditional_step(np.ones((2, 2)), [0.0, 1.0]),
        TypeError,
        "step: labels are float64; .*0, 1",
    ),
    ("classes one-hot", lambda: _conditional_step(np.ones((3, 2)), np.eye(3)), TypeError, "step: labels are float64"),
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
    ("network without channels", lambda: games.dcgan_generator(channels=0), ValueError, "at least 1"),
    (
        "large images",
        lambda: games.dcgan_discriminator(channels=1)(ones(2, 1, 40, 40)),
        ValueError,
        r"Dense\(64, 1\): the input has shape \(2, 100\)",
    ),
    # the rest
    ("unknown backend", lambda: backend.use("jax"), backend.BackendError, "unknown backend 'jax': choose 'numpy' or 'cupy'"),
    ("moved nowhere", lambda: ones(2).to("tpu"), backend.BackendError, "unknown backend 'tpu': choose"),
    (
        "gradcheck of float32",
        lambda: mg.gradcheck(mg.exp, np.ones(2, "f4")),
        TypeError,
        "gradcheck: input 0 is float32.*float64",
    ),
    ("gradcheck of no tensor", lambda: mg.gradcheck(lambda x: 3, np.ones(2)), TypeError, "gradcheck: fn returned a int"),
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


@pytest.mark.parametrize(
    "call",
    [
        lambda y: losses.cross_entropy(ones(2, 3), y),
        lambda y: mg.one_hot(y, 3),
        lambda y: nn.Embedding(3, 2)(y),
        lambda y: ones(3)[y],
    ],
)
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
NUMBERS_GO_IN = (
    "Tensor",
    "operand on the right",
    "operand on the left",
    "op",
    "part",
    "data",
    "gradient",
    "loss",
    "attack",
)


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


def test_minibatches_of_python_objects_are_refused():
    with pytest.raises(TypeError, match="an array holds Python objects: batches takes arrays of numbers"):
        data.batches(np.array([1.0, None]), size=1)
