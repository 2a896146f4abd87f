"""Every update rule on a device: NumPy's steps, states that save and load, weights that clip."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn, optim
from tests.contracts.rules import RULES
from tests.device.comparing import assert_agree, everything_is_on, on_both

every_rule = pytest.mark.parametrize("name", RULES)
as_one_vector_and_one_by_one = pytest.mark.parametrize("width", [4, 400])
X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def make(name, params):
    """An eps that matters: forgotten, it shows, and where g is nearly 0, its rounding does not choose the direction."""
    return RULES[name].make(params, lr=0.003, **({"eps": 0.01} if "eps" in RULES[name].kind.settings else {}))


def descend(net, rule, x, steps):
    for _ in range(steps):
        rule.zero_grad()
        ((net(x) - 1.0) ** 2).mean().backward()
        rule.step()


def four_steps(name, width, x):
    """The weights and the rule's state after them."""
    mg.seed(0)
    net = nn.Sequential(nn.Dense(3, width), nn.Tanh(), nn.Dense(width, width), nn.Tanh(), nn.Dense(width, 1))
    rule = make(name, net.parameters())
    descend(net, rule, Tensor(x), 4)
    assert everything_is_on(backend.xp(), *net.parameters())
    return net.state_dict(), rule.state_dict()["params"]


@every_rule
@as_one_vector_and_one_by_one
def test_steps_are_numpys(name, width, device):
    here, there = on_both(lambda: four_steps(name, width, X))
    assert_agree(here[0], there[0], 1e-4)
    assert_agree(here[1], there[1], 1e-3)


@every_rule
@as_one_vector_and_one_by_one
def test_these_steps_do_not_enlarge_a_rounding_error(name, width):
    """Or the test above would compare how two libraries round."""
    exact, rounded = four_steps(name, width, X), four_steps(name, width, np.nextafter(X, np.float32(9)))
    assert_agree(exact[0], rounded[0], 1e-5)
    assert_agree(exact[1], rounded[1], 1e-4)


@every_rule
def test_a_saved_rule_goes_on_as_if_nothing_had_happened(name, device):
    with backend.using("cupy"):
        net, x = nn.Dense(3, 1), Tensor(np.ones((4, 3), np.float32))
        rule = make(name, net.parameters())
        descend(net, rule, x, 3)
        state = net.state_dict(), rule.state_dict()
        descend(net, rule, x, 3)
        other = nn.Dense(3, 1)
        other.load_state_dict(state[0])
        again = make(name, other.parameters())
        again.load_state_dict(state[1])
        descend(other, again, x, 3)
        assert_agree(net.state_dict(), other.state_dict(), 0)


@every_rule
def test_a_step_copies_nothing_back_and_forth(name, stand_in):
    with backend.using("cupy"):
        net = nn.Sequential(nn.Dense(3, 4), *(nn.Dense(4, 4) for _ in range(4)), nn.Dense(4, 1))  # 12 parameters
        rule, x = make(name, net.parameters()), Tensor(np.ones((4, 3), np.float32))
        descend(net, rule, x, 1)
        stand_in.transfers.clear()
        descend(net, rule, x, 2)
        optim.clip_weights(net.parameters(), 0.1)
        optim.LinearDecay(rule, 3).step()
    assert not stand_in.transfers


def test_a_step_is_noticed_by_what_was_made_of_the_parameters_memory_there(device):
    with backend.using("cupy"):
        values = backend.asarray(np.ones((2, 3), np.float32))
        w, v = Tensor(values, requires_grad=True), Tensor(np.ones((2, 3), np.float32), requires_grad=True)
        rows = backend.xp().broadcast_to(w.data[0], (2, 3))
        losses = [(v * a).sum() for a in (w.data, values, Tensor(w.data.T).T, rows, w.detach())]
        on_the_host = (v * Tensor(w.numpy())).sum()  # a copy
        w.grad = Tensor(values.copy())
        optim.SGD([w], 0.1).step()
        for loss in losses:
            with pytest.raises(RuntimeError, match="changed in place"):
                loss.backward()
        on_the_host.backward()
        np.testing.assert_array_equal(v.grad.numpy(), 1)


def test_two_parameters_in_one_memory_are_refused_there_too(device):
    with backend.using("cupy"):
        values = backend.asarray(np.ones((4, 3), np.float32))
        a, b, c = (Tensor(part, requires_grad=True) for part in (values[:2], values[2:], values[1:3, ::2]))
        optim.SGD([a, b], 0.1)
        with pytest.raises(ValueError, match=r"parameters 1, .*, and 2, .*, share memory"):
            optim.SGD([Tensor(values.copy(), requires_grad=True), b, c], 0.1)


@every_rule
def test_a_network_that_moves_trains_on(name, device):
    def compute(moves):
        mg.seed(0)
        net, x = nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1)), Tensor(np.ones((4, 3), np.float32))
        rule = make(name, net.parameters())
        for where in ("numpy", "cupy", "numpy"):
            if moves:
                net.to(where)
            descend(net, rule, x.to(where) if moves else x, 2)
        return net.state_dict()

    assert_agree(compute(False), compute(True), 1e-5)
