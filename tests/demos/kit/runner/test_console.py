"""Commands whose output is closed or not read to the end, that lack a package, or that Ctrl-C ends early."""

import importlib
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from demos import catalogue
from demos.__main__ import main
from demos.kit.runner import options
from tests.demos.running import ROOT, summary_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="for a POSIX shell")


def shell(command):
    """What a shell's command line says in the clone, as (status, stdout, stderr); $python is this one."""
    line = f"python={shlex.quote(sys.executable)}; {command}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "end"),
    [
        *(("-S -m demos", end) for end in ("| head -1", "2>&1 | true", ">&-", "<&- >&- 2>&-")),
        *(("-S -m demos --help", end) for end in ("| head -1", ">&-")),
        pytest.param("-m demos gan --help", "| head -1", marks=pytest.mark.slow),
    ],
)
def test_a_list_that_nobody_reads_to_its_end_is_no_error(command, end):
    status, said, err = shell(f"$python {command} {end}")
    assert (status, err) == (0, "")
    assert said.count("\n") == 1 or end != "| head -1"


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("-u -m demos bayesian_gan", "<&- 2>&- | true"),
        pytest.param("-u -m demos bayesian_gan", "2>&1 | true", marks=pytest.mark.slow),
        pytest.param("-m demos gan --steps 30", "2>&-", marks=pytest.mark.slow),
        pytest.param("-m demos gan --steps 30", ">&-", marks=pytest.mark.slow),
        pytest.param("-u -m demos gan --steps 30", "2>&1 | head -1", marks=pytest.mark.slow),
        pytest.param("-m demos hacks --jobs 2", "<&- >&- 2>&-", marks=pytest.mark.slow),
        pytest.param("-m demos sweep gan --steps 30 --set k=1,2 --seeds 1", ">&- 2>&-", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_nobody_listens_to_comes_to_its_end(command, end, tmp_path):
    status, _, err = shell(f"$python {command} --quick --out {tmp_path} {end}")
    assert (status, err) == (0, "")
    if "sweep" in command:
        assert (tmp_path / "table.txt").is_file()
    else:
        assert summary_of(tmp_path)["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blocks", "left"),  # of 1,024 bytes, in the largest file
    [
        (1, r"nothing was saved; make room; to start again: python -m demos bayesian_gan --quick --out \S+\n$"),
        (64, r"nothing is lost; make room; to continue: .* --resume\n$"),
    ],
)
def test_where_files_have_no_room_one_line_says_what_is_left(blocks, left, tmp_path):
    status, _, err = shell(f"ulimit -f {blocks}; $python -m demos bayesian_gan --quick --out {tmp_path}")
    assert status == 1
    assert "Traceback" not in err
    assert re.search(rf"^File too large; {left}", err, re.M)


# --- packages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["gan"], ["all"], ["sweep", "gan", "--set", "lr=1"]])
@pytest.mark.parametrize("package", ["matplotlib", "scipy", "tqdm"])
def test_a_missing_package_is_named_with_what_installs_it_before_anything_runs(command, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match=rf"^there is no {package} here: pip install -e '\.\[demos\]' installs "):
        main(command)


@pytest.mark.parametrize("command", ["demos gan", "demos all", "demos sweep gan --set lr=1", "demos lab", "demos ranks"])
def test_without_any_package_each_command_says_so_on_one_line(command):
    status, said, err = shell(f"$python -E -S -m {command}")
    assert (status, said) == (1, "")
    assert "pip install -e '.[demos]'" in err
    assert err.count("\n") == 1


def test_a_module_that_a_demo_of_ones_own_looks_for_is_its_own_affair():
    with pytest.raises(ModuleNotFoundError, match="nothing"), options.errors_in_one_line([]):
        importlib.import_module("demos.nothing")


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------------


def test_ctrl_c_while_packages_are_imported_is_one_line(tmp_path):
    lines = "import signal", "signal.signal(signal.SIGINT, signal.default_int_handler)", "signal.raise_signal(signal.SIGINT)"
    (tmp_path / "matplotlib.py").write_text("\n".join(lines))
    status, said, err = shell(f"PYTHONPATH={tmp_path} $python -m demos gan")
    assert (status, said, err) == (130, "", "stopped\n")


@pytest.mark.usefixtures("usual_signals")
def test_ctrl_c_in_the_list_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "names", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit) as end:
        main(["names"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "stopped\n"


# --- numbers that minigan refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name", "said"),
    [
        ("wgan", "clip=-1", "--set clip=-1: WGAN: clip is -1.0; expected a finite number above 0"),
        ("began", "gamma=7", "--set gamma=7: BEGAN: gamma is 7.0; expected 0 <= gamma <= 1"),
        ("improved", "alpha=-1", "--set alpha=-1: log_loss_with_logits: y must lie in [0, 1]"),
        ("gan", "lr=-1", "python -m demos gan: --set lr=-1: expected a number, such as 0.01, at least 0; now it is lr=0.002"),
    ],
)
def test_a_setting_that_minigan_refuses_is_named_with_what_is_allowed(command, name, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--quick", "--out", str(tmp_path), "--set", name])
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_an_error_of_the_demos_own_keeps_its_traceback():
    for error in (ValueError("not x: of such a rate nothing comes"), KeyError("x"), OSError("no file")):
        with pytest.raises(type(error)), options.errors_in_one_line(["gan", "--set", "lr=1"]):
            raise error
    with pytest.raises(ValueError, match="WGAN"), options.errors_in_one_line(["wgan"]):  # nobody has set it
        raise ValueError("WGAN: clip is -1.0; expected a finite number above 0")
