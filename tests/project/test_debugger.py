"""What README and minigan/README.md show of a step is what one sees: the trace, sessions of pdb and of IPython."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("\n## See a step")[1].split("\n## ")[0]
SESSIONS = (ROOT / "minigan" / "README.md").read_text(encoding="utf-8").split("\n## Step through it")[1].split("\n## ")[0]
(TRACE,), (TABLE,) = (re.findall(rf"```{kind}\n(.*?)```", SECTION, flags=re.DOTALL) for kind in ("python", "text"))
(SCRIPT,) = re.findall(r"```python\n(.*?)```", SESSIONS, flags=re.DOTALL)
*PDB, IPYTHON = re.findall(r"```text\n(.*?)```", SESSIONS, flags=re.DOTALL)


def typed(session, prompt):
    """What stands after the prompts, as lines for the program's input."""
    return "".join(f"{command}\n" for command in re.findall(rf"^(?:{prompt})(.*)$", session, flags=re.MULTILINE))


def run(command, folder, lines):
    """What the command says, in this folder with README's step.py in it, while these lines are typed."""
    (folder / "step.py").write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), "COLUMNS": "100"}
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=folder, env=environment, input=lines, capture_output=True, text=True, timeout=60).stdout


def shortened(text):
    """As README has it: without folders and line numbers of minigan's, and without what is said of breakpoints."""
    text = re.sub(r"(Deleted b|B)reakpoint \d+ at .*\n", "", text)
    text = re.sub(r"\S*/(?=minigan/|step\.py)", "", text)
    text = re.sub(r"(> minigan/\S+\.py)\(\d+\)", r"\1(...)", text)
    return re.sub(r"->Tensor\(.*", "->Tensor(...", text)  # Pythons cut it off in ways of their own


def missing(lines, text):
    """The first of the lines, and those after it, that do not stand in the text in this order, whatever is between them."""
    ahead = iter(text.splitlines())
    return [line for line in lines if line not in ahead]


def test_the_trace_is_as_shown(capsys, monkeypatch):
    """But for the figures, whose last digits differ from one BLAS to the next."""
    monkeypatch.setenv("COLUMNS", "100")
    namespace = {}
    exec(re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1], namespace)
    exec(TRACE, namespace)

    def without_figures(text):
        return re.sub(r" +-?\d+\.\d\S*", "", text)

    shown = [line for line in without_figures(TABLE).splitlines() if line != "..."]
    assert len(shown) > 5
    assert not missing(shown, without_figures(capsys.readouterr().out))


def test_a_session_of_pdb_is_as_shown(tmp_path):
    start, session = "".join(PDB).split("\n", 1)
    assert start == "$ python -m pdb step.py"
    said = shortened(run(["pdb", "step.py"], tmp_path, typed(session, r"\(Pdb\) ")))
    shown = re.sub(r"^(\(Pdb\) ).*\n", r"\1", shortened(session), flags=re.MULTILINE)  # what is typed is not said
    assert said.split("(Pdb) ")[:-1] == shown.split("(Pdb) ")[:-1]  # after `quit`, some Pythons say an empty line


@pytest.mark.skipif(not find_spec("IPython"), reason="pip install -e '.[notebook]' brings IPython")
def test_a_session_of_ipython_is_as_shown(tmp_path):
    prompt = r"In \[\d+\]: |ipdb> "
    plain = ["IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", "--HistoryManager.enabled=False"]
    said = shortened(run(plain, tmp_path, typed(IPYTHON, prompt)))
    said = re.sub(f"^(?:{prompt})+", "", said, flags=re.MULTILINE)
    shown = [line for line in shortened(IPYTHON).splitlines() if not re.match(prompt, line)]
    assert len(shown) == 4
    assert not missing(shown, said)
