"""Arithmetic: each op is its forward line and, next to it, one derivative per input.

In every derivative, g is the gradient that arrives at the output y. The derivatives ignore broadcasting: the backward pass sums
over the broadcast axes.
"""

from minigan.engine.tensor import Tensor, record
from minigan.ops.operands import Operand, operands, signed, wide


def add(a: Operand, b: Operand) -> Tensor:
    """a + b, elementwise."""
    a, b = operands("add", a, b)
    return record("add", a.data + b.data, (a, lambda g, y: g), (b, lambda g, y: g))


def subtract(a: Operand, b: Operand) -> Tensor:
    """a - b, elementwise."""
    a, b = operands("subtract", a, b)
    if a.data.dtype.kind == "u":
        a, b = signed("subtract", a), signed("subtract", b)
    return record("subtract", a.data - b.data, (a, lambda g, y: g), (b, lambda g, y: -g))


def multiply(a: Operand, b: Operand) -> Tensor:
    """a * b, elementwise."""
    a, b = operands("multiply", a, b)
    return record("multiply", a.data * b.data, (a, lambda g, y: g * b), (b, lambda g, y: g * a))


def divide(a: Operand, b: Operand) -> Tensor:
    """a / b, elementwise. Integers are divided as float32."""
    a, b = operands("divide", a, b)
    if a.dtype.kind != "f":
        a, b = a.astype("float32"), b.astype("float32")
    return record("divide", a.data / b.data, (a, lambda g, y: g / b), (b, lambda g, y: -g * y / b))  # -a / b^2 = -y / b


def negative(x: Operand) -> Tensor:
    """-x."""
    x = signed("negative", wide("negative", x))
    return record("negative", -x.data, (x, lambda g, y: -g))


# --- comparisons: boolean tensors, without a gradient -------------------------------------------------------------------


def equal(a: Operand, b: Operand) -> Tensor:
    """a == b, elementwise."""
    a, b = operands("equal", a, b)
    return record("equal", a.data == b.data)


def not_equal(a: Operand, b: Operand) -> Tensor:
    """a != b, elementwise."""
    a, b = operands("not_equal", a, b)
    return record("not_equal", a.data != b.data)


def less(a: Operand, b: Operand) -> Tensor:
    """a < b, elementwise."""
    a, b = operands("less", a, b)
    return record("less", a.data < b.data)


def less_equal(a: Operand, b: Operand) -> Tensor:
    """a <= b, elementwise."""
    a, b = operands("less_equal", a, b)
    return record("less_equal", a.data <= b.data)


def greater(a: Operand, b: Operand) -> Tensor:
    """a > b, elementwise."""
    a, b = operands("greater", a, b)
    return record("greater", a.data > b.data)


def greater_equal(a: Operand, b: Operand) -> Tensor:
    """a >= b, elementwise."""
    a, b = operands("greater_equal", a, b)
    return record("greater_equal", a.data >= b.data)
