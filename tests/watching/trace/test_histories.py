"""The history of a tensor, apart from its gradients, and the origin of the first nan."""

import re

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from minigan.watching.trace.histories import CHAIN, derivatives_of, first_nan, history, made_from, summary, used_by, value_at
from tests.watching.trace import steps


@pytest.fixture(scope="module")
def trace():
    mg.seed(0)
    return steps.gan()


def number(t, name):
    return steps.named(t, name).number


def test_where_a_result_came_from(trace):
    lines = made_from(trace, number(trace, "fake"))
    assert [row for _, row in lines[:-1]] == [4, 3, 2, 1]
    assert lines[-1] == ("It all began with G.0.weight, G.0.bias, G.2.weight, G.2.bias and z", None)


def test_a_leaf_came_from_no_op_and_a_parameter_has_its_updates(trace):
    z = next(entry for entry in trace.tensors.values() if entry.name == "z")
    assert made_from(trace, z.number) == [("a constant: no op of the trace made it", None)]
    text, update = made_from(trace, number(trace, "D.0.weight"))
    assert text == ("a parameter: no op of the trace made it", None)
    assert update == ("Adam changes D.0.weight", steps.of(trace, "update")[0].number)


def test_a_long_way_is_cut_short():
    x = mg.Tensor([1.0], requires_grad=True)
    with mg.trace() as t:
        y = x
        for _ in range(CHAIN + 5):
            y = y * 1.0
    lines = made_from(t, t.rows[-1].output)
    assert ("and 5 rows before them", None) in lines
    assert len(lines) == CHAIN + 2


def test_what_a_tensor_flows_into_also_behind_a_cut(trace):
    lines = used_by(trace, number(trace, "G.0.weight"))
    passes = [row.number for row in steps.of(trace, "backward pass")]
    assert [row for _, row in lines[-2:]] == passes
    assert lines[0] == (summary(trace, trace.rows[0]), 1)
    assert used_by(trace, steps.of(trace, "cut")[-1].outputs[0]) == [("nothing in this trace uses it", None)]


def test_the_way_back_through_an_op(trace):
    loss = steps.named(trace, "loss_D")
    rows = [row for _, row in derivatives_of(trace, loss.number)]
    assert [trace.rows[row - 1].of for row in rows] == [loss.made_by] * 2
    assert derivatives_of(trace, number(trace, "D.0.weight")) == []


def test_what_batch_norm_adds_up_is_said():
    bn = mg.nn.BatchNorm1d(3)
    x = mg.Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"), requires_grad=True)
    with mg.trace(bn=bn) as t:
        y = bn(x)
        (y * y).sum().backward()
    rows = [t.rows[row - 1] for _, row in derivatives_of(t, steps.named(t, "y").number)]
    assert len(rows) == 3
    assert any("sum" in note for row in rows for note in row.helpers)


def test_histories_have_no_empty_sections(trace):
    for entry in trace.tensors.values():
        sections = history(trace, entry.number)
        assert set(sections) >= {"How it was made", "Where it is used"}
        assert all(sections.values())


def test_every_row_has_a_summary(trace):
    assert summary(trace, trace.rows[3]).startswith("detach: ")
    assert "frozen: D.0.weight, D.0.bias" in [summary(trace, row)[:28] for row in trace.rows]
    assert all(summary(trace, row) for row in trace.rows)


def test_a_value_is_that_of_its_moment(trace):
    update = steps.of(trace, "update")[0]
    assert value_at(trace, update.parameter, update.number) is trace.tensors[update.parameter].value
    assert value_at(trace, update.parameter, update.number + 1) is update.after


# --- the first nan ------------------------------------------------------------------------------------------------------


def test_without_a_nan_there_is_no_first(trace):
    assert first_nan(trace) is None


def came_in():
    with mg.trace() as t:
        mg.Tensor(np.array([1.0, np.nan], np.float32), name="x") * 2.0
    return t


def of_finite_numbers():
    with np.errstate(all="ignore"), mg.trace() as t:
        mg.log(mg.Tensor([-1.0], name="x"))
    return t


def of_a_derivative():
    w = mg.Tensor([0.0], requires_grad=True, name="w")
    with np.errstate(all="ignore"), mg.trace() as t:
        (mg.sqrt(w) * 0.0).sum().backward()  # 0 / 0
    return t


def of_an_update():
    w = mg.Tensor([1.0], requires_grad=True, name="w")
    w.grad = mg.Tensor([np.nan])
    with mg.trace() as t:
        optim.SGD([w], lr=1.0).step()
    return t


@pytest.mark.parametrize(
    ("step", "kind", "says"),
    [
        (
            steps.nan,
            "forward",
            "multiply, .* made 1 nan of 2 numbers in v, from an infinity in u, which row 1 made: u = log",
        ),
        (came_in, "forward", "^x had 1 nan already: no row made it. multiply, "),
        (of_finite_numbers, "forward", "made 1 nan of 1 number in #2, from inputs without one$"),
        (of_a_derivative, "backward", "^the derivative of sqrt, .* in the gradient of w"),
        (of_an_update, "update", "^SGD's step, "),
    ],
)
def test_the_first_nan_and_where_it_came_from(step, kind, says):
    t = step()
    text, row = first_nan(t)
    assert re.search(says, text)
    assert t.rows[row - 1].kind == kind
