"""The engines under the names of a case's call; and a counterexample as a line of Python that runs without minigan."""

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONSTANTS = {"inf": "float('inf')", "I": "[2, 0, 0]", "P": "[-3., -1., 2., 3.]", "Q": "[9., 1., 4., 9.]"}  # that calls use


@dataclass(frozen=True)
class Engine:
    """How to write code for an engine. `array` has the fields {0}, nested lists, and {1}, a dtype."""

    imports: str
    array: str
    first: str  # a program's end: the gradient of sum(w f) with respect to {x}
    second: str = ""  # the gradient of sum(v first) with respect to {z}; "": the engine has none
    scalar: str = ""  # for numbers, in place of `array`; for dtypes other than float64 only if it has the field {1}


_FUNCTIONAL = {  # of the engines that have grad(f, argument)
    "first": "print(grad(L{i})({args}))",
    "second": "print(grad(lambda {args}: ({v}grad(L{i})({args})){sum}{j})({args}))",
}
ENGINES = {
    "minigan": Engine(
        "import minigan as np; nn = np",
        "np.Tensor({0}, dtype='{1}', requires_grad=True)",
        "print(np.grad(L({args}), {x})[0].numpy())",
        "print(np.grad(({v}np.grad(L({args}), {x}, create_graph=True)[0]){sum}, {z})[0].numpy())",
    ),
    "autograd": Engine(
        "import autograd.numpy as np, autograd.scipy.special as special; from autograd import grad",
        "np.array({0}, '{1}')",
        **_FUNCTIONAL,
        scalar="{0}",
    ),
    "jax": Engine(
        "import jax; jax.config.update('jax_enable_x64', True); import jax.numpy as np, jax.scipy.special as special; "
        "from jax import grad, lax, nn",
        "np.array({0}, '{1}')",
        **_FUNCTIONAL,
        scalar="{0}",
    ),
    "torch": Engine(
        "import torch as np; from torch import special; from torch.nn import functional as nn; from torch.func import grad",
        "np.tensor({0}, dtype=np.{1})",
        **_FUNCTIONAL,
    ),
    "mygrad": Engine(
        "import mygrad as np; from mygrad.nnet import activations as nn",
        "np.tensor({0}, dtype='{1}')",
        "L({args}).backward(); print({x}.grad)",
    ),
    "tinygrad": Engine(
        "from tinygrad import Tensor, dtypes",
        "Tensor({0}, dtype=dtypes.{1})",
        "print(L({args}).gradient({x})[0].tolist())",
        "print(({v}L({args}).gradient({x})[0]){sum}.gradient({z})[0].tolist())",
        scalar="Tensor([{0}], dtype=dtypes.{1}).reshape(())",
    ),
}


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """1, 2, 3, ...: with all ones, a gradient in the wrong order would look right."""
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


def line(
    engine: str, call: str, xs: Sequence[np.ndarray], out: tuple[int, ...], i: int, j: int | None = None, dtype: str = "float64"
) -> str:
    """Python that prints d L / d x_i, or d sum(v dL/dx_i) / d x_j, for L = sum(w call(xs)); `out` is the shape of the call."""
    spec, names = ENGINES[engine], "xyz"[: len(xs)]
    begin = [spec.imports, *(f"{name} = {text}" for name, text in CONSTANTS.items() if re.search(rf"\b{name}\b", call))]
    inputs = [f"{name} = {_literal(spec, x, dtype)}" for name, x in zip(names, xs, strict=True)]
    args = ", ".join(names)
    w, summed = _parts(spec, out, dtype)
    product = f"({w}({call})){summed}" if w else (f"({call})" if out else call) + summed
    v, total = _parts(spec, xs[i].shape, dtype)
    numbers = {"i": f", {i}" if i else "", "j": f", {j}" if j else ""}  # of the argument; the first is the default
    end = (spec.first if j is None else spec.second).format(args=args, x=names[i], z=names[j or 0], v=v, sum=total, **numbers)
    return "; ".join([*begin, *inputs, f"L = lambda {args}: {product}", end])


def _literal(spec: Engine, x: np.ndarray, dtype: str) -> str:
    number = spec.scalar and x.shape == () and (dtype == "float64" or "{1}" in spec.scalar)
    return (spec.scalar if number else spec.array).format(x.tolist(), dtype)


def _parts(spec: Engine, shape: tuple[int, ...], dtype: str) -> tuple[str, str]:
    """Text before and after an expression, for the weighted sum of its elements."""
    if shape == ():
        return "", ""
    w = weights(shape)
    form = spec.array.replace(", requires_grad=True", "")
    return (form.format(w.tolist(), dtype) + " * " if w.size > 1 else ""), ".sum()"


def printed(program: str) -> str:
    """The output of the line, run here in a namespace of its own."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program, {})
    return out.getvalue().strip()
