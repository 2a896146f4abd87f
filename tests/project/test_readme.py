"""README and the pages that it links to: commands exist, code runs, links and quoted lines are right, records are shown."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from demos import catalogue
from demos.catalogue import names
from demos.kit.runner import pages

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted({*ROOT.glob("*.md"), *ROOT.glob("minigan/**/README.md"), *ROOT.glob("[dt]e*/**/README.md")})
}
LINKS = sorted(
    {
        (page, link)
        for page, text in PAGES.items()
        for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
        for link in link
        if link and not link.startswith("http")
    }
)
FORMULAS = [
    (page, *found)
    for page, text in PAGES.items()
    for found in re.findall(r"\| `([^`]+)` \[[^]]*\]\(([^)#]+)#L(\d+)\) \|", text)
]
NOT_ALONE = ("README.md", "minigan/README.md", "CONTRIBUTING.md", "tests/README.md")  # above; test_debugger; excerpts
BLOCKS = {page: re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) for page, text in PAGES.items()}


def anchors(text):
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_to_a_file_and_to_a_heading(page, link):
    path, _, anchor = link.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.is_file()
    if anchor and file.suffix == ".md":
        assert anchor in anchors(file.read_text(encoding="utf-8"))


def test_the_tables_of_formulas_were_found():
    pages = [page for page, *_ in FORMULAS]
    assert pages.count("README.md") == 8
    assert f"[All {pages.count('minigan/README.md')} formulas]" in README


@pytest.mark.parametrize(("page", "code", "path", "line"), FORMULAS)
def test_every_formula_stands_on_the_line_that_the_table_names(page, code, path, line):
    assert code in ((ROOT / page).parent / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def test_the_python_examples_run(capsys):
    namespace = {}
    mg.seed(0)
    for block in BLOCKS["README.md"]:
        exec(block, namespace)
    assert "loss_D" in capsys.readouterr().out
    assert namespace["points"].shape == (500, 2)


@pytest.mark.parametrize("page", [page for page, blocks in BLOCKS.items() if blocks and page not in NOT_ALONE])
def test_the_python_examples_of_the_other_pages_run(page, capsys):
    namespace = {}
    for block in BLOCKS[page]:
        exec(block, namespace)


@pytest.mark.mpi
def test_the_program_of_several_ranks_plays_what_one_plays_and_goes_on(mpiexec):
    (block,) = [
        block
        for block in re.findall(r"```py\n(.*?)```", PAGES["minigan/backend/README.md"], re.DOTALL)
        if "optim.Averaged" in block
    ]
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
    everything = "\n".join(PAGES.values())
    extras = {extra for found in re.findall(r"'\.\[([\w,]+)\]'", everything) for extra in found.split(",")}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)
    named = re.findall(r"-m\s+demos (\w+)", everything)
    assert set(named) <= {*names(), *catalogue.COMMANDS, "NAME", "FILE", "mine"}  # mine: what `new mine` writes
    assert set(names()) <= set(named)


def test_the_sizes_are_true_to_the_hundred():
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "minigan").rglob("*.py")}
    needed = ("engine", "ops", "nn", "optim", "games", "losses.py")
    core = sum(n for path, n in sizes.items() if path.relative_to(ROOT / "minigan").parts[0] in needed)
    said = re.search(r"The whole of minigan is ([\d,]+) lines, .* is\s+([\d,]+) of them", PAGES["minigan/README.md"], re.DOTALL)
    assert [int(n.replace(",", "")) for n in said.groups()] == [round(sum(sizes.values()), -2), round(core, -2)]


def test_the_first_python_stands_within_40_lines():
    assert README[: README.index("```python")].count("\n") < 40


def test_readme_is_read_in_one_sitting():
    assert README.count("\n") <= 200


def test_the_pages_are_those_of_the_records():
    for chapter in catalogue.CHAPTERS:
        assert PAGES[f"demos/{chapter}/README.md"] == pages.chapter_page(chapter)
    for page in ("README.md", "demos/README.md"):
        assert PAGES[page] == pages.with_tables(ROOT / page)


def test_the_pages_and_their_pictures_are_small():
    files = [*ROOT.glob("demos/*/README.md"), *ROOT.glob("demos/results/*.png")]
    assert sum(file.stat().st_size for file in files) <= 2.5e6
