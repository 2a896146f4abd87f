"""Six steps from x * x to a GAN's step, each a few lines to change, with their trace.

    python -m demos tour              each step's lines, its trace, and an explanation
    python -m demos tour --notebook   write demos/tour.ipynb again: the same steps, as cells to change and run

A trace (`mg.trace`) lists the computation row by row: the ops of the forward pass, the cuts, the backward pass with one
derivative a row, and the optimizer's updates. The notebook is made from this file: a step is a function; its docstring and
lines become its cells.
"""

import argparse
import ast
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import minigan as mg
from minigan import data, games, losses, nn, optim

SOURCE = Path(__file__)
NOTEBOOK = SOURCE.with_suffix(".ipynb")


def square() -> mg.Trace:
    """1. What is the derivative of x * x?

    Forward, `multiply` computes y and remembers its two inputs, each with a derivative. The backward pass starts with a
    gradient of 1 at y and calls both derivatives: for a * b, the gradient of a is g * b, and that of b is g * a.

    Shown: x is both a and b. Two gradients of 3 arrive at x and are added: dy/dx = 3 + 3 = 2x.

    Change: x * x * x; or mg.exp(x); or call y.backward() twice: does x.grad change?
    """
    x = mg.Tensor(3.0, requires_grad=True)
    with mg.trace() as t:
        y = x * x
        y.backward()
    print("x.grad:", x.grad.item())
    return t


def two_ways() -> mg.Trace:
    """2. The chain rule, and a tensor that is used twice

    b = f(a) and c = g(a, b): there are two paths from a to c, a direct one and one through b. The chain rule multiplies along
    each path and adds up the paths. The backward pass waits at b until b's gradient is complete, and then continues to a.

    Shown: the row with "added to": dc/da = b + a db/da, and here db/da = b.

    Change: c = mg.log(b), with one path; or c = b * b: which tensor's gradient is now a sum?
    """
    a = mg.Tensor(2.0, requires_grad=True)
    with mg.trace() as t:
        b = mg.exp(a)
        c = a * b
        c.backward()
    print("a.grad:", a.grad.item())
    return t


def dense_layer() -> mg.Trace:
    """3. A dense layer: one bias for all samples

    x is a minibatch, one sample a row. In x @ W + b, the same b is added to every row: it is broadcast. So b affects the loss
    through each row. Each row is one path, and the gradient of b is their sum.

    Shown: a gradient of shape (3, 2) arrives for b, and "summed over axis 0" makes it (2,), b's own shape.

    Change: x with five samples; or b of shape (3, 1), a number for each sample: over which axis is the sum now?
    """
    x = mg.Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    W = mg.Tensor([[0.5, -0.5], [0.25, 1.0]], requires_grad=True)
    b = mg.Tensor([0.0, 0.1], requires_grad=True)
    with mg.trace() as t:
        y = x @ W + b
        loss = mg.mean(y * y)
        loss.backward()
    print("b.grad:", b.grad.numpy())
    return t


def detached() -> mg.Trace:
    """4. c = g(b.detach()): should f be updated?

    b = f(a), and g gets b's values without b's history. The forward pass does not change. The backward pass goes from c
    through g to the detached b. It is a constant, so the pass ends there and does not reach f.

    Shown: no. The trace's last sentence names f's op, which was recorded and never visited, and the line that cut it off. f's
    gradients are None, not zeros, and an optimizer leaves f unchanged.

    Change: g(b) instead of g(b.detach()); or detach a and not b: which of f and g is now updated?
    """
    mg.seed(0)
    f, g = nn.Dense(2, 3), nn.Dense(3, 1)
    a = mg.Tensor([[1.0, 2.0]])
    with mg.trace(f=f, g=g) as t:
        b = f(a)
        c = g(b.detach())
        c.backward()
    print("f.weight.grad:", f.weight.grad)
    return t


