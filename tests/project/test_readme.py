"""The README: its commands exist, its code runs, and its table points at the lines that it quotes."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from demos import catalogue
from demos.catalogue import names

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", README)))
FORMULAS = re.findall(r"\| `([^`]+)` \[[^]]*\]\(([^)#]+)#L(\d+)\) \|", README)
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("path", LINKS)
def test_every_link_leads_to_a_file(path):
    assert (ROOT / path).is_file()


def test_the_table_of_formulas_was_found():
    assert len(FORMULAS) >= 10


@pytest.mark.parametrize(("code", "path", "line"), FORMULAS)
def test_every_formula_stands_on_the_line_that_the_table_names(code, path, line):
    assert code in (ROOT / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def test_the_python_examples_run(capsys):
    namespace = {}
    mg.seed(0)
    for block in BLOCKS:
        exec(block, namespace)
    assert "loss_D" in capsys.readouterr().out
    assert namespace["points"].shape == (500, 2)


@pytest.mark.mpi
def test_the_program_of_several_ranks_plays_what_one_plays_and_goes_on(mpiexec):
    (block,) = [block for block in re.findall(r"```py\n(.*?)```", README, re.DOTALL) if "optim.Averaged" in block]
    shorter = (
        block.replace("(start, 1000)", "(start, int(sys.argv[1]))")
        .replace("% 100", "% 5")
        .replace("import os", "import sys, os")
    )
    assert shorter.count("sys.argv") == shorter.count("% 5") == 1
    program, file = mpiexec.folder / "parallel.py", mpiexec.folder / "checkpoint.pkl"
    program.write_text(shorter, encoding="utf-8")

    def played(*runs):
        file.unlink(missing_ok=True)
        for n, steps in runs:
            done = mpiexec(n, [str(program)], steps)
            assert done.returncode == 0, done.stderr
        t, game, _ = pickle.loads(file.read_bytes())
        return t, np.concatenate([a.ravel() for a in game["G"].values()])

    (t, alone), (t_too, four), (t_then, in_parts) = played((1, 20)), played((4, 20)), played((2, 10), (1, 20))
    assert t == t_too == t_then == 20
    np.testing.assert_allclose(four, alone, atol=1e-5)
    np.testing.assert_allclose(in_parts, alone, atol=1e-5)


def test_the_commands_install_extras_that_exist_and_run_modules_that_exist():
    extras = {extra for found in re.findall(r"'\.\[([\w,]+)\]'", README) for extra in found.split(",")}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)
    named = re.findall(r"-m\s+demos (\w+)", README)
    assert len(named) > 5
    assert set(named) <= {*names(), *catalogue.COMMANDS, "NAME", "mine"}  # mine: what `new mine` writes


def test_every_demo_is_in_a_table():
    rows = "\n".join(line for line in README.splitlines() if line.startswith("|"))
    assert set(names()) <= set(re.findall(r"`(?:python -m demos )?(\w+)", rows))


def test_the_sizes_are_true_to_the_hundred():
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "minigan").rglob("*.py")}
    needed = ("engine", "ops", "nn", "optim", "games", "losses.py")
    core = sum(n for path, n in sizes.items() if path.relative_to(ROOT / "minigan").parts[0] in needed)
    said = re.search(r"The whole of minigan is ([\d,]+) lines, .* is\s+([\d,]+) of them", README, re.DOTALL)
    assert [int(n.replace(",", "")) for n in said.groups()] == [round(sum(sizes.values()), -2), round(core, -2)]


def test_the_first_python_stands_within_40_lines():
    assert README[: README.index("```python")].count("\n") < 40
