"""Values that were changed in place after the forward pass: backward refuses them by name, through every view."""

import threading

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


CHANGED = {  # name: (from two leaves: what is changed, and the output), what the error says
    "an input": (lambda w, x: (w, mg.tanh(w)), r"backward through tanh: tensor 'w' of shape \(3,\), an input of tanh"),
    "the root": (lambda w, x: (y := mg.exp(w), y), "the output of exp, was changed in place"),
    "an output": (lambda w, x: (y := mg.exp(w), y * 1.0), r"of (multiply|exp), was changed in place"),
    "a constant": (lambda w, x: (c := Tensor(np.ones(3)), x * c), "an input of multiply, was changed in place"),
    "a view": (lambda w, x: (w.detach(), w * w), "tensor 'w' .*was changed in place"),
}


@pytest.mark.parametrize(("make", "says"), CHANGED.values(), ids=CHANGED)
def test_a_change_is_an_error_that_names_the_tensor_and_the_op(make, says):
    changed, y = make(leaf(name="w"), leaf())
    step(changed)
    with pytest.raises(RuntimeError, match=says):
        y.backward(np.ones(3))


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


# --- arrays of a tensor's memory ----------------------------------------------------------------------------------------

ARRAYS = {
    "numpy": lambda w: w.numpy(),
    "data": lambda w: w.data,
    "a detached tensor's": lambda w: w.detach().numpy(),
    "what NumPy makes of it": lambda w: np.asarray(w.detach()),
    "slice": lambda w: w.numpy()[::-1],
    "broadcast": lambda w: np.broadcast_to(w.data, (2, 3)),
    "windows": lambda w: np.lib.stride_tricks.sliding_window_view(w.data, 3),
    "one element": lambda w: w.data[1:2],
}
USES = {
    "an array": lambda v, a: v * a,
    "an array on the left": lambda v, a: a * v,
    "an array in where": lambda v, a: mg.where(v > 0.0, v, a),
    "a tensor": lambda v, a: v * Tensor(a),
    "a tensor's view": lambda v, a: v * mg.flip(Tensor(a)),
}


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
    with pytest.raises(RuntimeError, match=r"an input of .*, was changed in place"):
        loss.backward()


def test_of_one_users_array_a_parameter_is_made_before_or_after_its_other_uses():
    v, values = leaf(), np.array([1.0, -2.0, 3.0, 4.0])
    early = [(v * values[1:]).sum(), (v * Tensor(values[:3])).sum()]
    w = Tensor(values[:3], requires_grad=True)
    late = [(v * values[1:]).sum(), (v * Tensor(values[:3])).sum(), (v * w.detach()).sum()]
    descend(w)
    for loss in early + late:
        with pytest.raises(RuntimeError, match="an input of multiply, was changed in place"):
            loss.backward()


RESULTS = {  # of ops, whose memory a parameter takes over
    "detached": lambda y: y.detach(),
    "as an array": lambda y: Tensor(y.numpy()),
    "a slice": lambda y: y.detach()[1:],
}


@pytest.mark.parametrize("taken", RESULTS.values(), ids=RESULTS)
def test_a_parameter_in_the_memory_of_a_result_is_known_to_both(taken):
    v, y = leaf(), mg.exp(leaf())
    before, w = (y * y).sum(), taken(y)
    w.requires_grad = True
    after = (v[: w.size] * w.numpy()).sum()
    descend(w)
    for loss in (before, after):
        with pytest.raises(RuntimeError, match="was changed in place"):
            loss.backward()


def test_a_view_that_a_users_op_makes_of_a_parameter_is_the_parameters():
    w, v = leaf(), leaf()
    with mg.no_grad():
        y = mg.record("windows", np.lib.stride_tricks.sliding_window_view(w.data, 3), (w, lambda g, y: g[0]))
    loss = (v * y).sum()
    descend(w)
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()


def test_what_is_copied_or_no_longer_the_parameters_memory_is_not_refused():
    w, v = leaf(), leaf()
    old = w.numpy()
    w.data = 2 * old
    loss = (v * old).sum() + (v * w.numpy().copy()).sum()
    descend(w)
    loss.backward()
    np.testing.assert_array_equal(v.grad.numpy(), 3 * old)


def test_a_parameter_on_memory_that_cannot_be_written_to_moves_and_is_known_there():
    values = np.array([1.0, -2.0, 3.0])
    values.flags.writeable = False
    w, v = Tensor(values, requires_grad=True), leaf()
    descend(w)
    first, second = (v * values).sum(), (v * w.numpy()).sum()
    descend(w)
    first.backward()
    np.testing.assert_array_equal(v.grad.numpy(), values)
    with pytest.raises(RuntimeError, match="was changed in place"):
        second.backward()


def test_versions_are_forgotten_with_the_memory():
    before = set(versions._known)
    for _ in range(100):
        w = leaf()
        (w * Tensor(np.ones(3)) * np.ones(3)).sum().backward()
    assert len(set(versions._known) - before) <= 3
    del w
    assert set(versions._known) <= before


def test_threads_that_see_an_array_first_together_find_one_version():
    arrays, found = [np.ones(3) for _ in range(200)], {}
    together = threading.Barrier(4)

    def look(name):
        together.wait(60)
        found[name] = [versions.version_of_memory(a) for a in arrays]

    workers = [threading.Thread(target=look, args=(name,)) for name in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert all(len({id(versions[i]) for versions in found.values()}) == 1 for i in range(len(arrays)))
