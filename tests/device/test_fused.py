"""Every fused formula on a device: NumPy's dtypes and values, with numbers that neither float16 nor float32 holds."""

import pkgutil
from importlib import import_module

import numpy as np
import pytest

import minigan
from minigan import backend
from tests.device.comparing import assert_agree, on_both

COUNTER = 2**64 - 5  # goes over
ADAM = (0.9, 1 - 0.9, 0.999, 1 - 0.999, 0.1 / (1 - 0.9**3), 1 - 0.999**3, 1e-9)
FORMULAS = {  # name -> the kinds of its arrays, see `arrays`, and its numbers
    "backend.cupy_generator._bits": ("i", COUNTER), "backend.cupy_generator._normal32": ("i", COUNTER, 30),
    "backend.cupy_generator._normal64": ("i", COUNTER, 30), "backend.cupy_generator._uniform32": ("i", COUNTER),
    "backend.cupy_generator._uniform64": ("i", COUNTER), "losses._between": ("xxu",), "losses._log_loss_terms": ("xx",),
    "losses._sum_of_softplus": ("x", -1.0), "losses._times_sigmoid": ("xx", -1.0, 1 / 3),
    "nn.moving_average._approach": ("xx", 0.1),
    "ops.activations._dropout": ("xu", 0.1, 1 / (1 - 0.1)), "ops.activations._elu": ("x", 0.1),
    "ops.activations._leaky_relu": ("x", 0.1), "ops.activations.sigmoid_array": ("x",),
    "ops.activations.softplus_array": ("x",), "ops.activations._times_slope": ("xx", 0.1, 1 - 0.1),
    "ops.activations._where_positive": ("xx",),
    "ops.elementwise._sign": ("x",), "ops.normalisation._d_x": ("xxxxx",), "ops.normalisation._gradient_sums": ("xxxx", 784),
    "ops.normalisation._less_mean": ("xx", 784), "ops.normalisation._scaled": ("xxx",),
    "ops.normalisation._statistics": ("xxvxx", 100_000, 1e-9),
    "ops.normalisation._statistics_and_running": ("xxvxxxv", 100_000, 1e-9, 1 - 0.1, 0.1, 100_000 / 99_999),
    "ops.normalisation._sum_of_products": ("xx",),
    "optim.rules._adam": ("xxxv", *ADAM), "optim.rules._averaged_descent": ("xxx", 0.1, 1 / 3),
    "optim.rules._decayed_adam": ("xxxv", 0.1, *ADAM),
    "optim.rules._decayed_descent": ("xxx", 0.1, 1 - 0.9), "optim.rules._descent": ("xx", 0.1),
    "optim.rules._direction": ("xxv", *ADAM), "optim.rules._momentum": ("xxx", 0.1, 0.9),
    "optim.rules._extrapolate": ("xxx", 0.1), "optim.rules._step_from": ("xxx", 0.1),
    "optim.rules._optimistic_adam": ("xxxvx", 0.1, *ADAM), "optim.rules._optimistic_descent": ("xxx", 0.1),
    "optim.rules._rmsprop": ("xxv", 0.1, 0.999, 1 - 0.999, 1e-9),
}  # fmt: skip


def arrays(kinds, dtype):
    """x: of either sign; v: above 0, as sums of squares are; u: float32 from [0, 1); i: 1, 2, ... as uint64."""
    rng, shape = np.random.default_rng(0), (5, 4, 3)
    scale = np.array([1.0, 1e-4, 1e-8])  # beside the last, an eps of 1e-9 shows
    of = {
        "x": lambda: (scale * rng.standard_normal(shape)).astype(dtype),
        "v": lambda: (scale**2 * rng.uniform(1, 2, shape)).astype(dtype),
        "u": lambda: rng.random(shape, np.float32),
        "i": lambda: np.arange(1, 61, dtype=np.uint64).reshape(shape),
    }
    return [of[kind]() for kind in kinds]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_results_and_what_is_changed_in_place_are_numpys(name, dtype, device):
    module, _, function = name.rpartition(".")
    formula, (kinds, *numbers) = getattr(import_module(f"minigan.{module}"), function), FORMULAS[name]

    def compute():
        given = [backend.asarray(a) for a in arrays(kinds, dtype)]
        found = formula(*given, *numbers)
        return given if found is None else (found, given)

    here, there = on_both(compute)
    assert_agree(here, there, 8 * np.finfo("float32" if name.endswith("32") else dtype).eps)


def test_they_are_all_there_are():
    made = backend.fused(print).__code__  # which all that `fused` makes share
    found = set()
    for module in pkgutil.walk_packages(minigan.__path__, "minigan."):
        for name, value in vars(import_module(module.name)).items():
            if getattr(value, "__code__", None) is made and value.__module__ == module.name:
                found.add(f"{module.name}.{name}".removeprefix("minigan."))
    assert found == set(FORMULAS)
