"""Debug mode: the first nan stops the program, and errors in the backward pass name the user's line."""

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from minigan.watching import debug
from tests.games import players

HERE = r"test_debug\.py:\d+: "


def leaf(*values):
    return mg.Tensor(np.array(values), requires_grad=True)


def broken(x, derivative):
    return mg.record("broken", x.data * 1, (x, derivative))


def _run(program, **environment):
    """The program's stdout and stderr in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={k: v for k, v in os.environ.items() if k != "MINIGAN_DEBUG"} | environment,
    )
    return done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("op", "call"),
    [
        ("log", lambda x: mg.log(x)),
        ("sqrt", lambda x: mg.sqrt(x - 1.0)),
        ("divide", lambda x: (x + 1) / (x + 1)),
        ("subtract", lambda x: np.inf * (x - 1) - np.inf * x),
    ],
)
def test_nan_in_the_forward_pass_names_the_op_and_the_users_line(op, call):
    with mg.debug(), pytest.raises(FloatingPointError, match=rf"^{op} made a nan .*{HERE}.*lambda x: "):
        call(leaf(-1.0))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_in_the_backward_pass_names_the_op_and_the_users_line():
    with mg.debug():
        y = mg.sqrt(leaf(0.0)) * 0.0  # the marked line
        with pytest.raises(FloatingPointError, match="divide made a nan") as caught:  # 0 / (2 sqrt(0))
            y.backward()
    (note,) = caught.value.__notes__
    assert re.search(rf"^in the backward pass through sqrt, called at .*{HERE}y = .*# the marked line$", note)


def test_nan_from_a_derivative_of_the_users_own_is_found():
    with mg.debug(), pytest.raises(FloatingPointError, match="the derivative of broken made a nan from arguments without"):
        broken(leaf(1.0), lambda g, y: mg.Tensor(np.array([np.nan]))).backward()


def test_error_inside_a_derivative_carries_a_note_with_the_users_line():
    def fails(g, y):
        raise KeyError("oops")

    with mg.debug():
        y = broken(leaf(1.0), fails) * 2
        with pytest.raises(KeyError) as caught:
            y.backward()
    (note,) = caught.value.__notes__
    assert re.search(rf"^in the backward pass through broken, called at .*{HERE}return mg.record", note)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_line_is_the_callers_also_through_layers_and_losses():
    net = mg.nn.Sequential(mg.nn.Dense(2, 1), mg.nn.Sigmoid())
    net.layers[0].weight.data = np.full((2, 1), np.inf, np.float32)
    x = mg.Tensor([[1.0, -1.0]])
    with mg.debug(), pytest.raises(FloatingPointError, match=rf"^affine made a nan .*{HERE}net\(x\)  # the marked line$"):
        net(x)  # the marked line


# --- what came in, and what came of an infinity -----------------------------------------------------------------------------


def data_with(value):
    return mg.Tensor(np.array([[1.0, value], [2.0, 3.0]], np.float32))


CAME_IN = {
    "data": (
        lambda: data_with(np.nan) @ np.ones((2, 1), np.float32),
        r"input 0 of matmul .* with the data \(or by \.detach\(\)\), a tensor of shape \(2, 2\); ",
    ),
    "an array": (
        lambda: leaf([1.0, 2.0]) * np.array([1.0, np.nan]),
        r"input 1 of multiply .* with the data \(or by \.detach\(\)\), a tensor of shape",
    ),
    "a name": (
        lambda: mg.exp(mg.Tensor([np.nan], name="x")),
        r"input 0 of exp .* with the data \(or by \.detach\(\)\), tensor 'x' of shape",
    ),
    "a parameter": (lambda: mg.exp(leaf(np.nan)), r"input 0 of exp has a nan already: a tensor of shape \(1,\), a parameter"),
    "its cast": (lambda: data_with(np.nan).astype("float64"), "input 0 of astype .* with the data"),
    "a moved one": (lambda: mg.Tensor([1.0, np.nan]).reshape(2, 1), "input 0 of reshape .* with the data"),
}


@pytest.mark.parametrize(("call", "says"), CAME_IN.values(), ids=CAME_IN)
def test_a_nan_that_came_in_is_named_where_it_enters_the_first_op(call, says):
    with mg.debug(), pytest.raises(FloatingPointError, match=rf"^{says}.* passes it on, at .*{HERE}"):
        call()


def test_a_minibatch_with_a_nan_is_named_by_every_game():
    for name in players.RULES:
        game, batch = players.make(name), players.minibatch(name)
        (batch[0] if isinstance(batch, tuple) else batch)[1, 0] = np.nan
        with mg.debug(), pytest.raises(FloatingPointError, match=r"input 0 of .* has a nan already: it came in with the data"):
            game.step(iter([batch] * 5))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_nan_of_an_op_before_debug_mode_is_named_as_such():
    y, quiet = mg.log(leaf(-1.0)), mg.log(mg.Tensor([-1.0]))
    with mg.debug():
        with pytest.raises(FloatingPointError, match=r"a tensor of shape \(1,\) that log made outside of debug mode; multiply"):
            y * 2
        with pytest.raises(FloatingPointError, match=r"that an op made outside of debug mode; multiply"):
            quiet * 2


def test_a_nan_that_no_op_passes_on_stops_nothing():
    x = mg.Tensor([np.nan, 1.0])
    with mg.debug():
        assert mg.where(x == x, x, 0.0).numpy().tolist() == [0, 1]
        assert (x > 0).numpy().tolist() == [False, True]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinity_that_became_a_nan_is_traced_to_the_op_that_made_it():
    x = leaf(0.0, 1.0)
    with mg.debug():
        logs = mg.log(x)  # the marked line
        moved = (logs.reshape(2, 1) + 1.0)[:1]
        with pytest.raises(FloatingPointError) as caught:
            moved * 0.0
    source = rf"^multiply made a nan from an infinity, input 0 of multiply, which log made at .*{HERE}"
    assert re.search(rf"{source}.*# the marked line; at .*\* 0\.0$", str(caught.value))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinite_slope_that_became_a_nan_is_traced_to_its_op():
    x = leaf(0.0)
    with mg.debug():
        roots = mg.sqrt(x * 1.0)  # the marked line
        y = (mg.maximum(roots, 0.0) * 2.0).sum()
        with pytest.raises(FloatingPointError) as caught:
            mg.grad(y, x)[0] * 0.0
    source = rf"^multiply made a nan from an infinity, input 0 of multiply, which the derivative of sqrt made at .*{HERE}"
    assert re.search(rf"{source}.*# the marked line; at ", str(caught.value))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinity_that_came_in_is_named_as_data():
    with (
        mg.debug(),
        pytest.raises(
            FloatingPointError,
            match=r"from an infinity, input 0 of multiply, it came in with the data \(or by \.detach\(\)\), a",
        ),
    ):
        data_with(np.inf) * 0.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_derivative_over_a_nan_from_before_is_named_as_such():
    x, w = leaf(np.nan), leaf(2.0)
    y = x * w
    with mg.debug():
        with pytest.raises(
            FloatingPointError, match=r"input 1 of multiply has a nan already: .* \(1,\), a parameter"
        ) as caught:
            y.backward()
        with pytest.raises(
            FloatingPointError, match="the gradient that arrived at add has a nan already: it came in with the data"
        ):
            (leaf(1.0) + 1.0).backward(np.array([np.nan]))
    assert "in the backward pass through multiply, called at a line outside of debug mode" in caught.value.__notes__


def test_a_step_that_makes_a_nan_is_found():
    w = leaf(1.0)
    w.grad = mg.Tensor(np.array([np.inf]))
    rule = optim.Adam([w], lr=0.5)
    says = rf"^Adam's step, with lr 0.5, left a nan in parameter 0, .*{HERE}"
    with mg.debug(), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=says):
        rule.step()


def test_a_step_that_makes_a_nan_names_the_parameter_by_its_place_in_the_game():
    game = players.make("gan")
    game.D.parameters()[1].grad = mg.Tensor(np.full(game.D.parameters()[1].shape, np.nan, np.float32))
    says = r"^OMD's step, .*left a nan in parameter 1, tensor 'D\.layers\.0\.bias' of shape \(5,\), at "
    with mg.debug(), pytest.raises(FloatingPointError, match=says):
        game.opt_D.step()


def test_infinities_integers_and_empty_arrays_pass():
    with mg.debug():
        assert mg.Tensor([np.inf]).sum().item() == np.inf
        assert (mg.Tensor(np.arange(3)) + 1).sum().item() == 6
        assert mg.exp(mg.Tensor(np.zeros((0, 2)))).shape == (0, 2)


def test_gradients_are_the_same_in_debug_mode():
    x = leaf(0.5, -2.0)
    plain = mg.grad(mg.tanh(x * x).sum(), x, create_graph=True)[0]
    with mg.debug():
        watched = mg.grad(mg.tanh(x * x).sum(), x, create_graph=True)[0]
        again = mg.grad(watched.sum(), x)[0]
    np.testing.assert_array_equal(plain.numpy(), watched.numpy())
    np.testing.assert_array_equal(mg.grad(plain.sum(), x)[0].numpy(), again.numpy())


def test_graph_from_before_debug_mode_can_be_walked_in_it():
    x = leaf(0.5)
    y = mg.exp(x)
    with mg.debug():
        y.backward()
    assert x.grad.item() == pytest.approx(np.exp(0.5))


# --- where it is on -----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_off_by_default():
    assert not debug.is_on()
    assert np.isnan(mg.log(leaf(-1.0)).item())


def test_nested_blocks_end_with_the_outer_one():
    with mg.debug():
        with mg.debug():
            pass
        assert debug.is_on()
    assert not debug.is_on()


def test_exception_in_the_block_switches_it_off_again():
    with pytest.raises(ZeroDivisionError), mg.debug():
        raise ZeroDivisionError
    assert not debug.is_on()


def test_nan_found_switches_recording_and_debug_mode_back():
    x = leaf(1.0)
    with pytest.raises(FloatingPointError), mg.debug():
        broken(x, lambda g, y: g * np.nan).backward()
    assert not debug.is_on()
    assert (x * 2).requires_grad


def test_it_holds_for_its_own_thread_only():
    seen = []
    with mg.debug():
        thread = threading.Thread(target=lambda: seen.append(debug.is_on()))
        thread.start()
        thread.join()
    assert seen == [False]


# a traceback quotes the program, but not what it would print
ASK = "import minigan as mg, numpy as np; x = mg.log(mg.Tensor(np.array([-1.0]))); print('pass' + 'ed')"


def test_environment_variable_switches_it_on_from_the_start():
    printed = _run(ASK, MINIGAN_DEBUG="1")
    assert "FloatingPointError: log made a nan" in printed
    assert "passed" not in printed


@pytest.mark.parametrize("environment", [{}, {"MINIGAN_DEBUG": "0"}, {"MINIGAN_DEBUG": ""}])
def test_environment_variable_of_0_or_none_leaves_it_off(environment):
    assert _run(ASK, **environment) == "passed\n"


def test_environment_variable_holds_in_every_thread():
    program = "import threading; from minigan.watching import debug; "
    program += "t = threading.Thread(target=lambda: print(debug.is_on())); t.start(); t.join()"
    assert _run(program, MINIGAN_DEBUG="yes") == "True\n"
