"""Values that were changed in place after the forward pass: backward refuses them by name, through every view."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor
from minigan.engine import versions
from tests.helpers.leaves import leaf


def assign(x):
    x.data = x.data - 1


def step(x):
    array = x.writable()
    array -= 1
    x.changed_in_place()


def clip(w):
    mg.optim.clip_weights([w], 0.5)


def load(w):
    module = mg.nn.Module()
    module.w = w
    module.load_state_dict({"w": w.numpy() + 1})


def descend(w):
    w.grad = Tensor(np.ones_like(w.data))
    mg.optim.SGD([w], 0.1).step()


def descend_joined(w):
    other = leaf()
    w.grad = other.grad = Tensor(np.ones_like(w.data))
    mg.optim.Adam([w, other], 0.1).step()


def backward_is_refused(*losses, match="an input of .* changed in place after .* assignment to .data came too early. Run"):
    for loss in losses:
        with pytest.raises(RuntimeError, match=match):
            loss.backward()


# --- tensors ------------------------------------------------------------------------------------------------------------

VIEWS = {
    "itself": lambda w: w, "detach": lambda w: w.detach(), "reshape": lambda w: w.reshape(1, 3),
    "transpose": lambda w: w.reshape(3, 1).T, "slice": lambda w: w[::-1],
    "no_grad view": mg.no_grad()(lambda w: w.reshape(3, 1)),
    "view of a view": mg.no_grad()(lambda w: w.reshape(3, 1).reshape(1, 3)),
}  # fmt: skip


@pytest.mark.parametrize("change", [assign, step])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_change_between_forward_and_backward_is_an_error_also_through_views(change, view):
    w, x = leaf(name="w"), leaf()
    loss = mg.exp(view(w) * x).sum()
    change(w)
    backward_is_refused(loss)


CHANGED = {  # name: (from two leaves: what is changed, and the output), what the error says
    "an input": (lambda w, x: (w, mg.tanh(w)), r"backward through tanh: tensor 'w' of shape \(3,\), an input of tanh"),
    "the root": (lambda w, x: (y := mg.exp(w), y), "the output of exp, was changed in place"),
    "an output": (lambda w, x: (y := mg.exp(w), y * 1.0), r"of (multiply|exp), was changed in place"),
    "a constant": (lambda w, x: (c := Tensor(np.ones(3)), x * c), "an input of multiply, was changed in place"),
    "a view": (lambda w, x: (w.detach(), w * w), "tensor 'w' .*was changed in place"),
    "memory that a user's op passes on": (
        lambda w, x: (w, mg.record("reverse", w.data, (w, lambda g, y: -g)).detach() * x), "of multiply, was changed in place"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "says"), CHANGED.values(), ids=CHANGED)
def test_a_change_is_an_error_that_names_the_tensor_and_the_op(make, says):
    changed, y = make(leaf(name="w"), leaf())
    step(changed)
    backward_is_refused((y * 1.0).sum() if y is not changed else y.sum(), match=says)


def test_changes_of_what_the_gradient_does_not_read_are_no_error():
    x, w = leaf(), leaf()
    step(x)  # before the forward pass
    copied, old = x * 1, w.numpy()
    loss = (x * x).sum()
    step(copied)
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.numpy())
    loss, other = (w * w).sum() + loss, (x * 2).sum()
    step(w)  # other does not depend on it
    other.backward()
    w.data = 2 * old  # no longer w's memory
    loss = (x * old).sum() + (x * w.numpy().copy()).sum()
    descend(w)
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 3 * old)


# --- arrays of a tensor's memory ----------------------------------------------------------------------------------------

ARRAYS = {
    "numpy": lambda w: w.numpy(), "what NumPy makes of it": lambda w: np.asarray(w.detach()),
    "slice": lambda w: w.numpy()[::-1], "broadcast": lambda w: np.broadcast_to(w.data, (2, 3)),
    "windows": lambda w: np.lib.stride_tricks.sliding_window_view(w.data, 3),
}  # fmt: skip
USES = {
    "an array": lambda v, a: v * a, "an array on the left": lambda v, a: a * v,
    "an array in where": lambda v, a: mg.where(v > 0.0, v, a), "a tensor": lambda v, a: v * Tensor(a),
    "a tensor's view": lambda v, a: v * mg.flip(Tensor(a)),
    "a user's op without inputs": lambda v, a: v * mg.record("reversed", a[::-1]),
}  # fmt: skip
FIRST_ARRAY, FIRST_USE = ARRAYS["numpy"], USES["an array"]


@pytest.mark.parametrize(
    ("array", "use", "change"),
    [
        *[pytest.param(array, FIRST_USE, descend, id=name) for name, array in ARRAYS.items()],
        *[pytest.param(FIRST_ARRAY, use, descend, id=name) for name, use in USES.items()],
        *[pytest.param(FIRST_ARRAY, FIRST_USE, change, id=change.__name__) for change in (descend_joined, clip, load, step)],
    ],
)
def test_a_change_of_the_memory_of_an_array_in_a_graph_is_an_error(array, use, change):
    w, v = leaf(name="w"), leaf()
    loss = use(v, array(w)).sum()
    change(w)
    backward_is_refused(loss)


def test_of_one_users_array_a_parameter_is_made_before_or_after_its_other_uses():
    v, values = leaf(), np.array([1.0, -2.0, 3.0, 4.0])
    early = [(v * values[1:]).sum(), (v * Tensor(values[:3])).sum()]
    w = Tensor(values[:3], requires_grad=True)
    late = [(v * values[1:]).sum(), (v * Tensor(values[:3])).sum(), (v * w.detach()).sum()]
    descend(w)
    backward_is_refused(*early, *late)


@pytest.mark.parametrize("change", [descend, descend_joined])
def test_a_parameter_on_memory_that_cannot_be_written_to_moves_and_is_known_there(change):
    values = np.array([1.0, -2.0, 3.0])
    values.flags.writeable = False
    w, v = Tensor(values, requires_grad=True), leaf()
    change(w)
    first, second = (v * values).sum(), (v * w.numpy()).sum()
    change(w)
    first.backward()
    np.testing.assert_array_equal(v.grad.numpy(), values)
    backward_is_refused(second)


def test_versions_are_forgotten_with_the_memory():
    before = set(versions._known)
    for _ in range(100):
        w = leaf()
        (w * Tensor(np.ones(3)) * np.ones(3)).sum().backward()
    assert len(set(versions._known) - before) <= 3
    del w
    assert set(versions._known) <= before


@pytest.mark.parametrize("taken", [lambda y: Tensor(y.numpy()[1:]), lambda y: y.detach(), lambda y: y.detach().reshape(-1)])
def test_a_parameter_in_the_memory_of_a_result_is_known_to_both(taken):
    y = mg.exp(leaf())
    before, w = (y * y).sum(), taken(y)
    w.requires_grad = True
    after = (leaf()[: w.size] * w.numpy()).sum()
    descend(w)
    for loss in (before, after):
        with pytest.raises(RuntimeError, match="was changed in place"):
            loss.backward()


FOREIGN = [lambda: np.zeros(6)[:3], lambda: np.frombuffer(bytearray(24)), lambda: np.frombuffer(bytearray(24))[::-1]]


@pytest.mark.parametrize("made", FOREIGN)
def test_a_gradient_in_part_of_an_array_or_in_foreign_memory_is_copied(made):
    w = leaf()
    mg.record("own", w.data.copy(), (w, lambda g, y: mg.record("made", made()))).sum().backward()
    assert w.grad.data.base is None
