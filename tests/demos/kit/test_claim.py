"""A demo's report: its metrics and bounds, its words, its files, and what is recorded."""

import json
import math
import re

import matplotlib.pyplot as plt
import pytest

from demos.kit.comparing import HELPS, HURTS, NOTHING, compare
from demos.kit.runner import results
from demos.kit.runner.checkpoint import running
from demos.kit.runner.opening import open_claim, start
from demos.kit.runner.options import common_options


def begun(tmp_path, *argv, steps=10):
    options = common_options("a claim")
    options.add_argument("--steps", type=int)
    return open_claim(start(options, ["--out", str(tmp_path), *argv], "some_claim"), {"width": 3, "steps": steps})


def test_the_summary_has_every_figure_what_was_expected_whether_it_holds_and_json_alone(tmp_path, capsys):
    plt.close("all")  # another test's
    found = begun(tmp_path, "--format", "svg")
    found.finding = "a is {a}"
    found.note("a", 1, "1", True)
    found.note("b", 2.5, "below 2", False)
    found.note("c", math.inf, "about 4")
    found.show(plt.figure(), "some_claim", "what was found")
    assert (tmp_path / "checkpoint.npz").is_file()  # also if drawing fails
    with pytest.raises(SystemExit, match=r"^some_claim: does not hold: b$"):  # a message: the exit status is 1
        found.finish()
    assert found.holds == {"a": True, "b": False}
    summary = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert set(summary) > {"versions", "seconds", "cpu_seconds"}
    expected = {
        "demo": "some_claim",
        "settings": {"width": 3, "steps": 10, "seed": 0, "backend": "numpy"},
        "metrics": {"a": 1.0, "b": 2.5, "c": None},
        "expected": {"a": "1", "b": "below 2", "c": "about 4"},
        "holds": {"a": True, "b": False},
        "pictures": {"some_claim": "what was found"},
        "found": "a is 1",
    }
    assert {name: summary[name] for name in expected} == expected
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"b +2.5  below 2   <-- does not hold", line) for line in lines)
    assert f"Results are in {tmp_path}/: some_claim.png, some_claim.svg, summary.json, checkpoint.npz" in lines
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("bound", "arguments", "words", "right", "wrong"),
    [
        ("at_most", (2.0,), "at most 2", (2.0, -5.0), (2.001, math.nan, math.inf)),
        ("at_least", (2.0,), "at least 2", (2.0, math.inf), (1.999, math.nan)),
        ("between", (1.0, 2.0), "from 1 to 2", (1.0, 2.0), (0.99, 2.01, math.nan)),
    ],
)
def test_a_bound_is_said_and_judged_by_the_same_number(tmp_path, bound, arguments, words, right, wrong):
    found = begun(tmp_path)
    for i, value in enumerate([*right, *wrong]):
        getattr(found, bound)(str(i), value, *arguments)
    assert set(found.expected.values()) == {words}
    assert list(found.holds.values()) == [True] * len(right) + [False] * len(wrong)


def test_a_comparison_is_noted_with_its_interval_and_judged_by_its_words(tmp_path):
    found, helps, nothing = begun(tmp_path), compare([1, 1.1, 0.9], [3, 3.1, 2.9]), compare([1, 2, 3], [1, 2, 3.1])
    found.compare("a", helps, {HELPS})
    found.compare("b", nothing, {HELPS})
    found.compare("c", nothing, {HELPS, NOTHING})
    found.compare("d", nothing)
    found.compare("e", compare([math.nan, 1, 2], [1, 2, 3]), {HURTS, NOTHING})
    assert found.holds == {"a": True, "b": False, "c": True, "e": False}
    assert found.metrics["a"] == pytest.approx(-2)
    assert found.metrics["a low"] < -2 < found.metrics["a high"] < 0
    assert found.expected["a"].endswith("helps (expected: helps)")


def test_a_verdict_is_not_replaced_by_another_figure_of_the_same_name(tmp_path):
    found = begun(tmp_path)
    for name, value in (("a", 3.0), ("nan", math.nan)):
        found.note(name, value, "reported")
        found.at_most(name, value, 2.0)  # what was only reported may be judged
    found.note("b", 3.0)
    for name, value, bound in (("a", 3.0, 4.0), ("a", 1.0, 2.0), ("b", 4.0, 5.0)):
        with pytest.raises(ValueError, match=f"there is already a metric '{name}'"):
            found.at_most(name, value, bound)
    assert found.holds == {"a": False, "nan": False}


@pytest.mark.parametrize(("argv", "kind"), [(["--quick"], "quick run"), (["--steps", "9"], "short run")])
def test_a_short_run_judges_only_what_it_can_show_and_its_pictures_claim_nothing(tmp_path, argv, kind):
    found, figure = begun(tmp_path, *argv), plt.figure()
    found.at_most("a", 5.0, 2.0)
    found.at_most("b", 5.0, 2.0, quick=True)
    assert found.holds == {"b": False}
    assert found.expected == {"a": f"at most 2: not judged by a {kind}", "b": "at most 2"}
    with pytest.raises(ValueError, match="there is already a metric 'a'"):  # as in a full run
        found.at_most("a", 5.0, 6.0)
    found.show(figure, "some_claim", "what was found")
    assert figure.get_suptitle() == f"{kind.upper()}: too short to conclude from"
    assert found.schedule == 10
    running.close()
    assert begun(tmp_path, "--steps", "11").judged


# --- what is recorded ---------------------------------------------------------------------------------------------------


def test_a_recorded_run_can_be_read_and_a_digit_changed_by_hand_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    found = begun(tmp_path, "--record")
    found.finding = "a is {a}"
    found.note("a", 1.5)
    found.finish()
    summary = json.loads((tmp_path / "summary.json").read_text())
    words = {"found", "pictures"}  # of the code as it was then; they follow from the figures
    assert results.recorded("some_claim") == {key: value for key, value in summary.items() if key not in words}
    assert not begun(tmp_path, "--record", "--resume").args.record  # it would not measure all its seconds
    path = tmp_path / "results" / "some_claim.json"
    for text in (path.read_text().replace("1.5", "1.6"), "{}", "[]", "{"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"was changed by hand: python -m demos some_claim --record writes it again"):
            results.recorded("some_claim")
    with pytest.raises(ValueError, match=r"other\.json is missing: python -m demos other --record writes it"):
        results.recorded("other")
