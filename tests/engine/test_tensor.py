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
from minigan import Tensor
from tests.helpers.leaves import calls, leaf


def counting_identity(x, calls):
    """An op that appends its input's name to `calls` each time that its derivative is called."""
    return mg.record("counted", x.data.copy(), (x, lambda g, y: calls.append(x.name) or g * 1.0))


def test_detach_shares_memory_and_stops_the_gradient():
    x = leaf([3.0])
    d = x.detach()
    assert np.shares_memory(d.data, x.data)
    assert (d.requires_grad, d.is_leaf) == (False, True)
    (d * x).backward()
    assert (x.grad.item(), d.grad) == (3, None)


PATHS = [  # (a function of one number, its slope at 3)
    (lambda x: x + x, 2),
    (lambda x: x - x, 0),
    (lambda x: x / x, 0),
    (lambda x: mg.where([True], x, x), 1),
    (lambda x: mg.maximum(x, x), 1),
    (lambda x: mg.concatenate([x, x]).sum(), 2),
    (lambda x: x @ x, 6),
    (lambda x: x**x, 27 * (1 + np.log(3))),
    (lambda x: (b := x + x) + b, 4),
    (lambda x: (b := x + x) * 3 * b + b, 24 * 3 + 2),  # branches of unequal depth
    (lambda x: (b := x + x) + b * 3 * b, 24 * 3 + 2),
]


@pytest.mark.parametrize(("fn", "slope"), PATHS)
def test_every_path_to_an_input_counts(fn, slope):
    x = leaf([3.0])
    fn(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [slope], atol=1e-12)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0), (1, 1, 0)])
def test_backward_passes_over_one_graph_add_up_in_any_order(order):
    x = leaf([2.0])
    shared = x * x
    losses = [shared * 3, shared.exp()]
    for i in order:
        losses[i].backward()
    assert x.grad.item() == pytest.approx(sum([12, 4 * np.exp(4)][i] for i in order))


def test_outputs_of_one_op_may_be_dropped():
    x = leaf([1.0, 2.0, 3.0, 4.0])
    first, _ = mg.split(x, 2)
    del _
    gc.collect()
    first.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1, 0, 0])


def test_only_leaves_get_a_grad_attribute_and_only_from_backward():
    x, c, w = leaf(), Tensor(np.ones(3)), leaf()
    b = x * c
    b.sum().backward()
    mg.grad((x * w).sum(), x)
    assert (b.grad, c.grad, w.grad) == (None, None, None)
    np.testing.assert_array_equal(x.grad.numpy(), 1)


def test_grad_gives_zeros_for_what_the_output_does_not_depend_on():
    x, other = leaf(), leaf([1.0, 2.0], dtype="float32")
    gx, go = mg.grad(x.sum(), [x, other])
    assert (gx.numpy().tolist(), go.numpy().tolist(), go.dtype) == ([1, 1, 1], [0, 0], np.float32)
    np.testing.assert_array_equal(mg.grad(Tensor(1.0), x)[0].numpy(), 0)


def test_grad_computes_nothing_off_the_path_or_behind_an_intermediate():
    x, w, called = leaf(name="x"), leaf(name="w"), []
    b = counting_identity(x, called)
    y = (b * b * counting_identity(w, called)).sum()
    (g,) = mg.grad(y, b)
    np.testing.assert_array_equal(g.numpy(), 2 * x.numpy() * w.numpy())
    assert called == []
    gb, gx = mg.grad(y, [b, x])
    assert called == ["x"]
    np.testing.assert_array_equal(gb.numpy(), gx.numpy())


@pytest.mark.parametrize("seed", [[1, 2, 3], np.array([1.0, 2.0, 3.0]), leaf([1.0, 2.0, 3.0])], ids=["list", "array", "tensor"])
def test_a_seed_takes_the_outputs_dtype_is_the_outputs_gradient_and_can_be_differentiated(seed):
    x = leaf(dtype="float32")
    y = x * x
    gy, gx, again = mg.grad(y, [y, x, x], gradient=seed, create_graph=True)
    assert gy.dtype == gx.dtype == np.float32
    np.testing.assert_array_equal(gy.numpy(), [1, 2, 3])
    np.testing.assert_array_equal([gx.numpy(), again.numpy()], [2 * x.numpy() * [1, 2, 3]] * 2)
    assert not np.shares_memory(gx.data, again.data)
    if isinstance(seed, Tensor):
        np.testing.assert_array_equal(mg.grad(gx.sum(), seed)[0].numpy(), 2 * x.numpy())


# --- ownership of gradients ---------------------------------------------------------------------------------------------

