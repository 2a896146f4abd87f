"""The text of a program: the user's line, an op's formula, a derivative's source text as it is in the file."""

import numpy as np
import pytest

import minigan as mg
from minigan import losses, nn, ops, optim
from minigan.watching.trace import source_text
from tests.watching.trace.steps import of

matrix = np.random.default_rng(0).uniform(0.2, 0.8, (4, 4)).astype("float32")


def sources(y):
    return [source_text.source_of(derivative)[0] for _, derivative, _ in y._edges if derivative]


def leaf():
    return mg.Tensor(matrix, requires_grad=True)


def slope_of(g, y):
    if y is None:
        return g
    slope = 2
    return g * slope * "é".count("é")  # positions count bytes


SOURCES = [
    (lambda x: x * x, ["g * b", "g * a"]),
    (mg.sigmoid, ["g * (y * (1.0 - y))"]),
    (lambda x: mg.record("op", matrix, (x, slope_of)), ['g * slope * "é".count("é")']),
    (lambda x: mg.record("op", matrix, (x, np.sin)), ["sin"]),
    (lambda x: ops.normalisation.batch_norm(x, mg.sum(x, 0), mg.sum(x, 0), 1e-5)[0],
     [f"plain_d_{name}(g, x, weight, eps)" for name in ("x", "weight", "bias")]),
    (lambda x: mg.record("op", matrix, (x, eval("lambda g, y: g * 7"))), ["<lambda>"]),  # there is no file to read
    (lambda x: mg.record("op", matrix, (x, lambda g, y: g * 2 + (
        y * 3
    ))), ["g * 2 + ( y * 3 )"]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), SOURCES)
def test_a_derivatives_source_is_the_expression_that_it_returns(make, expected):
    assert sources(make(leaf())) == expected


def test_helpers_are_explained_by_their_docstrings():
    bias = mg.Tensor(np.ones(4, "float32"), requires_grad=True)
    helpers = [source_text.source_of(derivative)[2] for _, derivative, _ in ops.linear.affine(leaf(), leaf(), bias)._edges]
    assert helpers[:2] == [["_times_transposed: A B^T"], ["_transposed_times: A^T B"]]


def test_an_ops_formula_is_its_docstrings_first_line():
    x = leaf()
    with mg.trace() as t:
        losses.log_loss_with_logits(nn.Dense(4, 2)(x * x), 1.0)
    formulas = [row.formula for row in of(t, "forward")]
    assert formulas[0] == "a * b, elementwise"
    assert formulas[1].startswith("x W + b as one op")
    assert formulas[-1].startswith("log_loss(sigma(v), y) as one op")


class Mine(optim.Optimizer):
    pass


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (optim.SGD, "theta <- theta - lr g"),
        (lambda p, lr: optim.SGD(p, lr, momentum=0.9), "theta <- theta - lr b"),
        (optim.RMSProp, "theta <- theta - lr g / (sqrt(v) + eps)"),
        (optim.Adam, "theta <- theta - lr m_hat / (sqrt(v_hat) + eps)"),
        (
            lambda p, lr: optim.Adam(p, lr, weight_decay=0.1),
            "theta <- theta - lr m_hat / (sqrt(v_hat) + eps) - lr weight_decay theta",
        ),
        (optim.OMD, "theta <- theta - lr (g_t + M_(t+1) - M_t)"),
        (optim.OptimisticAdam, "theta <- theta - 2 lr d_t + lr d_(t-1)"),
        (Mine, "Mine.update"),
    ],
)
def test_the_formula_of_every_rule(make, formula):
    optimizer = make([leaf()], 0.1)
    assert source_text.rule(optimizer) == (type(optimizer).__name__, formula)


def test_rows_are_at_the_users_lines_inside_of_with_blocks_and_modules():
    class Doubling(nn.Module):
        def forward(self, x):
            return x * 2

    x = leaf()
    with mg.trace(net=Doubling()) as t, mg.no_grad():
        _ = x * 2
        Doubling()(x)
    assert [row.place.code for row in of(t, "forward")] == ["_ = x * 2", "return x * 2"]
    assert {row.place.file for row in t.rows} == {"tests/watching/trace/test_source_text.py"}
