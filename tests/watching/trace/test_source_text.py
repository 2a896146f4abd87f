"""The text of a program: the user's line, an op's formula, a derivative's source text as it is in the file."""

import inspect
import re

import numpy as np
import pytest

import minigan as mg
from minigan import losses, nn, ops, optim
from minigan.watching.trace import source_text
from minigan.watching.trace.rows import SourceLine
from tests.watching.trace import steps
from tests.watching.trace.steps import of

matrix = np.random.default_rng(0).uniform(0.2, 0.8, (4, 4)).astype("float32")


def sources(y):
    return [source_text.source_of(derivative)[0] for _, derivative, _ in y._edges if derivative]


def leaf():
    return mg.Tensor(matrix, requires_grad=True)


# --- derivatives --------------------------------------------------------------------------------------------------------


def test_a_lambdas_source_is_its_expression():
    x = leaf()
    assert sources(x * x) == ["g * b", "g * a"]
    assert sources(x / (x + 1))[1:] == ["-g * y / b"]
    assert sources(mg.sigmoid(x)) == ["g * (y * (1.0 - y))"]


def test_over_several_lines_it_is_one():
    y = mg.record("op", matrix, (leaf(), lambda g, y: g * 2 + (
        y * 3
    )))  # fmt: skip
    assert sources(y) == ["g * 2 + ( y * 3 )"]


def test_a_functions_source_is_what_it_returns():
    def derivative(g, y):
        if y is None:
            return g
        slope = 2
        return g * slope * "é".count("é")  # positions count bytes

    assert source_text.source_of(derivative)[0] == 'g * slope * "é".count("é")'


@pytest.mark.parametrize(
    "op", [mg.exp, mg.log, mg.tanh, mg.square, mg.relu, mg.softplus, mg.abs, mg.sqrt, mg.sin, mg.sum, mg.mean]
)
def test_every_source_is_in_the_file_that_it_names(op):
    (edge,) = op(leaf())._edges
    source, line, _ = source_text.source_of(edge[1])
    text = inspect.getsource(inspect.getmodule(op))
    assert source in text
    assert line.file.startswith("ops/")
    assert line.code in text.splitlines()[line.line - 1]


def test_a_derivative_without_code_has_its_name():
    assert source_text.source_of(np.sin)[:2] == ("sin", SourceLine("", 0))
    assert source_text.source_of(eval("lambda g, y: g * 7"))[0] == "<lambda>"  # there is no file to read


def test_helpers_are_explained_by_their_docstrings():
    x, weight, bias = leaf(), leaf(), mg.Tensor(np.ones(4, "float32"), requires_grad=True)
    helpers = [source_text.source_of(derivative)[2] for _, derivative, _ in ops.linear.affine(x, weight, bias)._edges]
    assert helpers == [
        ["_times_transposed: A B^T"],
        ["_transposed_times: A^T B"],
        ["_sum_of_rows: sum g over the rows, (N, m) -> (m,)"],
    ]
    images = mg.Tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype("float32"), requires_grad=True)
    (_, derivative, _), *_ = nn.BatchNorm2d(3)(images)._edges
    assert source_text.source_of(derivative)[2] == ["plain_d_x: weight / sqrt(var + eps) (g - mean g - x^ mean(g x^))"]


# --- formulas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "formula"),
    [
        (lambda x: x * x, "a * b, elementwise"),
        (lambda x: mg.exp(x), "e to the power x; the derivative is the output itself"),
        (lambda x: nn.Dense(4, 2)(x), "x W + b as one op"),
        (lambda x: mg.conv2d(x.reshape(1, 1, 4, 4), np.ones((1, 1, 2, 2), "float32")), "y[n, o, p, q] = b[o] + sum over"),
        (lambda x: losses.log_loss_with_logits(x, 1.0), "log_loss(sigma(v), y) as one op"),
    ],
)
def test_an_ops_formula_is_its_docstrings_first_line(call, formula):
    with mg.trace() as t:
        call(leaf())
    assert of(t, "forward")[-1].formula.startswith(formula)


def test_every_op_of_a_dcgan_step_has_a_formula():
    assert {row.op for row in of(steps.dcgan(2), "forward") if not row.formula} == set()


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda p: optim.SGD(p, 0.1), "theta <- theta - lr g"),
        (lambda p: optim.SGD(p, 0.1, momentum=0.9), "theta <- theta - lr b"),
        (lambda p: optim.RMSProp(p, 0.1), "theta <- theta - lr g / (sqrt(v) + eps)"),
        (lambda p: optim.Adam(p), "theta <- theta - lr m_hat / (sqrt(v_hat) + eps)"),
        (lambda p: optim.OMD(p, 0.1), "theta <- theta - lr (g_t + M_(t+1) - M_t)"),
        (lambda p: optim.OptimisticAdam(p), "theta <- theta - 2 lr d_t + lr d_(t-1)"),
    ],
)
def test_the_formula_of_every_rule(make, formula):
    optimizer = make([leaf()])
    assert source_text.rule(optimizer) == (type(optimizer).__name__, formula)


def test_a_rule_without_a_formula_has_its_name():
    class Mine(optim.Optimizer):
        pass

    assert source_text.rule(Mine([leaf()], 0.1)) == ("Mine", "Mine.update")


# --- places -------------------------------------------------------------------------------------------------------------


def test_files_are_named_as_a_reader_knows_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert source_text._source_line(ops.arithmetic.__file__, 1).file == "ops/arithmetic.py"
    assert source_text._source_line(str(tmp_path / "lecture" / "train.py"), 1).file == "lecture/train.py"
    assert source_text._source_line("/elsewhere/train.py", 1).file == "train.py"
    assert source_text._source_line("/tmp/ipykernel_12/34.py", 1).file == "cell"


def test_the_line_of_a_with_block_is_the_users():
    x = leaf()
    with mg.trace() as t, mg.no_grad():
        _ = x * 2
    assert {row.place.code for row in t.rows} == {"_ = x * 2"}


def test_a_module_of_the_users_own_stands_under_its_own_lines():
    class Doubling(nn.Module):
        def forward(self, x):
            return x * 2

    with mg.trace(net=Doubling()) as t:
        Doubling()(leaf())
    (row,) = of(t, "forward")
    assert row.place.code == "return x * 2"
    assert re.fullmatch(r"tests/watching/trace/test_source_text\.py", row.place.file)
