"""Every update rule: its formula, gradients that are missing or shared, dtypes, memory, saving; joined or one by one."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minigan import Tensor, optim
from tests.contracts.rules import RULES, every_rule
from tests.helpers.examples import few
from tests.helpers.states import assert_same
from tests.optim.stepping import arrays_of, assert_near, parameter, random_step, several, step

joined_or_not = pytest.mark.parametrize("joined", [True, False], ids=["one vector", "one by one"])


def made(make, params, joined=True):
    """The rule over these parameters, which it takes as one vector, or one by one."""
    optimizer = make(params)
    assert optimizer.elementwise
    optimizer.elementwise = joined
    return optimizer


def test_every_rule_has_an_entry_with_its_defaults():
    exported = {v for v in vars(optim).values() if isinstance(v, type) and issubclass(v, optim.Optimizer)}
    tested = {rule.kind for rule in RULES.values() if rule.defaults or not rule.kind.settings}
    assert tested == exported - {optim.Optimizer, optim.Averaged}
    for rule in RULES.values():
        optimizer = rule.kind([parameter()], 0.1)
        assert not rule.defaults or {name: getattr(optimizer, name) for name in optimizer.settings} == rule.defaults
    assert optim.Adam([parameter()]).lr == optim.OptimisticAdam([parameter()]).lr == 1e-3


# --- the formula --------------------------------------------------------------------------------------------------------

CASES = [(name, options) for name, rule in RULES.items() for options in [{}, *rule.cases]]


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name} {options}" for name, options in CASES])
@pytest.mark.parametrize("rates", [(0.03,), (0.2, 0.03, 0.01, 0.03)], ids=["one rate", "groups"])
def test_30_steps_follow_the_formula_also_after_saving_and_loading_into_a_rule_that_has_stepped(name, options, rates):
    """From step 20 on with half the rate."""
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((3, 2)), rng.standard_normal((30, 3, 2))
    groups = [[{"params": [parameter(start)], "lr": lr} for lr in rates] for _ in range(2)]
    rule, other = (RULES[name].make(g if len(rates) > 1 else g[0]["params"], lr=0.03, **options) for g in groups)
    random_step(other, 0)
    directions = RULES[name].twin(gradients, **{key: getattr(rule, key) for key in rule.settings if key != "groups"})
    for t, g in enumerate(gradients):
        if t in (0, 13):
            other.load_state_dict(rule.state_dict())
            for p, q in zip(other.params, rule.params, strict=True):
                p.data = q.numpy().copy()
            rule = other
        rule.lr = 0.03 if t < 20 else 0.015
        step(rule, *[g] * len(rates))
    for lr, p in zip(rates, rule.params, strict=True):
        theta = start
        for t, d in enumerate(directions):
            theta = theta - (lr if t < 20 else lr / 2) * (d + getattr(rule, "weight_decay", 0) * theta)
        np.testing.assert_allclose(p.numpy(), theta, rtol=1e-12, atol=1e-12)


# --- gradients that are missing or shared -------------------------------------------------------------------------------


@every_rule
def test_a_parameter_without_a_gradient_waits_unchanged_and_then_steps_like_a_fresh_one(make):
    a, b, alone = parameter(), parameter(), parameter()
    optimizer, other = make([a, b]), make([alone])
    loss = (b * b).sum()
    step(optimizer, [1, 1, 1], None)
    loss.backward()  # b does not count as changed
    assert optimizer.state[1] == {"t": 0}
    for g in ([1, 2, 3], [3, -1, 0.5]):
        step(optimizer, [7, 7, 7], g)
        step(optimizer, [1, 1, 1], None)
        step(other, g)
    np.testing.assert_array_equal(b.numpy(), alone.numpy())
    assert_same(optimizer.state_dict()["params"]["1"], other.state_dict()["params"]["0"])


@every_rule
def test_a_parameter_that_is_listed_twice_is_stepped_once(make):
    optimizer, once = make([p := parameter(), p]), make([parameter()])
    for each in (optimizer, once):
        step(each, [1, 2, 3])
    assert_near(optimizer, once, 0)
    assert len(optimizer.params) == 1
    optimizer.zero_grad()
    assert p.grad is None


@every_rule
@joined_or_not
def test_gradients_are_not_written_to_and_their_memory_may_be_used_again(make, joined):
    optimizer, fresh = made(make, several(), joined), made(make, several(), joined)
    buffers = [np.zeros(p.shape) for p in optimizer.params]
    for t in range(4):
        random_step(fresh, t)
        for p, buffer, q in zip(optimizer.params, buffers, fresh.params, strict=True):
            buffer[...] = q.grad.data
            p.grad = Tensor(buffer)
        optimizer.step()
        assert all(np.array_equal(b, q.grad.data) for b, q in zip(buffers, fresh.params, strict=True))
        for buffer in buffers:
            buffer[...] = 1e6
    assert_near(optimizer, fresh, 0)


# --- memory -------------------------------------------------------------------------------------------------------------


@every_rule
@joined_or_not
def test_parameters_keep_their_memory_and_share_it_with_no_state(make, joined):
    optimizer = made(make, several(), joined)
    arrays, views = [p.data for p in optimizer.params], [p.detach() for p in optimizer.params]
    for t in range(3):
        random_step(optimizer, t)
        for p, array, view in zip(optimizer.params, arrays, views, strict=True):
            assert p.data is array
            assert p.is_leaf
            np.testing.assert_array_equal(view.numpy(), p.numpy())
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations([*arrays, *arrays_of(optimizer)], 2))


# --- dtypes -------------------------------------------------------------------------------------------------------------


@every_rule
def test_parameters_and_state_keep_the_dtype(make):
    mixed = make([parameter(dtype=dtype) for dtype in ("float32", "float64", "float32")])
    alone = [make([parameter(dtype=dtype)]) for dtype in ("float32", "float64", "float32")]
    for _ in range(3):
        step(mixed, [1, 2, 3], [1, 2, 3], [3, 2, 1])
        for optimizer, g in zip(alone, ([1, 2, 3], [1, 2, 3], [3, 2, 1]), strict=True):
            step(optimizer, g)
    for p, state, optimizer in zip(mixed.params, mixed.state, alone, strict=True):
        assert p.dtype == optimizer.params[0].dtype
        held = [*arrays_of(optimizer), *(a for a in state.values() if isinstance(a, np.ndarray))]
        assert {v.dtype for v in held} <= {p.dtype}
        np.testing.assert_array_equal(p.numpy(), optimizer.params[0].numpy())


# --- joined to one vector or not: random events --------------------------------------------------------------------------

COPIES = (copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer)))
EVENTS = st.one_of(
    st.tuples(st.just("step"), st.sets(st.integers(0, 4))),  # who has no gradient
    st.tuples(st.sampled_from(["assign", "cast"]), st.integers(0, 4)),
    st.tuples(st.sampled_from(["save", "load", "cast all", "another rule"]), st.just(0)),
    st.tuples(st.just("copy"), st.sampled_from(COPIES)),
)


def happen(optimizer, events):
    """The optimizer after these events, each but a step followed by a step of all."""
    other, saved = optim.Adam(optimizer.params[1:], lr=0.01), None
    other.elementwise = optimizer.elementwise
    for t, (event, what) in enumerate(events):
        if event == "step":
            random_step(optimizer, t, what)
        elif event == "assign":
            optimizer.params[what].data = np.full(optimizer.params[what].shape, 10.0 + t, optimizer.params[what].dtype)
        elif event.startswith("cast"):
            for p in optimizer.params[what : what + 1] if event == "cast" else optimizer.params:
                p.data = p.data.astype("float64")
        elif event == "copy":
            before, old = [p.numpy().copy() for p in optimizer.params], optimizer
            optimizer = what(optimizer)
            random_step(optimizer, t)
            assert all(np.array_equal(p.numpy(), v) for p, v in zip(old.params, before, strict=True))
        elif event == "another rule":
            random_step(other, t)
        elif event == "save":
            saved = optimizer.state_dict()
        elif saved:
            optimizer.load_state_dict(saved)
        if event != "step":
            random_step(optimizer, t)
    return optimizer


@every_rule
@few
@given(st.lists(EVENTS, min_size=2, max_size=8), st.sampled_from(["float32", "float64"]), st.booleans())
@example([("step", {i, 3, 4}) for i in range(3)], "float64", False)  # as many parameters, of other shapes
def test_joined_parameters_are_stepped_as_each_alone(make, events, dtype, grouped):
    def params():
        found = several(dtype)
        return [{"params": found[::2]}, {"params": found[1::2], "lr": 0.02}] if grouped else found

    together, alone = (happen(made(make, params(), joined), events) for joined in (True, False))
    assert_near(together, alone, 1e-12 if dtype == "float64" else 1e-4)


# --- saving -------------------------------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("steps", [0, 5])
def test_a_loaded_optimizer_goes_on_bit_for_bit_and_both_are_copies(make, steps):
    optimizer = make(several(shapes=[(2,)] * 12))
    for t in range(steps):
        random_step(optimizer, t)
    state = optimizer.state_dict()
    kept, values = copy.deepcopy(state), [p.numpy().copy() for p in optimizer.params]
    resumed = make([parameter(v) for v in values], lr=0.7)
    resumed.load_state_dict(state)
    assert resumed.lr == 0.1
    for each in (optimizer, resumed):
        for t in range(5, 8):
            random_step(each, t)
        assert_same(state, kept)
    assert_near(resumed, optimizer, 0)
