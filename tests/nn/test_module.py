"""Module and Sequential: how parameters are found, named, frozen, copied, saved, moved and shown."""

import copy
import pickle
import re

import numpy as np
import pytest

from minigan import Tensor, backend
from minigan.nn import Dense, Module, ReLU, Sequential
from tests.helpers.leaves import leaf

X = Tensor(np.ones((4, 2), np.float32))


class Zoo(Module):
    """Every kind of attribute that a module may have."""

    def __init__(self):
        self.scale = Tensor(np.ones(2, np.float32), requires_grad=True)
        self.layers = [Dense(2, 3), (Dense(3, 1, bias=False), Tensor([1.0], requires_grad=True))]
        self.mean = np.zeros(2, np.float32)
        self.count, self.name, self.nothing, self.constant = 3, "zoo", None, Tensor([2.0])

    def forward(self, x):
        self.x, self.h = x, self.layers[1][0](self.layers[0](x * self.scale))
        return self.h


def net():
    return Sequential(Dense(2, 3), ReLU(), Dense(3, 1))


def with_attributes(**attributes):
    model = Sequential(ReLU())
    vars(model).update(attributes)
    return model


def after_a_call():
    model = Zoo()
    model(X)
    return model


def shared_layer():
    layer = Dense(2, 2)
    return Sequential(layer, ReLU(), layer, Sequential(layer))


def shared_parameter():
    a, b = Dense(2, 2), Dense(2, 2)
    b.weight = a.weight
    return Sequential(a, b)


IN_THE_ZOO = ["scale", "layers.0.weight", "layers.0.bias", "layers.1.0.weight", "layers.1.1"]
PLACES = {  # name: (a module, the names of its parameters)
    "attributes, lists, tuples": (Zoo, IN_THE_ZOO),
    "constants and results": (after_a_call, IN_THE_ZOO),
    "a dict": (lambda: with_attributes(heads={"real": Dense(1, 1)}), ["heads.real.weight", "heads.real.bias"]),
    "assigned later": (lambda: with_attributes(extra=leaf()), ["extra"]),
    "a shared layer": (shared_layer, ["layers.0.weight", "layers.0.bias"]),
    "a shared parameter": (shared_parameter, ["layers.0.weight", "layers.0.bias", "layers.1.bias"]),
    "two keys of one name": (lambda: with_attributes(table=dict.fromkeys([0, "0"], leaf())), ["table.0"]),
}


@pytest.mark.parametrize(("make", "expected"), PLACES.values(), ids=PLACES)
def test_parameters_are_found_by_name_once_each_and_freeze_together(make, expected):
    model = make()
    assert [name for name, _ in model.named_parameters()] == expected
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]
    assert model.requires_grad_(False) is model
    assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.requires_grad_().parameters())


def test_modules_are_the_module_and_its_parts_once_each_with_one_mode():
    model = shared_layer()
    assert [type(m) for m in model.modules()] == [Sequential, Dense, ReLU, Sequential]
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in [*model.train().modules(), *net().modules()])
    model(X).sum().backward()
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [None, None]
    assert repr(model).endswith("# -> (N, 2), 6 parameters")


# --- saving and moving --------------------------------------------------------------------------------------------------


def test_a_state_dict_is_a_copy_of_parameters_and_buffers_and_loading_copies_it_where_it_was():
    a, b = Zoo(), Zoo()
    assert set(a.state_dict()) == {*IN_THE_ZOO, "mean"}
    a.mean[...] = 5.0
    state, array = a.state_dict(), b.scale.data
    b.layers[0].bias.data = np.broadcast_to(np.float32(0), 3)  # read-only
    b.load_state_dict({name: values.astype("float64") for name, values in state.items()})
    assert (b.scale.data is array, b.scale.dtype) == (True, np.float32)
    a.scale.data[...] = 7.0
    np.testing.assert_equal(b.state_dict(), state)
    state["mean"][...] = state["scale"][...] = 6.0
    assert (b.mean == 5.0).all()
    assert (b.scale.data == 1.0).all()


ONE_NAME = {  # (the attributes, the names of two places that make one key of the state dict)
    "keys": ({"table": {0: leaf(), "0": leaf()}}, "('table', 0) and ('table', '0') are both called table.0"),
    "dots": ({"a": {"b.c": leaf(), "b": {"c": np.ones(2)}}}, "('a', 'b.c') and ('a', 'b', 'c') are both called a.b.c"),
}


