"""The history of a tensor, apart from its gradients, and the origin of the first nan."""

import re

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from minigan.watching.trace.histories import derivatives_of, first_nan, history, made_from, summary, used_by, value_at
from tests.watching.trace import steps
from tests.watching.trace.steps import named, of


def test_the_histories_of_a_gans_step():
    t = steps.gan()
    z, fake, loss, weight = (named(t, name).number for name in ("z", "fake", "loss_D", "D.0.weight"))
    *rows, leaves = made_from(t, fake)
    assert [row for _, row in rows] == [4, 3, 2, 1]
    assert leaves == ("It all began with G.0.weight, G.0.bias, G.2.weight, G.2.bias and z", None)
    z = next(entry.number for entry in t.tensors.values() if entry.name == "z")
    assert made_from(t, z) == [("a constant: no op of the trace made it", None)]
    update = of(t, "update", parameter=weight)[0]
    changes = ("Adam changes D.0.weight", update.number)
    assert made_from(t, weight) == [("a parameter: no op of the trace made it", None), changes]
    uses = used_by(t, named(t, "G.0.weight").number)  # also behind a cut
    assert uses[0] == (summary(t, t.rows[0]), 1)
    assert [row for _, row in uses[-2:]] == [row.number for row in of(t, "backward pass")]
    assert used_by(t, of(t, "cut")[-1].outputs[0]) == [("nothing in this trace uses it", None)]
    derivatives = [t.rows[row - 1] for _, row in derivatives_of(t, loss)]
    assert [row.of for row in derivatives] == [t.tensors[loss].made_by] * 2
    assert derivatives_of(t, weight) == []
    assert value_at(t, weight, update.number) is t.tensors[weight].value
    assert value_at(t, weight, update.number + 1) is update.after
    assert summary(t, t.rows[3]).startswith("detach: ")
    assert "frozen: D.0.weight, D.0.bias" in [summary(t, row)[:28] for row in t.rows]
    for number in t.tensors:
        sections = history(t, number)
        assert set(sections) >= {"How it was made", "Where it is used"}
        assert all(sections.values())
    assert first_nan(t) is None


def came_in():
    mg.Tensor(np.array([1.0, np.nan], np.float32), name="x") * 2.0


def of_finite_numbers():
    mg.log(mg.Tensor([-1.0], name="x"))


def of_a_derivative():
    w = mg.Tensor([0.0], requires_grad=True, name="w")
    (mg.sqrt(w) * 0.0).sum().backward()  # 0 / 0


def of_an_update():
    w = mg.Tensor([1.0], requires_grad=True, name="w")
    w.grad = mg.Tensor([np.nan])
    optim.SGD([w], lr=1.0).step()


@pytest.mark.parametrize(
    ("step", "kind", "says"),
    [
        (came_in, "forward", "^x had 1 nan already: no row made it. multiply, "),
        (of_finite_numbers, "forward", "made 1 nan of 1 number in #2, from inputs without one$"),
        (of_a_derivative, "backward", "^the derivative of sqrt, .* in the gradient of w"),
        (of_an_update, "update", "^SGD's step, "),
        (steps.nan, "forward", r"made 1 nan of 2 numbers in v, from an infinity in u, which row 1 made: u = log\(w\)"),
    ],
)
def test_the_first_nan_and_where_it_came_from(step, kind, says):
    with np.errstate(all="ignore"), mg.trace() as t:
        step()
    text, row = first_nan(t)
    assert re.search(says, text)
    assert t.rows[row - 1].kind == kind
    assert (t.lessons[-1].text, t.lessons[-1].row) == (f"the first nan: {text}", row)
