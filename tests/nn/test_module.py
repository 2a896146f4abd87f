import copy
import pickle
import re

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn
from minigan.nn import Dense, Module, ReLU, Sequential


class Zoo(Module):
    """Every kind of attribute that a module may have."""

    def __init__(self):
        self.scale = Tensor(np.ones(2, np.float32), requires_grad=True)
        self.layers = [Dense(2, 3), (Dense(3, 1, bias=False), Tensor([1.0], requires_grad=True))]
        self.mean = np.zeros(2, np.float32)
        self.count, self.name, self.nothing = 3, "zoo", None

    def forward(self, x):
        return self.layers[1][0](self.layers[0](x * self.scale))


def net():
    return Sequential(Dense(2, 3), ReLU(), Dense(3, 1))


# --- parameters ---------------------------------------------------------------------------------------------------------


class Keeps(Module):
    """A module that keeps its input, a constant and a result, none of which is a parameter."""

    def __init__(self):
        self.a, self.c = Dense(2, 2), Tensor([2.0])

    def forward(self, x):
        self.x, self.h = x, self.a(x) * self.c
        return self.h


def kept():
    model = Keeps()
    model(Tensor(np.ones((1, 2), np.float32)))
    return model


def extended():
    model = Sequential(ReLU())
    model.extra = Tensor([1.0], requires_grad=True)
    return model


def in_a_dict():
    model = Module()
    model.heads = {"real": Dense(1, 1, bias=False), "class": Dense(1, 1, bias=False)}
    return model


def shared_layer():
    layer = Dense(2, 2)
    return Sequential(layer, ReLU(), layer, Sequential(layer))


def shared_parameter():
    a, b = Dense(2, 2), Dense(2, 2)
    b.weight = a.weight
    return Sequential(a, b)


PLACES = {  # name: (a module, the names of its parameters)
    "attributes, lists, tuples": (Zoo, ["scale", "layers.0.weight", "layers.0.bias", "layers.1.0.weight", "layers.1.1"]),
    "Sequential": (net, ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]),
    "a dict": (in_a_dict, ["heads.real.weight", "heads.class.weight"]),
    "assigned later": (extended, ["extra"]),
    "constants and results": (kept, ["a.weight", "a.bias"]),
    "a shared layer": (shared_layer, ["layers.0.weight", "layers.0.bias"]),
    "a shared parameter": (shared_parameter, ["layers.0.weight", "layers.0.bias", "layers.1.bias"]),
}


@pytest.mark.parametrize(("make", "expected"), PLACES.values(), ids=PLACES)
def test_parameters_are_found_by_name_once_each_and_freeze_together(make, expected):
    model = make()
    assert [name for name, _ in model.named_parameters()] == expected
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]
    assert model.requires_grad_(False) is model
    assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.requires_grad_().parameters())
    assert not (isinstance(model, Keeps) and model.c.requires_grad)


def test_modules_are_the_module_and_its_parts_once_each_with_one_mode():
    model = shared_layer()
    assert [type(m) for m in model.modules()] == [Sequential, Dense, ReLU, Sequential]
    assert all(m.training for m in model.modules())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in [*model.train().modules(), *net().modules()])
    assert repr(model).endswith("# 6 parameters")


def test_gradients_go_through_a_frozen_module_and_zero_grad_forgets_them():
    model, x = net(), Tensor(np.ones((4, 2), np.float32), requires_grad=True)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    x.grad = None
    model.requires_grad_(False)
    model(x).sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in model.parameters())


def test_a_second_forward_pass_leaves_the_first_ones_gradients_alone():
    model, rng = net(), np.random.default_rng(0)
    x, other = (Tensor(rng.standard_normal((4, 2)).astype("float32")) for _ in range(2))
    alone = mg.grad(model(x).sum(), model.parameters())
    first = model(x).sum()
    model(other)
    for g, expected in zip(mg.grad(first, model.parameters()), alone, strict=True):
        np.testing.assert_array_equal(g.numpy(), expected.numpy())


# --- modes --------------------------------------------------------------------------------------------------------------


def test_eval_and_train_reach_every_part():
    model = Sequential(Sequential(Dense(1, 1)), ReLU())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())


# --- saving -------------------------------------------------------------------------------------------------------------


def test_a_state_dict_is_a_copy_of_parameters_and_buffers_and_loading_copies_it():
    a, b = Zoo(), Zoo()
    assert set(a.state_dict()) == {name for name, _ in a.named_parameters()} | {"mean"}
    a.mean[...] = 5.0
    state = a.state_dict()
    b.load_state_dict(state)
    a.scale.data[...] = 7.0
    np.testing.assert_equal(b.state_dict(), state)
    assert (state["scale"] == 1.0).all()
    state["mean"][...] = state["scale"][...] = 6.0
    assert (b.mean == 5.0).all()
    assert (b.scale.data == 1.0).all()