@pytest.mark.parametrize(("attributes", "message"), ONE_NAME.values(), ids=ONE_NAME)
def test_two_places_with_one_name_are_refused_by_both(attributes, message):
    module = with_attributes(**attributes)
    for call in (module.state_dict, lambda: module.load_state_dict({})):
        with pytest.raises(ValueError, match=f"^state_dict: the attributes {re.escape(message)}: rename one"):
            call()


SHARING = {  # two attributes of one memory
    "transposed": lambda a: (Tensor(a, requires_grad=True), Tensor(a.T, requires_grad=True)),
    "a buffer": lambda a: (Tensor(a, requires_grad=True), a[1]),
    "one tensor": lambda a: (Tensor(a, requires_grad=True),) * 2,
}


@pytest.mark.parametrize("make", SHARING.values(), ids=SHARING)
def test_a_state_that_one_memory_cannot_hold_is_refused(make):
    module = Module()
    module.a, module.b = make(np.arange(9.0).reshape(3, 3))
    state, other = module.state_dict(), {name: values + 1 for name, values in module.state_dict().items()}
    module.load_state_dict(other)
    with pytest.raises(ValueError, match=r"^load_state_dict: a and b share memory, but their values in the state differ"):
        module.load_state_dict({**other, "b": state["b"] + 5})
    np.testing.assert_equal(module.state_dict(), other)


def test_to_moves_parameters_buffers_and_gradients_and_counts_as_a_change_in_place(monkeypatch):
    zoo, moved = Zoo(), []
    loss = zoo(X).sum()
    loss.backward()
    before = zoo.state_dict()
    monkeypatch.setattr(backend, "move", lambda array, name: array + 1)
    monkeypatch.setattr(Tensor, "to", lambda t, name: moved.append(t) or t)
    assert zoo.to("elsewhere") is zoo
    np.testing.assert_equal(zoo.state_dict(), {name: value + 1 for name, value in before.items()})
    assert [id(t) for t in moved] == [id(p.grad) for p in zoo.parameters() if p.grad is not None]
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()


# --- names and text -----------------------------------------------------------------------------------------------------


def names(module):
    """The names that the parameters carry, which are not asked for: that would give them some."""
    return [parameter.name for _, parameter in module.named_parameters()]


def test_parameters_carry_their_places_as_names_which_grow_but_never_shrink():
    model, zoo = net(), Zoo()
    assert names(zoo) == [None, "weight", "bias", "weight", None]
    zoo.parameters()
    assert names(zoo) == IN_THE_ZOO
    assert names(model[0]) == ["weight", "bias"]
    model.parameters()
    assert names(model[0]) == ["layers.0.weight", "layers.0.bias"]
    assert [p.name for p in model.name_parameters("D.")] == [f"D.{name}" for name in model.state_dict()]
    for part in (model, model[0], Sequential(model)):
        part.parameters()
    assert names(model)[0] == "D.layers.0.weight"
    model[0].weight.name = None
    model.parameters()
    assert names(model)[0] == "layers.0.weight"


@pytest.mark.parametrize("given", ["w", "scale", "layers.0.scale"])
def test_a_name_that_the_user_gave_stays_and_a_shared_parameter_keeps_its_first_place(given):
    model, other = Sequential(with_attributes(scale=leaf(name=given)), Dense(2, 2)), Dense(2, 2)
    other.bias = model[1].bias
    for prefix in ("", "D."):
        model.name_parameters(prefix)
    other.name_parameters("G.")
    assert names(model) == [given, "D.layers.1.weight", "D.layers.1.bias"]


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_names_that_still_grow_and_results_without_their_history(make_copy):
    model = net()
    model[0].weight.name = "w"
    model.parameters()
    model.last, model.kept = model(X), {"features": [model[0](X), (X,)], "layers": model.layers}
    twin = make_copy(model)
    results = [twin.last, twin.kept["features"][0]]
    assert [(y.requires_grad, y.is_leaf, y.is_parameter) for y in results] == [(False, True, False)] * 2
    np.testing.assert_array_equal(twin.last.numpy(), model.last.numpy())
    assert (twin.kept["layers"], model.last.requires_grad) == (twin.layers, True)
    twin.name_parameters("D.")
    assert names(twin) == ["w", "D.layers.0.bias", "D.layers.2.weight", "D.layers.2.bias"]


def test_sequential_has_layers_in_order_a_length_and_slices():
    model = net()
    np.testing.assert_array_equal(model(X).numpy(), model[2](model[1](model[0](X))).numpy())
    assert (len(model), list(model)[2]) == (3, model[-1])
    assert isinstance(model[:2], Sequential)
    assert model[:2][0] is model[0]
