"""`gradcheck`: is a function's gradient the slope of the function? For ops, modules and games, to any order."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigan import backend, checks
from minigan.engine.tensor import Tensor
from minigan.games.game import Game
from minigan.gradcheck.comparison import FEW_DIRECTIONS, MOST_ELEMENTS, Comparison, Together, Tolerance
from minigan.gradcheck.function import Function, TensorFunction
from minigan.gradcheck.games import check_game_stateless, module_as_function, player_as_function, players
from minigan.gradcheck.verdict import GradcheckError, verify
from minigan.gradcheck.wording import close
from minigan.nn import Module

DEFAULT = Tolerance(eps=1e-5, rtol=1e-5, atol=0.0, kinks=False, fixed=False)


def quiet() -> np.errstate:
    """No warnings of infinities and nans: they are checked."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def gradcheck(
    fn: TensorFunction | Module | Game,
    *inputs: ArrayLike | Tensor,
    order: int = 2,
    eps: float | None = None,
    rtol: float = DEFAULT.rtol,
    atol: float = DEFAULT.atol,
    kinks: bool = False,
) -> bool:
    """Is minigan's gradient of `fn` the gradient of `fn`? Returns True, or raises `GradcheckError` with the wrong element.

    `fn(*inputs)` returns a Tensor (or a tuple of them), which is projected on random numbers u to a scalar L = sum(u fn): u is
    the gradient that arrives at the output. L's gradient is compared with the central difference (L(x + h) - L(x - h)) / 2h,
    for each element of each input. An input of more than 200 elements is checked along 20 random directions, which may miss an
    element whose slope is less than 1e-3 of the others'. At order 2 the same is done for the gradient, as a function of the
    inputs and of u. The gradient must also be the same in a second and a third backward pass, where it can be
    differentiated again, and where only some inputs require one.

    The relative error counts, however small or large fn, x and the slopes are. First, h is 1e-5. Where the slopes do not
    agree, steps of all sizes are tried, in extended precision if fn supports it (see `gradcheck.slopes`). Where the numeric
    slope's own error would hide the gradient's, or nothing is finite, the check fails with the message that it cannot decide.
    Where some elements of fn are much steeper than others, all are weighted to be equally steep, and compared again. Slopes
    below 1e-14 of fn's size may be made of rounding errors, and are not checked (below 1e-11 without extended precision).

    Args:
        fn: a function of Tensors; or a `nn.Module`, as a function of its inputs and its named parameters; or a game:
            `gradcheck(game, minibatch)` checks the first derivative of every loss of one step, for every parameter of the
            player whose loss it is. Modules and games are checked on copies, in float64.
        inputs: float64 arrays or Tensors; integer and boolean ones are passed on as constants.
        order: how often to differentiate.
        eps: the only step h to be tried. By default the step follows x and fn.
        rtol, atol: the difference allowed, atol + rtol |slope|, to which the numeric slope's error is added.
        kinks: where the slopes below and above x differ (relu, abs and clip at their kinks, maximum and max_pool2d at ties),
            accept a gradient between them, also along common directions of all inputs. A kink of more than two pieces, such as
            a sort's at three equal numbers, is checked by the two along each axis. By default a kink is an error that
            names both slopes.

    Raises TypeError for float32 inputs (their rounding errors exceed the differences), without a floating input, and for a `fn`
    that does not return Tensors; ValueError for a `fn` whose results differ from call to call.
    """
    checks.whole("gradcheck", "order", order)
    for name, value in (("rtol", rtol), ("atol", atol)):
        checks.number("gradcheck", name, value, least=0)
    if eps is not None:
        checks.number("gradcheck", "eps", eps, above=0)
    if not isinstance(kinks, bool):
        raise TypeError(f"gradcheck: kinks is {kinks!r}; expected True or False")
    tolerance = Tolerance(eps or DEFAULT.eps, rtol, atol, kinks, fixed=eps is not None)
    with quiet():
        compared = [verify(comparison) for comparison in comparisons_of_all(fn, inputs, order, tolerance)]
    if not sum(compared) and any(np.size(x) for x in inputs):
        raise GradcheckError("gradcheck: nothing could be compared: every input is empty or infinite, or makes fn infinite")
    return True


