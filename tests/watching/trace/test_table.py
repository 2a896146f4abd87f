"""The table fits its width, is in the order of the step, and prints each formula once."""

import re

from minigan.watching.trace.table import table
from tests.watching.trace import steps


def test_what_a_reader_looks_for():
    t = steps.gan()
    lines = table(t, 140).splitlines()
    assert [int(line[:5]) for line in lines if line[:5].strip().isdigit()] == list(range(1, len(t.rows) + 1))
    text = "\n".join(lines)
    assert "    1 #10 = affine(z, G.0.weight, G.0.bias)" in text
    assert "-- cut: fake = #12.detach(): no gradient passes here" in text
    assert "D.2.bias frozen: gradients pass through the ops, and none is stored here" in text
    assert re.search(r"D.2.weight, by row 10, affine +_transposed_times\(x, g\) +ops/linear.py:\d+ ", text)
    assert "added to the gradient from row" in text
    assert text.count("theta <- theta - lr m_hat / (sqrt(v_hat) + eps)") == 1
    assert text.count("_times_transposed: A B^T") == 1
    assert lines[-1].startswith("* backward from loss_G")
