"""What a Tensor, the backward pass and a user's op refuse."""

import operator

import numpy as np

import minigan as mg
from minigan import Tensor
from tests.contracts.refusals import each
from tests.helpers.leaves import leaf


def assign(attribute, value, **options):
    return lambda: setattr(leaf(**options), attribute, value)


def back(returned):
    """A backward pass whose derivative returns this."""
    x = leaf()
    return mg.record("oops", x.data * 1, (x, lambda g, y: returned)).sum().backward()


@mg.no_grad()
def quiet(x):
    return x * 2.0


def steps():
    yield 1


def twice(block):
    with block:
        pass
    block.__enter__()


def in_place(change):
    return lambda: exec(change, {"p": leaf()})


COMPLEX = np.array([1j, 2.0, 1 + 1j])
BACKWARD = [
    (lambda: leaf(name="w").backward(), RuntimeError, r"tensor 'w' of shape \(3,\) has no graph"),
    *each([mg.Tensor.detach, quiet, lambda x: x > 0], RuntimeError, "has no graph", lambda f: f(leaf()).backward()),
    (lambda: (leaf() * 2).backward(), RuntimeError, r"shape \(3,\) is not a scalar: pass gradient="),
    *each([np.ones(2), np.ones((1, 3)), 1.0], ValueError, "gradient has shape .* needs its own", (leaf() * 2).backward),
    (lambda: (leaf() * 2).backward(np.array([1, 2, 3])), TypeError, "gradient is int64; pass a floating dtype"),
    (lambda: mg.grad(leaf().sum(), [leaf(), Tensor([1.0], name="c")]), ValueError, r"input 1 is tensor 'c' of shape \(1,\)"),
    (lambda: setattr(leaf() * 2, "requires_grad", False), RuntimeError, r"is the result of multiply; use .detach()"),
    (assign("grad", Tensor([1, 2])), ValueError, r"cannot take a gradient of shape \(2,\)"),
    (assign("grad", np.ones(3)), TypeError, "expected a Tensor or None"),
    *each([(), (2,), (1,), (3, 2), (5, 3)], RuntimeError, r"oops: the derivative for an input of shape \(3,\) has shape VALUE",
          lambda shape: back(Tensor(np.ones(shape)))),
    *each([None, 1.0, np.ones(3)], RuntimeError, "oops: .* is a TYPE, not a Tensor", back),
    (lambda: mg.no_grad()(steps), TypeError, "steps is a generator"),
    (lambda: mg.grad(3.0, leaf()), TypeError, "grad: the output is a float; expected a Tensor"),
    (lambda: twice(mg.trace()), RuntimeError, r"^trace: .* call trace\(\.\.\.\) again"),
    (lambda: twice(mg.backend.using("numpy")), RuntimeError, r"^using: .* call using\(\.\.\.\) again"),
]  # fmt: skip

NO_NUMBERS = ["abc", None, ["a", 1], {1, 2}, 1j, np.array([None])]
TENSOR = [
    *each(["int64", "bool"], TypeError, r"VALUE; only floats have gradients: .astype\('float32'\)",
          lambda dtype: Tensor(np.ones(2, dtype), requires_grad=True)),
    *each(NO_NUMBERS, TypeError, "from a TYPE.*expected real numbers", Tensor),
    (lambda: Tensor(COMPLEX, dtype="float32"), TypeError, "complex128 data .*; expected real"),
    (lambda: mg.record("op", np.ones(3), 5), TypeError, "record: expected pairs"),
    (lambda: mg.seed(np.ones((2, 3)).view(np.matrix)), ValueError, "seed: n is "),
    (lambda: leaf()[np.uint64(2**64 - 1)], IndexError, "getitem: index"),
    (lambda: Tensor([True]) + 10**30, ValueError, "add: 10+ is too large for int64"),
    (lambda: Tensor([[1], [1, 2]]), ValueError, "Tensor: cannot make an array of this list"),
    (lambda: Tensor(Tensor(1.0)), TypeError, "is a Tensor already"),
    *each(["False", "float64"], TypeError, "expected True or False", lambda flag: Tensor([1.0], requires_grad=flag)),
    (assign("data", np.ones(2), name="w"), ValueError, r"'w' of shape \(3,\) cannot take an array of shape \(2,\)"),
    (assign("data", np.array([1, 2, 3])), TypeError, "cannot take int64"),
    (lambda: Tensor([1.0], name=5), TypeError, "name: expected a string or None, got 5, of type int"),
    (assign("name", leaf()), TypeError, "name: expected a string or None, got Tensor"),
    (lambda: Tensor([1, 2], name="w").item(), ValueError, r"'w' of shape \(2,\) has 2 elements"),
    (lambda: [10][Tensor(0.0)], TypeError, "only integers can index"),
    *each([len, iter, list], TypeError, "no length", lambda use: use(Tensor(1.0))),
    *each(["p += 1.0", "p -= 1.0", "p *= 2.0", "p /= 2.0"], TypeError, r"p\.data =", lambda change: in_place(change)()),
    *each([np.exp, np.negative, np.sqrt], TypeError, r"^np\.\w+: NumPy's .*: use mg\.", lambda ufunc: ufunc(leaf())),
    *each([np.sum, np.mean, np.amax, np.min, np.prod, np.var, np.std, np.cumsum, np.flip, np.transpose, np.linalg.norm],
          TypeError, r"^np\.(linalg\.)?(\w+): NumPy's .*: use mg\.(\2|max);", lambda function: function(leaf())),
    *each([np.concatenate, np.stack, np.hstack, np.vstack], TypeError, r"^np\.\w+: .*: use mg\.(concatenate|stack);",
          lambda function: function([Tensor([1.0]), leaf()])),
    *each([Tensor([1.0]), leaf()], TypeError, "^np.reshape: .*: use mg.reshape", lambda t: np.reshape(t, -1)),
    (lambda: np.dot(np.ones(3), leaf()), TypeError, "^np.dot: .*: use mg.matmul"),
    (lambda: np.median(leaf()), TypeError, "which NumPy would lose"),
    (lambda: np.isnan(leaf()), TypeError, "^np.isnan: .*: minigan has no such op, but mg.record"),
    (lambda: np.add(np.ones(3), leaf(), out=np.ones(3)), TypeError, "use mg.add"),
    *each([np.add.reduce, np.multiply.accumulate], TypeError, "no gradient", lambda reduce: reduce(leaf())),
    (lambda: np.asarray(leaf()), TypeError, "which NumPy would lose"),
    *each([operator.mul, operator.truediv, operator.matmul], TypeError, "real numbers", lambda op: op(leaf(), COMPLEX)),
    (lambda: mg.record("own", COMPLEX, (leaf(), lambda g, y: g)), TypeError, "^own: .*real numbers"),
]  # fmt: skip
REFUSED = [*BACKWARD, *TENSOR]
