"""What the demos' tests share: one quick run of each demo, runs that are smaller still, and digits in a folder."""

import functools
import inspect
import re
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest

import demos
from demos import catalogue
from demos.kit import digits, pictures
from demos.kit import run as kit
from demos.kit.claim import Claim
from demos.kit.runner.checkpoint import running
from demos.the_game import gan
from demos.wasserstein import wgan
from minigan import data, metrics
from tests.demos.running import MAIN, coarse_pictures
from tests.helpers.programs import python


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """name -> the demo's --quick run from the command line, once: where its results are, what it said, and its cache."""

    @functools.cache
    def run(name):
        out, cache = (tmp_path_factory.mktemp(name) for _ in range(2))
        environment = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment |= {"XDG_CACHE_HOME": str(cache), "MPLCONFIGDIR": matplotlib.get_cachedir()}  # matplotlib's list of fonts
        module = ["demos.gan"] if name == "gan" else ["demos", name]  # both ways to start a demo
        done = python("-m", *module, "--quick", "--out", out, **environment)
        assert done.returncode == 0, done.stderr
        return SimpleNamespace(name=name, out=out, said=done.stdout, err=done.stderr, cache=cache)

    return run


@pytest.fixture(autouse=True)
def _no_run_is_left():
    """A run that a test leaves before its end would catch the signals of those that follow."""
    yield
    running.close()


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The current folder is an empty one, and pictures are coarse."""
    monkeypatch.chdir(tmp_path)
    with coarse_pictures():
        yield


@pytest.fixture
def usual_signals():
    """Signals mean what they mean to a program in a terminal, also where the tests run in the background or by nohup."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    numbers = {getattr(signal, name): handler for name, handler in usual.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def small(monkeypatch):
    """Little data, few samples and snapshots, no pictures, a judge who has learnt nothing: only numbers are compared."""
    monkeypatch.setattr(Claim, "show", lambda *arguments: None)
    for name in [name for name in vars(pictures) if re.match("curves|points|images|interpolations", name)]:
        monkeypatch.setattr(pictures, name, lambda *arguments, **named: None)
    monkeypatch.setattr(wgan, "draw_estimates", lambda *arguments: None)
    glyphs = data.glyphs
    monkeypatch.setattr(data, "glyphs", lambda n: glyphs(min(n, 150)))
    monkeypatch.setattr(metrics, "train_judge", lambda x, y, steps: metrics.Judge(np.random.default_rng(0)))
    monkeypatch.setattr(digits, "SAMPLES", 20)
    monkeypatch.setattr(kit, "QUICK_SNAPSHOTS", 4)
    for name, settings in gan.SETTINGS.items():
        monkeypatch.setitem(gan.SETTINGS, name, replace(settings, batch=32))


@pytest.fixture
def record(monkeypatch):
    """Puts in a function's place another one, which notes its arguments and returns what `result` makes of them.

    The notes are a list of namespaces, one for each call, with the names of the function's parameters.
    """

    def put(where, name, result=lambda *arguments, **named: None):
        signature, calls = inspect.signature(getattr(where, name)), []

        def stand_in(*arguments, **named):
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            calls.append(SimpleNamespace(**bound.arguments))
            return result(*arguments, **named)

        monkeypatch.setattr(where, name, stand_in)
        return calls

    return put


@pytest.fixture
def mnist_folder(tmp_path):
    """A folder with random images in MNIST's format: 300 to train with, 40 to test."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for split, n in (("train", 300), ("t10k", 40)):
        images, labels = rng.integers(256, size=(n, 28, 28), dtype=np.uint8), rng.integers(10, size=n, dtype=np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{split}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return folder


# --- a folder of demos -------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder of demos in two chapters; in b, first_pictures is none."""
    for chapter, name in (("a", "zebra"), ("a", "wgan"), ("a", "gan"), ("b", "first")):
        (tmp_path / chapter).mkdir(exist_ok=True)
        (tmp_path / chapter / "__init__.py").write_text(f'"""Chapter {chapter}"""')
        (tmp_path / chapter / f"{name}.py").write_text(f'"""The {name}.\n\nSlide: "a\n  b" (L)\n"""\n\n{MAIN}')
    (tmp_path / "b" / "first_pictures.py").write_text("def main():\n    pass\n")
    (tmp_path / "commands").mkdir()
    for name in ("tour", "commands/lab", "commands/sweep", "commands/ranks"):
        (tmp_path / f"{name}.py").write_text(f'"""The {name}."""')
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogue, "CHAPTERS", {"b": ("to_come", "first"), "a": ("gan", "wgan")})
    monkeypatch.setattr("demos.__path__", [*demos.__path__, str(tmp_path)])
    yield tmp_path
    for name in [name for name in sys.modules if re.match(r"demos\.[ab]\b", name)]:
        del sys.modules[name]
