"""Six steps from x * x to a GAN's step, each a few lines to change, with their trace.

    python -m demos tour              each step's lines, its trace, and what it shows
    python -m demos tour --notebook   write demos/tour.ipynb anew: the same steps, as cells to change and run

A trace (`mg.trace`) lists what happens, row by row: the ops of the forward pass, the cuts, the walk back with one derivative
a row, and the optimizer's updates. The notebook is made from this file: a step is a function, whose docstring and lines become
its cells.
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

    Forward, `multiply` computes y and remembers its two inputs, each with a derivative. Backward, the walk starts with a
    gradient of 1 at y and calls both derivatives: for a * b, the gradient for a is g * b, and for b it is g * a.

    Shown: x is both a and b. Two gradients of 3 arrive at x and are added: dy/dx = 3 + 3 = 2x.

    Change: x * x * x; or mg.exp(x); or a second y.backward(): is x.grad then another one?
    """
    x = mg.Tensor(3.0, requires_grad=True)
    with mg.trace() as t:
        y = x * x
        y.backward()
    print("x.grad:", x.grad.item())
    return t


def two_ways() -> mg.Trace:
    """2. The chain rule, and a tensor that is used twice

    b = f(a) and c = g(a, b): a reaches c directly, and by way of b. The chain rule multiplies along a way and adds up the
    ways. The walk waits at b until b's gradient is complete, and only then goes on to a.

    Shown: the row that says "added to": dc/da = b + a db/da, and here db/da = b.

    Change: c = mg.log(b), one way only; or c = b * b: which tensor's gradient is now a sum?
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

    x is a minibatch, one sample a row. In x @ W + b, the same b is added to every row: it is broadcast. So b has an effect on
    the loss through each row, and these are ways, too: its gradient is their sum.

    Shown: a gradient of shape (3, 2) arrives for b, and "summed over axis 0" makes it (2,), b's own shape.

    Change: x with five samples; or b of shape (3, 1), a number for each sample: over which axis is the sum then?
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

    b = f(a), and g gets b's values without b's history. Forward, nothing changes. Backward, the walk comes from c through g as
    far as the detached b. That is a constant to it, and f lies behind.

    Shown: no. The trace's last sentence says that f's op was recorded and never visited, and which line is to blame. f's
    gradients are None, not zeros, and an optimizer leaves f as it is.

    Change: g(b) instead of g(b.detach()); or detach a and not b: who is updated then?
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

    A network with one hidden layer says to which of three classes each of six samples belongs. The cross-entropy is small if
    it is sure of the right ones. The walk goes back from the loss to each parameter, and SGD moves each one a little against
    its gradient.

    Shown: the last rows: by how much each parameter moved, |moved| = lr |gradient|.

    Change: lr=1.0; or optim.Adam(model.parameters()), whose first step moves nearly every number by 0.001; or a second
    `loss.backward()` after the first: how far does each parameter move then?
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

    D's step: D should tell real x from fake ones, and G must not help it. So G's output is detached. G's step: now the gradient
    has to come to G through D, but D must stay as it is. So D's parameters are frozen while G learns.

    Shown: the trace's last two sentences, one for each walk. From loss_D, G's ops were never visited. From loss_G, the walk
    went through D's ops and left no gradient in D. Only D's parameters move in D's step, and only G's in G's.

    Change: leave .detach() out: what does D's walk visit then, and do D's own gradients change? Or leave out
    `with game.frozen(D):`. Or put `game.step(batches)` in place of all six lines: in minigan/games/gan.py they are
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
    options.add_argument("--notebook", action="store_true", help="write demos/tour.ipynb anew, from demos/tour.py")
    if options.parse_args(argv).notebook:
        NOTEBOOK.write_text(notebook(), encoding="utf-8")
        print(f"written: {NOTEBOOK}")
        return
    for step in STEPS:
        show(step)


def show(step: Callable[[], mg.Trace]) -> None:
    """A step's question, its lines, the trace and what it shows."""
    said = text_of(step)
    print(f"{said.title}\n{'=' * len(said.title)}\n\n{said.before}\n")
    print(textwrap.indent(said.code, "    "), end="\n\n")
    print(step())
    print(f"\n{said.after}\n\n")


# --- a step as text -----------------------------------------------------------------------------------------------------


class Text(NamedTuple):
    """What a step's function says: its docstring, up to "Shown:" and from there on, and its lines, without the return."""

    title: str
    before: str
    after: str
    code: str


def text_of(step: Callable[[], mg.Trace]) -> Text:
    """Read from this file, not from __doc__, where `python -OO` keeps none."""
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

Each step is a few lines to change and to run again (Shift-Enter), with the trace of what the engine does: the ops of the
forward pass, the cuts, the walk back with one derivative a row, and the optimizer's updates. All that it needs is minigan.
Click into a trace, and the arrow keys go from row to row; `print(t)` shows it as a table. Where a row says `cell:4`, it means
the cell's fourth line."""


def notebook() -> str:
    """The notebook's text: for each step a cell that asks, one with its lines, and one that says what is shown. No outputs."""
    imports = [line for line in SOURCE.read_text(encoding="utf-8").splitlines() if re.match("(import|from) minigan", line)]
    cells = [cell("markdown", OPENING), cell("code", "\n".join(imports))]
    for said in map(text_of, STEPS):
        cells.append(cell("markdown", f"## {said.title}\n\n{said.before}"))
        cells.append(cell("code", f"{said.code}\nt"))
        cells.append(cell("markdown", said.after))
    for number, each in enumerate(cells):
        each["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def cell(kind: str, text: str) -> dict[str, Any]:
    """A cell of the notebook's format, version 4.5."""
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True), **outputs}


if __name__ == "__main__":
    main()
