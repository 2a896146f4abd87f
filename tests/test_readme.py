"""The README: its commands exist, its code runs, and its table points at the lines that it quotes."""

import re
from pathlib import Path

import pytest

import minigan as mg

ROOT = Path(__file__).parent.parent
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


def test_the_commands_install_extras_that_exist_and_run_modules_that_exist():
    extras = set(re.findall(r"'\.\[(\w+)\]'", README))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)
    for module in re.findall(r"-m (demos\.\w+)", README):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file()
