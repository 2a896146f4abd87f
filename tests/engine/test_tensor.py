"""What a Tensor remembers, and the way back: detach, backward, grad, accumulation, ownership, higher orders, memory."""

import gc
import itertools
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, testing
from minigan.engine.modes import Watcher, watching
from tests.helpers.examples import few
from tests.helpers.leaves import calls, leaf


def counting_identity(x, calls):
    """An op that appends its input's name to `calls` each time that its derivative is called."""
    return mg.record("counted", x.data.copy(), (x, lambda g, y: calls.append(x.name) or g * 1.0))


# --- detach -------------------------------------------------------------------------------------------------------------


def test_detach_shares_memory_and_stops_the_gradient():
    x = leaf([3.0])
    d = x.detach()
    assert np.shares_memory(d.data, x.data)
    assert (d.requires_grad, d.is_leaf) == (False, True)
    (d * x).backward()
    assert x.grad.item() == 3
    assert d.grad is None


# --- what backward and grad refuse --------------------------------------------------------------------------------------


def test_backward_on_a_leaf_says_that_there_is_no_graph():
    with pytest.raises(RuntimeError, match=r"tensor 'w' of shape \(3,\) has no graph"):
        leaf(name="w").backward()


@pytest.mark.parametrize("make", [lambda x: (x.detach() * 2).sum(), lambda x: (x > 0).sum(), lambda x: Tensor(1.0) * 2])
def test_backward_without_a_graph_is_refused(make):
    with pytest.raises(RuntimeError, match="has no graph"):
        make(leaf()).backward()


@pytest.mark.parametrize("call", [lambda y, x: y.backward(), lambda y, x: mg.grad(y, x)])
def test_non_scalar_needs_a_gradient(call):
    x = leaf()
    with pytest.raises(RuntimeError, match=r"shape \(3,\) is not a scalar: pass gradient="):
        call(x * 2, x)


@pytest.mark.parametrize("seed", [np.ones(2), np.ones((1, 3)), 1.0])
def test_seed_of_another_shape_is_refused(seed):
    with pytest.raises(ValueError, match=r"gradient has shape .* needs its own shape"):
        (leaf() * 2).backward(seed)


def test_integer_seed_is_refused():
    with pytest.raises(TypeError, match="gradient is int64; pass a floating dtype"):
        (leaf() * 2).backward(np.array([1, 2, 3]))


@pytest.mark.parametrize("seed", [np.array([1.0, 2.0, 3.0]), [1, 2, 3], Tensor([1, 2, 3])], ids=["array", "list", "tensor"])
def test_seed_takes_the_outputs_dtype(seed):
    x = leaf(dtype="float32")
    (x * 2).backward(seed)
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4, 6])


def test_grad_refuses_what_requires_no_gradient_and_says_which():
    x = leaf()
    with pytest.raises(ValueError, match=r"input 1 is tensor 'c' of shape \(1,\) that requires no gradient"):
        mg.grad(x.sum(), [x, Tensor([1.0], name="c")])
    with pytest.raises(ValueError, match="input 0 is a ndarray"):
        mg.grad(x.sum(), [np.ones(1)])


def test_requires_grad_of_a_result_cannot_be_switched_off():
    with pytest.raises(RuntimeError, match=r"is the result of multiply; use .detach()"):
        (leaf() * 2).requires_grad = False


def test_grad_attribute_takes_a_tensor_of_the_same_shape_only():
    x = leaf(dtype="float32")
    x.grad = Tensor(np.ones(3))
    assert x.grad.dtype == np.float32
    with pytest.raises(ValueError, match=r"cannot take a gradient of shape \(2,\)"):
        x.grad = Tensor([1, 2])
    with pytest.raises(TypeError, match="expected a Tensor or None"):
        x.grad = np.ones(3)
    x.grad = None
    assert x.grad is None


