"""The metrics of a step: floats when they are read, and nothing computed before."""

import gc
import weakref

import numpy as np
import pytest

from minigan import Tensor
from minigan.games import Figures
from minigan.games.figures import accuracy, mean_probability
from tests.helpers.leaves import leaf


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [([1, 2], [-1, -2, -3], 1), ([-1, -2], [1, 2], 0), ([1, 2], [1, 2], 0.5), ([0, 0], [0, 0], 0)],
)
def test_accuracy_counts_both_kinds_and_a_logit_of_0_as_wrong(real, fake, expected):
    assert accuracy(*(Tensor(np.array(v, float)[:, None]) for v in (real, fake))).item() == expected


def test_mean_probability_is_the_mean_of_sigma_without_a_graph():
    p = mean_probability(leaf([[0.0], [2.0]]))
    assert p.item() == pytest.approx((0.5 + 1 / (1 + np.exp(-2.0))) / 2, rel=1e-15)
    assert not p.requires_grad


def test_a_metric_is_a_float_computed_when_it_is_read_and_once():
    computed = []

    def later(name):
        return lambda: computed.append(name) or Tensor(0.5)

    figures = Figures(loss_D=Tensor(1.5), D_real=later("D_real"), D_fake=later("D_fake"))
    assert type(figures["loss_D"]) is float
    assert "D_real" in figures
    assert "D_accuracy" not in figures
    assert (len(figures), computed) == (3, [])
    assert figures["D_fake"] == figures.get("D_fake") == 0.5
    assert computed == ["D_fake"]
    assert list(figures.values()) == list(figures.values()) == [1.5, 0.5, 0.5]
    assert computed == ["D_fake", "D_real"]
    assert repr(figures) == "loss_D 1.5000, D_real 0.5000, D_fake 0.5000"


def test_metrics_let_go_of_the_graph_and_of_what_they_were_computed_from():
    w, logits = leaf(), Tensor(np.zeros((4, 1)))
    figures = Figures(loss_D=(w * 2).sum(), D_real=lambda logits=logits: mean_probability(logits))
    alive = weakref.ref(w), weakref.ref(logits)
    del w, logits
    gc.collect()
    assert alive[0]() is None
    assert figures["D_real"] == 0.5
    gc.collect()
    assert alive[1]() is None
