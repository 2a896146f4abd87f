"""Bars on a terminal, lines elsewhere; pictures below a notebook's cell."""

import importlib.util
import io
import sys
from types import ModuleType, SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from demos.kit import style
from demos.kit.runner import progress
from tests.demos.running import ROOT

KERNEL = SimpleNamespace(kernel=object(), config={"IPKernelApp": {}})
MISSING = [name for name in ("nbformat", "nbclient", "ipykernel") if importlib.util.find_spec(name) is None]


@pytest.mark.parametrize(("shell", "shows"), [(KERNEL, 1), (SimpleNamespace(config={}), 0), (None, 0)])
def test_a_picture_is_saved_everywhere_and_shown_in_a_notebook_whose_bar_is_drawn_at_once(shell, shows, tmp_path, monkeypatch):
    fake, display, shown = ModuleType("IPython"), ModuleType("IPython.display"), []
    fake.get_ipython, fake.version_info = lambda: shell, (9, 0)  # matplotlib looks at both
    display.display, display.Image = shown.append, lambda filename: filename
    core = ModuleType("IPython.core")
    core.pylabtools = ModuleType("pylabtools")  # older matplotlibs look at this, too
    for name, module in {"IPython": fake, "IPython.display": display, "IPython.core": core}.items():
        monkeypatch.setitem(sys.modules, name, module)
    figure, axes = plt.subplots(figsize=(1, 1))
    axes.plot([1, 2])
    style.save(figure, tmp_path / "line.png", ["png", "svg"])
    assert {path.name for path in tmp_path.iterdir()} == {"line.png", "line.svg"}
    assert shown == [str(tmp_path / "line.png")] * shows
    assert not plt.fignum_exists(figure.number)  # the notebook's own backend would show it again
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress._lines, "last", progress.time.monotonic())
    assert list(progress.progress(range(3), desc="seed 0")) == [0, 1, 2]
    assert ("100%" in sys.stderr.getvalue()) == bool(shows)


def test_what_is_no_terminal_gets_a_line_from_time_to_time_and_no_carriage_returns(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress._lines, "last", now[0] - progress.EVERY)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    bar = progress.progress(total=1000, desc="seed 0")
    for _ in range(4):
        for _ in range(50):
            bar.update(5)
            bar.refresh()
        now[0] += progress.EVERY
    bar.close()
    lines = sys.stderr.getvalue().splitlines()
    assert 3 <= len(lines) <= 5
    assert all(line.startswith("seed 0:") for line in lines)
    assert "\r" not in sys.stderr.getvalue()


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
def test_a_demo_in_a_notebook_shows_its_pictures_and_leaves_the_notebooks_own_alone(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND", raising=False)
    cells = [
        f"from demos.the_game import gan\ngan.main(['--quick', '--steps', '30', '--out', {str(tmp_path / 'out')!r}])",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [[output for output in cell.outputs if "image/png" in output.get("data", {})] for cell in book.cells]
    assert [len(pictures) for pictures in outputs] == [3, 1]
    text = "".join(output.get("text", "") for output in book.cells[0].outputs)
    assert "Results are in" in text
    assert "Warning" not in text