# --- accumulation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "slope"),
    [
        (lambda x: x + x, 2),
        (lambda x: x * x, 6),
        (lambda x: x - x, 0),
        (lambda x: x / x, 0),
        (lambda x: mg.where([True], x, x), 1),
        (lambda x: mg.maximum(x, x), 1),
        (lambda x: mg.concatenate([x, x]).sum(), 2),
        (lambda x: x @ x, 6),
        (lambda x: x**x, 27 * (1 + np.log(3))),
    ],
)
def test_the_same_input_twice_gets_both_gradients(fn, slope):
    x = leaf([3.0])
    fn(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [slope], atol=1e-12)


def test_reused_intermediate_counts_every_path():
    a = leaf([1.0])
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.item() == 4


@pytest.mark.parametrize("swap", [False, True])
def test_branches_of_unequal_depth_meet(swap):
    x = leaf([2.0])
    b = x * x
    deep = (b * 3) * b
    y = deep + b if swap else b + deep
    y.backward()
    assert x.grad.item() == 12 * 8 + 4


def test_backward_twice_adds_the_same_gradient_again():
    x = leaf([2.0])
    y = (x * x) * 3
    y.backward()
    y.backward()
    assert x.grad.item() == 24


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_losses_that_share_a_subgraph_add_up_in_either_order(order):
    x = leaf([2.0])
    shared = x * x
    losses = [shared * 3, shared.exp()]
    for i in order:
        losses[i].backward()
    assert x.grad.item() == pytest.approx(12 + 4 * np.exp(4))


def test_outputs_of_one_op_may_be_dropped():
    x = leaf([1.0, 2.0, 3.0, 4.0])
    first, _ = mg.split(x, 2)
    del _
    gc.collect()
    first.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1, 0, 0])


def test_intermediates_get_no_grad_attribute():
    x = leaf()
    b = x * 2
    b.sum().backward()
    assert b.grad is None


def test_constants_get_no_gradient():
    x, c = leaf(), Tensor(np.ones(3))
    (x * c).sum().backward()
    assert c.grad is None


def test_derivative_of_a_constant_is_never_called():
    x, c, calls = leaf(name="x"), Tensor(np.ones(3), name="c"), []
    y = mg.record("both", x.data + c.data, (x, lambda g, y: g), (c, lambda g, y: calls.append("c") or g))
    y.sum().backward()
    assert calls == []


def test_read_only_array_can_be_differentiated():
    x = Tensor(np.broadcast_to(np.array([2.0]), (3,)), requires_grad=True)
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4, 4, 4])


# --- grad() -------------------------------------------------------------------------------------------------------------


def test_grad_gives_zeros_for_what_the_output_does_not_depend_on():
    x, other = leaf(), leaf([1.0, 2.0], dtype="float32")
    gx, go = mg.grad(x.sum(), [x, other])
    np.testing.assert_array_equal(gx.numpy(), [1, 1, 1])
    assert (go.shape, go.dtype, go.numpy().any()) == ((2,), np.float32, False)


def test_grad_gives_zeros_also_without_any_graph():
    x = leaf()
    (g,) = mg.grad(Tensor(1.0), x)
    np.testing.assert_array_equal(g.numpy(), 0)


def test_grad_touches_no_grad_attribute():
    x, w = leaf(), leaf()
    mg.grad((x * w).sum(), x)
    assert x.grad is None
    assert w.grad is None


def test_grad_computes_nothing_off_the_path():
    x, w, calls = leaf(name="x"), leaf(name="w"), []
    y = counting_identity(x, calls) * counting_identity(w, calls)
    mg.grad(y.sum(), x)
    assert calls == ["x"]


def test_grad_stops_at_an_intermediate():
    x, calls = leaf(name="x"), []
    b = counting_identity(x, calls)
    (g,) = mg.grad((b * b).sum(), b)
    np.testing.assert_array_equal(g.numpy(), 2 * x.numpy())
    assert calls == []


