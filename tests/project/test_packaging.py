"""What is installed, what is published, and the source text: versions, encodings, no checks that `python -O` leaves out."""

import ast
import re
import shutil
import tarfile
import tomllib
import zipfile

import pytest

import minigan as mg
from tests.helpers.programs import ROOT, python

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
BYTES = {"gzip", "os", "archive", "Image", "webbrowser", "checkpoint"}  # they open files of bytes


def test_every_requirement_is_a_lower_bound_that_is_tested():
    """.ci/run tests with the oldest versions; .ci/oldest.py tells them from the bounds."""
    extras = [requirement for extra in PROJECT["optional-dependencies"].values() for requirement in extra]
    requirements = [*SETTINGS["build-system"]["requires"], *PROJECT["dependencies"], *extras]
    requirements = [requirement for requirement in requirements if not requirement.startswith("minigan[")]
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", requirement) for requirement in requirements)
    expected = [re.sub(r"\[.*\]", "", requirement).replace(">=", "==") for requirement in requirements]
    assert python(ROOT / ".ci" / "oldest.py").stdout.split() == expected


def of_bytes(call, name):
    """Whether a call of open, read_text or write_text is of a file of bytes."""
    modes = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    owner = getattr(getattr(call.func, "value", None), "id", "")
    return owner in BYTES or (name == "open" and any("b" in mode for mode in modes))


def test_text_is_read_and_written_as_utf8_and_no_assert_statement_carries_a_check():
    found = []
    for path in [*(ROOT / "minigan").rglob("*.py"), *(ROOT / "demos").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                found.append(f"{path}:{node.lineno}: assert")
            elif isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                named = {keyword.arg for keyword in node.keywords}
                if name in ("open", "read_text", "write_text") and "encoding" not in named and not of_bytes(node, name):
                    found.append(f"{path}:{node.lineno}: no encoding")
    assert not found


STEP = """
import minigan as mg
from minigan import data, games, nn, optim, testing

G, D = nn.Sequential(nn.Dense(2, 2)), nn.Sequential(nn.Dense(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dense(8, 1))
game = games.GAN(G, D, data.noise(2), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
print(game.step(data.batches(data.ring(100), size=10))["loss_D"] > 0, nn.Dense.__doc__ is None)
"""
OPTIMISED = """
try:
    testing.assert_gradients(lambda x: mg.record("widened", x.data.astype("float64"), (x, lambda g, y: g)), [1.0])
except AssertionError as error:
    print(error)
"""
INSTALLED = """
import importlib.metadata, importlib.util
about = importlib.metadata.metadata("minigan")
print(mg.__file__, mg.__version__ == about["Version"], about["Requires-Python"], about["License-Expression"])
print(len(about["Description"]), importlib.util.find_spec("demos"))
"""


def test_minigan_runs_without_docstrings_and_assert_statements():
    said = python("-OO", "-c", STEP + OPTIMISED).stdout
    assert said == "True True\nfloat32 in, but float64 out: the output\n"


@pytest.mark.slow
def test_the_sdist_has_everything_and_what_pip_installs_of_its_wheel_trains_outside_the_clone(tmp_path):
    ignore = shutil.ignore_patterns(".[!c]*", "runs", "build", "dist", "*.egg-info", "__pycache__")  # with a dot: .ci alone
    shutil.copytree(ROOT, tmp_path / "clone", ignore=ignore)
    pip = ["-m", "pip", "install", "--quiet", "--target"]
    python(*pip, tmp_path / "tools", *SETTINGS["build-system"]["requires"])

    def build(what, where):
        code = f"from setuptools import build_meta; build_meta.build_{what}({str(tmp_path)!r})"
        python("-c", code, cwd=where, PYTHONPATH=str(tmp_path / "tools"))
        return next(tmp_path.glob("*.tar.gz" if what == "sdist" else "*.whl"))

    with tarfile.open(build("sdist", tmp_path / "clone")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*")}
    for folder in ("minigan", "demos", "tests"):
        assert {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py")} <= files
    assert {"README.md", "LICENSE", "pyproject.toml", ".ci/run", "demos/gallery/ring_over_time.png"} <= files
    wheel = build("wheel", unpacked)
    names, sources = zipfile.ZipFile(wheel).namelist(), (ROOT / "minigan").rglob("*.*")
    assert {name.split("/")[0] for name in names} == {"minigan", f"minigan-{PROJECT['version']}.dist-info"}
    expected = {str(path.relative_to(ROOT)) for path in sources if path.suffix in (".py", ".html", ".typed")}
    assert {name for name in names if name.startswith("minigan/")} == expected
    python(*pip, tmp_path / "site", "--no-deps", "--no-index", wheel)
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{STEP}{INSTALLED}"
    said = python("-I", "-c", code, cwd=tmp_path).stdout.split()
    readme = str(len((ROOT / "README.md").read_text(encoding="utf-8")))
    file = str(tmp_path / "site" / "minigan" / "__init__.py")
    assert said == ["True", "False", file, "True", ">=3.11", "MIT", readme, "None"]
    assert PROJECT["version"] == mg.__version__
