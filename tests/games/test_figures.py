"""The figures of a step: floats when they are read, and nothing computed before."""

import gc
import weakref

import numpy as np
import pytest

from minigan import Tensor
from minigan.games import Figures
from minigan.games.figures import accuracy, mean_probability
from tests.helpers.leaves import leaf


def test_figures_are_a_mapping_of_floats():
    figures = Figures(loss_D=Tensor(1.5), loss_G=Tensor(0.25))
    assert dict(figures) == {"loss_D": 1.5, "loss_G": 0.25}
    assert type(figures["loss_D"]) is float
    assert (len(figures), list(figures), "loss_G" in figures) == (2, ["loss_D", "loss_G"], True)
    assert repr(figures) == "loss_D 1.5000, loss_G 0.2500"


def test_accuracy_counts_both_kinds_and_a_logit_of_0_as_wrong():
    def judged(real, fake):
        return accuracy(*(Tensor(np.array(v, float)[:, None]) for v in (real, fake))).item()

    assert judged([1, 2], [-1, -2, -3]) == 1
    assert judged([-1, -2], [1, 2]) == 0
    assert judged([1, 2], [1, 2]) == 0.5
    assert judged([0, 0], [0, 0]) == 0


def test_mean_probability_is_the_mean_of_sigma_without_a_graph():
    v = Tensor(np.array([[0.0], [2.0]]), requires_grad=True)
    p = mean_probability(v)
    assert p.item() == pytest.approx((0.5 + 1 / (1 + np.exp(-2.0))) / 2, rel=1e-15)
    assert not p.requires_grad


def test_a_figure_is_computed_when_it_is_read_and_once():
    computed = []

    def later(name):
        return lambda: computed.append(name) or Tensor(0.5)

    figures = Figures(loss_D=Tensor(1.5), D_real=later("D_real"), D_fake=later("D_fake"))
    assert figures["loss_D"] == 1.5
    assert "D_real" in figures
    assert "D_accuracy" not in figures
    assert (len(figures), computed) == (3, [])
    assert figures["D_fake"] == figures.get("D_fake") == 0.5
    assert computed == ["D_fake"]
    assert list(figures.values()) == list(figures.values()) == [1.5, 0.5, 0.5]
    assert computed == ["D_fake", "D_real"]


def test_a_figure_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError, match="D_rael"):
        Figures(loss_D=Tensor(1.5))["D_rael"]


def test_figures_let_go_of_the_graph():
    w = leaf()
    figures, alive = Figures(loss_D=(w * 2).sum()), weakref.ref(w)
    del w
    gc.collect()
    assert alive() is None
    assert len(figures) == 1


def test_what_a_figure_is_computed_from_is_let_go_when_it_has_been_read():
    logits = Tensor(np.zeros((4, 1)))
    figures, alive = Figures(D_real=lambda logits=logits: mean_probability(logits)), weakref.ref(logits)
    del logits
    assert figures["D_real"] == 0.5
    gc.collect()
    assert alive() is None
