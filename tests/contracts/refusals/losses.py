"""What the losses refuse."""

import math

import numpy as np

import minigan as mg
from minigan import Tensor, losses
from tests.contracts.refusals import each

V, LOGITS, ONES = np.ones((5, 1)), np.ones((4, 3)), Tensor(np.ones((4, 3)))
NO_PROBABILITIES = [-0.1, 1.1, 3.0, math.nan]
NO_LABELS = [[0.0, 1.0, 2.0, 0.0], np.eye(3)[[0, 1, 2, 0]]]


def penalise(shape):
    return losses.gradient_penalty(lambda x: x, ONES, Tensor(np.ones(shape)))


def without_a_graph():
    x = Tensor(np.ones((4, 2)), requires_grad=True)
    with mg.no_grad():
        return losses.squared_gradient_norm(x.sum(axis=1), x)


REFUSED = [
    *each(NO_PROBABILITIES, ValueError, r"p must lie in \[0, 1\]; for logits", lambda p: losses.log_loss(np.array([p]), 1.0)),
    *each(NO_PROBABILITIES, ValueError, r"y must lie in \[0, 1\]", lambda y: losses.log_loss(np.array([0.5]), y)),
    *each(NO_PROBABILITIES, ValueError, r"y must lie in \[0, 1\]", lambda y: losses.log_loss_with_logits(np.array([0.5]), y)),
    *each(
        [(5,), (5, 2), (2, 1), (1, 5, 1)], ValueError, r"log_loss: .*\(5, 1\).*VALUE", lambda s: losses.log_loss(V, np.ones(s))
    ),
    (lambda: losses.log_loss_with_logits(V[:0], 1.0), ValueError, r"log_loss_with_logits: no elements in shape \(0, 1\)"),
    *each([(5,), (5, 2)], ValueError, r"logits: .*\(5, 1\).*VALUE", lambda s: losses.log_loss_with_logits(V, np.ones(s))),
    *each([(5,), (1, 1), (4, 1), ()], ValueError, "l1: shapes .*(differ|do not)", lambda s: losses.l1(V, np.zeros(s))),
    (lambda: losses.cross_entropy(LOGITS, [0, 1, 2, 3]), ValueError, "labels from 0 to 3; expected 0 to 2"),
    *each([(5,), (1, 1), (4, 1), ()], ValueError, "mse: shapes .*(differ|do not)", lambda s: losses.mse(V, np.zeros(s))),
    *each([[0, 1, 2], [[0], [1], [2], [0]]], ValueError, r"\(N, C\) and N integers", lambda y: losses.cross_entropy(LOGITS, y)),
    *each(NO_LABELS, TypeError, "expected integers", lambda y: losses.cross_entropy(LOGITS, y)),
    *each([(5, 3), (4, 1), (1, 3), (4, 3, 1)], ValueError, r"gradient_penalty: shapes \(4, 3\) and VALUE differ", penalise),
    (lambda: losses.gradient_penalty(None, V[:0], V[:0]), ValueError, r"gradient_penalty: no elements in shape \(0, 1\)"),
    (lambda: losses.gradient_penalty(lambda x: x, ONES, ONES, 3), TypeError, "rng is 3; expected a generator"),
    (without_a_graph, ValueError, "no graph: compute it outside no_grad"),
    (lambda: losses.feature_matching_loss(V, LOGITS), ValueError, r"shapes \(5, 1\) and \(4, 3\) differ after the first axis"),
    (lambda: losses.pull_away_term(LOGITS[:1]), ValueError, r"codes of shape \(1, 3\); expected at least two codes"),
]
