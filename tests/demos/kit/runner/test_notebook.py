"""Notebooks: bars by widgets or text, pictures below the cell; and nothing of that elsewhere."""

import importlib.util
import io
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from demos.kit import style
from demos.kit.runner import progress
from tests.demos.running import ROOT

KERNEL = SimpleNamespace(kernel=object(), config={"IPKernelApp": {}})
TERMINAL = SimpleNamespace(config={})
MISSING = [name for name in ("nbformat", "nbclient", "ipykernel") if importlib.util.find_spec(name) is None]

FAKE = """
import sys
from types import ModuleType, SimpleNamespace
sys.modules["IPython"] = ModuleType("IPython")
sys.modules["ipykernel.zmqshell"] = ModuleType("zmqshell")  # tqdm asks for both
sys.modules["ipywidgets"] = None
sys.modules["IPython"].get_ipython = lambda: SimpleNamespace(kernel=object(), config={"IPKernelApp": {}})
"""


@pytest.fixture
def ipython(monkeypatch):
    """Puts an IPython with this shell among the modules; the list has what it has displayed."""
    shown = []

    def put(shell):
        fake, display = ModuleType("IPython"), ModuleType("IPython.display")
        fake.get_ipython, fake.version_info = lambda: shell, (9, 0)  # matplotlib looks at both
        display.display, display.Image = shown.append, lambda filename: filename
        core = ModuleType("IPython.core")
        core.pylabtools = ModuleType("pylabtools")  # older matplotlibs look at this, too
        monkeypatch.setitem(sys.modules, "IPython.core", core)
        monkeypatch.setitem(sys.modules, "IPython", fake)
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        return shown

    return put


@pytest.mark.parametrize(("shell", "so"), [(KERNEL, True), (TERMINAL, False), (None, False)])
def test_a_kernel_is_a_notebook_a_terminal_is_none(shell, so, ipython):
    ipython(shell)
    assert progress.in_notebook() is so


def test_without_ipython_there_is_no_notebook_and_it_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not progress.in_notebook()
    assert "IPython" not in sys.modules


@pytest.mark.parametrize(("shell", "shows"), [(KERNEL, 1), (TERMINAL, 0)])
def test_a_picture_is_saved_everywhere_and_shown_in_a_notebook(shell, shows, ipython, tmp_path):
    figure, axes = plt.subplots(figsize=(1, 1))
    axes.plot([1, 2])
    shown = ipython(shell)
    style.save(figure, tmp_path / "line.png", ["png", "svg"])
    assert {path.name for path in tmp_path.iterdir()} == {"line.png", "line.svg"}
    assert shown == [str(tmp_path / "line.png")] * shows
    assert not plt.fignum_exists(figure.number)  # the notebook's own backend would show it again


def test_a_notebooks_bar_is_drawn_at_once_not_a_line_every_half_minute(ipython, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    ipython(KERNEL)
    assert list(progress.progress(range(3), desc="seed 0")) == [0, 1, 2]
    assert "100%" in sys.stderr.getvalue()


def printed(code):
    """What another Python prints, in which warnings are errors. It may print nothing else."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout.strip()


def test_bars_without_widgets_warn_of_nothing():
    code = f"{FAKE}\nimport demos.kit.runner.progress as p; print(list(p.progress(range(2))))"
    assert printed(code) == "[0, 1]"
    assert printed(f"import warnings; warnings.simplefilter('always'){code}") == "[0, 1]"


@pytest.mark.slow
@pytest.mark.parametrize(("before", "backend"), [(FAKE, "svg"), ("", "agg")])
def test_a_notebook_keeps_its_backend_a_program_draws_files(before, backend):
    use, show = "import matplotlib; matplotlib.use('svg')", "print(matplotlib.get_backend().lower())"
    assert printed(f"{use}\n{before}\nimport demos.kit.style; {show}") == backend


# --- a real one ---------------------------------------------------------------------------------------------------------


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
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"samples.png", "over_time.png", "curves.png"}
