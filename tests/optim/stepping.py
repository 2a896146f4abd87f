"""What the tests of optimizers share: parameters, and a step along given gradients."""

import numpy as np

from minigan import Tensor, backend


def parameter(value=(1.0, -2.0, 3.0), dtype="float64"):
    return Tensor(np.array(value, dtype), requires_grad=True, name="theta")


def several(dtype="float64", shapes=((2, 3), (), (4,), (0, 2), (1, 2, 2)), seed=0):
    """Parameters that are small enough to be joined."""
    rng = np.random.default_rng(seed)
    return [parameter(rng.standard_normal(shape), dtype) for shape in shapes]


def step(optimizer, *gradients):
    """One step along the given gradients, one for each parameter."""
    for p, g in zip(optimizer.params, gradients, strict=True):
        p.grad = None if g is None else Tensor(np.array(g, p.dtype))
    optimizer.step()


def random_step(optimizer, t, missing=()):
    """A step along random gradients, the same for each t. `missing`: the positions of parameters without one."""
    rng = np.random.default_rng(100 + t)
    found = [rng.standard_normal(p.shape) for p in optimizer.params]
    step(optimizer, *[None if i in missing else g for i, g in enumerate(found)])


def arrays_of(optimizer):
    """Of the states."""
    return [v for state in optimizer.state for v in state.values() if backend.is_array(v)]


def assert_near(one, other, tolerance=1e-12):
    """Equal parameters, equal states."""
    for p, q in zip(one.params, other.params, strict=True):
        assert p.dtype == q.dtype
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=tolerance, atol=tolerance)
    for own, wanted in zip(one.state_dict()["params"].values(), other.state_dict()["params"].values(), strict=True):
        assert own.keys() == wanted.keys()
        for slot in own:
            np.testing.assert_allclose(own[slot], wanted[slot], rtol=tolerance, atol=tolerance, err_msg=slot)
