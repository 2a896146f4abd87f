"""What is installed, what is published, and the versions that pyproject.toml allows."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import minigan as mg

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
EXTRAS = [requirement for extra in PROJECT["optional-dependencies"].values() for requirement in extra]
MODULES = sorted([*(ROOT / "minigan").rglob("*.py"), *(ROOT / "demos").rglob("*.py")])


def parsed(path):
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_the_version_is_minigans():
    assert PROJECT["version"] == mg.__version__


def test_every_requirement_is_a_lower_bound_that_is_tested():
    """.ci/run tests with the oldest versions; .ci/oldest.py tells them from the bounds."""
    own = [requirement for requirement in EXTRAS if not requirement.startswith("minigan[")]
    requirements = [*SETTINGS["build-system"]["requires"], *PROJECT["dependencies"], *own]
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", requirement) for requirement in requirements)
    said = subprocess.run([sys.executable, ROOT / ".ci" / "oldest.py"], capture_output=True, text=True, check=True).stdout
    assert said.split() == [re.sub(r"\[.*\]", "", requirement).replace(">=", "==") for requirement in requirements]


def test_no_assert_statement_says_what_python_o_must_not_leave_out():
    found = [f"{path}:{node.lineno}" for path in MODULES for node in parsed(path) if isinstance(node, ast.Assert)]
    assert not found


def opens_text_without_an_encoding(node):
    """Whether this is a call of open, read_text or write_text that leaves the encoding to the system."""
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    binary = any(isinstance(a, ast.Constant) and isinstance(a.value, str) and "b" in a.value for a in node.args)
    if name == "open" and binary:
        return False
    owner = getattr(getattr(node.func, "value", None), "id", "")
    return (
        name in ("open", "read_text", "write_text")
        and owner not in ("gzip", "os", "archive", "Image", "webbrowser", "checkpoint")  # which hold bytes
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
    )


def test_files_of_text_are_read_and_written_as_utf8():
    found = [f"{path}:{node.lineno}" for path in MODULES for node in parsed(path) if opens_text_without_an_encoding(node)]
    assert not found


# --- building and installing --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is built of it."""
    folder = tmp_path_factory.mktemp("built")
    # of what begins with a dot, .ci alone is copied
    ignore = shutil.ignore_patterns(".[!c]*", "runs", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "clone", ignore=ignore)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
    subprocess.run([*pip, folder / "tools", *SETTINGS["build-system"]["requires"]], check=True)

    def build(what, where):
        code = f"from setuptools import build_meta; build_meta.build_{what}({str(folder)!r})"
        environment = {**os.environ, "PYTHONPATH": str(folder / "tools")}
        subprocess.run([sys.executable, "-c", code], cwd=where, env=environment, check=True, capture_output=True)
        return next(folder.glob("*.tar.gz" if what == "sdist" else "*.whl"))

    sdist = build("sdist", folder / "clone")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    return sdist, build("wheel", next((folder / "unpacked").iterdir()))


@pytest.mark.slow
def test_the_wheel_has_minigan_alone(built):
    names = zipfile.ZipFile(built[1]).namelist()
    assert {name.split("/")[0] for name in names} == {"minigan", f"minigan-{mg.__version__}.dist-info"}
    sources = {
        str(path.relative_to(ROOT)) for ending in ("py", "html", "typed") for path in (ROOT / "minigan").rglob(f"*.{ending}")
    }
    assert {name for name in names if name.startswith("minigan/")} == sources


@pytest.mark.slow
def test_the_sdist_has_the_demos_and_the_tests_too(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("minigan", "demos", "tests"):
        assert {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py")} <= names
    assert {"README.md", "LICENSE", "pyproject.toml", ".ci/run", "demos/gallery/ring_over_time.png"} <= names
    assert not [name for name in names if name.endswith(".pyc")]


OUTSIDE = """
import importlib.metadata, importlib.util
import minigan as mg
from minigan import data, games, nn, optim

G, D = nn.Dense(2, 2), nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 1))
game = games.GAN(G, D, data.noise(2), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
batches = data.batches(data.ring(100), size=10)
for _ in range(3):
    figures = game.step(batches)
about = importlib.metadata.metadata("minigan")
print(mg.__file__, mg.__version__ == about["Version"], about["Requires-Python"], about["License-Expression"])
print(len(about["Description"]), figures["loss_D"] > 0, importlib.util.find_spec("demos"))
"""


@pytest.mark.slow
def test_what_pip_installs_trains_outside_the_clone(built, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, site, built[1]], check=True)
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{OUTSIDE}"
    said = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    readme = len((ROOT / "README.md").read_text(encoding="utf-8"))
    assert said.split() == [str(site / "minigan" / "__init__.py"), "True", ">=3.11", "MIT", str(readme), "True", "None"]
