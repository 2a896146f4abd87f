"""The tour: in a terminal, and in the notebook that is made from it."""

import html
import json
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from demos import catalogue, tour
from demos.__main__ import main
from tests.demos.running import ROOT

every_step = pytest.mark.parametrize("step", tour.STEPS, ids=lambda step: step.__name__)
NEEDED = ("nbclient", "ipykernel")


@pytest.fixture(autouse=True)
def _a_terminal_of_100_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def line_of(text):
    """The number of the only line of tour.py that begins with this."""
    (number,) = [i for i, line in enumerate(tour.SOURCE.read_text("utf-8").splitlines(), 1) if line.strip().startswith(text)]
    return number


def notes(step):
    """What the trace says, on one line."""
    return " ".join(str(step()).split())


# --- the steps ----------------------------------------------------------------------------------------------------------


def test_x_times_x_has_two_gradients_of_3_which_are_added(capsys):
    assert re.search(
        r"3 x, by row 1, multiply 1 3 g \* b \S+ 4 x, .* 1 3 g \* a \S+ added to the gradient from row 3", notes(tour.square)
    )
    assert capsys.readouterr().out == "x.grad: 6.0\n"


def test_the_gradients_of_two_ways_are_added_at_a(capsys):
    added = r"4 a, by row 2, .* 6 a, by row 1, exp \S+ \S+ g \* y .* added to the gradient from row 4"
    assert re.search(added, notes(tour.two_ways))
    assert float(capsys.readouterr().out.split()[-1]) == pytest.approx(22.167, abs=1e-3)  # e^2 + 2 e^2


def test_a_bias_gets_the_sum_over_the_samples():
    trace = tour.dense_layer()
    (row,) = [row for row in trace.rows if row.kind == "backward" and trace.tensors[row.input].name == "b"]
    assert (row.arrived.shape, row.left.shape, row.summed) == ((3, 2), (2,), (0,))


def test_detach_answers_whether_f_should_be_updated(capsys):
    (lesson,) = tour.detached().lessons
    assert f"f's 1 op was recorded and never visited: #7 was detached at demos/tour.py:{line_of('c = g(b')}" in lesson.text
    assert capsys.readouterr().out == "f.weight.grad: None\n"


def test_sgd_moves_each_parameter_by_lr_times_its_gradient():
    trace = tour.classifier()
    moved = {row.parameter: row.moved.norm for row in trace.rows if row.kind == "update"}
    (backward_pass,) = [row for row in trace.rows if row.kind == "backward pass"]
    gradients = {n: 0.1 * value.norm for n, value in backward_pass.grads.items()}
    assert len(moved) == 4
    assert moved == pytest.approx(gradients, rel=1e-3)


def test_the_gans_step_cuts_g_off_and_freezes_d():
    trace = tour.gan_step()
    for_D, for_G = [lesson.text for lesson in trace.lessons]
    assert f"G's 3 ops were recorded and never visited: fake was detached at demos/tour.py:{line_of('fake =')}" in for_D
    assert "it went through the ops of D, but its 4 parameters got no gradient" in for_G
    assert f"frozen at demos/tour.py:{line_of('with game.frozen(D):')}" in for_G
    updated = [trace.tensors[row.parameter].name[0] for row in trace.rows if row.kind == "update"]
    assert updated == ["D"] * 4 + ["G"] * 4


# --- in a terminal ------------------------------------------------------------------------------------------------------


def test_the_terminal_shows_each_steps_question_lines_trace_and_suggestions(capsys):
    main(["tour"])
    said = capsys.readouterr().out
    places = []
    for number in range(1, len(tour.STEPS) + 1):
        places.append(said.index(f"\n{number}. " if number > 1 else "1. "))
        places += [said.index(words, places[-1]) for words in ("\n    with mg.trace(", "\n* ", "\nShown: ", "\nChange: ")]
    assert places == sorted(places)
    assert "fake was detached at demos/tour.py:" in " ".join(said.split())


def test_nothing_is_written_unless_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tour, "NOTEBOOK", tmp_path / "tour.ipynb")
    tour.main([])
    assert not list(tmp_path.iterdir())
    tour.main(["--notebook"])
    assert [path.name for path in tmp_path.iterdir()] == ["tour.ipynb"]


def test_it_is_listed_first_and_is_no_demo_with_results(capsys):
    main([])
    assert capsys.readouterr().out.splitlines()[1].startswith("python -m demos tour is the place to start: Six steps")
    assert "tour" not in catalogue.names()


def test_it_runs_under_optimised_python_which_keeps_no_docstrings():
    done = subprocess.run([sys.executable, "-OO", "-m", "demos", "tour"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nChange: ") == len(tour.STEPS)


# --- the notebook -------------------------------------------------------------------------------------------------------


def test_the_notebook_is_what_its_source_makes():
    written = tour.NOTEBOOK.read_text(encoding="utf-8")
    assert written == tour.notebook(), "python -m demos tour --notebook writes it anew"


def test_the_notebook_has_no_outputs_and_three_cells_for_each_step():
    cells = json.loads(tour.notebook())["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code"] + ["markdown", "code", "markdown"] * len(tour.STEPS)
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@every_step
def test_a_steps_cell_is_its_functions_lines_and_shows_the_trace(step):
    said = tour.text_of(step)
    assert said.before
    assert said.after.startswith("Shown: ")
    assert "\n\nChange: " in said.after
    cell = vars(tour).copy()
    exec(said.code, cell)
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
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        print(output.get("text") or output["data"]["text/html"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    said = html.unescape(done.stdout)
    assert "f.weight.grad: None" in said
    assert "G's 3 ops were recorded and never visited: fake was detached at cell:8\"" in said
    assert "it went through the ops of D, but its 4 parameters got no gradient: frozen at cell:11" in said
