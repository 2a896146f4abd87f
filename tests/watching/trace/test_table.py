"""The table fits its width, stands in the order of the step, and says each formula once."""

import re

import pytest

import minigan as mg
from minigan.watching.trace.table import table
from tests.watching.trace import steps


@pytest.mark.parametrize("width", [80, 100, 120, 140])
@pytest.mark.parametrize("step", [steps.gan, steps.wgan_gp, steps.classifier, steps.nan])
def test_no_line_is_wider_than_the_terminal(step, width):
    assert max(map(len, table(step(), width).splitlines())) <= width


def test_every_row_has_its_line_under_its_place():
    t = steps.gan()
    lines = table(t, 140).splitlines()
    numbers = [int(line[:5]) for line in lines if line[:5].strip().isdigit()]
    assert numbers == list(range(1, len(t.rows) + 1))
    headings = [line for line in lines if line.startswith("games/gan.py")]
    assert headings[0].endswith("fake = self.G(z).detach()")
    assert len(headings) == 9


def test_what_a_reader_looks_for():
    text = table(steps.gan(), 140)
    assert "    1 #10 = affine(z, G.0.weight, G.0.bias)" in text
    assert "-- cut: fake = #12.detach(): no gradient passes here" in text
    frozen = "D.0.weight, D.0.bias, D.2.weight, D.2.bias frozen"
    assert f"-- cut: {frozen}: gradients pass through the ops, and none is stored here" in text
    assert re.search(r"D.2.weight, by row 10, affine +_transposed_times\(x, g\) +ops/linear.py:\d+ ", text)
    assert "added to the gradient from row" in text
    assert text.count("theta <- theta - lr m_hat / (sqrt(v_hat) + eps)") == 1
    assert text.count("_times_transposed: A B^T") == 1
    assert text.splitlines()[-1].startswith("* backward from loss_G")


def test_cuts_and_backward_passes_in_words():
    w = mg.Tensor([1.0], requires_grad=True)
    with mg.trace(w=w) as t:
        with mg.no_grad():
            _ = w * 2
        mg.grad(w * w, w, create_graph=True)
    text = table(t, 140)
    assert "-- cut: under no_grad, nothing is recorded, though gradients could flow to w" in text
    assert "recorded, so that it can be differentiated" in text


def test_a_nan_stands_out():
    assert "1 nan!" in table(steps.nan(), 120)


def test_an_empty_trace():
    with mg.trace() as t:
        pass
    assert table(t, 80).strip() == ""


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_shape_of_very_many_axes(width):
    with mg.trace() as t:
        mg.Tensor([1.0]).reshape((1,) * 30) * 2.0
    assert "multiply" in table(t, width)
