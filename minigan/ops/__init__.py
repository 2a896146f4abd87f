"""The ops: functions from Tensors to a Tensor that record how to go back.

An op is one short function: the forward line and, beside it, one derivative per input, written in ops (so that it can be
differentiated again). Coercion, dtypes and broadcasting are not the op's business: see `operands` and `tensor._sum_to_shape`.

At a kink every op takes the same side: **of all subgradients, the one with the smallest norm** (jointly, over all arguments of
the op that are tensors or numbers: the two of maximum share a tie, also where one of them is a constant).

| where | gradient |
|---|---|
| relu at 0; abs, sign at 0; clip on an edge | 0 |
| leaky_relu at 0; elu at 0 | slope; min(1, alpha) |
| maximum, minimum at a tie | 1/2 to each |
| max, min with n ties | 1/n to each |
| max_pool2d with n ties in a window | 1/n to each |
| norm at 0; var of constants | 0 |
| x**0 | 0, also at x = 0 |
| prod with zeros | the product of the others |
| sqrt at 0, log at 0 | inf: no subgradient exists |

Where a gradient is differentiated again, these shares are constants: relu, abs, maximum and max have second derivative 0, also
at a kink or a tie (norm too, at 0). For a function that is composed of several, and smooth, this need not be right:
maximum(x, 1) * minimum(x, 1) is x; its gradient at 1 is 1/2 + 1/2, as it should be, but its second derivative there is
2 (1/2) (1/2), not 0.
"""

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
from minigan.ops.reductions import cumsum, logsumexp, max, mean, min, norm, prod, sum, var
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
    """`y += x` gives the name y to a new tensor, y + x. For a parameter that would silently change nothing."""
    if t.is_parameter:
        raise TypeError(f"in-place: {t.name or 'a leaf'} {t.shape} requires a gradient; to change it, p.data = p.data - lr * g")
    return t


# Python's operators and the methods are the ops themselves: a debugger that steps into `a * b` lands in `multiply`.
Tensor.__add__ = add
Tensor.__sub__ = subtract
Tensor.__mul__ = multiply
Tensor.__truediv__ = divide
Tensor.__pow__ = power
Tensor.__matmul__ = matmul
Tensor.__radd__ = lambda b, a: add(a, b)
Tensor.__rsub__ = lambda b, a: subtract(a, b)
Tensor.__rmul__ = lambda b, a: multiply(a, b)
Tensor.__rtruediv__ = lambda b, a: divide(a, b)
Tensor.__rpow__ = lambda b, a: power(a, b)
Tensor.__rmatmul__ = lambda b, a: matmul(a, b)
Tensor.__iadd__ = lambda a, b: add(_not_a_parameter(a), b)
Tensor.__isub__ = lambda a, b: subtract(_not_a_parameter(a), b)
Tensor.__imul__ = lambda a, b: multiply(_not_a_parameter(a), b)
Tensor.__itruediv__ = lambda a, b: divide(_not_a_parameter(a), b)
Tensor.__neg__ = negative
Tensor.__abs__ = abs
Tensor.__getitem__ = getitem
Tensor.__eq__ = equal
Tensor.__ne__ = not_equal
Tensor.__lt__ = less
Tensor.__le__ = less_equal
Tensor.__gt__ = greater
Tensor.__ge__ = greater_equal

Tensor.abs = abs
Tensor.astype = astype
Tensor.broadcast_to = broadcast_to
Tensor.clip = clip
Tensor.copy = copy
Tensor.cumsum = cumsum
Tensor.exp = exp
Tensor.expand_dims = expand_dims
Tensor.flip = flip
Tensor.log = log
Tensor.logsumexp = logsumexp
Tensor.max = max
Tensor.mean = mean
Tensor.min = min
Tensor.norm = norm
Tensor.prod = prod
Tensor.relu = relu
Tensor.reshape = reshape
Tensor.sigmoid = sigmoid
Tensor.softmax = softmax
Tensor.sqrt = sqrt
Tensor.squeeze = squeeze
Tensor.sum = sum
Tensor.T = property(transpose, doc="The tensor with its axes reversed.")
Tensor.tanh = tanh
Tensor.to = to
Tensor.transpose = transpose
Tensor.var = var

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
    "subtract",
    "sum",
    "take",
    "tanh",
    "transpose",
    "upsample2d",
    "var",
    "where",
]
