"""Values that were changed in place after the forward pass: backward refuses them by name, through every view."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor
from tests.leaves import leaf


def assign(x):
    x.data = x.data - 1


def step(x):
    array = x.writable()
    array -= 1
    x.changed_in_place()


@pytest.mark.parametrize("change", [assign, step])
@pytest.mark.parametrize(
    "seen", ["itself", "detach", "reshape", "transpose", "slice", "broadcast", "no_grad view", "view of a view"]
)
def test_change_between_forward_and_backward_is_an_error_also_through_views(change, seen):
    w, x = leaf(name="w"), leaf()
    with mg.no_grad():
        quiet = w.reshape(3, 1)
        twice = w.reshape(3, 1).reshape(1, 3)
    view = {
        "itself": w,
        "detach": w.detach(),
        "reshape": w.reshape(1, 3),
        "transpose": w.reshape(3, 1).T,
        "slice": w[::-1],
        "broadcast": mg.broadcast_to(w, (2, 3)),
        "no_grad view": quiet,
        "view of a view": twice,
    }[seen]
    loss = mg.exp(view * x).sum()
    change(w)
    with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
        loss.backward()


def test_message_about_a_change_names_the_tensor_and_the_op():
    w = leaf(name="w")
    loss = mg.tanh(w).sum()
    step(w)
    with pytest.raises(RuntimeError, match=r"backward through tanh: tensor 'w' of shape \(3,\), an input of tanh"):
        loss.backward()


def test_change_of_an_output_is_an_error_too():
    x = leaf()
    y = mg.exp(x)
    loss = y.sum()
    step(y)
    with pytest.raises(RuntimeError, match=r"of (sum|exp), was changed in place"):
        loss.backward()


def test_change_of_the_root_itself_is_an_error():
    y = mg.exp(leaf())
    step(y)
    with pytest.raises(RuntimeError, match="the output of exp, was changed in place"):
        y.backward(np.ones(3))


def test_change_of_a_constant_input_is_an_error():
    x, c = leaf(), Tensor(np.ones(3))
    loss = (x * c).sum()
    step(c)
    with pytest.raises(RuntimeError, match="multiply"):
        loss.backward()


def test_change_of_a_view_reaches_its_base():
    x = leaf()
    d = x.detach()
    loss = (x * x).sum()
    step(d)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_change_before_the_forward_pass_or_of_a_copy_is_no_error():
    x = leaf()
    step(x)
    other = x * 1
    loss = (x * x).sum()
    step(other)
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.numpy())


def test_change_of_what_the_gradient_does_not_pass_is_no_error():
    x, w = leaf(), leaf()
    y = (w * w).sum() + (x * x).sum()
    other = (x * 2).sum()
    step(w)
    other.backward()
    assert y.requires_grad
    np.testing.assert_array_equal(x.grad.numpy(), 2)


def test_a_users_op_that_passes_memory_through_shares_its_inputs_version():
    w, s = leaf([2.0], name="w"), leaf([1.0])
    y = mg.record("reverse", w.data, (w, lambda g, y: -g))
    loss = (y * s).sum()
    w.changed_in_place()
    with pytest.raises(RuntimeError, match="multiply"):
        mg.grad(loss, s)
