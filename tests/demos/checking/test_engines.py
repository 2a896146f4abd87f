"""The engines' demo: planted mistakes are found, kinks are not, and what is said of them runs without minigan."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import minigan
from demos.checking import adapters, engines, extended, lines, tables, verdicts, worker
from demos.checking.cases import CASES, FAMILIES, Case
from demos.checking.verdicts import LEAK, MISSING, OK, RAISES, WRONG, Verdict, verdict
from tests.demos.running import ROOT, smaller_run, summary_of
from tests.gradcheck import toy_engine

SCALAR = (((),),)
ROW = r"^\| (autograd|JAX|PyTorch|tinygrad|MyGrad) ([\d.]+) \| `.*` \| .* \| `(.*)` \| (.*) \| (.*) \|$"
README_ROWS = re.findall(ROW, (ROOT / "minigan" / "gradcheck" / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def toy(monkeypatch):
    """The toy engine is one of those that can be asked, for functions of one number."""
    spec = lines.Engine(
        "import numpy; import tests.gradcheck.toy_engine as np",
        "np.Toy(numpy.array({0}, '{1}'))",
        "print(np.vjp(L)(np.Toy(1.0), {args})[0].value)",
        "print(np.vjp(lambda x: np.vjp(L)(np.Toy(1.0), x)[0])(np.Toy(1.0), {args})[0].value)",
    )
    monkeypatch.setitem(lines.ENGINES, "toy", spec)
    ways = (toy_engine.vjp, toy_engine.Toy, toy_engine.Toy.numpy)
    monkeypatch.setattr(adapters, "toy", lambda: ways, raising=False)


def ask(call, truth, **options):
    return verdict("toy", Case(call, f"np.{call}(x)", SCALAR, truth=truth, **options), 0, 6)


def test_a_right_op_is_ok(toy):
    assert ask("sine", "np.sin(x)").status == OK


@pytest.mark.parametrize(
    ("call", "truth", "what", "got", "true"),
    [
        ("half_sine", "np.sin(x)", "gradient for x", 0.5, 1.0),
        ("sine_then_wrong", "np.sin(x)", "second derivative by x and x", np.sin(1.0), -np.sin(1.0)),
        ("square_of_0", "x * x", "gradient for x", np.nan, 0.0),
    ],
)
def test_a_planted_mistake_is_found_with_the_smallest_example_that_runs_without_minigan(toy, call, truth, what, got, true):
    found = ask(call, truth)
    assert (found.status, found.what) == (WRONG, what)
    assert float(found.got) == pytest.approx(got, nan_ok=True, rel=1e-4)
    assert float(found.true) == pytest.approx(true, rel=1e-4)
    code = f"import sys; sys.modules['minigan'] = None; {found.line}"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert float(said.stdout) == pytest.approx(got, nan_ok=True), said.stderr


def test_a_kink_is_no_mistake(toy):
    assert ask("relu_7", "np.maximum(x, 0)").status == OK


def test_a_tie_that_no_single_element_shows_is_no_mistake():
    case = Case("median", "np.mean(x)", (((3,),),), truth="np.median(x)", special=(1.0,))
    asked = verdicts.ask("minigan", case)
    x = [np.ones(3)]  # the median of equal numbers, whichever of them moves, stays; minigan's mean moves
    fault = verdicts.first_order(asked, x, "float64")
    assert fault is not None
    with pytest.raises(extended.NotSmoothError):
        verdicts.check_differentiable(asked, fault)


def test_a_float64_leak_is_found(toy):
    assert ask("leaky_square", "x * x").status == LEAK


def test_another_function_under_the_same_name_is_not_judged(toy):
    assert ask("sine", "np.cos(x)").status == MISSING


def test_a_name_that_an_engine_has_not_is_not_asked(toy):
    assert ask("no_such_op", "x + 0").status == MISSING


def test_an_engine_that_fails_on_its_way_back_raises(toy, monkeypatch):
    monkeypatch.setattr(toy_engine, "cosine", lambda x: 1 / 0)
    found = ask("sine", "np.sin(x)")
    assert (found.status, found.what) == (RAISES, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("case", CASES[::9], ids=lambda case: case.name)
def test_minigan_is_right(case):
    assert verdict("minigan", case, 0, 3).status in (OK, MISSING)


# --- the second method --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_truth_can_be_computed_in_extended_precision(case):
    x = [max(case.low, 0.3) + np.linspace(0, 0.5, int(np.prod(s))).reshape(s) for s in case.shapes[-1]]
    names = {"np": np, "e": extended, "inf": np.inf, "I": [2, 0, 0]}
    truth = eval(f"lambda {', '.join('xyz'[: len(x)])}: {case.truth or case.call}", names)
    y = truth(*[a.astype(np.longdouble) for a in x])
    assert np.asarray(y).dtype == np.longdouble
    assert np.isfinite(y).all()


@pytest.mark.parametrize("name", ["gammaln", "digamma", "betaln", "i0", "i1", "hyp1f1", "erf", "spence"])
def test_special_functions_are_scipys(name):
    count = {"betaln": 2, "hyp1f1": 3}.get(name, 1)
    x = [np.linspace(0.3 + 0.1 * i, 2.9, 9) for i in range(count)]
    np.testing.assert_allclose(
        np.asarray(getattr(extended, name)(*x), float), getattr(special, name)(*x), rtol=1e-12, atol=1e-15
    )


def test_trigamma_and_logsumexp_are_scipys():
    x = np.linspace(0.5, 3.0, 9)
    np.testing.assert_allclose(np.asarray(extended.trigamma(x), float), special.polygamma(1, x), rtol=1e-13)
    np.testing.assert_allclose(extended.logsumexp(x.reshape(3, 3)), special.logsumexp(x.reshape(3, 3), axis=-1))


def test_derivatives_in_extended_precision():
    x = np.longdouble(0.3)
    assert extended.derivative(lambda t: np.sin(x + t), 1) == pytest.approx(np.cos(0.3), abs=1e-14)
    assert extended.derivative(lambda t: np.exp(x + t), 2) == pytest.approx(np.exp(0.3), abs=1e-11)
    assert extended.derivative(lambda t: np.abs(t - 1e-3), 1) == pytest.approx(-1)  # beside a kink


@pytest.mark.parametrize(
    ("kink", "order"), [(np.abs, 1), (np.sqrt, 1), (lambda t: t * np.abs(t), 2)], ids=["abs", "sqrt", "x |x|"]
)
def test_a_kink_has_no_derivative_to_compare_with(kink, order):
    with np.errstate(invalid="ignore"), pytest.raises(extended.NotSmoothError):
        extended.derivative(kink, order)


# --- what is printed, and the whole ---------------------------------------------------------------------------------------


def test_a_line_prints_first_and_second_derivatives():
    x, y = np.array([0.5, 1.0]), np.array(2.0)
    first = lines.line("minigan", "np.sin(x) * y", [x, y], (2,), 0)
    assert lines.printed(first) == str(np.float64([1, 2]) * np.cos(x) * 2)
    second = lines.line("minigan", "np.sin(x) * y", [x, y], (2,), 0, 1)
    assert float(lines.printed(second)) == pytest.approx(np.cos(0.5) + 4 * np.cos(1.0))


def test_an_engine_that_is_not_installed_is_left_out_and_named(capsys):
    assert "No module" in worker.answer("no_such_engine", 0, 1, 0, 1)["missing"]
    verdict = Verdict("minigan", "sin", OK, 2)
    answers = [json.dumps(["jax", {"missing": "No module named 'jax'"}])]
    answers += [json.dumps(["minigan", {"version": "1.0", "verdicts": [verdict.__dict__]}])]
    versions, absent, found = engines.collected(answers)
    assert (versions, list(absent), found) == ({"minigan": "1.0"}, ["jax"], [verdict])
    tables.print_all(versions, absent, found)
    assert "jax       left out: No module named 'jax' (pip install jax)" in capsys.readouterr().out


def test_minigan_answers_from_a_clone_that_is_not_installed(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert worker.answer("minigan", 0, 1, 0, len(CASES))["version"] == minigan.__version__


def test_a_worker_that_ends_is_said(monkeypatch):
    monkeypatch.setattr(engines.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 9, "", "killed"))
    assert json.loads(engines.ask("jax", 0, 1, 0, 1)) == ["jax", {"missing": "its process ended with code 9: killed"}]


def test_a_run_with_minigan_alone_leaves_a_table_and_a_picture(tmp_path):
    out = smaller_run(engines, tmp_path, every=30)
    assert {"engines.png", "engines.html"} <= {path.name for path in out.iterdir()}
    assert summary_of(out)["holds"] == {"minigan: wrong": True, "minigan: dtype leak": True, "minigan: raises": True}
    assert "<th>minigan" in (out / "engines.html").read_text()


def test_a_wrong_gradient_of_minigan_would_not_hold(tmp_path, monkeypatch):
    wrong = Verdict("minigan", "sin", WRONG, 2, "gradient for x", "0.0", "1.0", "print(0)")
    answer = json.dumps(["minigan", {"version": "1.0", "verdicts": [wrong.__dict__]}])
    monkeypatch.setattr(engines, "ask_all", lambda *_: [answer])
    with pytest.raises(SystemExit, match="does not hold: minigan: wrong"):
        smaller_run(engines, tmp_path)


def test_every_case_has_a_name_of_its_own_and_a_family():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert sum(map(len, FAMILIES.values())) == len(names)


# --- README ---------------------------------------------------------------------------------------------------------------


def test_readme_lists_what_was_found():
    assert len(README_ROWS) >= 15
    assert len({engine for engine, *_ in README_ROWS}) >= 3


@pytest.mark.parametrize("engine", ["autograd", "JAX", "PyTorch", "tinygrad", "MyGrad"])
def test_readmes_lines_print_what_it_says_without_minigan(engine):
    package = {"PyTorch": "torch"}.get(engine, engine.lower())
    pytest.importorskip(package, reason=f"{package} is not installed")
    rows = [row[1:] for row in README_ROWS if row[0] == engine]
    if importlib.metadata.version(package).split("+")[0] != rows[0][0]:
        pytest.skip(f"{package} is another version than README's")
    program = [lines.ENGINES[package].imports, *(f"print({line})" for _, line, _, _ in rows)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"DEV": "PYTHON"}
    command = [sys.executable, "-W", "ignore", "-c", "import sys; sys.modules['minigan'] = None\n" + "\n".join(program)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    said = done.stdout.splitlines()
    assert len(said) == len(rows), done.stderr
    for (_, line, prints, true), words in zip(rows, said, strict=True):
        if re.fullmatch(r"[-\d.nan]+", prints):
            assert float(words) == pytest.approx(float(prints), rel=1e-3, nan_ok=True), line
            assert float(words) != pytest.approx(float(true), rel=1e-2), line
        else:
            assert words == prints != true, line
