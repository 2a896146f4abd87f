"""An op whose inputs share one derivative: it is called once in a backward pass, again in the next, and errors name the op."""

import inspect

import pytest

import minigan as mg
from minigan.engine.shared_derivative import record_shared
from tests.helpers.leaves import leaf


def product(a, b, calls, derivatives=None):
    """a * b, with both gradients from one call."""

    def both(g, y):
        calls.append(g)
        return g * b, g * a

    return record_shared("product", a.data * b.data, (a, b), derivatives or both)


@pytest.fixture
def leaves():
    return [leaf([1.0, 2.0]), leaf([3.0, 5.0])]


def test_a_backward_pass_calls_it_once_and_the_next_again_also_for_one_input_alone(leaves):
    assert mg.gradcheck(lambda a, b: product(a, b, []), *[x.numpy() for x in leaves])
    calls, g = [], mg.Tensor([1.0, 1.0], dtype="float64")
    y = product(*leaves, calls)
    for n, wanted in enumerate((leaves, leaves, leaves[:1], leaves[1:]), 1):
        grads = mg.grad(y, wanted, gradient=g)  # the same one, which may have changed meanwhile
        assert len(calls) == n
        assert [g.numpy().tolist() for g in grads] == [[3, 5] if x is leaves[0] else [1, 2] for x in wanted]


def test_each_part_is_a_function_that_a_debugger_can_stop_in(leaves):
    y = product(*leaves, [])
    assert all(inspect.isfunction(derivative) for derivative in y.derivatives)
    first, _ = y.derivatives
    assert [first(leaf([g, g]), y).numpy().tolist() for g in (1.0, 2.0)] == [[3, 5], [6, 10]]


@pytest.mark.parametrize("returned", [lambda g, y: (g,), lambda g, y: g, lambda g, y: None])
def test_too_few_gradients_are_refused_by_the_ops_name(leaves, returned):
    with pytest.raises(TypeError, match="product: the shared derivative returned"):
        product(*leaves, [], returned).sum().backward()
