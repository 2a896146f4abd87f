"""Every layer: its formula, gradients for input and parameters, dtypes, seeds, text, copies, pickles, saved states."""

import copy
import pickle

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import assert_gradients
from tests.contracts.layers import LAYERS, SEEDED, applied, parameters_of
from tests.helpers.states import assert_same

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}
every_copy = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
frozen_or_not = pytest.mark.parametrize("frozen", [False, True], ids=["", "frozen"])
every_layer = pytest.mark.parametrize("name", LAYERS)
WITH_PARAMETERS = [name for name, entry in LAYERS.items() if name != "Sequential" and entry.make().parameters()]
every_seeded_layer = pytest.mark.parametrize("name", SEEDED)


def output(layer, entry):
    """In eval mode, so that nothing is drawn."""
    x = entry.input()
    with nn.eval_mode(layer):
        return layer(x if entry.shape is None else Tensor(x.astype("float32"))).numpy()


@pytest.mark.parametrize("name", [name for name, entry in LAYERS.items() if entry.twin])
def test_a_layer_computes_its_formula(name):
    entry = LAYERS[name]
    layer, x = entry.make(), entry.input()
    numbers = parameters_of(layer)
    y, expected = applied(layer, Tensor(x), *[Tensor(v, requires_grad=True) for v in numbers]), entry.twin(x, *numbers)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6 if entry.atol > 1e-9 else 1e-10, atol=entry.atol)


@pytest.mark.parametrize("name", [*WITH_PARAMETERS, "Dropout"])  # the others are ops, whose gradients are in test_gradients
def test_a_layer_is_differentiable_twice_in_its_input_and_its_parameters(name):
    entry = LAYERS[name]
    layer, x = entry.make(), entry.input()
    numbers = parameters_of(layer)
    if entry.shape is None:
        assert_gradients(lambda *ps: applied(layer, x, *ps) ** 2, *numbers)
    else:
        assert_gradients(lambda x, *ps: mg.square(applied(layer, x, *ps)), x, *numbers)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays_also_of_the_gradients(name, dtype):
    entry = LAYERS[name]
    layer, x = entry.make(), entry.input()
    x = x if entry.shape is None else Tensor(x.astype(dtype), requires_grad=True)
    assert {p.dtype for p in layer.parameters()} <= {np.dtype("float32")}
    for p in layer.parameters():
        p.data = p.data.astype(dtype)
    y = layer(x)
    leaves = [*layer.parameters(), *[x] * (entry.shape is not None)]
    assert {y.dtype, *(g.dtype for g in mg.grad((y * y).sum(), leaves))} == {np.dtype(dtype)}


@every_layer
def test_parameters_are_trainable_and_named_and_the_text_shows_what_was_chosen(name):
    entry = LAYERS[name]
    layer = entry.make()
    assert all(p.requires_grad for p in layer.parameters())
    assert [p.name for p in layer.parameters()] == [name for name, _ in layer.named_parameters()]
    assert not entry.text or repr(layer).split("  #")[0] == entry.text


@every_seeded_layer
def test_initial_values_come_from_the_generator_that_is_given_or_from_the_seed(name):
    make, state = LAYERS[name].make, mg.random_numbers.generator_state(mg.random_numbers.generator())
    a, b, c = (make(rng=np.random.default_rng(n)).state_dict() for n in (1, 1, 2))
    assert mg.random_numbers.generator_state(mg.random_numbers.generator()) == state
    assert_same(a, b)
    assert not any(np.array_equal(a[key], c[key]) for key in a)
    seeded = [(mg.seed(3), make().state_dict())[1] for _ in range(2)]
    assert_same(*seeded)
    assert not np.array_equal(make().state_dict()["weight"], make().state_dict()["weight"])


# --- copies, pickles, states --------------------------------------------------------------------------------------------


@every_copy
@frozen_or_not
@every_layer
def test_a_copied_layer_has_the_same_parameters_frozen_as_before(name, frozen, make_copy):
    entry = LAYERS[name]
    layer = entry.make()
    layer.requires_grad_(not frozen)
    twin = make_copy(layer)
    assert [(n, p.requires_grad) for n, p in twin.named_parameters()] == [(n, not frozen) for n, _ in layer.named_parameters()]
    assert [p.name for p in twin.parameters()] == [p.name for p in layer.parameters()]
    assert_same(twin.state_dict(), layer.state_dict())
    assert not any(np.shares_memory(p.data, q.data) for p, q in zip(twin.parameters(), layer.parameters(), strict=True))
    np.testing.assert_array_equal(output(twin, entry), output(layer, entry))
    assert twin.requires_grad_(True).parameters() == [p for p in twin.parameters() if p.requires_grad]


@frozen_or_not
@every_layer
def test_a_layers_state_dict_makes_another_one_equal_and_leaves_it_frozen_or_not(name, frozen):
    entry = LAYERS[name]
    layer, other = entry.make(), entry.make()
    layer.requires_grad_(False)
    other.requires_grad_(not frozen)
    other.load_state_dict(layer.state_dict())
    assert_same(other.state_dict(), layer.state_dict())
    assert [p.requires_grad for p in other.parameters()] == [not frozen] * len(layer.parameters())
    np.testing.assert_array_equal(output(other, entry), output(layer, entry))
