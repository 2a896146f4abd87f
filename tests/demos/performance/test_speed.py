"""The demo of speed: its files and figures, and that all engines play the same game. No time's value is tested."""

import importlib.util
import io
import itertools
import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from demos.performance import growth, speed, workers
from demos.performance.engines import NAMES, matmul, memory, minigan, plays, sizes
from demos.performance.engines.__main__ import LEAST, WARM_UP, timed
from demos.performance.engines.sizes import SIZES
from minigan import games
from minigan.ops import linear
from tests.demos.running import ROOT, assert_shows_something, numbers, summary_of

FILES = {"speed.png", "growth.png", "memory.png", "summary.json", "checkpoint.npz"}
OTHERS = ("torch", "jax", "mygrad", "autograd")
SMALL = {
    "gan": sizes.dense_gan(16, 6, batch=5, z=3),
    "dcgan": sizes.small_dcgan(8, batch=4, channels=2),
    "wgan-gp": sizes.wgan_gp(16, 6, batch=5),
    "fgsm": sizes.fgsm(batch=3),
}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow) for name in ("some", "all")])
def done(request, quick, tmp_path_factory):
    """A quick run: its results, what it said, its engines and axes. "some": three engines, two axes, two points on each."""
    if request.param == "all":
        run = quick("speed")
        return SimpleNamespace(
            out=run.out,
            said=run.said,
            err=run.err,
            engines=set(NAMES),
            axes={name: axis.quick for name, axis in growth.AXES.items()},
        )
    out, some = tmp_path_factory.mktemp("speed"), ("minigan", "matmul", "mygrad")
    axes = {name: replace(growth.AXES[name], quick=growth.AXES[name].quick[:2]) for name in ("batch", "image side")}
    with pytest.MonkeyPatch.context() as m, redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as err:
        m.setattr(speed, "NAMES", some)
        m.setattr(growth, "AXES", axes)
        m.setattr(workers, "PAUSE", 0)
        speed.main(["--quick", "--out", str(out)])
    return SimpleNamespace(
        out=out,
        said=said.getvalue(),
        err=err.getvalue(),
        engines=set(some),
        axes={name: axis.quick for name, axis in axes.items()},
    )


# --- what a run leaves --------------------------------------------------------------------------------------------------


def test_a_quick_run_writes_its_files_and_names_them(done):
    assert {path.name for path in done.out.iterdir()} == FILES
    for name in FILES:
        assert re.search(rf"\b{re.escape(name)}\b", done.said)
    for name in FILES - {"summary.json", "checkpoint.npz"}:
        assert_shows_something(done.out / name)
    assert "Warning" not in done.err
    assert "Traceback" not in done.err


def test_all_figures_are_finite_and_positive_but_for_the_slopes(done):
    metrics = summary_of(done.out)["metrics"]
    for figures in metrics["growth"].values():
        slopes = figures.pop("slope")
        assert set(slopes) == {"ms", "peak", "activations"}
        assert np.isfinite(numbers(slopes)).all()
    figures = np.array(numbers({part: metrics[part] for part in ("times", "memory", "growth")}), float)
    assert len(figures) > 20
    assert np.isfinite(figures).all()
    assert (figures > 0).all()


def test_the_summary_has_settings_metrics_versions_and_seconds(done):
    summary = summary_of(done.out)
    assert {"settings", "metrics", "versions", "seconds", "holds"} <= set(summary)
    engines, absent = summary["metrics"]["engines"], summary["metrics"]["absent"]
    assert set(engines) | set(absent) == done.engines
    assert {"minigan", "matmul"} <= set(engines)
    assert engines["minigan"] == {"version": mg.__version__, "threads": 2}
    assert set(summary["metrics"]["times"]["tiny"]) == set(engines)
    assert summary["metrics"]["times"]["tiny"]["minigan"]["ratio"] == 1
    grown = {name: figures["values"] for name, figures in summary["metrics"]["growth"].items()}
    assert grown == {name: list(values) for name, values in done.axes.items()}


def test_an_engine_that_is_not_installed_is_left_out_and_said_so(done):
    for engine, reason in summary_of(done.out)["metrics"]["absent"].items():
        assert f"{engine} is left out: {reason}" in done.said


