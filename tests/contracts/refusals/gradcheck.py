"""What gradcheck and assert_gradients refuse to check."""

import numpy as np

import minigan as mg
from minigan.testing import assert_gradients
from tests.contracts.refusals import each
from tests.games import players

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.7, -0.3]])


REFUSED = [
    *each(["float32", "float16"], TypeError, "input 1 is VALUE: its rounding errors would exceed the differences; pass float64",
          lambda dtype: mg.gradcheck(mg.multiply, X, X.astype(dtype))),
    (lambda: mg.gradcheck(mg.exp, np.ones(2, int)), TypeError, "needs a floating input"),
    (lambda: mg.gradcheck(mg.exp, X, kinks="no"), TypeError, "gradcheck: kinks is 'no'; expected True or False"),
    (lambda: mg.gradcheck(lambda x: x * mg.random_numbers.generator().random(), X), ValueError, "fn returns different"),
    *each([1.0, None, X, (1.0,)], TypeError, "fn returned a .*; expected a Tensor", lambda y: mg.gradcheck(lambda x: y, X)),
    (lambda: mg.gradcheck(lambda x: (), X), TypeError, "gradcheck: fn returned no Tensor"),
    *each([0, 2], TypeError, "a game takes one minibatch.*got VALUE",
          lambda count: mg.gradcheck(players.make("gan"), *[players.minibatch("gan")] * count)),
    *each([None, (), np.zeros(2)], TypeError, "fn returned a TYPE; expected one", lambda y: assert_gradients(lambda x: y, X)),
]  # fmt: skip
