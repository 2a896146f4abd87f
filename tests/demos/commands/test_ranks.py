"""`python -m demos ranks`: its model of networks, and its results on one rank and by mpiexec."""

import json

import pytest

from demos.commands import ranks


def test_alone_it_measures_one_rank_and_moves_earlier_results_aside(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ranks, "world", lambda: None)
    (tmp_path / "table.md").write_text("of an earlier run")
    ranks.main(["--quick", "--out", str(tmp_path)])
    assert (tmp_path / "earlier" / "1" / "table.md").read_text() == "of an earlier run"
    said = capsys.readouterr().out
    assert "only one rank was measured: mpiexec -n 4 python -m demos ranks" in said
    for each in json.loads((tmp_path / "ranks.json").read_text(encoding="utf-8"))["models"].values():
        assert list(each["step"]) == [str(each["batch"] // n) for n in ranks.RANKS]
        assert not each["weak"]


def test_a_ring_sends_nearly_twice_the_bytes_and_waits_at_each_of_its_hops():
    assert ranks.ring({"D": 1000, "G": 500}, 1, 100.0, 0.5) == 0
    assert ranks.ring({"D": 1000, "G": 500}, 4, 100.0, 0.5) == pytest.approx(1.5 * 15 + 2 * 6 * 0.5)
    steps = {64 // n: 1 / n for n in ranks.RANKS}
    found = ranks.modelled({"batch": 64, "bytes": {"D": 0, "G": 0}, "step": steps})["100 Gbit/s"]
    assert found["weak"][1] == pytest.approx(2 / (1 + 2 * 2 * 2e-6))
    assert found["strong"][-1] == pytest.approx(1 / (1 / 64 + 2 * 2 * 63 * 2e-6))


def test_more_ranks_pay_up_to_the_last_doubling_that_gains_a_fifth():
    assert ranks.last_that_pays([1, 1.9, 3, 3.5, 3.6, 3.6, 3.5]) == 4
    assert ranks.last_that_pays([1, 0.9, 1.8, 3.6, 7.2, 14, 28]) == 64  # what two ranks lose, more win back
