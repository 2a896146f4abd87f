"""Random graphs, built step by step, against a naive reference that knows no graph walk.

The reference keeps an expression for each tensor and differentiates forward: it evaluates the expression again for every
single element, with numbers (value, d1, d2, d12) that carry two directions and their mixed second derivative along.
"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import minigan as mg

# --- the reference ------------------------------------------------------------------------------------------------------


class Node:
    """A tensor, and how the reference computes it: `formula` of its parents' parts; a cut one is a constant."""

    def __init__(self, formula, parents, cut=False, value=None):
        self.formula, self.parents, self.cut, self.tensor = formula, parents, cut, None
        self.live = not cut and (value is not None or any(p.live for p in parents))
        with np.errstate(all="ignore"):
            self.value = value if value is not None else np.asarray(formula(*[_still(p.value) for p in parents])[0])


def _still(value):
    return [value, 0 * value, 0 * value, 0 * value]


def _parts(node, moved, known):
    """The node's (value, d1, d2, d12) where the nodes in `moved` go into their directions."""
    if id(node) not in known:
        if node in moved or not node.live or not node.parents:
            d1, d2 = moved.get(node, (0, 0))
            known[id(node)] = [node.value, d1 + 0 * node.value, d2 + 0 * node.value, 0 * node.value]
        else:
            known[id(node)] = node.formula(*[_parts(p, moved, known) for p in node.parents])
    return known[id(node)]


def _slopes(node, weights, x, u=None, u_node=None):
    """d sum(weights node) / d x, element by element; with u: d (u d sum(weights node) / d u_node) / d x."""
    result = np.zeros(x.value.shape)
    for index in np.ndindex(x.value.shape):
        e = np.zeros(x.value.shape)
        e[index] = 1
        moved = {x: (e, 0)} if u is None else {u_node: (u, 0)} | {x: (u if u_node is x else 0, e)}
        result[index] = np.sum(weights * _parts(node, moved, {})[1 if u is None else 3])
    return result


def smooth(f, f1, f2):
    return lambda a: [f(a[0]), f1(a[0]) * a[1], f1(a[0]) * a[2], f1(a[0]) * a[3] + f2(a[0]) * a[1] * a[2]]


def linear(f):
    return lambda *xs: [f(*each) for each in zip(*xs, strict=True)]


def bilinear(f):
    return lambda a, b: [
        f(a[0], b[0]),
        f(a[1], b[0]) + f(a[0], b[1]),
        f(a[2], b[0]) + f(a[0], b[2]),
        f(a[3], b[0]) + f(a[1], b[2]) + f(a[2], b[1]) + f(a[0], b[3]),
    ]


def _sigma(x):
    return 1 / (1 + np.exp(-x))


def _slope_of_sigma(x):
    return _sigma(x) * (1 - _sigma(x))


UNARY = {  # minigan's op, the reference's formula
    "exp": (mg.exp, smooth(np.exp, np.exp, np.exp)),
    "sin": (mg.sin, smooth(np.sin, np.cos, lambda x: -np.sin(x))),
    "tanh": (mg.tanh, smooth(np.tanh, lambda x: 1 - np.tanh(x) ** 2, lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2))),
    "sigmoid": (mg.sigmoid, smooth(_sigma, _slope_of_sigma, lambda x: _slope_of_sigma(x) * (1 - 2 * _sigma(x)))),
    "square": (mg.square, smooth(lambda x: x * x, lambda x: 2 * x, lambda x: 2 + 0 * x)),
    "reciprocal": (lambda t: 1.0 / t, smooth(lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3)),
    "negative": (mg.negative, linear(lambda x: -x)),
}
BINARY = {
    "add": (mg.add, linear(lambda a, b: a + b)),
    "subtract": (mg.subtract, linear(lambda a, b: a - b)),
    "multiply": (mg.multiply, bilinear(lambda a, b: a * b)),
    "matmul": (lambda a, b: a.reshape(1, -1) @ b.reshape(-1, 1), bilinear(lambda a, b: a.reshape(1, -1) @ b.reshape(-1, 1))),
    "concatenate": (
        lambda a, b: mg.concatenate([a, b, a], axis=-1),
        linear(lambda a, b: np.concatenate([a, b, a], axis=-1)),
    ),
}
MOVES = {  # the same for arrays and Tensors
    "sum": lambda x: x.sum(),
    "sum_last": lambda x: x.sum((-1,), keepdims=True),
    "mean_first": lambda x: x.mean((0,)),
    "mean_none": lambda x: x.mean(()),
    "column": lambda x: x.reshape(-1, 1),
    "flat": lambda x: x.reshape(-1),
    "transpose": lambda x: x.transpose(),
    "row": lambda x: x[0],
    "repeats": lambda x: x[[0, -1, 0]],
    "backwards": lambda x: x[..., ::-1],
    "new_axis": lambda x: x[None, ...],
}

# --- the machine --------------------------------------------------------------------------------------------------------

LARGEST, MOST_ELEMENTS, MOST_NODES = 50.0, 12, 25
which = st.integers(0, 1000)
leaves = st.sampled_from([(), (1,), (3,), (2, 1), (1, 3), (2, 3)]).flatmap(
    lambda shape: st.lists(st.integers(-20, 20), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))).map(
        lambda numbers: np.array(numbers, dtype=np.float64).reshape(shape) / 10
    )
)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * (1 + np.max(np.abs(expected), initial=0)))


