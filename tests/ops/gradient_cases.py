"""Gradient checks for every differentiable op: the table that `test_every_op` runs and compares with `ops.__all__`."""

from collections.abc import Callable

import numpy as np

import minigan as mg


def _normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers of both signs, none closer than 0.1 to 0."""
    x = np.random.default_rng(seed).standard_normal(shape)
    return x + 0.1 * np.sign(x)


def _positive(*shape: int, seed: int = 0) -> np.ndarray:
    return 0.3 + np.abs(_normal(*shape, seed=seed))


def _one(fn: Callable, inputs: Callable = lambda: [_normal(2, 3)]) -> list:
    return [(fn, inputs)]


def _two(fn: Callable) -> list:
    """An op of two inputs: equal shapes, both broadcast, a scalar, nothing."""
    pairs = [((2, 3), (2, 3)), ((3, 1), (2, 1, 4)), ((), (2, 3)), ((0, 2), (1,))]
    return [(fn, lambda a=a, b=b: [_normal(*a), _positive(*b, seed=1)]) for a, b in pairs]


def _reduction(fn: Callable) -> list:
    x = lambda: [_normal(2, 3, 2)]  # noqa: E731
    return [
        (fn, x),
        (lambda x: fn(x, axis=1), x),
        (lambda x: fn(x, axis=(0, -1), keepdims=True), x),
        (lambda x: fn(x, axis=()), x),
        (fn, lambda: [_normal()]),
        (lambda x: fn(x, axis=-1), lambda: [_normal(0, 2)]),
    ]


def _gradient(y: mg.Tensor, x: mg.Tensor) -> mg.Tensor:
    """d sum(y) / dx, to be differentiated again: a check of order 2 then reaches order 3."""
    return mg.grad(y.sum(), x, create_graph=True)[0]


GRADCHECKED: dict[str, list] = {
    "abs": _one(mg.abs),
    "add": _two(mg.add),
    "avg_pool2d": [(lambda x: mg.avg_pool2d(x, (3, 2), (2, 1), 1), lambda: [_normal(1, 2, 4, 3)])],
    "broadcast_to": _one(lambda x: mg.broadcast_to(x, (4, 2, 3)), lambda: [_normal(2, 1)]),
    "clip": _one(lambda x: mg.clip(x, -0.5, 0.7)),
    "concatenate": _one(lambda a, b: mg.concatenate([a, b, a], axis=-1), lambda: [_normal(2, 1), _normal(2, 2)]),
    "conv2d": [
        (lambda x, w: mg.conv2d(x, w, None, 2, 1), lambda: [_normal(1, 1, 3, 4), _normal(1, 1, 2, 3, seed=1)]),
        (mg.conv2d, lambda: [_normal(2, 2, 2, 3), _normal(2, 2, 1, 2, seed=1), _normal(2, seed=2)]),
        (lambda x, w: _gradient(mg.conv2d(x, w) ** 3, w), lambda: [_normal(1, 1, 2, 3), _normal(1, 1, 1, 2, seed=1)]),
        (
            lambda x, w: mg.conv2d(x, w, None, (1, 2), (0, 1), (2, 1)),
            lambda: [_normal(1, 2, 3, 2), _normal(2, 2, 2, 3, seed=1)],
        ),
    ],
    "conv_transpose2d": [
        (
            lambda x, w: mg.conv_transpose2d(x, w, None, 2, 1, (1, 0)),
            lambda: [_normal(1, 1, 2, 3), _normal(1, 2, 3, 2, seed=1)],
        ),
        (mg.conv_transpose2d, lambda: [_normal(2, 2, 2, 1), _normal(2, 2, 1, 2, seed=1), _normal(2, seed=2)]),
    ],
    "cos": _one(mg.cos),
    "cumsum": [*_one(mg.cumsum), *_one(lambda x: mg.cumsum(x, 0)), *_one(lambda x: mg.cumsum(x, -1))],
    "divide": _two(mg.divide),
    "dropout": _one(lambda x: mg.dropout(x, 0.4, rng=np.random.default_rng(0))),
    "einsum": [
        (lambda a, b: mg.einsum("ij,jk->ik", a, b), lambda: [_normal(2, 3), _normal(3, 2, seed=1)]),
        (lambda a: mg.einsum("iji->j", a), lambda: [_normal(2, 3, 2)]),
        (lambda a, b, c: mg.einsum("ij,k,jl->i", a, b, c), lambda: [_normal(2, 2), _normal(3, seed=1), _normal(2, 1, seed=2)]),
    ],
    "elu": [*_one(mg.elu), *_one(lambda x: mg.elu(x, 2.5))],
    "exp": _one(mg.exp),
    "expand_dims": _one(lambda x: mg.expand_dims(x, (0, -1))),
    "expm1": _one(mg.expm1),
    "flip": [*_one(mg.flip), *_one(lambda x: mg.flip(x, -1))],
    "getitem": [
        *_one(lambda x: x[[0, 0, 1], ::-1]),
        *_one(lambda x: x[None, ..., 1]),
        *_one(lambda x: x[x > 0]),
        *_one(lambda x: _gradient(x[[0, 0, 1]] ** 3, x)),  # the derivative's own derivatives
    ],
    "leaky_relu": _one(mg.leaky_relu),
    "log": _one(mg.log, lambda: [_positive(2, 3)]),
    "log1p": _one(mg.log1p, lambda: [_positive(2, 3)]),
    "log_sigmoid": _one(mg.log_sigmoid),
    "log_softmax": [*_one(mg.log_softmax), *_one(lambda x: mg.log_softmax(x, axis=0))],
    "logsumexp": _reduction(mg.logsumexp)[:5],
    "matmul": [
        (mg.matmul, lambda a=a, b=b: [_normal(*a), _normal(*b, seed=1)])
        for a, b in [
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3,)),
            ((2, 1, 1, 3), (2, 3, 2)),
            ((2, 0), (0, 3)),
        ]
    ],
    "max": _reduction(mg.max)[:5],
    "max_pool2d": [
        (lambda x: mg.max_pool2d(x, (3, 2), (2, 1), 1), lambda: [_normal(1, 2, 4, 3)]),
        (lambda x: mg.max_pool2d(x, 2), lambda: [_normal(1, 2, 4, 6)]),  # every place in the window is the largest once
    ],
    "maximum": _two(mg.maximum),
    "mean": _reduction(mg.mean)[:5],
    "min": _reduction(mg.min)[:5],
    "minimum": _two(mg.minimum),
    "moveaxis": _one(lambda x: mg.moveaxis(x, 0, -1), lambda: [_normal(2, 3, 2)]),
    "multiply": _two(mg.multiply),
    "negative": _one(mg.negative),
    "norm": _reduction(mg.norm),
    "pad": _one(lambda x: mg.pad(x, [(1, 0), (0, 2)], value=3.0)),
    "power": [
        *_one(mg.power, lambda: [_positive(2, 1), _normal(3)]),
        *_one(mg.power, lambda: [_positive(3), np.array([0.0, 1.0, 2.0])]),
        *[(lambda x, p=p: mg.power(x, p), lambda: [_normal(2, 3)]) for p in (-2, -1, 0, 1, 2, 3)],
        *_one(lambda x: mg.power(x, 0.5), lambda: [_positive(2, 3)]),
        *_one(lambda x: 2.0**x),
    ],
    "prod": [
        *_reduction(mg.prod),
        *_one(mg.prod, lambda: [np.array([0.0, 2.0, 3.0])]),
        *_one(mg.prod, lambda: [np.array([0.0, 2.0, 0.0, 3.0])]),
        *_one(lambda x: mg.prod(x, axis=0), lambda: [np.array([[0.0, 2.0], [0.0, 3.0], [0.0, 0.0]])]),
        *_one(lambda x: mg.prod(x, axis=1), lambda: [_normal(2, 0)]),
    ],
    "relu": _one(mg.relu),
    "reshape": _one(lambda x: mg.reshape(x, 3, -1)),
    "sigmoid": _one(mg.sigmoid),
    "sign": _one(mg.sign),
    "sin": _one(mg.sin),
    "softmax": [*_one(mg.softmax), *_one(lambda x: mg.softmax(x, axis=0))],
    "softplus": _one(mg.softplus),
    "split": _one(lambda x: tuple(mg.split(x, [1, 1, 3], axis=-1)), lambda: [_normal(2, 4)]),
    "sqrt": _one(mg.sqrt, lambda: [_positive(2, 3)]),
    "square": _one(mg.square),
    "squeeze": _one(mg.squeeze, lambda: [_normal(1, 2, 1)]),
    "stack": _one(lambda a, b: mg.stack([a, b, a], axis=-1), lambda: [_normal(2, 1), _normal(2, 1, seed=1)]),
    "subtract": _two(mg.subtract),
    "sum": _reduction(mg.sum),
    "take": _one(lambda x: mg.take(x, (1, 1, 0, -1), axis=1)),
    "tanh": _one(mg.tanh),
    "transpose": [*_one(mg.transpose), *_one(lambda x: mg.transpose(x, 1, 2, 0), lambda: [_normal(2, 3, 2)])],
    "upsample2d": [(lambda x: mg.upsample2d(x, (2, 3)), lambda: [_normal(1, 2, 2, 1)])],
    "var": [*_reduction(mg.var)[:5], *_one(lambda x: mg.var(x, axis=0, ddof=1))],
    "where": _one(lambda a, b: mg.where([[True], [False]], a, b), lambda: [_normal(2, 3), _normal(3, seed=1)]),
}
CASES = [(name, fn, inputs) for name, cases in GRADCHECKED.items() for fn, inputs in cases]
