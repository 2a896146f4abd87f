from contextlib import ExitStack

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn, optim


def one_step():
    layer = nn.Dense(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    loss = mg.mean(mg.square(mg.tanh(layer(np.ones((4, 3), "float32")))))
    loss.backward()
    optimizer.step()


def test_every_op_is_counted_forward_and_backward_and_every_update():
    with mg.profile() as p:
        one_step()
        one_step()
    for op, derivatives in (("affine", 2), ("tanh", 1), ("square", 1), ("mean", 1)):  # the affine op's x requires no gradient
        assert p.rows[op, "forward"].calls == 2
        assert p.rows[op, "backward"].calls == 2 * derivatives
    assert p.rows["SGD", "update"].calls == 2


def test_the_ops_inside_a_derivative_count_as_the_backward_pass_of_their_op():
    x = mg.Tensor(np.ones(3), requires_grad=True)
    with mg.profile() as p:
        mg.sum(mg.sin(x)).backward()
    assert {op for op, _ in p.rows} == {"sin", "sum"}  # no cos, no multiply


def test_bytes_are_those_of_the_arrays_made():
    x = mg.Tensor(np.ones((5, 4)), requires_grad=True)
    with mg.profile() as p:
        mg.sum(mg.exp(x)).backward()
    assert p.rows["exp", "forward"].bytes == p.rows["exp", "backward"].bytes == 5 * 4 * 8
    assert p.rows["sum", "forward"].bytes == 8


def test_the_table_lists_the_most_expensive_first_with_its_share(capsys, monkeypatch):
    ticks = iter([0.0, 1.0, 4.0])
    monkeypatch.setattr("minigan.watching.profile.time.perf_counter", lambda: next(ticks))
    with mg.profile() as p:
        mg.exp(np.ones(2))
        mg.sin(np.ones(2))
    assert (p.rows["exp", "forward"].seconds, p.rows["sin", "forward"].seconds) == (1.0, 3.0)
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["op", "calls", "seconds", "share", "MB"]
    assert first.split() == ["sin", "forward", "1", "3.0000", "75.0%", "0.0"]
    assert second.split() == ["exp", "forward", "1", "1.0000", "25.0%", "0.0"]


def test_outside_the_block_nothing_is_measured_also_after_an_error(capsys):
    with pytest.raises(ZeroDivisionError), mg.profile() as p:
        raise ZeroDivisionError
    one_step()
    assert not p.rows
    assert capsys.readouterr().out == ""


def test_a_profile_within_a_profile_has_the_rows_of_its_own_block():
    with mg.profile() as outer:
        mg.exp(np.ones(2))
        with mg.profile() as inner:
            mg.sin(np.ones(2))
        mg.exp(np.ones(2))
    assert {op: row.calls for (op, _), row in inner.rows.items()} == {"sin": 1}
    assert {op: row.calls for (op, _), row in outer.rows.items()} == {"exp": 2, "sin": 1}


@pytest.mark.parametrize("blocks", [(mg.debug, mg.profile), (mg.profile, mg.debug)], ids=["debug first", "profile first"])
def test_under_debug_mode_the_rows_are_the_same(blocks):
    def rows(*blocks):
        x = Tensor(np.ones(3), requires_grad=True)
        optimizer = optim.SGD([x], 0.1)
        with ExitStack() as stack:
            profile = [stack.enter_context(block()) for block in blocks][blocks.index(mg.profile)]
            mg.tanh(x * x).sum().backward()
            optimizer.step()
        return x.numpy().tolist(), {key: row.calls for key, row in profile.rows.items()}

    x, plain = rows(mg.profile)
    assert plain["tanh", "backward"] == 1
    assert rows(*blocks) == (x, plain)
    assert rows(*2 * [mg.profile])[0] == x
