"""Notebooks: bars that are drawn at once, and pictures below the cell."""

import io
import sys
from types import ModuleType, SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from demos.kit import style
from demos.kit.runner import progress

KERNEL = SimpleNamespace(kernel=object(), config={"IPKernelApp": {}})


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