VALUES = [[1.0, 2.0], [3.0, 4.0]]
CAPTURED = np.array(VALUES)


def borrowing_ops():
    """Ops of two inputs whose derivatives return the arriving gradient, views of it, one tensor twice, or captured tensors."""
    captured, made = Tensor(CAPTURED), {}

    def op(left, right, data=lambda a, b: a + b):
        return lambda a, b: mg.record("op", data(a.data, b.data), (a, left), (b, right))

    def passed_on(g, y):
        return mg.record("passed on", g.data, (g, lambda h, z: h))

    def same(g, y):
        return g

    def one_for_both(g, y):
        return made.setdefault((id(g), id(y)), g * 2.0)

    return {
        "same": op(same, same),
        "passed on": op(passed_on, passed_on),
        "views": op(lambda g, y: g.T, lambda g, y: g[::-1]),
        "captured": op(lambda g, y: captured, lambda g, y: captured.T),
        "captured and broadcast": op(lambda g, y: captured[0].broadcast_to((2, 2)), lambda g, y: captured.detach()),
        "output": op(lambda g, y: y, lambda g, y: y.detach()),
        "input passed on": op(same, same, lambda a, b: a),
        "one for both": op(one_for_both, one_for_both),
        "multiply": lambda a, b: a * b,
        "concatenated": lambda a, b: mg.concatenate([a, b])[1:3],
    }


@given(
    st.lists(st.tuples(st.sampled_from(sorted(borrowing_ops())), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6),
    st.booleans(),
    st.integers(1, 2),
)
@example([("passed on", 0, 1), ("output", 3, 2)], False, 1)  # the output's own array, in a new tensor
@example([("one for both", 0, 1)], False, 1)
@example([("passed on", 0, 1), ("captured", 3, 0)], False, 1)  # and that of a constant that the op does not name
def test_no_gradient_of_a_random_graph_shares_memory_with_anything(program, create_graph, passes):
    leaves, ops, seed = [leaf(VALUES) for _ in range(3)], borrowing_ops(), np.array(VALUES)
    nodes = list(leaves)
    for name, i, j in program:
        nodes.append(ops[name](nodes[i % len(nodes)], nodes[j % len(nodes)]))
    for _ in range(passes):
        nodes[-1].backward(seed, create_graph=create_graph)
    found = [x.grad.data for x in leaves if x.grad is not None]
    assert found
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(found, 2))
    assert not any(np.shares_memory(g, other) for g in found for other in [seed, CAPTURED, *[x.data for x in nodes]])
    for g in found:
        g[...] = 7.0  # writable, too
    np.testing.assert_array_equal([seed, CAPTURED], [VALUES] * 2)
    for x in leaves:
        x.grad = None


def test_an_array_of_which_somebody_holds_a_view_is_not_given_away_and_any_other_not_copied():
    x, held = leaf(VALUES), []
    mg.record("op", x.data * 1.0, (x, lambda g, y: held.append((g_x := g * 2.0).data[:1]) or g_x)).sum().backward()
    assert not np.shares_memory(x.grad.data, held[0])
    w, made = leaf(), []
    mg.record("made", w.data * 2.0, (w, lambda g, y: made.append(g * 2.0) or made[0])).sum().backward()
    assert w.grad is made[0]


def test_a_tensor_that_a_derivative_keeps_from_one_backward_pass_to_the_next_is_copied():
    x, w, kept = leaf(), leaf(), {}
    for t in (x, w):
        mg.record("keeps", t.data * 2.0, (t, lambda g, y: kept.setdefault("it", g * 2.0))).sum().backward()
    assert not np.shares_memory(x.grad.data, w.grad.data)


