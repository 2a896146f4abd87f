"""The last lines of a trace: what was cut off and where, what was frozen, which gradient is None and why, where a nan began."""

import functools

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim
from minigan.watching.trace import recorder
from minigan.watching.trace.histories import first_nan
from minigan.watching.trace.lessons import Reading
from tests.watching.trace import steps
from tests.watching.trace.steps import named, of


def texts(t):
    return [lesson.text for lesson in t.lessons]


def test_a_gan_step_says_that_one_was_cut_and_one_frozen_with_their_lines():
    t = steps.gan()
    cut, frozen = of(t, "cut", what="detach")[0], of(t, "cut", what="frozen")[0]
    assert cut.place.code == "fake = self.G(z).detach()"
    of_D, of_G = t.lessons
    assert f"G's 3 ops were recorded and never visited: fake was detached at {cut.place}" in of_D.text
    assert f"went through the ops of D, but its 4 parameters got no gradient: frozen at {frozen.place}" in of_G.text
    assert (of_D.row, of_G.row) == (cut.number, frozen.number)


def test_why_a_gradient_is_none():
    used, idle, frozen, early = (mg.Tensor([2.0], requires_grad=True, name=n) for n in ("used", "idle", "frozen", "early"))
    with mg.trace(used=used, idle=idle, frozen=frozen, early=early) as t:
        frozen.requires_grad = False
        with mg.no_grad():
            start = early * 2
        (used * frozen * start).backward()
    assert named(t, "used").why_none == ""
    assert named(t, "idle").why_none == "no op of this trace has used it"
    assert named(t, "frozen").why_none.startswith("it was frozen, at tests/watching/trace/test_lessons.py:")
    assert named(t, "early").why_none.startswith("computed under no_grad at tests/watching/trace/test_lessons.py:")


def test_why_a_gradient_is_none_without_a_backward_pass_or_with_one_elsewhere():
    a, b = mg.Tensor([1.0], requires_grad=True), mg.Tensor([2.0], requires_grad=True)
    with mg.trace(a=a, b=b) as nothing:
        _ = a * b
    assert named(nothing, "a").why_none == "there was no backward() in this trace"
    assert texts(nothing)[-1] == "1 op was recorded, and there was no backward()"
    with mg.trace(a=a, b=b) as elsewhere:
        _ = b * b
        (a * a).backward()
    assert named(elsewhere, "b").why_none.startswith("no backward pass has reached it")
    assert texts(elsewhere) == [f"1 op was recorded and led to no backward(), the first at {elsewhere.rows[0].place}"]


def test_frozen_before_the_trace():
    game, _ = steps.game()
    game.D.requires_grad_(False)
    with mg.trace(G=game.G, D=game.D) as t:
        loss = mg.losses.generator_loss(game.D(game.G(game.noise(4))))
        loss.backward()
    assert "went through the ops of D, but its 4 parameters got no gradient: frozen before the trace" in texts(t)[0]
    assert named(t, "D.0.weight").why_none.startswith("it was frozen, before the trace")


def test_who_forgets_zero_grad_is_told():
    w, v = mg.Tensor([1.0], requires_grad=True), mg.Tensor([2.0], requires_grad=True)
    with mg.trace() as t:
        (w * v).backward()
        mg.grad(w * v, [w, v])  # adds to no .grad
        (w * v).backward()
    (text,) = texts(t)
    assert (
        f"({of(t, 'backward pass')[2].place}): added to the .grad that w and 1 more had already; zero_grad() clears it" in text
    )
    assert w.grad.item() == 4.0


def thawed_in_time():
    layer = nn.Dense(2, 1).requires_grad_(False)
    with mg.trace(layer=layer) as t:
        layer.requires_grad_(True)
        layer(np.ones((1, 2), "float32")).sum().backward()
    return t


def updated():
    w = mg.Tensor([1.0], requires_grad=True)
    with mg.trace() as t:
        (w * w).backward()
        optim.SGD([w], 0.1).step()
    return t


def once_frozen_and_once_not():
    v, w = mg.Tensor([3.0], requires_grad=True), mg.Tensor([2.0], requires_grad=True)
    with mg.trace() as t:
        w.requires_grad = False
        still = v * w
        w.requires_grad = True
        (still * w).sum().backward()
    return t


def without_detach():
    game, batches = steps.game()
    with mg.trace(G=game.G, D=game.D) as t:
        fake = game.G(game.noise(4))
        mg.losses.discriminator_loss(game.D(game.real(batches)), game.D(fake)).backward()
    return t


@pytest.mark.parametrize("step", [thawed_in_time, updated, once_frozen_and_once_not, without_detach])
def test_a_step_in_which_nothing_is_missing_has_nothing_to_say(step):
    assert texts(step()) == ["every op that was recorded has been visited"]


def test_second_order_is_visited_too():
    assert len(steps.wgan_gp().lessons) == 2  # G cut off, D frozen: nothing of the penalty is missing


def test_the_first_nan_is_a_lesson():
    t = steps.nan()
    assert (t.lessons[-1].text, t.lessons[-1].row) == (f"the first nan: {first_nan(t)[0]}", first_nan(t)[1])


def test_parameters_of_one_line_under_no_grad_all_have_its_reason():
    G = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 2))
    w = mg.Tensor([1.0, 1.0], requires_grad=True)
    with mg.trace(G=G) as t:
        with mg.no_grad():
            fake = G(mg.Tensor(np.ones((4, 2), np.float32)))
        (w * fake).sum().backward()
    reasons = {entry.why_none for entry in t.tensors.values() if entry.name.startswith("G.")}
    assert len(reasons) == 1
    assert reasons.pop().startswith("computed under no_grad at")