class Graphs(RuleBasedStateMachine):
    """Nodes may be used any number of times, and deleted; leaves stay, and their gradients add up."""

    @initialize(value=leaves)
    def start(self, value):
        self.nodes, self.leaves, self.expected = [], [], {}
        self.leaf(value)

    def _node(self, i):
        return self.nodes[-1 - i % len(self.nodes)]  # small numbers, which Hypothesis likes, mean the newest nodes

    def _make(self, op, formula, parents, cut=False):
        """Apply an op on both sides, unless it does not fit or the numbers become too large to compare."""
        try:
            node = Node(formula, parents, cut)
        except (ValueError, IndexError):  # the shapes do not fit
            return
        if node.value.size > MOST_ELEMENTS or not np.all(np.abs(node.value) < LARGEST) or len(self.nodes) >= MOST_NODES:
            return
        node.tensor = op(*[p.tensor for p in parents])
        assert node.tensor.shape == node.value.shape
        assert node.tensor.requires_grad == node.live
        assert_close(node.tensor.numpy(), node.value)
        self.nodes.append(node)

    @precondition(lambda self: len(self.leaves) < 4)
    @rule(value=leaves)
    def leaf(self, value):
        node = Node(None, (), value=value)
        node.tensor = mg.Tensor(value.copy(), requires_grad=True)
        self.nodes.append(node)
        self.leaves.append(node)
        self.expected[node] = None

    @rule(name=st.sampled_from(sorted(UNARY)), i=which)
    def unary(self, name, i):
        self._make(*UNARY[name], [self._node(i)])

    @rule(name=st.sampled_from(sorted(BINARY)), i=which, j=which)
    def binary(self, name, i, j):
        self._make(*BINARY[name], [self._node(i), self._node(j)])

    @rule(name=st.sampled_from(sorted(BINARY)), i=which)
    def same_twice(self, name, i):
        self._make(*BINARY[name], [self._node(i), self._node(i)])

    @rule(name=st.sampled_from(sorted(MOVES)), i=which)
    def move(self, name, i):
        self._make(MOVES[name], linear(MOVES[name]), [self._node(i)])

    @rule(i=which)
    def detach(self, i):
        self._make(mg.Tensor.detach, lambda a: a, [self._node(i)], cut=True)

    @rule(name=st.sampled_from(sorted(BINARY)), i=which, j=which)
    def without_recording(self, name, i, j):
        op, formula = BINARY[name]
        self._make(mg.no_grad()(op), formula, [self._node(i), self._node(j)], cut=True)

    @precondition(lambda self: len(self.nodes) > 1)
    @rule(i=which)
    def delete(self, i):
        self.nodes.pop(i % len(self.nodes))

    @rule(i=which)
    def forget_gradient(self, i):
        leaf = self.leaves[i % len(self.leaves)]
        leaf.tensor.grad = self.expected[leaf] = None

    @rule(i=which)
    def backward(self, i):
        node = self._node(i)
        weights = _weights(node)
        if not (node.live and node.parents):
            assert "no graph" in _message(node.tensor.backward)
            return
        node.tensor.backward(None if node.value.size == 1 else weights)
        for leaf in self.leaves:
            if _reaches(node, leaf):
                before = 0 if self.expected[leaf] is None else self.expected[leaf]
                self.expected[leaf] = before + _slopes(node, weights, leaf)

    @rule(i=which, others=st.lists(which, min_size=1, max_size=3))
    def grad(self, i, others):
        """With respect to any nodes, intermediate ones and the output itself included."""
        node, inputs = self._node(i), [x for x in map(self._node, others) if x.live]
        weights = _weights(node)
        found = mg.grad(node.tensor, [x.tensor for x in inputs], None if node.value.size == 1 else weights)
        for x, g in zip(inputs, found, strict=True):
            assert_close(g.numpy(), _slopes(node, weights, x))

    @rule(i=which, j=which)
    def second_derivative(self, i, j):
        self._check_second(self._node(i), self.leaves[j % len(self.leaves)])

    def _check_second(self, node, first):
        weights, u = _weights(node), _weights(first) / 2
        (g,) = mg.grad(node.tensor, first.tensor, None if node.value.size == 1 else weights, create_graph=True)
        found = mg.grad((g * u).sum(), [leaf.tensor for leaf in self.leaves])
        for leaf, h in zip(self.leaves, found, strict=True):
            assert_close(h.numpy(), _slopes(node, weights, leaf, u, first))

    def teardown(self):
        """However the steps fell: the newest nodes are checked, and a sum of all."""
        live = [node for node in getattr(self, "nodes", []) if node.live]
        if live:
            total = sum([(n.tensor * _weights(n)).sum() for n in live], start=0.0)
            found = mg.grad(total, [leaf.tensor for leaf in self.leaves])
            for leaf, g in zip(self.leaves, found, strict=True):
                assert_close(g.numpy(), sum(_slopes(n, _weights(n), leaf) for n in live))
        for node in live[-3:]:
            for leaf in self.leaves:
                self._check_second(node, leaf)

    @invariant()
    def gradients_are_what_was_added_up(self):
        for leaf in self.leaves:
            if self.expected[leaf] is None:
                assert leaf.tensor.grad is None
            else:
                assert_close(leaf.tensor.grad.numpy(), self.expected[leaf])


def _weights(node):
    """What arrives at the node: 1 for a single element, else numbers that tell the elements apart."""
    return np.arange(1.0, node.value.size + 1).reshape(node.value.shape)


def _reaches(node, leaf):
    return node is leaf or (node.live and any(_reaches(p, leaf) for p in node.parents))


def _message(call):
    try:
        call()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("no error")


TestGraphs = Graphs.TestCase
TestGraphs.settings = settings(max_examples=2 * settings().max_examples, stateful_step_count=25)