def test_the_tables_show_every_engine_and_the_ops_in_both_directions(done):
    for engine in summary_of(done.out)["metrics"]["engines"]:
        assert re.search(rf"^ +{engine} ", done.said, re.MULTILINE)
    assert re.search(r"^ +affine +forward ", done.said, re.MULTILINE)
    assert re.search(r"^ +\S+ +backward ", done.said, re.MULTILINE)


@pytest.mark.slow
def test_the_demo_imports_no_other_engine():
    code = f"import sys, demos.performance.speed; print([name for name in {OTHERS} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize("engine", ["matmul", *OTHERS])
def test_no_engine_imports_another_nor_draws(engine):
    if not installed(engine):
        pytest.skip(f"{engine} is not installed")
    module, others = f"demos.performance.engines.{engine}", {"minigan", "matplotlib", *OTHERS} - {engine}
    code = f"import sys, {module}; print(sorted({others} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


# --- the same in every engine -------------------------------------------------------------------------------------------


def installed(engine):
    return engine == "matmul" or importlib.util.find_spec(engine) is not None


def losses(engine, size, n=4, python=None):
    with workers.Worker(engine, python) as worker:
        if worker.missing:
            pytest.skip(f"{engine} is left out: {worker.missing}")
        worker.make(size, seed=3)
        return np.array(worker.ask(losses=n)["losses"])


def read(step):
    """The losses of one iteration."""
    return [loss() for loss in step()]


@pytest.mark.parametrize(
    ("engine", "name"),
    [*itertools.product(("torch", "jax"), SMALL), *itertools.product(("mygrad", "autograd"), ["gan"])],
    ids=lambda value: value,
)
def test_every_engine_plays_the_same_game(engine, name):
    """Under the interpreter that MINIGAN_PYTHON_TORCH, ... names, if any."""
    python = os.environ.get(f"MINIGAN_PYTHON_{engine.upper()}")
    if python is None and not installed(engine):
        pytest.skip(f"{engine} is not installed")
    theirs = losses(engine, SMALL[name], python=python)
    assert theirs.shape == (4, 2)
    np.testing.assert_allclose(theirs, losses("minigan", SMALL[name]), rtol=2e-3, atol=1e-5)


