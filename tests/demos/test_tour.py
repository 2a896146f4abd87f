"""The tour: in a terminal, and in the notebook that is made from it."""

import json

from demos import tour
from demos.__main__ import main


def line_of(text):
    """The number of the only line of tour.py that begins with this."""
    (number,) = [i for i, line in enumerate(tour.SOURCE.read_text("utf-8").splitlines(), 1) if line.strip().startswith(text)]
    return number


def test_the_gans_step_cuts_g_off_and_freezes_d():
    trace = tour.gan_step()
    for_D, for_G = [lesson.text for lesson in trace.lessons]
    assert f"G's 3 ops were recorded and never visited: fake was detached at demos/tour.py:{line_of('fake =')}" in for_D
    assert "it went through the ops of D, but its 4 parameters got no gradient" in for_G
    assert f"frozen at demos/tour.py:{line_of('with game.frozen(D):')}" in for_G
    updated = [trace.tensors[row.parameter].name[0] for row in trace.rows if row.kind == "update"]
    assert updated == ["D"] * 4 + ["G"] * 4


def test_the_notebook_is_what_its_source_makes_and_its_cells_run(capsys):
    main(["tour"])
    said = capsys.readouterr().out
    assert "x.grad: 6.0\n" in said
    assert "f.weight.grad: None\n" in said
    written = tour.NOTEBOOK.read_text(encoding="utf-8")
    assert written == tour.notebook(), "python -m demos tour --notebook writes it anew"
    cells = json.loads(written)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code"] + ["markdown", "code", "markdown"] * len(tour.STEPS)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
    for step in tour.STEPS:
        cell = vars(tour).copy()
        exec(tour.text_of(step).code, cell)
        assert "<iframe" in cell["t"]._repr_html_()
