"""The pages tell the truth: links, quoted lines, commands, records, sizes, code, and sessions of pdb and IPython."""

import os
import pickle
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import minigan as mg
from demos import catalogue
from demos.kit.runner import pages
from tests.helpers.programs import ROOT

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted({*ROOT.glob("*.md"), *ROOT.glob("minigan/**/README.md"), *ROOT.glob("[dt]e*/**/README.md")})
}
README, MINIGAN = PAGES["README.md"], PAGES["minigan/README.md"]
FORMULA = r"\| `([^`]+)` \[[^]]*\]\(([^)#]+)#L(\d+)\) \|"
NOT_ALONE = ("README.md", "minigan/README.md", "CONTRIBUTING.md", "tests/README.md")  # tested below; excerpts


def blocks(text, kind="python"):
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


def section(text, heading):
    return text.split(f"\n## {heading}")[1].split("\n## ")[0]


def anchors(text):
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_to_a_heading(page):
    for link in re.findall(r"(?:\]\(|src=\")(?!http)([^)\"\s]+)[)\"]", PAGES[page]):
        path, _, anchor = link.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.is_file(), link
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text(encoding="utf-8")), link


def test_formulas_stand_on_the_lines_that_the_tables_name_and_sizes_are_true_to_the_hundred():
    for page in ("README.md", "minigan/README.md"):
        for code, path, line in re.findall(FORMULA, PAGES[page]):
            assert code in ((ROOT / page).parent / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert len(re.findall(FORMULA, README)) == 8
    assert f"[All {len(re.findall(FORMULA, MINIGAN))} formulas]" in README
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "minigan").rglob("*.py")}
    needed = ("engine", "ops", "nn", "optim", "games", "losses.py")
    core = sum(n for path, n in sizes.items() if path.relative_to(ROOT / "minigan").parts[0] in needed)
    said = re.search(r"The whole of minigan is ([\d,]+) lines, .* is\s+([\d,]+) of them", MINIGAN, re.DOTALL)
    assert [int(n.replace(",", "")) for n in said.groups()] == [round(sum(sizes.values()), -2), round(core, -2)]


def test_the_commands_install_extras_that_exist_and_run_modules_that_exist():
    everything = "\n".join(PAGES.values())
    extras = {extra for found in re.findall(r"'\.\[([\w,]+)\]'", everything) for extra in found.split(",")}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)
    named, names = set(re.findall(r"-m\s+demos (\w+)", everything)), set(catalogue.names())
    assert names <= named <= {*names, *catalogue.COMMANDS, "NAME", "FILE", "mine"}  # mine: what `new mine` writes


def test_the_pages_are_those_of_the_records():
    for chapter in catalogue.CHAPTERS:
        assert PAGES[f"demos/{chapter}/README.md"] == pages.chapter_page(chapter)
    for page in ("README.md", "demos/README.md"):
        assert PAGES[page] == pages.with_tables(ROOT / page)


# --- code ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if blocks(text) and page not in NOT_ALONE])
def test_the_python_examples_of_the_pages_run(page):
    namespace = {}
    for block in blocks(PAGES[page]):
        exec(block, namespace)


def missing(lines, text):
    """The first of the lines, and those after it, that are not in the text in this order, whatever is between them."""
    ahead = iter(text.splitlines())
    return [line for line in lines if line not in ahead]


def test_readmes_examples_run_and_the_trace_is_as_shown(capsys, monkeypatch):
    """But for the numbers, whose last digits differ from one BLAS to the next."""
    monkeypatch.setenv("COLUMNS", "100")
    namespace = {}
    mg.seed(0)
    for block in blocks(README):
        exec(block, namespace)
    assert namespace["points"].shape == (500, 2)
    (shown,), said = blocks(section(README, "See a step"), "text"), capsys.readouterr().out
    shown, said = (re.sub(r" +-?\d+\.\d\S*", "", text) for text in (shown, said))
    lines = [line for line in shown.splitlines() if line != "..."]
    assert len(lines) > 5
    assert not missing(lines, said)


@pytest.mark.mpi
def test_the_program_of_several_ranks_plays_what_one_plays_and_goes_on(mpiexec):
    (program,) = [block for block in blocks(PAGES["minigan/backend/README.md"], "py") if "optim.Averaged" in block]
    for text, shorter in (("(start, 1000)", "(start, int(sys.argv[1]))"), ("% 100", "% 5"), ("import os", "import sys, os")):
        assert program.count(text) == 1
        program = program.replace(text, shorter)
    path, file = mpiexec.folder / "parallel.py", mpiexec.folder / "checkpoint.pkl"
    path.write_text(program, encoding="utf-8")

    def played(*runs):
        file.unlink(missing_ok=True)
        for n, steps in runs:
            done = mpiexec(n, [str(path)], steps)
            assert done.returncode == 0, done.stderr
        t, game, _ = pickle.loads(file.read_bytes())
        assert t == 20
        return np.concatenate([a.ravel() for a in game["G"].values()])

    alone = played((1, 20))
    np.testing.assert_allclose(played((4, 20)), alone, atol=1e-5)
    np.testing.assert_allclose(played((2, 10), (1, 20)), alone, atol=1e-5)


# --- sessions of a debugger -----------------------------------------------------------------------------------------------

SESSIONS = section(MINIGAN, "Step through it")
*PDB, IPYTHON = blocks(SESSIONS, "text")


def typed(session, prompt, command, folder):
    """The command's output in this folder, with the page's step.py, while the lines after the prompts are typed."""
    (folder / "step.py").write_text(*blocks(SESSIONS), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), "COLUMNS": "100"}
    lines = "".join(f"{line}\n" for line in re.findall(rf"^(?:{prompt})(.*)$", session, flags=re.MULTILINE))
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, input=lines, capture_output=True, text=True, timeout=60
    )
    return shortened(done.stdout)


def shortened(text):
    """As on the page: without folders, minigan's line numbers, and messages about breakpoints."""
    text = re.sub(r"(Deleted b|B)reakpoint \d+ at .*\n", "", text)
    text = re.sub(r"\S*/(?=minigan/|step\.py)", "", text)
    text = re.sub(r"(> minigan/\S+\.py)\(\d+\)", r"\1(...)", text)
    return re.sub(r"->Tensor\(.*", "->Tensor(...", text)  # Pythons cut it off in ways of their own


def test_a_session_of_pdb_is_as_shown(tmp_path):
    start, session = "".join(PDB).split("\n", 1)
    assert start == "$ python -m pdb step.py"
    said = typed(session, r"\(Pdb\) ", ["pdb", "step.py"], tmp_path)
    shown = re.sub(r"^(\(Pdb\) ).*\n", r"\1", shortened(session), flags=re.MULTILINE)  # input is not in the output
    assert said.split("(Pdb) ")[:-1] == shown.split("(Pdb) ")[:-1]  # after `quit`, some Pythons write an empty line


@pytest.mark.skipif(not find_spec("IPython"), reason="pip install -e '.[notebook]' brings IPython")
def test_a_session_of_ipython_is_as_shown(tmp_path):
    prompt, plain = r"In \[\d+\]: |ipdb> ", ["--simple-prompt", "--no-banner", "--colors=NoColor"]
    said = typed(IPYTHON, prompt, ["IPython", *plain, "--HistoryManager.enabled=False"], tmp_path)
    shown = [line for line in shortened(IPYTHON).splitlines() if not re.match(prompt, line)]
    assert len(shown) == 4
    assert not missing(shown, re.sub(f"^(?:{prompt})+", "", said, flags=re.MULTILINE))