def test_threads_that_add_into_one_leafs_gradient_lose_nothing():
    x, before = leaf([1.0, 2.0]), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # Python changes from thread to thread as often as it can
    threads = [threading.Thread(target=lambda: [(x * 3.0).sum().backward() for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    np.testing.assert_array_equal(x.grad.numpy(), [2400.0, 2400.0])


def test_a_leaf_that_is_frozen_keeps_its_gradient_costs_none_and_thawed_gets_more():
    x, w, called = leaf(name="x"), leaf(name="w"), []
    y = (counting_identity(x, called) * counting_identity(w, called)).sum()
    y.backward()
    before = w.grad
    for frozen, expected in ((w, ["x"]), (x, [])):
        frozen.requires_grad = False
        called.clear()
        y.backward()
        assert called == expected
        assert w.grad is before
    w.requires_grad = True
    y.backward()
    np.testing.assert_array_equal(w.grad.numpy(), 2 * x.numpy())


def test_a_result_without_history_becomes_a_leaf_in_the_middle():
    x, w = leaf(), leaf()
    with mg.no_grad():
        middle = x * 2.0
    middle.requires_grad = True
    (middle * w).sum().backward()
    assert x.grad is None
    np.testing.assert_array_equal([middle.grad.numpy(), w.grad.numpy()], [w.numpy(), middle.numpy()])


def test_only_with_create_graph_gradients_can_be_differentiated_again():
    x, w = leaf(), leaf([2.0, 0.5, -1.0])
    (x * x * w).sum().backward()
    assert not x.grad.requires_grad
    assert not mg.grad((x * x).sum(), x)[0].requires_grad
    x.grad = w.grad = None
    (x * x * w).sum().backward(create_graph=True)
    gx, gw, x.grad, w.grad = x.grad, w.grad, None, None
    np.testing.assert_allclose(mg.grad(gx.sum(), x)[0].numpy(), 2 * w.numpy())
    np.testing.assert_allclose(mg.grad(gx.sum(), w)[0].numpy(), 2 * x.numpy())
    np.testing.assert_allclose(mg.grad(gw.sum(), x)[0].numpy(), 2 * x.numpy())


# --- long and wide graphs -----------------------------------------------------------------------------------------------


def chain(x, n):
    for _ in range(n):
        x = x + 1.0
    return x


def doublings(x, n):  # 2^n paths
    for _ in range(n // 50):
        x = x + x
    return x


def test_long_chain_of_ops():
    x = leaf([1.0])
    chain(x, 30_000).backward()
    assert x.grad.item() == 1  # and here the chain is gone


@pytest.mark.parametrize("graph", [chain, doublings, lambda x, n: mg.concatenate([x * 2.0 for _ in range(n)]).sum()])
def test_the_work_grows_as_the_graph_does_and_not_as_its_paths(graph):
    once, twice = (calls(lambda n=n: graph(leaf([1.0]), n).backward()) for n in (500, 1000))
    assert twice < 2.1 * once


# --- memory -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def network(x):
    h = mg.sigmoid(x * 2) + mg.softmax(x.reshape(1, 3)).sum(0) + mg.norm(x) + mg.var(x) + mg.logsumexp(x)
    h = mg.concatenate([h, mg.elu(x), mg.maximum(x, h), x[[0, 0, 1]], mg.prod(x).reshape(1), mg.max(x).reshape(1)])
    return mg.exp(mg.tanh(h)).mean() + mg.cumsum(mg.pad(h, 1)).clip(-1, 1).sum() + mg.sqrt(h * h + 1).sum()


@pytest.mark.usefixtures("_no_gc")
@pytest.mark.parametrize("create_graph", [False, True])
def test_no_reference_circles_keep_tensors_alive(create_graph):
    x = leaf()
    before = sum(isinstance(o, Tensor) for o in gc.get_objects())
    for _ in range(10):
        loss = network(x)
        (g,) = mg.grad(loss, x, create_graph=create_graph)
        if create_graph:
            mg.grad((g * g).sum(), x)
        else:
            loss.backward()
    del loss, g
    x.grad = None
    assert sum(isinstance(o, Tensor) for o in gc.get_objects()) == before


@pytest.mark.usefixtures("_no_gc")
def test_an_activation_dies_with_the_last_name_for_its_output_and_a_gradient_keeps_none_alive():
    x = leaf()
    h = mg.exp(x)
    loss, ref = (h * h).sum(), weakref.ref(h)
    loss.backward()
    del h
    assert ref() is not None
    del loss
    assert ref() is None
    assert x.grad is not None


def test_gradients_are_let_go_as_the_backward_pass_proceeds():
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


@pytest.mark.parametrize("total", [lambda a: a.sum(), lambda a: float(a.sum()), lambda a: np.array(a.sum())])
def test_users_op_may_return_a_scalar_of_any_kind(total):
    x = leaf(dtype="float32")
    y = mg.record("total", total(x.data), (x, lambda g, y: g))
    assert (y.shape, y.dtype) == ((), np.float32)
    assert isinstance(y.data, np.ndarray)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "bool"])
def test_dtype_of_a_users_derivative_is_restored_and_an_integer_result_has_no_history(dtype):
    x = leaf(dtype="float32")
    mg.record("odd", x.data * 1, (x, lambda g, y: Tensor(np.ones(3, dtype)))).sum().backward()
    assert x.grad.dtype == np.float32
    assert not mg.record("rank", np.argsort(x.data), (x, lambda g, y: g)).requires_grad