def slope_is_right(fn: TensorFunction, arrays: list[np.ndarray]) -> bool:
    """Is the slope along one random direction of all inputs right? Also True where it cannot be measured."""
    function = Function(fn, arrays, np.random.default_rng(2))
    direction = function.rng.standard_normal((1, sum(arrays[i].size for i in function.floats)))
    together = Together(function, function.gradients, replace(DEFAULT, kinks=True), direction)
    try:
        verify(together)
    except GradcheckError:
        return False
    return True


# --- the comparisons ------------------------------------------------------------------------------------------------------


def comparisons_of_all(
    fn: TensorFunction | Module | Game, inputs: tuple[Any, ...], order: int, tolerance: Tolerance
) -> Iterator[Comparison]:
    """Every gradient to be checked."""
    rng = np.random.default_rng(0)
    if isinstance(fn, Game):
        if len(inputs) != 1:
            raise TypeError(f"gradcheck: a game takes one minibatch, gradcheck(game, minibatch); got {len(inputs)}")
        finer = replace(tolerance, eps=tolerance.eps / (1 if tolerance.fixed else 100))  # 1e-5 carries some ReLU over its kink
        for player in players(fn):
            losses, values, names, parts = player_as_function(fn, *inputs, player)
            function = Function(losses, values, rng, 1, names, parts)
            function.check_repeatable()
            check_game_stateless(fn, *inputs)
            yield from _comparisons(function, 1, finer, FEW_DIRECTIONS)
        return
    arrays = [_checked(i, x) for i, x in enumerate(inputs)]
    names = [f"input {i}" for i in range(len(arrays))]
    if isinstance(fn, Module):
        fn, values, own = module_as_function(fn, arrays)
        arrays, names = arrays + values, names + own
    function = Function(fn, arrays, rng, 1, names)
    function.check_repeatable()
    yield from _comparisons(function, order, tolerance, MOST_ELEMENTS)
    _compare_backward_passes(function, order, tolerance)


def _comparisons(function: Function, order: int, tolerance: Tolerance, most: int) -> Iterator[Comparison]:
    """Each gradient next to the slopes; and then the same for the gradient as a function."""
    for i in function.floats:
        linear = i >= function.arriving  # a few directions show every mistake in a linear map
        comparison = Comparison(function, i, function.gradients[i], tolerance, FEW_DIRECTIONS if linear else most)
        yield comparison
        if (weights := comparison.weights()) is not None:
            yield comparison.of(function.weighted(weights))
    if tolerance.kinks and function.order == 1:
        yield Together(function, function.gradients, tolerance)
    if order > 1:
        yield from _comparisons(function.gradient(), order - 1, tolerance, most)


def _compare_backward_passes(function: Function, order: int, tolerance: Tolerance) -> None:
    """Raise GradcheckError if a gradient depends on which backward pass through its graph it comes from."""
    for how, gradients in function.other_backward_passes(order):
        for i, other in gradients.items():
            g, length = function.gradients[i], min(np.max(np.abs(function.arrays[i]), initial=0.0) or 1.0, 1.0)
            noise = 1e-13 * np.max(np.abs(g), initial=0.0, where=np.isfinite(g)) + 1e-13 * function.size / length
            if not close(other, g, tolerance.rtol, tolerance.atol + noise):
                function.check_repeatable()
                apart = np.nanmax(np.abs(other - g))
                raise GradcheckError(f"gradcheck: {function.names[i]}: {how} the gradient differs, by up to {apart:.4g}")


def _checked(i: int, x: Any) -> np.ndarray:
    array = x.numpy() if isinstance(x, Tensor) else backend.to_numpy(x)
    if array.dtype.kind == "f" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype != np.float64:
        raise TypeError(
            f"gradcheck: input {i} is {array.dtype}: its rounding errors would exceed the differences; pass float64"
        )
    return array