def test_grad_of_an_intermediate_and_of_what_lies_before_it():
    x = leaf([3.0])
    b = x * x
    gb, gx = mg.grad(b * b, [b, x])
    assert (gb.item(), gx.item()) == (18, 108)


def test_grad_of_the_output_itself_is_the_seed():
    x = leaf()
    y = x * 2
    gy, gx, again = mg.grad(y, [y, x, x], gradient=[1, 2, 3])
    np.testing.assert_array_equal(gy.numpy(), [1, 2, 3])
    np.testing.assert_array_equal(gx.numpy(), [2, 4, 6])
    np.testing.assert_array_equal(again.numpy(), [2, 4, 6])
    assert not np.shares_memory(gx.data, again.data)


# --- ownership of gradients ---------------------------------------------------------------------------------------------


OWNERSHIP = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "reshape": lambda a, b: a.reshape(4) + b.reshape(-1),
    "transpose": lambda a, b: a.T + b.T,
    "sum": lambda a, b: a.sum() + b.sum(0).sum(),
    "concatenate": lambda a, b: mg.concatenate([a, b]),
    "broadcast_to": lambda a, b: mg.broadcast_to(a, (2, 2, 2)) + b,
    "getitem": lambda a, b: a[:] + b[::-1],
    "astype": lambda a, b: a.astype("float32") + b.astype("float32"),
    "one": lambda a, b: a + a.reshape(2, 2) + b * 0 + b,
}


@pytest.mark.parametrize("name", OWNERSHIP)
@pytest.mark.parametrize("how", ["backward", "grad"])
def test_gradients_have_memory_of_their_own(name, how):
    a, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[1.0, 2.0], [3.0, 4.0]])
    y = OWNERSHIP[name](a, b)
    seed = np.ones(y.shape, y.dtype)
    if how == "backward":
        y.backward(seed)
        grads = [a.grad, b.grad]
    else:
        grads = list(mg.grad(y, [a, b], gradient=seed))
    memories = [seed, a.data, b.data, y.data, *(g.data for g in grads)]
    assert not any(np.shares_memory(g.data, m) for g in grads for m in memories if m is not g.data)
    for g in grads:
        assert g.data.flags.writeable
        g.data[...] = 7
    np.testing.assert_array_equal(seed, 1)


def test_gradient_that_a_second_backward_adds_is_not_written_into_the_first():
    x = leaf()
    (x + 0).sum().backward()
    first = x.grad
    (x * 2).sum().backward()
    np.testing.assert_array_equal(first.numpy(), 1)
    np.testing.assert_array_equal(x.grad.numpy(), 3)


CAPTURED = np.array([[1.0, 2.0], [3.0, 4.0]])


def borrowing_ops():
    """Ops of two inputs whose derivatives return the arriving gradient, views of it, one tensor twice, or captured tensors."""
    captured = Tensor(CAPTURED)
    row = captured[0]

    def op(name, left, right, data=lambda a, b: a + b):
        return lambda a, b: mg.record(name, data(a.data, b.data), (a, left), (b, right))

    def passed_on(g, y):
        return mg.record("passed on", g.data, (g, lambda h, z: h))

    def same(g, y):
        return g

    def twice():  # one new tensor for both inputs
        made = []

        def derivative(g, y):
            made.append(g * 2.0)
            return made[0]

        return op("twice", derivative, derivative)

    return {
        "same": op("same", same, same),
        "passed on": op("passed on", passed_on, passed_on),
        "same and passed on": op("both", same, passed_on),
        "views": op("views", lambda g, y: g.T, lambda g, y: g[::-1]),
        "reshaped": op("reshaped", lambda g, y: g.reshape(4).reshape(2, 2), same),
        "captured": op("captured", lambda g, y: captured, lambda g, y: captured.T),
        "captured and broadcast": op("stretched", lambda g, y: row.broadcast_to((2, 2)), lambda g, y: captured.detach()),
        "output": op("output", lambda g, y: y, lambda g, y: y.detach()),
        "input passed on": op("input passed on", same, same, lambda a, b: a),
        "twice": lambda a, b: twice()(a, b),
        "add": lambda a, b: a + b,
        "multiply": lambda a, b: a * b,
        "of sums": lambda a, b: a.sum(0) + b.sum(1, keepdims=True),
        "transposed": lambda a, b: a.T + b.reshape(4)[::-1].reshape(2, 2),
        "product": lambda a, b: a @ b,
        "concatenated": lambda a, b: mg.concatenate([a, b])[1:3],
        "where": lambda a, b: mg.where(CAPTURED > 2, a, b),
    }