def test_load_state_dict_keeps_the_arrays_and_the_dtype():
    model = net()
    p = model.parameters()[0]
    array = p.data
    model.load_state_dict({name: value.astype("float64") for name, value in net().state_dict().items()})
    assert p.data is array
    assert p.dtype == np.float32


def test_load_state_dict_writes_where_the_memory_is_read_only():
    model = net()
    model[0].bias.data = np.broadcast_to(np.float32(0), 3)
    state = net().state_dict()
    model.load_state_dict(state)
    np.testing.assert_array_equal(model[0].bias.data, state["layers.0.bias"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("layers.2.bias"), ValueError, "missing .'layers.2.bias'., unexpected ..,?"),
        (lambda s: s.update(more=np.zeros(1)), ValueError, "missing ..,? unexpected .'more'."),
        (lambda s: s.update({"layers.2.bias": np.zeros(2)}), ValueError, r"layers.2.bias has shape \(1,\), the state \(2,\)"),
    ],
    ids=["missing", "extra", "shape"],
)
def test_load_state_dict_refuses_what_does_not_fit_and_then_loads_nothing(change, error, message):
    model = net()
    before, state = model.state_dict(), net().state_dict()
    change(state)
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_loading_between_forward_and_backward_makes_the_backward_pass_an_error():
    model = net()
    loss = model(Tensor(np.ones((4, 2), np.float32))).sum()
    model.load_state_dict(net().state_dict())
    with pytest.raises(RuntimeError, match=r"backward through affine: tensor 'weight' of shape .* was changed in place"):
        loss.backward()