def test_frozen_between_the_ops_and_the_backward_pass():
    w, v = (mg.Tensor([1.0, 1.0], requires_grad=True, name=name) for name in "wv")
    with mg.trace(w=w, v=v) as t:
        loss = (w * v).sum()
        w.requires_grad = False
        loss.backward()
    assert w.grad is None
    assert next(e.why_none for e in t.tensors.values() if e.name == "w").startswith("it was frozen at")


def test_ops_that_grad_had_no_need_of_are_not_called_visited():
    w, v = (mg.Tensor([1.0, 1.0], requires_grad=True, name=name) for name in "wv")
    with mg.trace() as t:
        loss = (w * 2.0 + v * 3.0).sum()
        mg.grad(loss, [v])
    assert next(lesson.text for lesson in t.lessons).startswith("1 op was recorded and never visited")


def test_a_parameter_that_was_frozen_before_the_trace_and_thawed_too_late():
    w, v = (mg.Tensor([1.0, 1.0], requires_grad=True) for _ in range(2))
    w.requires_grad = False
    with mg.trace(w=w, v=v) as t:
        loss = (w * v).sum()
        w.requires_grad = True
        loss.backward()
    assert named(t, "w").why_none.startswith("it was frozen, before the trace, when multiply used it")


def test_a_trace_that_was_cut_off_draws_no_conclusion_from_what_is_missing(monkeypatch):
    monkeypatch.setattr(recorder, "MOST_ROWS", 5)
    w = mg.Tensor([2.0], requires_grad=True)
    with mg.trace(w=w) as t:
        y = w
        for _ in range(9):
            y = y * 1.5
        y.backward()
    (text,) = texts(t)
    assert "more things happened after the last row" in text
    assert named(t, "w").why_none == "no backward pass has reached it before the last row that was kept"


# --- what a backward pass has brought to a tensor -----------------------------------------------------------------------


made = functools.cache(lambda step: step())  # traces that nothing changes


def brought(t, name, which):
    """The lines on the gradient of the last tensor of this name, of one of the trace's backward passes."""
    return [text for text, _ in Reading(t).gradients(named(t, name).number, [of(t, "backward pass")[which]])]


CUT, FROZEN = (
    "fake was detached at games/gan.py:",
    "it was frozen, at games/gan.py:",
)


@pytest.mark.parametrize(
    ("step", "name", "which", "why"),
    [
        (steps.gan, "G.0.weight", 0, CUT),
        (steps.gan, "D.0.weight", 1, FROZEN),
        (steps.gan, "z", 0, "a constant, which requires none"),
        (steps.gan, "fake", 0, " made it by detach, and no gradient passes there"),
        (steps.gan, "loss_D", 1, "loss_G was not computed from it"),
        (steps.wgan_gp, "G.0.weight", 0, " was not computed from it"),  # the penalty's backward pass, from a point of its own
        (steps.wgan_gp, "G.0.weight", 1, "fake was detached at games/wgan_gp.py:"),
        (steps.wgan_gp, "D.0.weight", 0, "other gradients were asked for"),
        (steps.wgan_gp, "D.0.weight", 2, "it was frozen, at games/wgan_gp.py:"),
    ],
)
def test_each_backward_pass_says_why_it_has_brought_no_gradient(step, name, which, why):
    (text,) = brought(made(step), name, which)
    assert text.startswith("None in this backward pass: ")
    assert why in text


def test_each_backward_pass_has_its_own_derivatives():
    t = steps.traced(*steps.game(k=2))
    weight = named(t, "D.0.weight")
    for backward_pass in of(t, "backward pass")[:2]:
        added, *lines = Reading(t).gradients(weight.number, [backward_pass])
        assert added == ("Gradients that arrive at one tensor in one backward pass are added", None)
        assert [t.rows[row - 1].backward_pass for _, row in lines] == [backward_pass.number] * 2
        assert all("gradient of D.0.weight by affine: " in text for text, _ in lines)
        assert backward_pass.grads[weight.number].norm > 0
    assert of(t, "backward pass")[0].grads[weight.number].first != of(t, "backward pass")[1].grads[weight.number].first


def test_of_several_backward_passes_each_is_named():
    t = made(steps.wgan_gp)
    passes = of(t, "backward pass")
    second_order = next(row for row in of(t, "backward", backward_pass=passes[1].number) if t.rows[row.of - 1].within)
    lines = Reading(t).gradients(named(t, "D.0.weight").number, passes[:2])
    assert lines[0] == (f"backward pass from {t.tensors[passes[1].output]}", passes[1].number)
    assert {t.rows[row - 1].backward_pass for _, row in lines[2:]} == {passes[1].number}
    assert any(row == second_order.number for _, row in Reading(t).gradients(second_order.input, passes[:2]))
    assert ("The backward pass begins here, with the gradient 1 (or the one passed to it)", passes[0].number) in Reading(
        t
    ).gradients(passes[0].output, passes[:2])
    assert Reading(t).gradients(1, []) == []


def test_what_no_grad_made_was_not_recorded():
    w, v = mg.Tensor([1.0], requires_grad=True), mg.Tensor([1.0])
    with mg.trace(w=w) as t:
        y = v * 2.0
        (w * y).backward()
    assert brought(t, "y", 0) == [
        "None in this backward pass: none of the inputs of multiply, which made it, requires a gradient"
    ]
