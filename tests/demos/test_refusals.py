"""What the commands refuse: with status 2 and one line, and nothing is written."""

import sys

import pytest

from demos.__main__ import main
from minigan import backend

WHOLE = "is not a whole number from"
MNIST = "--data-dir: only --data mnist and cifar10 are read from a folder; here --data is"
ONE = "--record: only for a full run with the default options, without"
ALL = "--record: only for full runs with the default options, without --quick, --seed"
ROWS = [
    ("gann --quick", "there is no demo 'gann'; did you mean gan, wgan or cgan?"),
    ("xyz", "there is no demo 'xyz'; python -m demos lists them"),
    ("--help gan", "python -m demos --help takes no arguments; got gan"),
    ("gan --steps 0", f"python -m demos gan: argument --steps: 0 {WHOLE} 1 on"),
    (f"gan --steps {10**30}", f"argument --steps: {10**30} is too large"),
    ("gan --seed -1", f"argument --seed: -1 {WHOLE} 0 on"), ("dcgan --backend cupy", "pip install 'minigan[cuda12]'"),
    ("gan --resume there.npz", "--resume: there is no checkpoint there.npz"),
    ("gan --data-dir x", f"{MNIST} ring, the default (--help lists the options)"),
    ("dcgan --quick --data-dir x", f"{MNIST} glyphs, the default with --quick (--help lists the options)"),
    ("dcgan --data file --data-dir x", f"{MNIST} file (--help lists the options)"),
    ("gan --data x", "'x' is not there; expected ring, grid, mnist, glyphs, scenes, cifar10, or a .npy"),
    ("gan --size 16", "--size: only for your own images, --data PATH; here --data is ring"),
    ("gan --out=", "python -m demos gan: argument --out: expected a path, not an empty text"),
    ("gan --out file", "python -m demos gan: --out file: File exists"), ("gan --record --quick", f"{ONE} --quick"),
    ("gan --set lr=-1", "gan: --set lr=-1: expected a number, such as 0.01, at least 0; now it is lr=0.005"),
    ("wgan --quick --set clip=-1", "--set clip=-1: WGAN: clip is -1.0; expected a finite number above 0"),
    ("improved --quick --set alpha=-1", "--set alpha=-1: log_loss_with_logits: y must lie in [0, 1]"),
    ("all --out file", "python -m demos all: --out file: File exists"), ("all --jobs 0", f"argument --jobs: 0 {WHOLE} 1 on"),
    ("all --record --quick", ALL), ("sweep gan", "the following arguments are required: --set"),
    ("sweep gan --set lr=1 --seeds 0", f"argument --seeds: 0 {WHOLE} 1 on"),
    ("ranks --seed -1", f"python -m demos ranks: argument --seed: -1 {WHOLE} 0 on"), ("new", "new NAME writes"),
    ("new gan", "choose another"), ("new json", "another Python module has the name json"), ("new a-b", "not a name"),
    ("new mine", "mine.py exists already"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "said"), ROWS)
def test_it_is_refused_in_one_line_and_nothing_is_written(command, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)
    for name in ("file", "mine.py"):
        (tmp_path / name).write_text("x = 1\n")
    with pytest.raises(SystemExit, match=r"^2$"):
        main(command.split())
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err
    assert backend.name() == "numpy"
    left = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == dict.fromkeys(["file", "mine.py"], "x = 1\n")
