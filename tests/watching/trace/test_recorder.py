"""The record of a step says what happened: which ops, cuts, derivatives and updates, with the numbers that they had."""

import weakref

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim
from tests.games import players
from tests.watching.trace import steps
from tests.watching.trace.steps import named, of


def leaf(*values):
    return mg.Tensor(np.float32(values), requires_grad=True)


def names_of(t, numbers):
    return [str(t.tensors[n]) for n in numbers]


def test_a_gans_step_has_its_ops_names_players_lines_cuts_and_sums():
    t = steps.gan()
    first = of(t, "forward")[0]
    assert (first.op, first.player, first.recorded) == ("affine", "G", True)
    assert names_of(t, first.inputs) == ["z", "G.0.weight", "G.0.bias"]
    assert [row.op for row in of(t, "forward", player="D")] == ["affine", "leaky_relu", "affine"] * 3
    assert [row.number for row in t.rows] == list(range(1, len(t.rows) + 1))
    assert t.tensors[first.output].made_by == first.number
    names = {entry.name for entry in t.tensors.values()}
    assert {"G.0.weight", "D.2.bias", "x", "z", "fake", "real_logits", "fake_logits", "loss_D", "loss_G"} <= names
    assert {row.place.file for row in t.rows} == {"games/gan.py"}
    detached, frozen, thawed = (of(t, "cut", what=what)[0] for what in ("detach", "frozen", "thawed"))
    assert detached.place.code == "fake = self.G(z).detach()"
    assert (t.tensors[detached.inputs[0]].made_by, names_of(t, detached.outputs)) == (3, ["fake"])
    assert (named(t, "fake").made_by, named(t, "fake").requires_grad) == (detached.number, False)
    for cut in (frozen, thawed):
        assert names_of(t, cut.inputs) == ["D.0.weight", "D.0.bias", "D.2.weight", "D.2.bias"]
    assert frozen.place.code.startswith("with self.frozen(self.D):")
    weights = [row for row in of(t, "backward") if t.tensors[row.input].name == "D.2.weight"]
    assert [row.added_to for row in weights] == [None, weights[0].number]


def test_tensors_have_the_names_of_the_users_variables_also_around_an_op_of_the_users_own():
    def double(x):
        """2 x"""
        return mg.record("double", x.data * 2, (x, lambda g, y: g * 2))

    w, image = leaf(1.0), np.ones(1, np.float32)
    with mg.trace(slope=w) as t:
        for _ in range(3):
            h = w * image
        last = double(h)
    *products, row = of(t, "forward")
    assert names_of(t, products[0].inputs) == ["slope", "image"]
    names = names_of(t, [product.output for product in products])
    assert (names[0], len(set(names))) == ("h", 3)
    assert names_of(t, [*row.inputs, row.output]) == [names[-1], "last"]
    assert (row.place.code, row.formula, last.op) == ("last = double(h)", "2 x", "double")


def test_no_tensor_lives_longer_with_a_trace():
    def step():
        with mg.trace():
            y = leaf(1.0) * 2.0
        return weakref.ref(y)

    assert step()() is None  # without the garbage collector


def test_what_was_made_in_the_block_is_not_thawed_and_freezing_takes_a_row():
    layer, x = nn.Dense(2, 1), mg.Tensor([1.0])
    with mg.trace(layer=layer) as t:
        made = leaf(1.0)
        (made * x).sum().backward()
        x.requires_grad = True  # a parameter from now on
        x.data = np.float32([5.0])
        x.requires_grad = False
        for flag in (False, True, False):  # on one line
            layer.requires_grad_(flag)
    assert [named(t, name).kind for name in ("made", "x")] == ["parameter", "parameter"]
    assert [row.moved.first for row in of(t, "update")] == [(4.0,)]
    assert [(cut.what, len(cut.inputs)) for cut in of(t, "cut")] == [("frozen", 1), ("frozen", 2), ("thawed", 2), ("frozen", 2)]