@given(
    st.lists(st.tuples(st.sampled_from(sorted(borrowing_ops())), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6),
    st.booleans(),
    st.integers(1, 2),
)
@example([("passed on", 0, 1), ("output", 3, 2)], False, 1)  # the output's own array, in a new tensor
@example([("passed on", 0, 1), ("captured", 3, 0)], False, 1)  # and that of a constant that the op does not name
def test_no_gradient_of_a_random_graph_shares_memory_with_anything(program, create_graph, passes):
    CAPTURED[...] = [[1.0, 2.0], [3.0, 4.0]]
    leaves = [leaf([[1.0, 2.0], [3.0, 4.0]]) for _ in range(3)]
    nodes, ops = list(leaves), borrowing_ops()
    for name, i, j in program:
        nodes.append(ops[name](nodes[i % len(nodes)], nodes[j % len(nodes)]))
    seed = np.array([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(passes):
        nodes[-1].backward(seed, create_graph=create_graph)
    found = [x.grad.data for x in leaves if x.grad is not None]
    others = [seed, CAPTURED, *[x.data for x in nodes]]
    assert found
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(found, 2))
    assert not any(np.shares_memory(g, other) for g in found for other in others)
    for g in found:
        g[...] = 7.0  # writable, too
    np.testing.assert_array_equal(seed, [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(CAPTURED, [[1.0, 2.0], [3.0, 4.0]])
    for x in leaves:
        x.grad = None


def test_a_gradient_of_its_own_is_not_copied():
    x, made = leaf(), []
    y = mg.record("made", x.data * 2.0, (x, lambda g, y: made.append(g * 2.0) or made[0]))
    y.sum().backward()
    assert x.grad is made[0]


def test_a_tensor_that_a_derivative_keeps_from_one_walk_to_the_next_is_copied():
    x, w, kept = leaf(), leaf(), []

    def derivative(g, y):
        kept.append(g * 2.0) if not kept else None
        return kept[0]

    for leaf_ in (x, w):
        mg.record("keeps", leaf_.data * 2.0, (leaf_, derivative)).sum().backward()
    assert not np.shares_memory(x.grad.data, w.grad.data)


def test_a_seed_that_an_op_has_made_is_not_given_away():
    x, w = leaf(), leaf()
    seed = w * 2.0
    mg.record("same", x.data * 1.0, (x, lambda g, y: g)).backward(seed)
    assert not np.shares_memory(x.grad.data, seed.data)


def test_an_array_that_the_derivative_holds_is_not_given_away():
    x, kept = leaf(), np.array([1.0, 2.0, 3.0])
    mg.record("constant", x.data * 1.0, (x, lambda g, y: mg.record("fresh", kept))).sum().backward()
    assert not np.shares_memory(x.grad.data, kept)


def test_an_array_that_somebody_has_a_view_of_is_not_given_away():
    x, views = leaf(), []

    def derivative(g, y):
        g_x = g * 2.0
        views.append(g_x.data[:1])
        return g_x

    mg.record("viewed", x.data * 1.0, (x, derivative)).sum().backward()
    assert not np.shares_memory(x.grad.data, views[0])


def test_gradients_of_one_backward_pass_can_be_written_to_without_the_next_being_wrong():
    x, w = leaf(), leaf()
    y = mg.tanh(x + w)
    y.sum().backward()
    expected = x.grad.numpy().copy()
    for t in (x, w):
        t.grad.data[...] = 100.0
        t.grad = None
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    np.testing.assert_array_equal(w.grad.numpy(), expected)


def test_one_gradient_for_two_leaves_becomes_two():
    x, w = leaf(), leaf()
    mg.tanh(x + w).sum().backward()
    assert not np.shares_memory(x.grad.data, w.grad.data)


def test_with_create_graph_a_gradient_can_be_written_to_and_the_graph_of_another_is_none_the_worse():
    x, w = leaf(), leaf()
    mg.tanh(w + x * x).sum().backward(create_graph=True)
    expected = mg.grad(x.grad.sum(), x)[0].numpy()
    w.grad.data[...] = 0.0
    np.testing.assert_array_equal(mg.grad(x.grad.sum(), x)[0].numpy(), expected)
    x.grad = w.grad = None


def test_with_create_graph_every_leafs_gradient_can_be_differentiated():
    x, w = leaf(), leaf([2.0, 0.5, -1.0])
    (x * x * w).sum().backward(create_graph=True)
    gx, gw, x.grad, w.grad = x.grad, w.grad, None, None
    np.testing.assert_allclose(mg.grad(gx.sum(), x)[0].numpy(), 2 * w.numpy())
    np.testing.assert_allclose(mg.grad(gx.sum(), w)[0].numpy(), 2 * x.numpy())
    np.testing.assert_allclose(mg.grad(gw.sum(), x)[0].numpy(), 2 * x.numpy())


# --- several threads ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty_threads():
    """Python changes from thread to thread as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_add_into_one_leafs_gradient_lose_nothing(hasty_threads):
    x = leaf([1.0, 2.0])

    def work():
        for _ in range(100):
            (x * 3.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(x.grad.numpy(), [2400.0, 2400.0])


def test_a_watcher_that_runs_a_backward_pass_does_not_wait_for_itself():
    class Curious(Watcher):
        def made(self, y, op, inputs):
            if op == "add":  # the only one: x.grad + g
                with mg.enable_grad():
                    (other * 2.0).sum().backward()

    x, other = leaf(), leaf()
    x.grad = Tensor(np.zeros(3))
    y = x.sum()
    with watching(Curious()):
        y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 1.0)
    np.testing.assert_array_equal(other.grad.numpy(), 2.0)


# --- leaves that are frozen after the forward pass ----------------------------------------------------------------------


def test_a_leaf_that_was_frozen_after_the_forward_pass_gets_no_gradient_and_costs_none():
    x, w, calls = leaf(name="x"), leaf(name="w"), []
    y = counting_identity(counting_identity(x, calls) * counting_identity(w, calls), calls)
    w.requires_grad = False
    y.sum().backward()
    assert w.grad is None
    assert calls == [None, "x"]
    np.testing.assert_array_equal(x.grad.numpy(), w.numpy())


def test_where_all_leaves_are_frozen_nothing_is_computed():
    x, w, calls = leaf(name="x"), leaf(name="w"), []
    y = counting_identity(x, calls) * counting_identity(w, calls)
    x.requires_grad = w.requires_grad = False
    y.sum().backward()
    assert (x.grad, w.grad, calls) == (None, None, [])


def test_a_leaf_that_is_thawed_again_gets_its_gradient():
    x, w = leaf(), leaf()
    y = x * w
    w.requires_grad = False
    w.requires_grad = True
    y.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), x.numpy())


def test_the_gradient_that_a_leaf_had_before_it_was_frozen_stays():
    x, w = leaf(), leaf()
    y = (x * w).sum()
    y.backward()
    before = w.grad
    w.requires_grad = False
    y.backward()
    assert w.grad is before
    np.testing.assert_array_equal(x.grad.numpy(), 2 * w.numpy())


# --- the order of the walk ----------------------------------------------------------------------------------------------


def test_a_leaf_that_was_made_last_gets_its_gradient():
    x = leaf()
    h = mg.exp(x)
    w = leaf()
    (h * w).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), h.numpy())
    np.testing.assert_array_equal(x.grad.numpy(), (h * w).numpy())


def test_a_result_without_history_becomes_a_leaf_in_the_middle():
    x, w = leaf(), leaf()
    with mg.no_grad():
        middle = x * 2.0
    middle.requires_grad = True
    (middle * w).sum().backward()
    assert x.grad is None
    np.testing.assert_array_equal(middle.grad.numpy(), w.numpy())
    np.testing.assert_array_equal(w.grad.numpy(), middle.numpy())


def test_tensors_are_visited_from_the_youngest_to_the_oldest():
    x, visited = leaf([1.0]), []

    def named(name, *inputs):
        data = sum(t.data for t in inputs)
        return mg.record(name, data, *[(t, lambda g, y: visited.append(name) or g * 1.0) for t in inputs])

    a = named("a", x)
    b = named("b", a)
    c = named("c", x)
    d = named("d", c, b, a)
    named("no part of it", d)
    e = named("e", d, c)
    e.backward()
    assert list(dict.fromkeys(visited)) == ["e", "d", "c", "b", "a"]
    assert visited.count("no part of it") == 0
    assert x.grad.item() == 4  # d sees a twice, by itself and by b; c is seen by d and by e


def test_graphs_that_two_threads_make_at_once_are_each_in_order():
    found = {}

    def work(k):
        for _ in range(50):
            x = leaf([1.0])
            y = x
            for _ in range(20):
                y = y + y * 0.5
            y.backward()
            found.setdefault(k, set()).add(round(x.grad.item(), 6))

    both = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for t in both:
        t.start()
    for t in both:
        t.join()
    assert found == {k: {round(1.5**20, 6)} for k in range(2)}


# --- higher orders ------------------------------------------------------------------------------------------------------


def test_gradients_of_gradients_up_to_the_fourth():
    x = g = leaf([2.0])
    y = x**5
    values = []
    for _ in range(4):
        (y,) = mg.grad(y, x, create_graph=True)
        values.append(y.item())
    assert g is x
    assert values == [80, 160, 240, 240]


def test_without_create_graph_gradients_have_no_history():
    x = leaf([2.0])
    (g,) = mg.grad(x * x, x)
    (x * x).backward()
    assert not g.requires_grad
    assert not x.grad.requires_grad


def test_backward_with_create_graph_can_be_differentiated_again():
    x = leaf([2.0])
    (x**3).backward(create_graph=True)
    g, x.grad = x.grad, None
    g.backward()
    assert x.grad.item() == 12
    x.grad = None


def test_gradient_penalty_reaches_the_weights():
    x, w = leaf([[1.0, 2.0]]), leaf([[3.0], [4.0]])
    (g,) = mg.grad(mg.tanh(x @ w), x, create_graph=True)
    loss = ((g * g).sum() - 1) ** 2
    loss.backward()
    step = 1e-6
    w.data = w.data + np.array([[step], [0.0]])
    (moved,) = mg.grad(mg.tanh(x @ w), x)
    numeric = (((moved * moved).sum().item() - 1) ** 2 - loss.item()) / step
    assert w.grad.numpy()[0, 0] == pytest.approx(numeric, rel=1e-3, abs=1e-6)


def test_seed_can_be_differentiated():
    x, u = leaf(), leaf([1.0, 1.0, 1.0])
    (g,) = mg.grad(x * x, x, gradient=u, create_graph=True)
    (gu,) = mg.grad(g.sum(), u)
    np.testing.assert_array_equal(gu.numpy(), 2 * x.numpy())


# --- long and wide graphs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [30_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_long_chain_of_ops(length):
    x = leaf([1.0])
    y = x
    for _ in range(length):
        y = y + 1.0
    y.backward()
    del y
    assert x.grad.item() == 1


def _chain(x, n):
    for _ in range(n):
        x = x + 1.0
    return x


def _doublings(x, n):  # 2^n paths
    for _ in range(n // 50):
        x = x + x
    return x


GRAPHS = {"chain": _chain, "doublings": _doublings, "branches": lambda x, n: mg.concatenate([x * 2.0 for _ in range(n)]).sum()}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_the_work_grows_as_the_graph_does_and_not_as_its_paths(graph):
    once, twice = (calls(lambda n=n: graph(leaf([1.0]), n).backward()) for n in (500, 1000))
    assert twice < 2.1 * once


def test_each_tensor_is_visited_once_however_many_paths_lead_to_it():
    x, calls = leaf([1.0], name="x"), []
    y = x
    for _ in range(200):  # 2^200 paths
        y = counting_identity(y, calls)
        y = (y + y) * 0.5
    y.backward()
    assert len(calls) == 200
    assert x.grad.item() == 1


def test_5000_parallel_branches():
    x = leaf([1.0])
    total = x * 0
    for i in range(5000):
        total = total + x * float(i)
    total.backward()
    assert x.grad.item() == sum(range(5000))


# --- memory -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _network(x):
    h = mg.sigmoid(x * 2) + mg.softmax(x.reshape(1, 3)).sum(0) + mg.norm(x) + mg.var(x) + mg.logsumexp(x)
    h = mg.concatenate([h, mg.elu(x), mg.maximum(x, h), x[[0, 0, 1]], mg.prod(x).reshape(1), mg.max(x).reshape(1)])
    return mg.exp(mg.tanh(h)).mean() + mg.cumsum(mg.pad(h, 1)).clip(-1, 1).sum() + mg.sqrt(h * h + 1).sum()


@pytest.mark.usefixtures("_no_gc")
@pytest.mark.parametrize("create_graph", [False, True])
def test_no_reference_circles_keep_tensors_alive(create_graph):
    x = leaf()
    before = sum(isinstance(o, Tensor) for o in gc.get_objects())
    for _ in range(40):
        loss = _network(x)
        (g,) = mg.grad(loss, x, create_graph=create_graph)
        if create_graph:
            mg.grad((g * g).sum(), x)
        else:
            loss.backward()
    del loss, g
    x.grad = None
    assert sum(isinstance(o, Tensor) for o in gc.get_objects()) == before


@pytest.mark.usefixtures("_no_gc")
def test_activation_dies_with_the_last_name_for_its_output():
    x = leaf()
    h = mg.exp(x)
    loss = (h * h).sum()
    ref = weakref.ref(h)
    loss.backward()
    del h
    assert ref() is not None
    del loss
    assert ref() is None


@pytest.mark.usefixtures("_no_gc")
def test_gradient_keeps_no_graph_alive():
    x = leaf()
    h = mg.exp(x)
    ref = weakref.ref(h)
    h.sum().backward()
    del h
    assert ref() is None
    assert x.grad is not None


def test_gradients_are_let_go_as_the_walk_proceeds():
    x = leaf(np.ones(100_000))
    y = x
    for _ in range(30):
        y = y * 1.0
    y = y.sum()
    tracemalloc.start()
    y.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * x.data.nbytes


# --- record: a user's op ------------------------------------------------------------------------------------------------


def square(x):
    return mg.record("square", x.data * x.data, (x, lambda g, y: g * 2 * x))


def test_users_op_is_differentiable_twice():
    testing.assert_gradients(square, np.array([[1.0, -2.0], [0.5, 3.0]]))
    testing.assert_gradients(square, np.array(2.0))
    assert square(leaf()).requires_grad


@pytest.mark.parametrize("total", [lambda a: a.sum(), lambda a: float(a.sum()), lambda a: np.array(a.sum())])
def test_users_op_may_return_a_scalar_of_any_kind(total):
    x = leaf(dtype="float32")
    y = mg.record("total", total(x.data), (x, lambda g, y: g))
    assert (y.shape, y.dtype) == ((), np.float32)
    assert isinstance(y.data, np.ndarray)


@few
@given(testing.broadcastable())
def test_walk_sums_back_what_a_users_op_has_stretched(pair):
    def plus(a, b):
        return mg.record("plus", a.data + b.data, (a, lambda g, y: g), (b, lambda g, y: g))

    testing.assert_gradients(plus, *pair)


@pytest.mark.parametrize("shape", [(), (2,), (1,), (3, 2)])
def test_derivative_of_a_wrong_shape_is_an_error_that_names_the_op(shape):
    y = mg.record("oops", leaf().data * 1, (leaf(), lambda g, y: Tensor(np.ones(shape))))
    with pytest.raises(RuntimeError, match=r"oops: the derivative for an input of shape \(3,\) has shape"):
        y.sum().backward()


def test_derivative_with_more_axes_than_the_output_is_refused():
    x = leaf()
    y = mg.record("f", x.data * 2, (x, lambda g, y: Tensor(np.ones((5, 3)))))
    with pytest.raises(RuntimeError, match=r"f: the derivative for an input of shape \(3,\) has shape \(5, 3\)"):
        y.sum().backward()


@pytest.mark.parametrize("wrong", [None, 1.0, np.ones(3)])
def test_derivative_that_is_no_tensor_is_an_error_that_names_the_op(wrong):
    y = mg.record("oops", leaf().data * 1, (leaf(), lambda g, y: wrong))
    with pytest.raises(RuntimeError, match=f"oops: .* is a {type(wrong).__name__}, not a Tensor"):
        y.sum().backward()


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "bool"])
def test_dtype_of_a_users_derivative_is_restored(dtype):
    x = leaf(dtype="float32")
    mg.record("odd", x.data * 1, (x, lambda g, y: Tensor(np.ones(3, dtype)))).sum().backward()
    assert x.grad.dtype == np.float32


COMPLEX = {  # name: (the op, what it makes of a w that requires a gradient and a complex constant)
    "multiply": lambda w, c: mg.abs(w * c),
    "divide": lambda w, c: c / w,
    "matmul": lambda w, c: c @ w,
    "where": lambda w, c: mg.where(w > 0.0, w, c),
    "stack": lambda w, c: mg.stack([w, c]),
    "astype": lambda w, c: w.astype("complex64"),
    "own": lambda w, c: mg.record("own", w.data * c, (w, lambda g, y: g)),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_are_refused(name):
    with pytest.raises(TypeError, match=f"^{name}: .*real numbers"):
        COMPLEX[name](leaf([1.0, 2.0, 3.0]), np.array([1j, 2.0, 1 + 1j]))


def test_integer_result_has_no_history():
    x = leaf()
    y = mg.record("rank", np.argsort(x.data), (x, lambda g, y: g))
    assert not y.requires_grad


# --- random graphs ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("+-*t"), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_random_graph_agrees_with_forward_differentiation(program):
    x = leaf([0.7])
    values, slopes, nodes = [0.7], [1.0], [x]  # the reference carries (value, slope) pairs forward, with no graph
    for op, i, j in program:
        i, j = i % len(nodes), j % len(nodes)
        (a, b), (da, db), (s, t) = (values[i], values[j]), (slopes[i], slopes[j]), (nodes[i], nodes[j])
        if op == "+":
            value, slope, node = a + b, da + db, s + t
        elif op == "-":
            value, slope, node = a - b, da - db, s - t
        elif op == "*":
            value, slope, node = a * b, da * b + a * db, s * t
        else:
            value, slope, node = np.tanh(a), da * (1 - np.tanh(a) ** 2), mg.tanh(s)
        values.append(value)
        slopes.append(slope)
        nodes.append(node)
    (g,) = mg.grad(nodes[-1], x)
    assert nodes[-1].item() == pytest.approx(values[-1], rel=1e-9)
    assert g.item() == pytest.approx(slopes[-1], rel=1e-9, abs=1e-12)
