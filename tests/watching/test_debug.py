"""Debug mode: the first nan stops the program, and errors in the backward pass name the user's line."""

import re

import numpy as np
import pytest

import minigan as mg
from minigan.watching import debug
from tests.games import players
from tests.helpers.leaves import leaf
from tests.helpers.programs import python

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
HERE = r"test_debug\.py:\d+: "
DATA = r"with the data \(or by \.detach\(\)\), "


def data_with(value):
    return mg.Tensor(np.array([[1.0, value], [2.0, 3.0]], np.float32))


def fails(g, y):
    raise KeyError("oops")


BEFORE = mg.no_grad()(mg.reshape)(leaf([np.nan]), -1)
FOUND = {  # each is found at the line of the lambda
    "log": (lambda: mg.log(leaf([-1.0])), r"log made a nan from arguments without one \(shapes \(1,\)\)"),
    "subtract": (lambda: leaf([np.inf]) - leaf([np.inf]), "subtract made a nan from an infinity, input 0 .*, a parameter"),
    "data": (lambda: data_with(np.nan) @ np.ones((2, 1)), rf"input 0 of matmul .* {DATA}a tensor of shape \(2, 2\); "),
    "a name": (lambda: mg.exp(mg.Tensor([np.nan], name="x")), f"input 0 of exp .* {DATA}tensor 'x' of shape"),
    "a parameter": (lambda: mg.exp(leaf([np.nan])), r"input 0 of exp has a nan already: a tensor of shape \(1,\), a parameter"),
    "an infinity that came in": (lambda: data_with(np.inf) * 0.0, f"multiply .* from an infinity, input 0 .* {DATA}a"),
    "what no_grad made before": (lambda: mg.exp(BEFORE), r"input 0 of exp has a nan already: [^;]* that an op made"),
    "through a layer": (lambda: mg.nn.Dense(2, 1)(data_with(np.nan)), f"input 0 of affine .* {DATA}a"),
}


@pytest.mark.parametrize(("call", "says"), FOUND.values(), ids=FOUND)
def test_a_nan_is_found_where_it_enters_or_is_made_and_names_the_users_line(call, says):
    with mg.debug(), pytest.raises(FloatingPointError, match=rf"^{says}") as caught:
        call()
    assert re.search(HERE, str(caught.value))


BACKWARD = {  # (an op, the error in its backward pass, the note's op)
    "nan": (lambda x: mg.sqrt(x - 1.0) * 0.0, FloatingPointError, "divide made a nan", "sqrt"),  # 0 / (2 sqrt(0))
    "a derivative of the user's": (lambda x: mg.record("mine", x.data * 1, (x, lambda g, y: mg.Tensor(np.array([np.nan])))),
                                   FloatingPointError, "the derivative of mine made a nan from arguments without", "mine"),
    "an error": (lambda x: mg.record("mine", x.data * 1, (x, fails)) * 2, KeyError, "oops", "mine"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "error", "says", "op"), BACKWARD.values(), ids=BACKWARD)
def test_an_error_in_the_backward_pass_names_the_op_and_the_users_line(make, error, says, op):
    x = leaf([1.0])
    with mg.debug(), pytest.raises(error, match=says) as caught:
        make(x).backward()
    (note,) = caught.value.__notes__
    assert re.search(rf"^in the backward pass through {op}, called at .*{HERE}", note)
    assert not debug.is_on()
    assert (x * 2).requires_grad


def test_an_infinity_that_became_a_nan_is_traced_to_the_op_or_the_derivative_that_made_it():
    x = leaf([0.0])
    with mg.debug():
        value = (mg.log(x).reshape(1, 1) + 1.0)[:1]  # the marked line
        with mg.debug():  # a block in a block, after which it is still on
            (slope,) = mg.grad((mg.maximum(mg.sqrt(x * 1.0), 0.0) * 2.0).sum(), x)  # the marked line
        for infinite, op in ((value, "log"), (slope, "the derivative of sqrt")):
            source = rf"^multiply made a nan from an infinity, input 0 of multiply, which {op} made at .*{HERE}"
            with pytest.raises(FloatingPointError, match=rf"{source}.*# the marked line; at .*{HERE}infinite \* 0\.0$"):
                infinite * 0.0


def test_a_step_that_makes_a_nan_names_the_parameter_by_its_place_in_the_game():
    game = players.make("gan")
    game.opt_D = mg.optim.OMD([{"params": game.D.parameters(), "lr": 0.3}], 0.1)
    game.D.parameters()[1].grad = mg.Tensor(np.full(game.D.parameters()[1].shape, np.nan, np.float32))
    says = r"^OMD's step, with lr 0\.3, left a nan in parameter 1, tensor 'D\.layers\.0\.bias' of shape \(5,\), at "
    with mg.debug(), pytest.raises(FloatingPointError, match=says):
        game.opt_D.step()


def test_infinities_integers_empty_arrays_and_a_nan_that_no_op_passes_on_stop_nothing():
    x = mg.Tensor([np.nan, 1.0])
    with mg.debug():
        assert mg.Tensor([np.inf]).sum().item() == np.inf
        assert (mg.Tensor(np.arange(3)) + 1).sum().item() == 6
        assert mg.exp(mg.Tensor(np.zeros((0, 2)))).shape == (0, 2)
        assert mg.where(x == x, x, 0.0).numpy().tolist() == [0, 1]


def test_gradients_are_the_same_in_debug_mode_also_of_a_graph_from_before_it():
    x = leaf([0.5, -2.0])
    plain = mg.grad(mg.tanh(x * x).sum(), x, create_graph=True)[0]
    with mg.debug():
        watched = mg.grad(mg.tanh(x * x).sum(), x, create_graph=True)[0]
        again, before = mg.grad(watched.sum(), x)[0], mg.grad(plain.sum(), x)[0]
    np.testing.assert_array_equal(plain.numpy(), watched.numpy())
    np.testing.assert_array_equal(before.numpy(), again.numpy())


@pytest.mark.parametrize(("value", "on"), [("0", False), ("yes", True)])
def test_the_environment_variable_switches_it_on_in_every_thread(value, on):
    ask = "import threading; from minigan.watching import debug; print(debug.is_on()); "
    ask += "t = threading.Thread(target=lambda: print(debug.is_on())); t.start(); t.join()"
    assert python("-c", ask, MINIGAN_DEBUG=value).stdout == f"{on}\n" * 2
