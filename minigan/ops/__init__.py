"""The ops: functions from Tensors to a Tensor that record their derivatives.

An op is one short function: the forward line and, next to it, one derivative per input, written in ops (so that it can be
differentiated again). `operands` converts the arguments and their dtypes; `tensor._sum_to_shape` undoes broadcasting.

At a kink every op follows one rule: **of all subgradients, the one with the smallest norm**. The norm is over all arguments of
the op, tensors and numbers: the two arguments of maximum share a tie, even if one of them is a constant.

| where | gradient |
|---|---|
| relu at 0; abs, sign at 0; clip on an edge | 0 |
| leaky_relu at 0; elu at 0 | slope; min(1, alpha) |
| maximum, minimum at a tie | 1/2 to each |
| max, min with n ties | 1/n to each |
| max_pool2d with n ties in a window | 1/n to each |
| norm at 0; var and std of constants | 0 |
| x**0 | 0, also at x = 0 |
| prod with zeros | the product of the others |
| sqrt at 0, log at 0 | inf: no subgradient exists |

In a second derivative these shares are constants: relu, abs, maximum and max have second derivative 0, also at a kink or a tie,
and norm at 0. This can be wrong for a smooth function that is composed of such ops. Example: maximum(x, 1) * minimum(x, 1)
is x. Its gradient at 1 is 1/2 + 1/2, as it should be, but its second derivative there is 2 (1/2) (1/2) instead of 0.
"""

from typing import Any

from minigan.engine.tensor import Tensor
from minigan.ops.activations import (
    dropout,
    elu,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
)
from minigan.ops.arithmetic import (
    add,
    divide,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    multiply,
    negative,
    not_equal,
    subtract,
)
from minigan.ops.conversions import astype, copy, to
from minigan.ops.convolution import conv2d, conv_transpose2d
from minigan.ops.elementwise import (
    abs,
    clip,
    cos,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    power,
    sign,
    sin,
    sqrt,
    square,
    tanh,
    where,
)
from minigan.ops.linear import einsum, matmul
from minigan.ops.pooling import avg_pool2d, max_pool2d, upsample2d
from minigan.ops.reductions import cumsum, logsumexp, max, mean, min, norm, prod, std, sum, var
from minigan.ops.shaping import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    getitem,
    moveaxis,
    one_hot,
    pad,
    reshape,
    split,
    squeeze,
    stack,
    take,
    transpose,
)


def _not_a_parameter(t: Tensor) -> Tensor:
    """`y += x` makes y the name of a new tensor, y + x. A parameter would silently keep its value, so it raises."""
    if t.is_parameter:
        raise TypeError(f"in-place: {t.name or 'a leaf'} {t.shape} requires a gradient; to change it, p.data = p.data - lr * g")
    return t


# Python's operators and the methods are the ops themselves: a debugger that steps into `a * b` lands in `multiply`.
# `engine.methods` declares the same names, with their types.
OPERATORS: dict[str, Any] = {
    "__add__": add,
    "__sub__": subtract,
    "__mul__": multiply,
    "__truediv__": divide,
    "__pow__": power,
    "__matmul__": matmul,
    "__radd__": lambda b, a: add(a, b),
    "__rsub__": lambda b, a: subtract(a, b),
    "__rmul__": lambda b, a: multiply(a, b),
    "__rtruediv__": lambda b, a: divide(a, b),
    "__rpow__": lambda b, a: power(a, b),
    "__rmatmul__": lambda b, a: matmul(a, b),
    "__iadd__": lambda a, b: add(_not_a_parameter(a), b),
    "__isub__": lambda a, b: subtract(_not_a_parameter(a), b),
    "__imul__": lambda a, b: multiply(_not_a_parameter(a), b),
    "__itruediv__": lambda a, b: divide(_not_a_parameter(a), b),
    "__neg__": negative,
    "__abs__": abs,
    "__getitem__": getitem,
    "__eq__": equal,
    "__ne__": not_equal,
    "__lt__": less,
    "__le__": less_equal,
    "__gt__": greater,
    "__ge__": greater_equal,
    "T": property(transpose, doc="The tensor with its axes reversed."),
}
METHODS = (
    *(abs, astype, broadcast_to, clip, copy, cumsum, exp, expand_dims, flip, log, logsumexp, max, mean, min, norm, prod, relu),
    *(reshape, sigmoid, softmax, sqrt, squeeze, std, sum, tanh, to, transpose, var),
)
for _name, _op in OPERATORS.items():
    setattr(Tensor, _name, _op)
for _op in METHODS:
    setattr(Tensor, _op.__name__, _op)

__all__ = [
    "abs",
    "add",
    "avg_pool2d",
    "broadcast_to",
    "clip",
    "concatenate",
    "conv2d",
    "conv_transpose2d",
    "cos",
    "cumsum",
    "divide",
    "dropout",
    "einsum",
    "elu",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "flip",
    "getitem",
    "greater",
    "greater_equal",
    "leaky_relu",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "negative",
    "norm",
    "not_equal",
    "one_hot",
    "pad",
    "power",
    "prod",
    "relu",
    "reshape",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "take",
    "tanh",
    "transpose",
    "upsample2d",
    "var",
    "where",
]