def _parameter(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


ONE_NAME = {  # (the attributes, the names of two places that make one key of the state dict)
    "keys": ({"table": {0: _parameter(2), "0": _parameter(3)}}, "('table', 0) and ('table', '0') are both called table.0"),
    "dots": (
        {"a": Sequential(), "a.layers": [np.ones(2)]},
        "('a', 'layers', 0) and ('a.layers', 0) are both called a.layers.0",
    ),
    "dots in a dict": (
        {"a": {"b.c": _parameter(2), "b": {"c": np.ones(2)}}},
        "('a', 'b.c') and ('a', 'b', 'c') are both called a.b.c",
    ),
}


@pytest.mark.parametrize(("attributes", "message"), ONE_NAME.values(), ids=ONE_NAME)
def test_two_places_with_one_name_are_refused_by_both(attributes, message):
    module, outer = Module(), Module()
    vars(module).update(attributes)
    if isinstance(vars(module).get("a"), Sequential):
        module.a.layers.append(_parameter(2))
    for call in (module.state_dict, lambda: module.load_state_dict({})):
        with pytest.raises(ValueError, match=f"^state_dict: the attributes {re.escape(message)}: rename one"):
            call()
    outer.part = module
    with pytest.raises(ValueError, match=r"^state_dict: the attributes \('part', "):
        outer.state_dict()


def test_one_parameter_under_two_keys_of_one_name_is_saved_once():
    module, p = Module(), _parameter(2)
    module.table = {0: p, "0": p}
    assert list(module.state_dict()) == ["table.0"]


SHARING = {  # two attributes of one memory
    "one array": lambda a: (Tensor(a, requires_grad=True), Tensor(a, requires_grad=True)),
    "overlapping": lambda a: (Tensor(a[:2], requires_grad=True), Tensor(a[1:], requires_grad=True)),
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


def test_to_moves_parameters_and_buffers_wherever_they_are(monkeypatch):
    zoo = Zoo()
    monkeypatch.setattr(backend, "move", lambda array, name: array + 1)
    before = zoo.state_dict()
    assert zoo.to("elsewhere") is zoo
    for name, value in zoo.state_dict().items():
        np.testing.assert_array_equal(value, before[name] + 1)


def test_to_moves_gradients_along_and_counts_as_a_change_in_place(monkeypatch):
    model, moved = Dense(2, 2), []
    loss = model(Tensor(np.ones((4, 2), np.float32))).sum()
    loss.backward()
    monkeypatch.setattr(Tensor, "to", lambda t, name: moved.append(t) or t)
    model.to("numpy")
    assert [t is p.grad for t, p in zip(moved, model.parameters(), strict=True)] == [True, True]
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()


# --- display ------------------------------------------------------------------------------------------------------------


def test_repr_shows_the_layers_their_parameters_and_after_a_call_their_output_shapes():
    net = Sequential(Dense(2, 3), nn.LeakyReLU(0.1), Sequential(Dense(3, 1000, bias=False)))
    assert repr(net) == (
        "Sequential(\n"
        "  (layers.0): Dense(2, 3)  # 9 parameters\n"
        "  (layers.1): LeakyReLU(0.1)\n"
        "  (layers.2): Sequential(\n"
        "    (layers.0): Dense(3, 1000, bias=False)  # 3,000 parameters\n"
        "  )  # 3,000 parameters\n"
        ")  # 3,009 parameters"
    )
    net(Tensor(np.ones((5, 2), np.float32)))
    assert "(layers.1): LeakyReLU(0.1)  # -> (N, 3)\n" in repr(net)
    assert repr(net).endswith(")  # -> (N, 1000), 3,009 parameters")


# --- names --------------------------------------------------------------------------------------------------------------


def names(module):
    """The names that the parameters carry, which are not asked for: that would give them some."""
    return [parameter.name for _, parameter in module.named_parameters()]


def test_parameters_carry_their_places_as_names_once_they_are_asked_for():
    zoo = Zoo()
    assert names(zoo) == [None, "weight", "bias", "weight", None]
    zoo.parameters()
    assert names(zoo) == [name for name, _ in zoo.named_parameters()]


def test_a_prefix_stands_before_the_place_and_names_grow_but_never_shrink():
    model = net()
    keys = list(model.state_dict())
    model[0].parameters()
    assert names(model[0]) == ["weight", "bias"]
    model.parameters()
    assert names(model[0]) == ["layers.0.weight", "layers.0.bias"]
    assert [p.name for p in model.name_parameters("D.")] == [f"D.{name}" for name in keys]
    for part in (model, model[0], Sequential(model)):
        part.parameters()
    assert names(model)[0] == "D.layers.0.weight"
    other = net()
    other.parameters()
    Sequential(ReLU(), other).name_parameters("G.")
    assert names(other[0]) == ["G.layers.1.layers.0.weight", "G.layers.1.layers.0.bias"]
    model[0].weight.name = None
    model.parameters()
    assert names(model)[0] == "layers.0.weight"
    assert list(model.state_dict()) == keys == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("given", ["w", "scale", "layers.0.scale"])
def test_a_name_that_the_user_gave_stays(given):
    class Scaled(Module):
        def __init__(self):
            self.scale = Tensor([1.0], requires_grad=True, name=given)

    model = Sequential(Scaled(), Dense(2, 2))
    model[1].weight.name = "weight"
    for prefix in ("", "D."):
        model.name_parameters(prefix)
    assert names(model) == [given, "weight", "D.layers.1.bias"]


def test_a_shared_parameter_keeps_its_first_place():
    a, b = net(), net()
    b[2].weight = a[2].weight
    a.name_parameters("G.")
    b.name_parameters("D.")
    assert b[2].weight.name == "G.layers.2.weight"
    layer = Dense(2, 2)
    Sequential(layer, layer).parameters()
    assert names(layer) == ["layers.0.weight", "layers.0.bias"]


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_the_names_of_a_copy_still_grow_and_the_users_still_stay(make_copy):
    model = net()
    model[0].weight.name = "w"
    model.parameters()
    twin = make_copy(model)
    twin.name_parameters("D.")
    assert names(twin) == ["w", "D.layers.0.bias", "D.layers.2.weight", "D.layers.2.bias"]


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_the_results_that_a_module_keeps_without_their_history(make_copy):
    model, x = net(), Tensor(np.ones((1, 2), np.float32))
    model.last, model.kept = model(x), {"features": [model[0](x), (x,)], "layers": model.layers}
    twin = make_copy(model)
    results = [twin.last, twin.kept["features"][0]]
    assert [(y.requires_grad, y.is_leaf, y.is_parameter) for y in results] == [(False, True, False)] * 2
    np.testing.assert_array_equal(twin.last.numpy(), model.last.numpy())
    assert (twin.kept["layers"], model.last.requires_grad) == (twin.layers, True)


def test_a_stale_value_is_named_by_its_place():
    model = net()
    optimizer = mg.optim.SGD(model.parameters(), 0.1)
    x = Tensor(np.ones((4, 2), np.float32))
    mg.mean(model(x)).backward()
    loss = mg.mean(model(x))
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"tensor 'layers\.2\.weight' of shape \(3, 1\), an input of affine, was changed"):
        loss.backward()


# --- Sequential ---------------------------------------------------------------------------------------------------------


def test_sequential_has_layers_in_order_a_length_and_slices():
    model, x = net(), Tensor(np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(model(x).numpy(), model[2](model[1](model[0](x))).numpy())
    assert len(model) == 3
    assert list(model)[2] is model[-1]
    assert isinstance(model[:2], Sequential)
    assert model[:2][0] is model[0]
