"""The last lines of a trace: what was cut off and where, what was frozen, which gradient is None and why."""

import functools

import pytest

import minigan as mg
from minigan.watching.trace.lessons import Reading
from tests.watching.trace import steps
from tests.watching.trace.steps import named, of

HERE = "tests/watching/trace/test_lessons.py:"
VISITED = "every op that was recorded has been visited"


def unused(w, v):
    _ = v * 2


def elsewhere(w, v):
    _ = w * w
    (v * v).backward()


def frozen_at_its_use(w, v):
    w.requires_grad = False
    (w * v).backward()


def frozen_after_its_use(w, v):
    loss = w * v
    w.requires_grad = False
    loss.backward()


def thawed_too_late(w, v):
    loss = w * v
    w.requires_grad = True
    loss.backward()


def once_frozen_and_once_not(w, v):
    w.requires_grad = False
    still = v * w
    w.requires_grad = True
    (still * w).backward()


def without_grad(w, v):
    with mg.no_grad():
        start = w * 2 * w
    (start * v).backward()


def of_another(w, v):
    for flag in (False, True):
        w.requires_grad = flag
    mg.grad(w * 2.0 + v * 3.0, [v])


@pytest.mark.parametrize(
    ("step", "why", "lesson"),
    [
        (unused, "no op of this trace has used it", "1 op was recorded, and there was no backward()"),
        (elsewhere, "no backward pass has reached it", f"1 op was recorded and led to no backward(), the first at {HERE}"),
        (frozen_at_its_use, f"it was frozen, at {HERE}", "its parameter got no gradient: frozen at"),
        (frozen_after_its_use, f"it was frozen at {HERE}", VISITED),
        (thawed_too_late, "it was frozen, before the trace, when multiply used it", "got no gradient: frozen before the trace"),
        (once_frozen_and_once_not, "", VISITED),
        (
            without_grad,
            f"computed under no_grad at {HERE}",
            f"nothing before it was recorded: computed under no_grad at {HERE}",
        ),
        (of_another, "the backward pass did not reach it: other gradients", "1 op was recorded and never visited"),
    ],
)
def test_why_a_gradient_is_none(step, why, lesson):
    w, v = (mg.Tensor([2.0], requires_grad=True, name=name) for name in "wv")
    w.requires_grad = "thawed" not in step.__name__
    with mg.trace(w=w, v=v) as t:
        step(w, v)
    assert (w.grad is None) == bool(why)
    assert named(t, "w").why_none.startswith(why)
    assert named(t, "v").why_none == "" or not of(t, "backward pass")
    assert lesson in t.lessons[-1].text


def test_who_forgets_zero_grad_is_told():
    w, v = (mg.Tensor([2.0], requires_grad=True) for _ in range(2))
    with mg.trace() as t:
        (w * v).backward()
        mg.grad(w * v, [w, v])  # adds to no .grad
        (w * v).backward()
    ((text, _),) = t.lessons
    place = of(t, "backward pass")[2].place
    assert f"({place}): added to the .grad that w and 1 more had already; zero_grad() clears it" in text


made = functools.cache(lambda step: step())  # traces that nothing changes


@pytest.mark.parametrize(
    ("step", "name", "which", "why"),
    [
        (steps.gan, "G.0.weight", 0, "fake was detached at games/gan.py:"),
        (steps.gan, "D.0.weight", 1, "it was frozen, at games/gan.py:"),
        (steps.gan, "z", 0, "a constant, which requires none"),
        (steps.gan, "fake", 0, " made it by detach, and no gradient passes there"),
        (steps.gan, "loss_D", 1, "loss_G was not computed from it"),
        (steps.wgan_gp, "G.0.weight", 0, " was not computed from it"),  # the penalty's backward pass, from a point of its own
        (steps.wgan_gp, "D.0.weight", 0, "other gradients were asked for"),
    ],
)
def test_each_backward_pass_says_why_it_has_brought_no_gradient(step, name, which, why):
    t = made(step)
    ((text, row),) = Reading(t).gradients(named(t, name).number, [of(t, "backward pass")[which]])
    assert text.startswith("None in this backward pass: ")
    assert why in text
    assert row is None


def test_each_backward_pass_has_its_own_derivatives_and_of_several_each_is_named():
    t = steps.traced(*steps.game(k=2))
    reading, weight, (first, second) = Reading(t), named(t, "D.0.weight").number, of(t, "backward pass")[:2]
    alone = [reading.gradients(weight, [backward_pass]) for backward_pass in (first, second)]
    for backward_pass, (added, *lines) in zip((first, second), alone, strict=True):
        assert added == ("Gradients that arrive at one tensor in one backward pass are added", None)
        assert [t.rows[row - 1].backward_pass for _, row in lines] == [backward_pass.number] * 2
        assert all("gradient of D.0.weight by affine: " in text for text, _ in lines)
    names = [(f"backward pass from {t.tensors[each.output]}", each.number) for each in (first, second)]
    assert reading.gradients(weight, [first, second]) == [names[0], *alone[0], names[1], *alone[1]]
    assert first.grads[weight].first != second.grads[weight].first
    begins = "The backward pass begins here, with the gradient 1 (or the one passed to it)"
    assert (begins, first.number) in reading.gradients(first.output, [first])
    assert reading.gradients(1, []) == []
