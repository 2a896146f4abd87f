"""The graph of a step: what is in it, cuts, acts, folds."""

import numpy as np

import minigan as mg
from minigan import nn
from minigan.watching.trace.graph import act_of, split
from tests.watching.trace import steps


def graph(trace, **limit):
    return [act_of(trace, rows, **limit) for rows in split(trace.rows)]


def labelled(act, label):
    return [node for node in act.nodes.values() if node.label == label]


def kinds(act, kind):
    return [node for node in act.nodes.values() if node.kind == kind]


def test_a_gans_step_has_an_act_for_each_player_with_nodes_edges_and_a_cut():
    trace = steps.gan()
    acts = graph(trace)
    assert [act.title for act in acts] == ["D learns", "G learns", "no backward pass"]
    assert [row for act in acts for row in act.rows] == trace.rows
    act = acts[0]
    (weight,), (z,), (relu,) = (labelled(act, label) for label in ("G.0.weight", "z", "relu"))
    assert (weight.kind, z.kind, relu.kind, relu.player) == ("parameter", "constant", "op", "G")
    assert [node.number for node in kinds(act, "loss")] == [steps.of(trace, "backward pass")[0].output]
    (weight,) = labelled(act, "D.0.weight")  # which is used twice
    users = [edge.target for edge in act.edges if edge.source == weight.number]
    assert [act.nodes[user].label for user in users] == ["affine", "affine"]
    (cut,) = [edge for edge in act.edges if edge.cut]
    row = trace.rows[cut.cut - 1]
    assert (row.what, [cut.source], [cut.target]) == ("detach", row.inputs, row.outputs)
    assert len(act.layout().routes[cut.source, cut.target]) == 3  # the cut has a place of its own
    assert {node.kind for node in acts[2].nodes.values()} == {"earlier", "constant"}


def test_no_grad_cuts_the_edges_that_would_need_a_gradient_and_makes_no_others():
    w, v = mg.Tensor([1.0], requires_grad=True, name="w"), mg.Tensor([2.0], name="v")
    with mg.trace() as t:
        with mg.no_grad():
            a, b = w * v, w + 1.0
        (a * b * w).sum().backward()
    edges = [(str(t.tensors[e.source]), str(t.tensors[e.target]), bool(e.cut)) for e in graph(t)[0].edges]
    assert sorted(edge[:2] for edge in edges if edge[2]) == [("w", "a"), ("w", "b")]
    assert ("v", "b") not in [edge[:2] for edge in edges]


def test_the_ops_of_a_recorded_backward_pass_are_right_of_the_ops_that_it_differentiates():
    t = steps.wgan_gp()
    act = graph(t)[0]
    places = act.layout().positions
    within = [row for row in act.rows if row.kind == "forward" and row.within and row.output in places]
    assert sum(row.visited for row in within) >= 4
    for row in within:
        assert places[row.output][0] > places[t.rows[t.rows[row.within - 1].of - 1].output][0]
    again = [node for node in act.nodes.values() if node.again is not None]
    assert {node.kind for node in again} <= {"parameter", "constant"}
    assert "D.0.weight" in [node.label for node in again]  # leaves that are used far away are there again
    assert all(act.nodes[node.again].label == node.label for node in again)


def test_layers_that_repeat_fold_above_the_limit_only():
    net = nn.Sequential(*[layer for _ in range(9) for layer in (nn.Dense(3, 3), nn.ReLU())], nn.Dense(3, 1))
    with mg.trace(net=net) as t:
        net(np.ones((2, 3), np.float32)).mean().backward()
    whole, folded = graph(t, limit=10**6)[0], graph(t, limit=10)[0]
    assert kinds(whole, "fold") == []
    (fold,) = kinds(folded, "fold")
    assert (fold.label, fold.below) == ("9 layers", "affine, relu")
    assert len(fold.members) == 9 * 4  # with two parameters each
    assert len(whole.nodes) - len(folded.nodes) == len(fold.members) - 1
    assert {folded.node_of(n) for n in fold.members} == {fold.number}
    assert ("9 layers", "affine") in [(folded.nodes[e.source].label, folded.nodes[e.target].label) for e in folded.edges]
    assert folded.layout().columns < whole.layout().columns
    with mg.trace(net=net) as t:
        (net(x := np.ones((2, 3), np.float32)).mean() + net(x).mean()).backward()
    assert [node.label for node in graph(t, limit=10)[0].nodes.values() if node.below == "parameters"] == ["18 tensors"]
    with mg.trace(net=net) as t:
        y = net[:8](x)
        (net[8:](y).mean() + y.mean()).backward()  # also used outside of the layers
    assert kinds(graph(t, limit=10)[0], "fold") == []