@pytest.fixture
def gpu(monkeypatch):
    """CuPy's stand-in, for the workers."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "stand_in"))


def test_on_a_gpu_too(gpu):
    np.testing.assert_allclose(losses("cupy", SMALL["gan"]), losses("minigan", SMALL["gan"]), rtol=1e-5)


@pytest.mark.slow
def test_the_table_of_a_gpu(gpu, tmp_path):
    engines = "speed.ON_GPU = ('minigan', 'cupy')"
    code = f"from demos.performance import speed, workers; {engines}; workers.PAUSE = 0; speed.main()"
    command = [sys.executable, "-c", code, "--quick", "--backend", "cupy", "--out", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {"minigan", "cupy"} <= set(summary["metrics"]["times"]["tiny"])
    assert summary["metrics"]["engines"]["cupy"]["version"].endswith("CuPy 14.0.0")
    assert "cupy" in said
    assert "affine" not in said, "a profile of the processor's ops"
    assert {path.name for path in tmp_path.iterdir()} == {"speed.png", "summary.json", "checkpoint.npz"}


def test_a_table_of_a_gpu_without_an_engine_there_ends_in_one_message(monkeypatch, tmp_path):
    """Such as a GPU that takes one program at a time, which is the demo itself."""
    monkeypatch.setattr(workers, "PAUSE", 0)
    monkeypatch.setattr(speed, "ON_GPU", ("minigan", "torch_gpu"))
    (tmp_path / "torch.py").write_text("raise ImportError('there is no PyTorch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    claim = SimpleNamespace(args=SimpleNamespace(seed=0), metrics={})
    with pytest.raises(SystemExit, match="no engine is left that computes on a GPU"):
        speed.measure_gpu(claim, replace(speed.QUICK, profile=0.0), {})
    assert claim.metrics["absent"] == {"torch_gpu": "there is no PyTorch"}


def test_without_a_gpu_its_engines_are_left_out():
    try:
        with mg.backend.using("cupy"):
            pytest.skip("there is a GPU")
    except mg.backend.BackendError:
        with workers.Worker("cupy") as worker:
            assert worker.missing


@pytest.mark.parametrize("name", SMALL)
def test_a_start_is_the_seeds_and_the_losses_move(name):
    size = SMALL[name]
    first, again, other = (minigan.make(size, seed) for seed in (3, 3, 4))
    a, b, c = ([read(step) for _ in range(3)] for step in (first, again, other))
    assert a == b
    assert a != c
    assert len({tuple(row) for row in a}) == 3
    assert np.isfinite(a).all()


def test_the_dense_iteration_is_goodfellows_with_adam():
    """By hand: both losses, from logits, before any step."""
    size = SMALL["gan"]
    G, D = (minigan.network(*both) for both in zip((size.G, size.D), sizes.start(size, 3), strict=True))
    x, z, _ = sizes.minibatches(size, 3)[0]
    with mg.no_grad():
        real, fake = D(mg.Tensor(x)).numpy().astype(float), D(G(mg.Tensor(z))).numpy().astype(float)
    expected = np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()
    assert read(minigan.make(size, 3))[0] == pytest.approx(expected, rel=1e-5)


def test_the_dcgan_is_minigans_own():
    size = SIZES["dcgan"]
    for own, layers in ((games.dcgan_generator(), size.G), (games.dcgan_discriminator(), size.D)):
        rebuilt = minigan.network(layers, sizes.weights(layers, np.random.default_rng(0)))
        assert repr(rebuilt) == repr(own)


def test_the_penalty_is_that_of_the_losses(monkeypatch):
    size = SMALL["wgan-gp"]
    G, D = (minigan.network(*both) for both in zip((size.G, size.D), sizes.start(size, 3), strict=True))
    x, z, u = sizes.minibatches(size, 3)[0]
    of_the_minibatch = SimpleNamespace(random=u.reshape)
    with monkeypatch.context() as m:
        m.setattr(mg.random_numbers, "noise_generator", lambda rng, beside: of_the_minibatch)
        expected = mg.losses.gradient_penalty(D, mg.Tensor(x), G(mg.Tensor(z))).item()
    assert read(minigan.make(size, 3))[1] == pytest.approx(expected, rel=1e-6)


def test_mygrad_and_autograd_play_the_dense_gans_alone():
    assert [name for name in SIZES if plays("mygrad", name)] == ["tiny", "mlp256"]
    assert all(plays(engine, name) for engine in ("minigan", "matmul", "torch", "jax") for name in SIZES)


# --- matrix products ----------------------------------------------------------------------------------------------------


def test_the_products_are_those_of_the_layers():
    size = SIZES["dcgan"]
    assert list(matmul.products(size.D, 64, 28)) == [
        (64 * 14 * 14, 16 * 1, 64),
        (64 * 7 * 7, 16 * 64, 128),
        (64 * 4 * 4, 9 * 128, 256),
        (64, 4096, 1),
    ]
    assert list(matmul.products(size.G, 64, 28)) == [
        (64, 100, 4096),
        (64 * 4 * 4, 256, 9 * 128),
        (64 * 7 * 7, 128, 16 * 64),
        (64 * 14 * 14, 64, 16 * 1),
    ]


def products_of(monkeypatch, size):
    """How often an iteration multiplies: forward, and back."""
    counted = {"forward": 0, "to_input": 0, "to_weights": 0}
    for what in counted:
        monkeypatch.setattr(matmul.Product, what, lambda self, what=what: counted.update({what: counted[what] + 1}))
    assert matmul.make(size, 0)() == ()
    return counted["forward"], counted["to_input"] + counted["to_weights"]


def test_a_gan_has_as_many_products_as_minigan_computes(monkeypatch):
    backward = []
    for name in ("_times_transposed", "_transposed_times"):
        product = getattr(linear, name)
        monkeypatch.setattr(linear, name, lambda a, b, product=product: backward.append((a, b)) or product(a, b))
    with mg.profile() as table:
        minigan.make(SMALL["gan"], 0)()
    calls = table.rows["affine", "forward"].calls, len(backward)
    assert products_of(monkeypatch, SMALL["gan"]) == calls == (10, 11)


def test_the_other_sizes_products(monkeypatch):
    assert products_of(monkeypatch, SMALL["wgan-gp"]) == (10, 10)
    assert products_of(monkeypatch, SMALL["fgsm"]) == (3, 3)


# --- memory -------------------------------------------------------------------------------------------------------------


def test_the_graph_keeps_each_array_once_and_what_derivatives_hold():
    x = mg.Tensor(np.ones((4, 8), np.float32), requires_grad=True)
    y = mg.exp(x).reshape(8, 4)  # a view of the same memory
    hidden = np.ones(1000, np.float32)
    loss = mg.record("op", y.data.sum(), (y, lambda g, out: g * float(hidden[0])))
    assert sum(array.nbytes for array in memory.kept(loss).values()) == 4 * (32 + 32 + 1000 + 1)


def test_activations_are_those_of_both_players_graphs():
    """Of the dense networks: a product, a sum with the bias, an activation for each layer; D's twice, then G's and D's."""
    n, hidden, features = 64, 32, 16
    found = memory.memory(sizes.dense_gan(hidden, features, n), seed=0)
    in_D, in_G = n * (3 * hidden + 2), n * (3 * hidden + 3 * features)
    least = 4 * (3 * in_D + in_G)
    assert least / 2 < found["activations"] < 1.5 * least
    assert found["peak"] > least / 2
    assert not tracemalloc.is_tracing()


