"""The graph of a step: what is in it, cuts, acts, folds."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.watching.trace.graph import act_of, repeats, split
from tests.watching.trace import steps


@pytest.fixture(scope="module")
def trace():
    mg.seed(0)
    return steps.gan()


def graph(trace, **limit):
    return [act_of(trace, rows, **limit) for rows in split(trace.rows)]


@pytest.fixture(scope="module")
def acts(trace):
    return graph(trace)


def deep(layers=9):
    """A step without an optimizer through many equal layers."""
    net = nn.Sequential(*[layer for _ in range(layers) for layer in (nn.Dense(3, 3), nn.ReLU())], nn.Dense(3, 1))
    x = np.ones((2, 3), np.float32)
    with mg.trace(net=net) as t:
        net(x).mean().backward()
    return t


def labelled(act, label):
    return [node for node in act.nodes.values() if node.label == label]


def test_a_step_has_an_act_for_each_player(acts, trace):
    assert [act.title for act in acts] == ["D learns", "G learns", "no backward pass"]
    assert [row for act in acts for row in act.rows] == trace.rows


def test_nodes_have_their_kinds(acts, trace):
    act = acts[0]
    assert labelled(act, "G.0.weight")[0].kind == "parameter"
    assert labelled(act, "z")[0].kind == "constant"
    assert labelled(act, "relu")[0].kind == "op"
    losses = [node for node in act.nodes.values() if node.kind == "loss"]
    assert [node.number for node in losses] == [steps.of(trace, "backward pass")[0].output]
    assert labelled(act, "relu")[0].player == "G"


def test_an_op_has_its_inputs_and_a_parameter_that_is_used_twice_stands_once(acts):
    act = acts[0]
    weight, *others = labelled(act, "D.0.weight")
    users = [edge.target for edge in act.edges if edge.source == weight.number]
    assert not others
    assert [act.nodes[user].label for user in users] == ["affine", "affine"]


def test_detach_cuts_the_edge(acts, trace):
    act = acts[0]
    cut = [edge for edge in act.edges if edge.cut]
    assert len(cut) == 1
    row = trace.rows[cut[0].cut - 1]
    assert (row.what, [cut[0].source], [cut[0].target]) == ("detach", row.inputs, row.outputs)
    route = act.layout().routes[cut[0].source, cut[0].target]
    assert len(route) == 3  # the cut has a place of its own


def test_no_grad_cuts_the_edges_that_would_need_a_gradient_and_makes_no_others():
    w, v = mg.Tensor([1.0], requires_grad=True, name="w"), mg.Tensor([2.0], name="v")
    with mg.trace() as t:
        with mg.no_grad():
            a, b = w * v, w + 1.0
        (a * b * w).sum().backward()
    act = graph(t)[0]
    cut = [(str(t.tensors[e.source]), str(t.tensors[e.target])) for e in act.edges if e.cut]
    assert sorted(cut) == [("w", "a"), ("w", "b")]
    assert ("v", "b") not in [(str(t.tensors[e.source]), str(t.tensors[e.target])) for e in act.edges]


def test_what_an_act_takes_from_an_earlier_one_is_called_earlier():
    detached_figures = graph(steps.gan())[2]
    assert {node.kind for node in detached_figures.nodes.values()} == {"earlier", "constant"}


def test_the_ops_of_a_recorded_backward_pass_are_right_of_the_ops_that_it_differentiates():
    t = steps.wgan_gp()
    act = graph(t)[0]
    places = act.layout().positions
    within = [row for row in act.rows if row.kind == "forward" and row.within and row.output in places]
    assert within
    for row in within:
        assert places[row.output][0] > places[t.rows[t.rows[row.within - 1].of - 1].output][0]
    again = [node for node in act.nodes.values() if node.again is not None]
    assert {node.kind for node in again} <= {"parameter", "constant"}
    assert "D.0.weight" in [node.label for node in again]  # leaves that are used far away stand there again
    ends = {edge.source for edge in act.edges}
    assert all(node.number in ends and act.nodes[node.again].label == node.label for node in again)


def test_repeats():
    assert repeats("abababc") == [(range(0, 6), 2)]
    assert repeats("xaaay") == [(range(1, 4), 1)]
    assert repeats("abcd") == []


def test_layers_that_repeat_fold_above_the_limit_only():
    t = deep()
    whole, folded = graph(t, limit=10**6)[0], graph(t, limit=10)[0]
    assert not [node for node in whole.nodes.values() if node.kind == "fold"]
    (fold,) = [node for node in folded.nodes.values() if node.kind == "fold"]
    assert (fold.label, fold.below) == ("9 layers", "affine, relu")
    assert len(fold.members) == 9 * 4  # with two parameters each
    assert len(whole.nodes) - len(folded.nodes) == len(fold.members) - 1
    assert {folded.node_of(n) for n in fold.members} == {fold.number}
    ends = [(folded.nodes[e.source].label, folded.nodes[e.target].label) for e in folded.edges]
    assert ("9 layers", "affine") in ends
    assert folded.layout().columns < whole.layout().columns


def test_parameters_that_several_folds_share_are_one_node():
    net = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Dense(3, 3), nn.ReLU())])
    x = np.ones((2, 3), np.float32)
    with mg.trace(net=net) as t:
        (net(x) - net(2 * x)).sum().backward()
    act = graph(t, limit=10)[0]
    folds = [node for node in act.nodes.values() if node.kind == "fold"]
    (shared,) = [node for node in act.nodes.values() if node.kind == "parameter"]
    assert shared.label == "6 tensors"
    assert {str(t.tensors[n]) for n in shared.members} == {f"net.{i}.{name}" for i in (0, 2, 4) for name in ("weight", "bias")}
    assert {edge.target for edge in act.edges if edge.source == shared.number} == {fold.number for fold in folds}
    assert len(folds) == 2


def test_an_output_that_is_used_outside_keeps_its_layer_open():
    x = mg.Tensor([1.0], requires_grad=True)
    with mg.trace() as t:
        a = x * 2.0
        b = a * 2.0
        c = b * 2.0
        (c + a).sum().backward()
    act = graph(t, limit=1)[0]
    assert not [node for node in act.nodes.values() if node.kind == "fold"]
