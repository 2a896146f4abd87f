"""An engine that is not minigan, for tests of what tests engines: a few ops, to any order, and some that are wrong."""

import numpy as np


class Toy:
    """The other engine: an array, and for each parent what the arriving gradient, a Toy, becomes on its way there."""

    def __init__(self, value, *parents):
        self.value, self.parents = np.asarray(value), parents

    def numpy(self):
        return self.value

    def __add__(self, other):
        return Toy(self.value + other.value, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other):
        return Toy(self.value * other.value, (self, lambda g: g * other), (other, lambda g: g * self))


def sine(x):
    return Toy(np.sin(x.value), (x, lambda g: g * cosine(x)))


def cosine(x):
    return Toy(np.cos(x.value), (x, lambda g: g * sine(x) * Toy(-np.ones_like(x.value))))


def vjp(f):
    def gradients(g, *xs):
        total = {id(x): Toy(np.zeros_like(x.value)) for x in xs}

        def go_back(y, g):  # path by path: slow, and right
            if id(y) in total:
                total[id(y)] = total[id(y)] + g
            for parent, derivative in y.parents:
                go_back(parent, derivative(g))

        go_back(f(*xs), g)
        return [total[id(x)] for x in xs]

    return gradients


# --- planted mistakes ---------------------------------------------------------------------------------------------------


def wrong_cosine(x):
    return Toy(np.cos(x.value), (x, lambda g: g * sine(x)))


def half_sine(x):
    return Toy(np.sin(x.value), (x, lambda g: g * cosine(x) * Toy(np.full(x.value.shape, 0.5))))


def sine_then_wrong(x):
    return Toy(np.sin(x.value), (x, lambda g: g * wrong_cosine(x)))


def relu_7(x):
    """The gradient 7 at the kink, where any number is as good as another."""
    slope = np.where(x.value == 0, 7.0, np.where(x.value > 0, 1.0, 0.0)).astype(x.value.dtype)
    return Toy(np.maximum(x.value, 0), (x, lambda g: g * Toy(slope)))


def square_of_0(x):
    """x^2, whose gradient is nan at 0."""
    with np.errstate(all="ignore"):
        hole = (x.value / x.value).astype(x.value.dtype)
    return Toy(x.value**2, (x, lambda g: g * x * Toy(2 * hole)))


def leaky_square(x):
    """x^2, which becomes float64."""
    return Toy(np.float64(1.0) * np.asarray(x.value, np.float64) ** 2, (x, lambda g: g * x + g * x))
