"""Every picture can be read on a slide, is named, and is stamped where it comes from a quick run."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from demos import catalogue
from demos.__main__ import main
from demos.kit import style
from demos.kit.claim import Claim
from demos.kit.runner import results
from demos.kit.style import slide
from tests.demos.running import summary_of
from tests.demos.slides import complaints

BOUND = re.compile(r"at (?:most|least) [-\d.e+]+|from [-\d.e+]+ to [-\d.e+]+")
OWN = {  # bounds that a quick run has of its own: by its settings (which are compared elsewhere), or as it measures them
    "optimal_discriminator": r"\w+_(sup|mean)_error",
    "collapse": "collapse, seeds that miss a mode",
    "autoencoder": r".*: remedy's error over its own, worst seed",
    "vae": "elbo",
    "boltzmann": r".*: error over the mean image's, worst seed",
    "began": "classes with a low gamma",
}
EVERY = [name if name == "saddle" else pytest.param(name, marks=pytest.mark.slow) for name in catalogue.names()]


@pytest.mark.parametrize("name", EVERY)
def test_a_quick_run_has_pictures_that_can_be_read_on_a_slide_and_the_recorded_bounds(name, tmp_path, monkeypatch):
    found, show = {}, Claim.show

    def look(self, figure, stem, title):
        with monkeypatch.context() as m:
            m.setattr(style, "save", lambda figure, path, formats: None)
            show(self, figure, stem, title)
        assert "QUICK RUN" in [text.get_text() for text in figure.texts]
        found[stem] = complaints(figure)
        style.title(figure, title)  # that of a full run has room, too
        found[f"{stem}, of a full run"] = complaints(figure)
        plt.close(figure)

    monkeypatch.setattr(Claim, "show", look)
    main([name, "--quick", "--out", str(tmp_path)])
    assert found
    assert {stem: said for stem, said in found.items() if said} == {}
    mine, recorded = bounds(summary_of(tmp_path)), bounds(results.recorded(name))
    both = [key for key in mine.keys() & recorded.keys() if not re.fullmatch(OWN.get(name, ""), key)]
    assert {key: mine[key] for key in both} == {key: recorded[key] for key in both}


def bounds(summary):
    """Each figure's bound that is a number of the code, not one that the run has measured."""
    expected = {name: words.split(": not judged")[0] for name, words in summary["expected"].items()}
    return {name: words for name, words in expected.items() if BOUND.fullmatch(words)}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda figure, axes: axes[0].set_title("small", fontsize=6), "'small' is"),
        (lambda figure, axes: axes[0].tick_params(labelsize=5), "pixels high"),
        (lambda figure, axes: figure.text(0.9, 0.5, "a long text over the edge"), "leaves the picture"),
        (lambda figure, axes: axes[0].set_xlabel(""), "its x axis has no name"),
        (lambda figure, axes: axes[1].set_ylabel(""), "its y axis has no name"),
        (lambda figure, axes: figure.set_figheight(9), "higher than a slide"),
        (lambda figure, axes: figure.set_figwidth(10), "1000 pixels wide"),
        (lambda figure, axes: figure.suptitle(""), "no title"),
        (lambda figure, axes: [figure.add_axes((x, 0.4, 0.1, 0.1), xticks=[], yticks=[]) for x in (0.2, 0.4, 0.6)], "5 panels"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_with_a_picture_is_seen(spoil, said):
    figure, axes = slide(1, 2)
    for a in axes:
        a.plot(np.arange(5.0))
        a.set(xlabel="iteration", ylabel="loss, nats", title="two")
    style.title(figure, "what was found")
    assert complaints(figure) == []
    spoil(figure, axes)
    assert said in "; ".join(complaints(figure))
    plt.close(figure)


def test_a_share_and_its_sign_stay_on_one_line():
    figure, _ = slide()
    style.title(figure, "97 % of them, " * 30)
    lines = figure.get_suptitle().split("\n")
    assert len(lines) > 2
    assert not [line for line in lines if line.startswith("%")]
    plt.close(figure)


def test_a_long_title_is_broken_into_lines_that_have_room_and_formulas_stay_whole():
    figure, _ = slide()
    style.title(figure, "the mean of $x + y + z$ is nearly that of the data, " * 4)
    lines = figure.get_suptitle().split("\n")
    assert len(lines) == 3
    assert all(line.count("$") % 2 == 0 for line in lines)
    assert not [said for said in complaints(figure) if "leaves" in said]
    plt.close(figure)
