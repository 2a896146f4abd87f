"""`python -m demos ranks`: its model of networks, and its table, picture and figures on one rank and by mpiexec."""

import json

import pytest

from demos.commands import ranks
from tests.demos.running import assert_shows_something


def figures_of(out):
    return json.loads((out / "ranks.json").read_text(encoding="utf-8"))


def test_alone_it_measures_one_rank_says_so_and_draws(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ranks, "world", lambda: None)
    (tmp_path / "table.md").write_text("of an earlier run")
    ranks.main(["--quick", "--out", str(tmp_path)])
    assert (tmp_path / "earlier" / "1" / "table.md").read_text() == "of an earlier run"
    said = capsys.readouterr().out
    assert "only one rank was measured: mpiexec -n 4 python -m demos ranks" in said
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.strip() in said
    assert "| MLP, width 64 | 0.20 MB, 0.23 MB | 1 | - |" in table
    assert_shows_something(tmp_path / "ranks.png")
    for each in figures_of(tmp_path)["models"].values():
        assert list(each["step"]) == [str(each["batch"] // n) for n in ranks.RANKS]
        assert all(len(network[kind]) == len(ranks.RANKS) for network in each["model"].values() for kind in ("weak", "strong"))
        assert not each["weak"]


@pytest.mark.mpi
def test_by_mpiexec_it_measures_1_and_2_ranks_and_rank_0_alone_writes(mpiexec):
    done = mpiexec(2, ["-m", "demos", "ranks"], "--quick", "--out", mpiexec.folder / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written:") == 1
    figures = figures_of(mpiexec.folder / "out")
    assert figures["ranks"] == 2
    for each in figures["models"].values():
        for kind in ("all_reduce", "weak", "strong"):
            assert list(each[kind]) == ["1", "2"]
            assert all(seconds > 0 for seconds in each[kind].values())


def test_a_ring_sends_nearly_twice_the_bytes_and_waits_at_each_of_its_hops():
    assert ranks.ring({"D": 1000, "G": 500}, 1, 100.0, 0.5) == 0
    assert ranks.ring({"D": 1000, "G": 500}, 4, 100.0, 0.5) == pytest.approx(1.5 * 15 + 2 * 6 * 0.5)


def test_without_bytes_ranks_make_it_as_many_times_as_fast_as_their_steps_are_shorter():
    steps = {64 // n: 1 / n for n in ranks.RANKS}
    found = ranks.modelled({"batch": 64, "bytes": {"D": 0, "G": 0}, "step": steps})["100 Gbit/s"]
    assert found["weak"][1] == pytest.approx(2 / (1 + 2 * 2 * 2e-6))
    assert found["strong"][-1] == pytest.approx(1 / (1 / 64 + 2 * 2 * 63 * 2e-6))


@pytest.mark.parametrize(
    ("ups", "end"),
    [
        ([1, 2, 4, 8, 16, 32, 64], 64),
        ([1, 1.9, 3, 3.5, 3.6, 3.6, 3.5], 4),
        ([1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1], 1),
        ([1, 0.9, 1.8, 3.6, 7.2, 14, 28], 64),  # what two ranks lose, more win back
    ],
)
def test_more_ranks_pay_up_to_the_last_doubling_that_gains_a_fifth(ups, end):
    assert ranks.last_that_pays(ups) == end


def test_tasks_are_timed_in_turn_and_the_first_round_does_not_count(monkeypatch):
    done = []
    times = ranks.interleaved({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 2)
    assert done == ["a", "b"] * 3
    assert times.keys() == {"a", "b"}


def test_its_options_are_checked(capsys):
    with pytest.raises(SystemExit) as end:
        ranks.main(["--seed", "-1"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("python -m demos ranks: argument --seed: -1 is not a whole number")