def classifier() -> mg.Trace:
    """5. A step of training: forward, backward, update

    A network with one hidden layer assigns one of three classes to each of six samples. The cross-entropy is small if the right
    classes have high probabilities. The backward pass computes the gradient of the loss for each parameter, and SGD moves each
    parameter a little against its gradient.

    Shown: the last rows: the distance that each parameter moved, |moved| = lr |gradient|.

    Change: lr=1.0; or optim.Adam(model.parameters()), whose first step moves nearly every number by 0.001; or a second
    `loss.backward()` after the first: how far does each parameter move now?
    """
    mg.seed(0)
    model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = mg.Tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [-1.0, 0.0], [-0.9, -0.1]])
    classes = [0, 0, 1, 1, 2, 2]
    with mg.trace(model=model) as t:
        loss = losses.cross_entropy(model(x), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return t


def gan_step() -> mg.Trace:
    """6. A GAN's step: first D, then G

    D's step: D learns to distinguish real x from fake x, and G must not change. So G's output is detached. G's step: the
    gradient must reach G through D, but D must not change. So D's parameters are frozen while G learns.

    Shown: the trace's last two sentences, one for each backward pass. From loss_D, G's ops were never visited. From loss_G, the
    backward pass went through D's ops and left no gradient in D. D's step moves only D's parameters, and G's step only G's.

    Change: remove .detach(): which ops does the backward pass from loss_D visit now, and do D's own gradients change? Or remove
    `with game.frozen(D):`. Or replace all six lines with `game.step(batches)`: in minigan/games/gan.py they are
    Algorithm 1, with a fresh z for G.
    """
    mg.seed(0)
    G = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 2))
    D = nn.Sequential(nn.Dense(2, 8), nn.LeakyReLU(0.2), nn.Dense(8, 1))
    game = games.GAN(G, D, data.noise(2), optim.Adam(G.parameters()), optim.Adam(D.parameters()))
    batches = data.batches(data.ring(1000), size=4)
    x, z = game.real(batches), game.noise(4)
    with mg.trace(G=G, D=D) as t:
        fake = G(z).detach()
        loss_D = losses.discriminator_loss(D(x), D(fake))
        game.descend(game.opt_D, loss_D)
        with game.frozen(D):
            loss_G = losses.generator_loss(D(G(z)))
            game.descend(game.opt_G, loss_G)
    return t


STEPS = (square, two_ways, dense_layer, detached, classifier, gan_step)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the steps, or write the notebook."""
    options = argparse.ArgumentParser(prog="python -m demos tour", description="Six steps from x * x to a GAN's step.")
    options.add_argument("--notebook", action="store_true", help="write demos/tour.ipynb again from demos/tour.py")
    if options.parse_args(argv).notebook:
        NOTEBOOK.write_text(notebook(), encoding="utf-8")
        print(f"written: {NOTEBOOK}")
        return
    for step in STEPS:
        show(step)


def show(step: Callable[[], mg.Trace]) -> None:
    """Print a step's question, its lines, the trace and the explanation."""
    text = text_of(step)
    print(f"{text.title}\n{'=' * len(text.title)}\n\n{text.before}\n")
    print(textwrap.indent(text.code, "    "), end="\n\n")
    print(step())
    print(f"\n{text.after}\n\n")


class Text(NamedTuple):
    """A step's function as text: its docstring before "Shown:" and from there on, and its lines without the return."""

    title: str
    before: str
    after: str
    code: str


def text_of(step: Callable[[], mg.Trace]) -> Text:
    """The text of a step, read from this file: `python -OO` has no __doc__."""
    source = SOURCE.read_text(encoding="utf-8")
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    function = functions[step.__name__]
    title, _, rest = ast.get_docstring(function).partition("\n\n")
    before, shown, after = rest.partition("\n\nShown:")
    first, last = function.body[1], function.body[-2]  # between the docstring and the return
    lines = source.splitlines()[first.lineno - 1 : last.end_lineno]
    return Text(title, before, (shown + after).strip(), "\n".join(line[first.col_offset :] for line in lines))


# --- the notebook -------------------------------------------------------------------------------------------------------

OPENING = """# A tour: six steps from x * x to a GAN's step

Each step is a few lines to change and to run again (Shift-Enter), with the trace of the engine's work: the ops of the forward
pass, the cuts, the backward pass with one derivative a row, and the optimizer's updates. Only minigan is needed. Click into a
trace, and the arrow keys go from row to row; `print(t)` shows it as a table. In a row, `cell:4` is the cell's fourth line."""


def notebook() -> str:
    """The notebook's text, without outputs: for each step, a cell with the question, one with the lines, one to explain."""
    imports = [line for line in SOURCE.read_text(encoding="utf-8").splitlines() if re.match("(import|from) minigan", line)]
    cells = [cell("markdown", OPENING), cell("code", "\n".join(imports))]
    for text in map(text_of, STEPS):
        cells.append(cell("markdown", f"## {text.title}\n\n{text.before}"))
        cells.append(cell("code", f"{text.code}\nt"))
        cells.append(cell("markdown", text.after))
    for number, each in enumerate(cells):
        each["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def cell(kind: str, text: str) -> dict[str, Any]:
    """A cell of the notebook's format, version 4.5."""
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True), **outputs}