def test_derivatives_with_their_source_and_the_values_of_what_arrives_and_leaves():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with mg.trace() as t:
        (a * b).backward(np.array([5.0, 6.0], dtype="float32"))
    first, second = of(t, "backward")
    assert t.tensors[of(t, "forward")[0].output].value.first == (3.0, 8.0)
    assert (first.op, first.of, first.source, first.defined.file) == ("multiply", 1, "g * b", "ops/arithmetic.py")
    assert (second.source, t.tensors[second.input].name) == ("g * a", "b")
    assert (first.arrived.first, first.left.first, second.left.first) == ((5.0, 6.0), (15.0, 24.0), (5.0, 12.0))


@pytest.mark.parametrize(("shape", "axes"), [((3, 1), (1,)), ((4,), (0,)), ((1, 4), (0,)), ((), (0, 1)), ((3, 4), ())])
def test_the_axes_of_broadcasting_and_the_inputs_dtype(shape, axes):
    x, ones = mg.Tensor(np.ones(shape, dtype="float32"), requires_grad=True), np.ones((3, 4))
    with mg.trace() as t:
        (x * ones).sum().backward()
    row = of(t, "backward")[-1]
    assert (row.summed, row.left.shape, row.left.dtype) == (axes, shape, "float32")
    assert row.left.norm == pytest.approx(np.linalg.norm(x.grad.numpy()), rel=1e-6)


def test_a_backward_pass_adds_to_no_gradient_of_the_one_before():
    w = leaf(1.0, 2.0)
    with mg.trace(w=w) as t:
        for _ in range(2):
            (w * w).sum().backward()
    added = [row for row in of(t, "backward") if row.added_to]
    assert len(added) == 2
    assert all(t.rows[row.added_to - 1].backward_pass == row.backward_pass for row in added)
    assert [row.onto for row in of(t, "backward pass")] == [[], [named(t, "w").number]]


def test_updates_say_how_far_by_which_formula_and_begin_where_the_one_before_has_ended():
    w = leaf(1.0, 2.0)
    optimizer, w.grad = optim.SGD([w], lr=0.5), mg.Tensor([3.0, 4.0])
    with mg.trace(w=w) as t:
        optimizer.step()
        optimizer.step()
    first, second = of(t, "update")
    assert (first.rule, first.formula) == ("SGD", "theta <- theta - lr g")
    assert (first.before.first, first.moved.first, first.after.first) == ((1.0, 2.0), (-1.5, -2.0), (-0.5, 0.0))
    assert (second.before.first, second.after.first) == ((-0.5, 0.0), (-2.0, -2.0))


def test_what_else_changes_a_parameter_is_an_update_too():
    layer, unmet = nn.Dense(2, 2), leaf(1.0)
    with mg.trace(layer=layer) as t:
        optim.clip_weights(layer.parameters(), 0.01)
        layer.weight.data = np.zeros((2, 2), dtype="float32")
        layer.load_state_dict(layer.state_dict())
        unmet.data = np.float32([6.0])  # nobody has seen what it was
        unmet.data = np.float32([7.0])
    assert [row.rule for row in of(t, "update")] == 2 * ["clip_weights"] + ["data"] + 2 * ["load_state_dict"] + ["data"]
    assert (t.rows[-1].before.first, t.rows[-1].after.first) == ((6.0,), (7.0,))


@pytest.mark.parametrize("name", players.RULES)
def test_every_games_step_is_the_same_to_the_last_bit(name):
    ends = []
    for traced in (False, True):
        mg.seed(3)
        game, batches = players.make(name), players.stream(name)
        for _ in range(2):
            if traced:
                with mg.trace(G=game.G, D=game.D) as t:
                    figures = game.step(batches)
                assert len(t.rows) > 20
                str(t)
            else:
                figures = game.step(batches)
        ends.append((dict(figures), [p.numpy() for p in (*game.G.parameters(), *game.D.parameters())]))
    np.testing.assert_equal(*ends)
