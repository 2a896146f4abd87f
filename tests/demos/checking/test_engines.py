"""The engines' demo: planted mistakes are found, kinks are not, and what is said of them runs without minigan."""

import numpy as np
import pytest
from scipy import special

from demos.checking import adapters, engines, extended, lines
from demos.checking.cases import CASES, Case
from demos.checking.verdicts import LEAK, MISSING, OK, WRONG, verdict
from tests.demos.running import summary_of
from tests.gradcheck import toy_engine
from tests.helpers.programs import python


@pytest.fixture
def ask(monkeypatch):
    """Asks the toy engine for a function of one number."""
    spec = lines.Engine(
        "import numpy; import tests.gradcheck.toy_engine as np",
        "np.Toy(numpy.array({0}, '{1}'))",
        "print(np.vjp(L)(np.Toy(1.0), {args})[0].value)",
        "print(np.vjp(lambda x: np.vjp(L)(np.Toy(1.0), x)[0])(np.Toy(1.0), {args})[0].value)",
    )
    monkeypatch.setitem(lines.ENGINES, "toy", spec)
    ways = (toy_engine.vjp, toy_engine.Toy, toy_engine.Toy.numpy)
    monkeypatch.setattr(adapters, "toy", lambda: ways, raising=False)
    return lambda call, truth: verdict("toy", Case(call, f"np.{call}(x)", (((),),), truth=truth), 0, 6)


@pytest.mark.parametrize(
    ("call", "truth", "what", "got", "true"),
    [
        ("half_sine", "np.sin(x)", "gradient for x", 0.5, 1.0),
        ("sine_then_wrong", "np.sin(x)", "second derivative by x and x", np.sin(1.0), -np.sin(1.0)),
        ("square_of_0", "x * x", "gradient for x", np.nan, 0.0),
    ],
)
def test_a_planted_mistake_is_found_with_the_smallest_example_that_runs_without_minigan(ask, call, truth, what, got, true):
    found = ask(call, truth)
    assert (found.status, found.what) == (WRONG, what)
    assert [float(found.got), float(found.true)] == pytest.approx([got, true], nan_ok=True, rel=1e-4)
    program = f"import sys; sys.modules['minigan'] = None; {found.line}"
    said = python("-c", program)
    assert float(said.stdout) == pytest.approx(got, nan_ok=True), said.stderr


@pytest.mark.parametrize(
    ("call", "truth", "status"),
    [
        ("sine", "np.sin(x)", OK),
        ("relu_7", "np.maximum(x, 0)", OK),  # at a kink, any number is right
        ("leaky_square", "x * x", LEAK),
        ("sine", "np.cos(x)", MISSING),  # another function under the same name
        ("no_such_op", "x + 0", MISSING),
    ],
)
def test_what_is_no_wrong_gradient(ask, call, truth, status):
    assert ask(call, truth).status == status


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_truth_can_be_computed_in_extended_precision_and_minigan_is_right(case):
    x = [max(case.low, 0.3) + np.linspace(0, 0.5, int(np.prod(s)), dtype=np.longdouble).reshape(s) for s in case.shapes[-1]]
    names = {"np": np, "e": extended, "inf": np.inf, "I": [2, 0, 0]}
    y = np.asarray(eval(f"lambda {', '.join('xyz'[: len(x)])}: {case.truth or case.call}", names)(*x))
    assert y.dtype == np.longdouble
    assert np.isfinite(y).all()
    if CASES.index(case) % 9 == 0:
        assert verdict("minigan", case, 0, 3).status in (OK, MISSING)


@pytest.mark.parametrize("name", ["gammaln", "digamma", "betaln", "i0", "i1", "hyp1f1", "erf", "spence", "trigamma"])
def test_special_functions_are_scipys(name):
    x = [np.linspace(0.3 + 0.1 * i, 2.9, 9) for i in range({"betaln": 2, "hyp1f1": 3}.get(name, 1))]
    expected = special.polygamma(1, *x) if name == "trigamma" else getattr(special, name)(*x)
    np.testing.assert_allclose(np.asarray(getattr(extended, name)(*x), float), expected, rtol=1e-12, atol=1e-15)


def test_derivatives_in_extended_precision_and_none_at_a_kink():
    x = np.longdouble(0.3)
    assert extended.derivative(lambda t: np.sin(x + t), 1) == pytest.approx(np.cos(0.3), abs=1e-14)
    assert extended.derivative(lambda t: np.exp(x + t), 2) == pytest.approx(np.exp(0.3), abs=1e-11)
    assert extended.derivative(lambda t: np.abs(t - 1e-3), 1) == pytest.approx(-1)  # next to a kink
    for kink, order in ((np.abs, 1), (np.sqrt, 1), (lambda t: t * np.abs(t), 2)):
        with np.errstate(invalid="ignore"), pytest.raises(extended.NotSmoothError):
            extended.derivative(kink, order)


def test_a_run_with_minigan_alone_leaves_a_table_and_a_picture_and_a_line_weighs_each_element(tmp_path):
    engines.main(["--quick", "--set=every=30", "--out", str(tmp_path)])
    assert {"engines.png", "engines.html"} <= {path.name for path in tmp_path.iterdir()}
    assert all(summary_of(tmp_path)["holds"].values())
    program = lines.line("minigan", "np.sin(x)", [np.array([0.5, 1.0])], (2,), 0)
    assert lines.printed(program) == str(np.cos([0.5, 1.0]) * [1, 2])
