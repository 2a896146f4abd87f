"""Module: the base class of layers and networks.

Nothing has to be registered. A module's parameters are its attributes that are Tensors made with requires_grad=True (frozen or
not). Its buffers, saved but never trained, are its arrays. Its submodules are its Modules. Members of lists, tuples and dicts
count too; other Tensors, results or constants, do not.

The name of a parameter or buffer consists of the keys that lead to it from the module: layers.0.weight.
"""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, Self, overload

import numpy
from numpy.typing import NDArray

from minigan import backend, checks
from minigan.contexts import contextmanager
from minigan.engine.tensor import Tensor

_COLLECTIONS = (list, tuple, dict)
Keys = tuple[Any, ...]  # the path from a module to an attribute, such as ("layers", 0, "weight")


class Place(str):
    """A parameter's name that minigan chose: its path, such as layers.0.weight. The user's names are plain strings."""


class Module:
    """Base class: write `__init__` (set attributes) and `forward`; call the module like a function.

    `training` is True in training mode and False in eval mode (`train()`, `eval()`); batch norm and dropout read it.
    """

    training = True
    output_shape: tuple[int, ...] | None = None

    def forward(self, *inputs: Any) -> Any:
        """The module's function. A subclass defines it, with parameters and a result of its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: define forward(self, x)")

    def __call__(self, *inputs: Any) -> Tensor:
        y: Tensor = self.forward(*inputs)
        shape = getattr(y, "shape", None)
        if shape != self.output_shape:
            self.output_shape = shape  # what `repr` shows
        return y

    # --- submodules and parameters -----------------------------------------------------------------------------------

    def attributes(self, outer: Keys = ()) -> Iterator[tuple[Keys, Any]]:
        """(keys, value) of all parameters, buffers and Modules in this module and, depth first, its submodules."""
        for keys, value in self._own_attributes():
            if isinstance(value, Module):
                yield outer + keys, value
                yield from value.attributes(outer + keys)
            elif value.is_parameter if isinstance(value, Tensor) else backend.is_array(value):
                yield outer + keys, value

    def _own_attributes(self) -> Iterator[tuple[Keys, Any]]:
        """(keys, value) of this module's own attributes; a list's members by their position, as in ("layers", 0)."""
        for key, value in vars(self).items():
            if isinstance(value, _COLLECTIONS):
                if key != "output_shape":  # each forward pass sets it: numbers only
                    yield from members((key,), value)
            else:
                yield (key,), value

    def modules(self) -> Iterator["Module"]:
        """This module and all its submodules, each once."""
        modules = [self, *(value for _, value in self.attributes() if isinstance(value, Module))]
        yield from {id(module): module for module in modules}.values()

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, parameter), each parameter once, also where submodules share it."""
        seen: set[int] = set()
        for keys, value in self.attributes():
            if isinstance(value, Tensor) and id(value) not in seen:
                seen.add(id(value))
                yield _name(keys), value

    def parameters(self) -> list[Tensor]:
        """All parameters, each once and with a name (see `name_parameters`), for an optimizer."""
        return self.name_parameters()

    def name_parameters(self, prefix: str = "") -> list[Tensor]:
        """Name the parameters by their paths in this module, such as layers.0.weight, for errors and `repr`. Return them.

        The user's names stay. A path only becomes longer: once named D.layers.0.weight, a parameter keeps this name when a
        submodule of D names its parameters. A parameter that two networks share keeps its path in the first. To have a
        parameter named again, set its `.name` to None.
        """
        parameters = []
        for name, parameter in self.named_parameters():
            place, old = prefix + name, parameter.name
            if old is None or (isinstance(old, Place) and place.endswith(f".{old}")):
                parameter.name = Place(place)
            parameters.append(parameter)
        return parameters

    def requires_grad_(self, flag: bool = True) -> Self:
        """Set whether gradients of the parameters are computed: False freezes them. Returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad = flag
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, submodules included. Returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode, submodules included. Returns the module."""
        return self.train(False)

    def __getstate__(self) -> dict[str, Any]:
        """For `copy` and `pickle`: results kept in attributes lose their history in the copy."""
        return {name: _without_history(value) for name, value in vars(self).items()}

    # --- saving and moving -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all parameters and buffers, as NumPy arrays by name."""
        return {name: backend.copy_to_numpy(_array(value)) for name, value in self._saved_attributes().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the values of a `state_dict`. Raises ValueError, and loads nothing, if a name, shape or dtype differs."""
        self.check_state_dict(state)
        for name, value in self._saved_attributes().items():
            array = value.writable() if isinstance(value, Tensor) else value
            _write(array, state[name])
            if isinstance(value, Tensor):
                value.changed_in_place()

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: the module's name in messages."""
        own = self._saved_attributes()
        checks.saved_names(part, state, own)
        for name, value in own.items():
            checks.saved_array(f"{part}.{name}".lstrip("."), state[name], _array(value))
        names, arrays = list(own), [_array(value) for value in own.values()]
        for i, j in backend.overlaps(arrays):
            if not _hold_both(arrays[i], arrays[j], state[names[i]], state[names[j]]):
                places = " and ".join(f"{part}.{names[k]}".lstrip(".") for k in (i, j))
                raise ValueError(f"load_state_dict: {places} share memory, but their values in the state differ: load one")

    def _saved_attributes(self) -> dict[str, Any]:
        """The parameters and buffers by their names. Raises ValueError where two have one name."""
        saved: dict[str, Any] = {}
        places: dict[str, Keys] = {}
        for keys, value in self.attributes():
            if isinstance(value, Module):
                continue
            name = _name(keys)
            if saved.setdefault(name, value) is not value:
                raise ValueError(f"state_dict: the attributes {places[name]} and {keys} are both called {name}: rename one")
            places[name] = keys
        return saved

    def to(self, name: str) -> Self:
        """Move all parameters and buffers to the backend "numpy" or "cupy". Returns the module."""
        for parameter in self.parameters():
            parameter.relocate(name)
        for module in self.modules():
            for key, value in vars(module).items():
                if backend.is_array(value):
                    setattr(module, key, backend.move(value, name))
        return self

    # --- display -----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text between the brackets in this layer's `repr`."""
        return ""

    def __repr__(self) -> str:
        """A layer in one line; a network as its layers, with their output shapes (after the first call) and parameters."""
        submodules = [(_name(keys), module) for keys, module in self._own_attributes() if isinstance(module, Module)]
        if not submodules:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [f"  ({name}): {module._row()}".replace("\n", "\n  ") for name, module in submodules]
        return "\n".join([f"{type(self).__name__}(", *lines, f"){self._notes()}"])

    def _row(self) -> str:
        return repr(self) + ("" if "\n" in repr(self) else self._notes())

    def _notes(self) -> str:
        """The shape of the last output, and the number of parameters."""
        count = sum(p.size for p in self.parameters())
        shape = f"({', '.join(['N', *map(str, self.output_shape[1:])])})" if self.output_shape else ""
        notes = [f"-> {shape}"] * bool(shape) + [f"{count:,} parameters"] * bool(count)
        return f"  # {', '.join(notes)}" if notes else ""


@contextmanager
def eval_mode(module: Module) -> Iterator[None]:
    """Put the module in eval mode for a block. Afterwards every submodule is in its former mode."""
    if not isinstance(module, Module):
        raise TypeError(f"eval_mode: module is a {type(module).__name__}; expected a Module")
    modes = [(each, each.training) for each in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for each, training in modes:
            each.training = training


def check_sizes(layer: str, *sizes: int) -> None:
    """Raise ValueError for sizes that are not whole numbers of at least 1."""
    if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in sizes):
        raise ValueError(f"{layer}: sizes must be whole numbers of at least 1, got {', '.join(map(repr, sizes))}")


def members(keys: Keys, value: Any) -> Iterator[tuple[Keys, Any]]:
    """The value itself, or the members of a list, tuple or dict, however nested."""
    if isinstance(value, _COLLECTIONS):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from members((*keys, key), member)
    else:
        yield keys, value


def _without_history(value: Any) -> Any:
    """The value, detached if an op made it; so are the members of a list, tuple or dict."""
    if isinstance(value, Tensor):
        return value if value.is_leaf else value.detach()
    if isinstance(value, _COLLECTIONS) and not all([t.is_leaf for _, t in members((), value) if isinstance(t, Tensor)]):
        if isinstance(value, dict):
            return {key: _without_history(member) for key, member in value.items()}
        return type(value)([_without_history(member) for member in value])
    return value


def _name(keys: Keys) -> str:
    return ".".join(map(str, keys))


def _array(value: Any) -> backend.Array:
    return value.data if isinstance(value, Tensor) else value


def _write(array: backend.Array, values: NDArray[Any]) -> None:
    array[...] = backend.of(array).asarray(values)


def _hold_both(a: backend.Array, b: backend.Array, for_a: NDArray[Any], for_b: NDArray[Any]) -> bool:
    """Whether two arrays that share memory can hold these values at the same time: tries it, and restores the old values."""
    if backend.writable(a) is not a:  # each will get memory of its own
        return True
    before = backend.copy_to_numpy(a), backend.copy_to_numpy(b)
    _write(a, for_a)
    _write(b, for_b)
    both = numpy.array_equal(backend.to_numpy(a), for_a.astype(a.dtype), equal_nan=True)
    _write(a, before[0])
    _write(b, before[1])
    return both


class Sequential(Module):
    """Layers one after another: `Sequential(Dense(2, 64), ReLU(), Dense(64, 1))`.

    An index returns a layer, a slice another `Sequential` of the same layers.
    """

    def __init__(self, *layers: Module):
        for i, layer in enumerate(layers):
            if not callable(layer) or isinstance(layer, type):
                raise TypeError(f"Sequential: argument {i + 1} is a {type(layer).__name__}; expected a layer")
        self.layers = list(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index: int | slice) -> Module:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]
