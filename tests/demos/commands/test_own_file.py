"""A user's own experiment: written by `new`, run by its path, resumed bit for bit, swept; and files that are refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from demos.__main__ import main
from tests.demos.running import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
HINGE = '''"""The hinge loss on points of my own."""
from dataclasses import dataclass
import numpy as np
import minigan as mg
from demos.kit import pictures
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from minigan import data, games, nn, optim

@dataclass
class Settings:
    steps: int = 400
    seeds: int = 1
    lr: float = 1e-3

class Hinge(games.GAN):
    def step(self, batches):
        x, z = self.real(batches), self.noise(64)
        loss_D = mg.mean(mg.relu(1 - self.D(x))) + mg.mean(mg.relu(1 + self.D(self.G(z).detach())))
        self.descend(self.opt_D, loss_D)
        with self.frozen(self.D):
            loss_G = -mg.mean(self.D(self.G(self.noise(64))))
            self.descend(self.opt_G, loss_G)
        return games.Figures(loss_D=loss_D, loss_G=loss_G)

def play(seed, s):
    mg.seed(seed)
    G = nn.Sequential(nn.Dense(2, 16), nn.ReLU(), nn.Dense(16, 2))
    D = nn.Sequential(nn.Dense(2, 16), nn.ReLU(), nn.Dense(16, 1))
    game = Hinge(G, D, data.noise(2), optim.Adam(G.parameters(), s.lr), optim.Adam(D.parameters(), s.lr))
    batches, history = data.batches(data.ring(1000), size=64), []
    for t in resumable(range(s.steps), "game", game=game, batches=batches, history=history):
        history.append({"step": t, **game.step(batches)})
    return {"samples": game.sample(100), "history": history}

@demo(Settings(), {"steps": 20})
def main(claim, s):
    runs = over_seeds(claim, play, s, steps=s.steps)
    claim.at_most("spread", float(np.std(runs[0]["samples"])), 100, quick=True)
    claim.note("sum", float(sum(run["samples"].sum() for run in runs)))
    claim.show(pictures.numbers([run["history"] for run in runs]), "curves", "The losses")
'''


def demos(folder, *options, code=0):
    command = [sys.executable, "-m", "demos", *options]
    result = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def summary(folder):
    return json.loads((folder / "summary.json").read_text("utf-8"))


def test_a_new_experiment_is_short_and_runs(tmp_path):
    assert "mine.py is written" in demos(tmp_path, "new", "mine")
    assert len((tmp_path / "mine.py").read_text("utf-8").splitlines()) <= 40
    assert "python -m demos mine.py" in (tmp_path / "mine.py").read_text("utf-8")
    demos(tmp_path, "mine.py", "--quick", "--seeds", "2")
    found = summary(tmp_path / "runs" / "quick" / "mine")
    assert found["settings"]["seeds"] == 2
    assert set(found["pictures"]) == {"samples", "curves"}
    page = (tmp_path / "runs" / "quick" / "mine" / "index.html").read_text("utf-8")
    assert "<h1>mine</h1>" in page
    assert "<p>A GAN learns points of my own. (The first line says what the experiment shows.)</p>" in page
    assert re.search(r"<td>modes with 1 % .*</td><td>at least 7</td><td class=\"number\">\d</td><td>not judged</td>", page)
    assert page.count('src="data:image/png;base64,') == 2
    assert re.search(r"<code>python -m demos mine.py --quick --seeds 2</code>: \d+ seconds", page)


@pytest.mark.slow
def test_a_killed_experiment_goes_on_to_the_same_end(tmp_path):
    (tmp_path / "hinge.py").write_text(HINGE, "utf-8")
    demos(tmp_path, "hinge.py", "--out", "whole", "--set", "steps=12000")
    for resume in ((), ("--resume",)):
        command = [sys.executable, "-m", "demos", "hinge.py", "--out", "killed", "--set", "steps=12000", *resume]
        process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        time.sleep(3)
        process.send_signal(signal.SIGTERM)
        assert "python -m demos hinge.py" in process.communicate()[1]
    demos(tmp_path, "hinge.py", "--out", "killed", "--set", "steps=12000", "--resume")
    assert summary(tmp_path / "killed")["metrics"] == summary(tmp_path / "whole")["metrics"]


@pytest.mark.slow
def test_an_experiment_is_swept(tmp_path):
    (tmp_path / "hinge.py").write_text(HINGE, "utf-8")
    out = demos(tmp_path, "sweep", "hinge.py", "--quick", "--set", "lr=1e-3,1e-2", "--seeds", "3")
    assert len(re.findall(r"^ *0\.0", out, re.MULTILINE)) == 2
    assert len(list((tmp_path / "runs" / "quick" / "sweep_hinge").glob("*_seed=*/summary.json"))) == 6
    sums = {summary(path)["metrics"]["sum"] for path in (tmp_path / "runs" / "quick" / "sweep_hinge").glob("*_seed=*")}
    assert len(sums) == 6
    assert all(np.isfinite(list(sums)))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent", None, "there is no file absent.py"),
        ("broken", "def (", "broken.py cannot be read: line 1"),
        ("empty", "x = 1\n", "declares no experiment: put @demo"),
        ("gan", "x = 1\n", "a demo or a command has this name"),
        ("files/json", "x = 1\n", "has the name of another module"),
        ("a-b", "x = 1\n", "is not a name for a Python module"),
        ("no_instance", HINGE.replace("@demo(Settings(),", "@demo(Settings,"), "expected an instance of a dataclass"),
        ("no_field", HINGE.replace('{"steps": 20}', '{"stesp": 20}'), "demo: quick has stesp, which Settings has not"),
    ],
)
def test_other_files_are_refused_in_one_line(name, text, message, tmp_path):
    (tmp_path / "files").mkdir()
    if text is not None:
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    lines = demos(tmp_path, f"{name}.py", code=2).splitlines()
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    ("options", "message"), [((), "new NAME writes"), (("gan",), "choose another"), (("a b",), "not a name")]
)
def test_names_that_new_refuses(options, message, tmp_path):
    assert message in demos(tmp_path, "new", *options, code=2)


def test_new_replaces_no_file(tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\n", "utf-8")
    assert "exists already" in demos(tmp_path, "new", "mine.py", code=2)
    assert (tmp_path / "mine.py").read_text("utf-8") == "x = 1\n"


def test_a_changed_file_is_read_again_and_records_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "twice").mkdir()
    file = tmp_path / "twice" / "twice.py"
    for n in (1, 22):
        file.write_text(f"{HINGE}    claim.note('n', {n})\n", "utf-8")
        main(["twice/twice.py", "--quick"])
        assert summary(tmp_path / "runs" / "quick" / "twice")["metrics"]["n"] == n
    with pytest.raises(SystemExit):
        main(["twice/twice.py", "--record"])
    assert "--record: only for the demos" in capsys.readouterr().err
    file.write_text(HINGE.replace('{"steps": 20}', "None"), "utf-8")
    main(["twice/twice.py", "--quick", "--set", "steps=3"])