def test_activations_grow_with_the_batch():
    small, large = (memory.memory(sizes.dense_gan(16, 8, n), seed=0)["activations"] for n in (32, 64))
    assert 1.9 < large / small < 2.1


def test_a_slope_is_the_power_at_the_right_end():
    x = np.array([1, 2, 4, 8, 16.0])
    assert growth.slope(x, 3 * x**2) == pytest.approx(2)
    assert growth.slope(x, [9, 9, 9, 18, 36]) == pytest.approx(1)


# --- workers ------------------------------------------------------------------------------------------------------------


def test_a_worker_that_dies_is_an_error_with_its_last_words():
    with workers.Worker("matmul") as worker, pytest.raises(workers.WorkerError, match=r"worker of matmul.*\n(?s:.*)KeyError"):
        worker.make(sizes.Size("chess", 1, [2], []), seed=0)


def test_a_worker_that_is_killed_is_an_error_too():
    with workers.Worker("matmul") as worker:
        worker.process.kill()
        worker.process.wait()
        with pytest.raises(workers.WorkerError, match="ended with code -9"):
            worker.ask(losses=1)


def test_an_interpreter_that_cannot_run_the_worker_is_an_error(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(workers.WorkerError, match=r"code 3:\nno such luck"):
        workers.Worker("torch", str(broken))


def test_an_engine_whose_worker_ends_is_left_out(tmp_path, capsys, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(workers, "PAUSE", 0)
    times, _, absent = speed.times_of("tiny", ("minigan", "torch", "matmul"), 0, speed.QUICK, {"torch": str(broken)}, {}, {})
    assert set(times) == {"minigan", "matmul"}
    assert absent == {"torch": "the worker of torch has ended with code 3:\nno such luck"}
    assert f"torch is left out: {absent['torch']}" in capsys.readouterr().out


def test_without_minigans_worker_the_demo_ends_with_one_message(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(SystemExit, match="the worker of minigan has ended with code 3"):
        speed.main(["--quick", "--out", str(tmp_path), "--python", f"minigan={broken}"])


def test_an_interpreter_that_hangs_is_an_error_and_ends_with_what_it_has_started(tmp_path, monkeypatch):
    hangs = tmp_path / "python"
    hangs.write_text("#!/bin/sh\nsleep 100\nexit 3\n")  # sleep is another process, and has the pipe
    hangs.chmod(0o755)
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    began = time.perf_counter()
    with pytest.raises(workers.WorkerError, match=r"^the worker of torch has not answered within 0.2 s$"):
        workers.Worker("torch", str(hangs))
    assert time.perf_counter() - began < 60  # it does not wait for sleep


def test_a_worker_that_hangs_over_a_task_is_an_error(monkeypatch):
    with workers.Worker("matmul") as worker:
        monkeypatch.setattr(workers, "PATIENCE", 0.2)
        with pytest.raises(workers.WorkerError, match=r"^the worker of matmul has not answered within 0.2 s$"):
            worker.ask(unknown="task")  # to which there is no answer


def test_another_interpreter_plays_an_engine(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    log = tmp_path / "log"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$PYTHONPATH $@" > {log}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with workers.Worker("matmul", str(python)) as worker:
        assert worker.version == np.__version__
    assert log.read_text().split() == [str(ROOT), "-m", "demos.performance.engines", "matmul"]  # no site-packages


def test_an_engines_own_printing_is_no_answer():
    code = (
        "import json, sys; sys.argv = ['worker', 'minigan']; import demos.performance.engines.minigan as engine;"
        "engine.make = lambda *a: (print('hello'), engine.gan(*a))[1];"
        "from demos.performance.engines.__main__ import main; main()"
    )
    size = {"task": "gan", "batch": 2, "shape": [2], "D": [["dense", 2, 1]], "G": [["dense", 3, 2]], "z": 3}
    tasks = "".join(json.dumps(task) + "\n" for task in ({"make": size, "seed": 0}, {"profile": 1}, {"losses": 1}))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=tasks, capture_output=True, text=True, check=True)
    hello, made, table, played = map(json.loads, done.stdout.splitlines())
    assert "version" in hello
    assert made == {}
    assert "affine" in table["table"]
    assert np.shape(played["losses"]) == (1, 2)


def test_an_iteration_is_timed_until_its_first_loss_has_been_read():
    done = []

    def step():
        done.append("step")
        return lambda: done.append("loss_D"), lambda: done.append("loss_G")

    calls = timed(step, 0.0)["calls"] + WARM_UP
    assert done == ["step", "loss_D"] * calls
    assert timed(lambda: (), 0.0)["calls"] == LEAST


def test_a_timed_iteration_waits_for_the_gpu_once(gpu):
    """Under CuPy's stand-in, which counts, in a process of its own: an iteration, its first loss, and nothing else."""
    code = """
import cupy
from demos.performance.engines import __main__ as worker, cupy as engine, sizes
step = engine.make(sizes.dense_gan(16, 6, batch=5, z=3), 3)
cupy.transfers.clear()
waits = []

def noted():
    waits.append(cupy.transfers["to_host"])
    return step()

calls = worker.timed(noted, 0.0)["calls"] + worker.WARM_UP
print(waits == list(range(calls)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_times_are_taken_in_turn_to_and_fro_and_the_first_round_does_not_count(monkeypatch):
    asked = []

    class Clockwork:
        def __init__(self, engine, ms):
            self.engine, self.ms = engine, iter(ms)

        def ask(self, time):
            asked.append(self.engine)
            return {"ms": next(self.ms)}

    monkeypatch.setattr(workers, "PAUSE", 0)
    found = workers.compare([Clockwork("minigan", [99, 2, 4, 9]), Clockwork("torch", [50, 1, 1, 3])], rounds=3, seconds=0.1)
    assert asked == ["minigan", "torch", "torch", "minigan", "minigan", "torch", "torch", "minigan"]
    assert found["torch"] == {"ms": 1, "ratio": 3, "ratio_low": 2, "ratio_high": 4}


# --- options ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--python", "tensorflow=python"), "expected NAME=PATH"),
        (("--python", "torch"), "no interpreter ''"),
        (("--python", "torch=/nowhere/python"), "no interpreter '/nowhere/python'"),
        (("--set", "rounds=0"), "rounds"),
    ],
)
def test_wrong_options_are_refused(options, message, capsys):
    with pytest.raises(SystemExit) as end:
        speed.main(list(options))
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_help_begins_with_what_the_demo_shows(capsys):
    with pytest.raises(SystemExit):
        speed.main(["--help"])
    text = capsys.readouterr().out
    assert speed.__doc__.splitlines()[0] in text
    assert "--python" in text
