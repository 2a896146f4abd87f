"""The tour: in a terminal, and in the notebook that is made from it."""

import html
import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from demos import catalogue, tour
from demos.__main__ import main
from tests.demos.running import ROOT

NEEDED = ("nbclient", "ipykernel")


def line_of(text):
    """The number of the only line of tour.py that begins with this."""
    (number,) = [i for i, line in enumerate(tour.SOURCE.read_text("utf-8").splitlines(), 1) if line.strip().startswith(text)]
    return number


def test_a_bias_gets_the_sum_over_the_samples():
    trace = tour.dense_layer()
    (row,) = [row for row in trace.rows if row.kind == "backward" and trace.tensors[row.input].name == "b"]
    assert (row.arrived.shape, row.left.shape, row.summed) == ((3, 2), (2,), (0,))


def test_sgd_moves_each_parameter_by_lr_times_its_gradient():
    trace = tour.classifier()
    moved = {row.parameter: row.moved.norm for row in trace.rows if row.kind == "update"}
    (backward_pass,) = [row for row in trace.rows if row.kind == "backward pass"]
    assert len(moved) == 4
    assert moved == pytest.approx({n: 0.1 * value.norm for n, value in backward_pass.grads.items()}, rel=1e-3)


def test_the_gans_step_cuts_g_off_and_freezes_d():
    trace = tour.gan_step()
    for_D, for_G = [lesson.text for lesson in trace.lessons]
    assert f"G's 3 ops were recorded and never visited: fake was detached at demos/tour.py:{line_of('fake =')}" in for_D
    assert "it went through the ops of D, but its 4 parameters got no gradient" in for_G
    assert f"frozen at demos/tour.py:{line_of('with game.frozen(D):')}" in for_G
    updated = [trace.tensors[row.parameter].name[0] for row in trace.rows if row.kind == "update"]
    assert updated == ["D"] * 4 + ["G"] * 4


def test_the_terminal_shows_each_steps_lines_trace_and_suggestions_and_writes_nothing_unless_asked(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tour, "NOTEBOOK", tmp_path / "tour.ipynb")
    main(["tour"])
    said = capsys.readouterr().out
    places = []
    for number in range(1, len(tour.STEPS) + 1):
        places.append(said.index(f"\n{number}. " if number > 1 else "1. "))
        places += [said.index(words, places[-1]) for words in ("\n    with mg.trace(", "\n* ", "\nShown: ", "\nChange: ")]
    assert places == sorted(places)
    assert "x.grad: 6.0\n" in said
    assert "f.weight.grad: None\n" in said
    assert not list(tmp_path.iterdir())
    main(["tour", "--notebook"])
    assert [path.name for path in tmp_path.iterdir()] == ["tour.ipynb"]
    assert "tour" not in catalogue.names()


def test_it_runs_under_optimised_python_which_keeps_no_docstrings():
    done = subprocess.run([sys.executable, "-OO", "-m", "demos", "tour"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nChange: ") == len(tour.STEPS)


def test_the_notebook_is_what_its_source_makes_and_its_cells_run():
    written = tour.NOTEBOOK.read_text(encoding="utf-8")
    assert written == tour.notebook(), "python -m demos tour --notebook writes it anew"
    cells = json.loads(written)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code"] + ["markdown", "code", "markdown"] * len(tour.STEPS)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
    for step in tour.STEPS:
        cell = vars(tour).copy()
        exec(tour.text_of(step).code, cell)
        assert "<iframe" in cell["t"]._repr_html_()


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason="pip install -e '.[notebook]' brings nbclient and ipykernel")
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """In a process of its own: Jupyter's packages warn of one another."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    code = f"""
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read({str(tour.NOTEBOOK)!r}, as_version=4)
nbformat.validate(notebook)
NotebookClient(notebook, timeout=60, resources={{"metadata": {{"path": {str(tmp_path)!r}}}}}).execute()
print([output.get("text") or output["data"]["text/html"] for cell in notebook.cells for output in cell.get("outputs", [])])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "G's 3 ops were recorded and never visited: fake was detached at cell:8" in html.unescape(done.stdout)
