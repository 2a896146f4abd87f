"""The graph of a trace, as its page draws it, act by act: a forward pass, the backward pass, and the updates after it.

A node is a tensor: a parameter, a constant, or the output of an op, labelled with the op's name. Where a gradient cannot pass,
the edge is cut. In an act of more than `limit` nodes, layers that repeat become one node.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from minigan.watching.trace.layout import Layout, columns, layout
from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Row, Rows, Update

LIMIT = 40  # nodes of an act, before repeated layers fold
WIDE = 16  # letters that a name and a shape may have, side by side
FAR = 4  # columns between a tensor's uses
PERIOD = 8  # ops of a layer that can be seen to repeat


@dataclass
class Node:
    """A tensor in an act; or several, whose layers repeat."""

    number: int  # the tensor's; of a fold, the last one's; of a node that is repeated further right, one below 0
    kind: str  # "parameter", "constant", "op", "loss", "fold", or "earlier": a result of an act before
    label: str
    below: str  # a second line: the tensor's name and shape
    player: str = ""
    members: list[int] = field(default_factory=list)  # of a fold: the tensors in it
    again: int | None = None  # the number of the node that this one repeats


@dataclass(frozen=True)
class Edge:
    """From an input to a tensor that was computed from it; `cut`: the row where gradients stop."""

    source: int
    target: int
    cut: int | None = None


@dataclass
class Act:
    """Some rows in succession, and their graph."""

    title: str
    rows: list[Row]
    nodes: dict[int, Node] = field(default_factory=dict)  # by number
    edges: list[Edge] = field(default_factory=list)
    inside: dict[int, int] = field(default_factory=dict)  # the number of the fold that a tensor is in
    later: list[tuple[int, int]] = field(default_factory=list)  # pairs of tensors, the second of which is further right

    def node_of(self, tensor: int) -> int:
        """The number of the node that shows this tensor."""
        return self.inside.get(tensor, tensor)

    def order(self) -> list[tuple[int, int]]:
        """Pairs of nodes of which the second is further right, though no edge connects them."""
        return [(self.node_of(a), self.node_of(b)) for a, b in self.later if self.node_of(a) != self.node_of(b)]

    def layout(self) -> Layout:
        """The nodes' positions. A cut has a column of its own on its edge: its route's last point but one."""
        lowest = min([0, *self.nodes])
        cuts = {edge: lowest - 1 - i for i, edge in enumerate(self.edges) if edge.cut is not None}
        ends = [(edge.source, edge.target) for edge in self.edges if edge not in cuts]
        ends += [pair for edge, here in cuts.items() for pair in ((edge.source, here), (here, edge.target))]
        found = layout([*self.nodes, *cuts.values()], ends, self.order())
        for edge, here in cuts.items():
            before, after = found.routes.pop((edge.source, here)), found.routes.pop((here, edge.target))
            found.routes[edge.source, edge.target] = before + after[1:]
            del found.positions[here]
        return found


# --- acts ---------------------------------------------------------------------------------------------------------------


def split(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each act. After updates, the first row that is not an update begins the next act."""
    acts: list[list[Row]] = []
    for row in rows:
        ends = isinstance(row, Update) or (isinstance(row, Cut) and row.what == "thawed")
        if not acts or (not ends and any(isinstance(before, Update) for before in acts[-1])):
            acts.append([])
        acts[-1].append(row)
    return acts


def act_of(trace: Rows, rows: list[Row], limit: int = LIMIT) -> Act:
    """The act of these rows, with its graph."""
    act = Act(_title(trace, rows), rows)
    ended = {row.output for row in rows if isinstance(row, BackwardPass)}
    made: dict[int, Forward] = {row.output: row for row in rows if isinstance(row, Forward)}
    cuts: dict[tuple[int, int], int] = {}
    edges: dict[tuple[int, int], None] = {}  # in the order of the rows
    touched: dict[int, None] = {}
    for row in rows:
        sources, targets = _ends(trace, row)
        touched |= dict.fromkeys([*sources, *targets])
        edges |= dict.fromkeys((a, b) for a in sources for b in targets)
    for row in rows:
        if isinstance(row, Cut):  # under no_grad the ops of a line, whose edges are there already, share a row
            cuts |= {edge: row.number for edge in edges if edge[0] in row.inputs and edge[1] in row.outputs}
    act.nodes = {t: _node(trace, t, made.get(t), t in ended, rows[0].number) for t in touched}
    act.edges = [Edge(a, b, cuts.get((a, b))) for a, b in edges]
    for tensor, row in made.items():  # an op that a derivative has called is right of the op whose derivative it is
        derivative = trace.rows[row.within - 1] if row.within else None
        op = trace.op_of(derivative) if isinstance(derivative, Backward) else None
        if op and op.output in act.nodes:
            act.later.append((op.output, tensor))
    if len(act.nodes) > limit:
        _fold(act)
    _repeat_leaves(act)
    return act


def _title(trace: Rows, rows: list[Row]) -> str:
    """The act's purpose: whose parameters change, or where its backward pass begins."""
    names = [str(trace.tensors[row.parameter]) for row in rows if isinstance(row, Update)]
    players = sorted({name.partition(".")[0] for name in names})
    outputs = [str(trace.tensors[row.output]) for row in rows if isinstance(row, BackwardPass)]
    if not players:
        return f"backward from {outputs[-1]}" if outputs else "no backward pass"
    return f"{' and '.join(players)} learns" if len(players) == 1 else f"{' and '.join(players)} learn"


def _ends(trace: Rows, row: Row) -> tuple[list[int], list[int]]:
    """The tensors between which the row draws edges."""
    if isinstance(row, Forward):
        return row.inputs, [row.output]
    if isinstance(row, Cut) and row.what == "detach":
        return row.inputs, row.outputs
    if isinstance(row, Backward):
        op = trace.op_of(row)
        return [row.input], [op.output] if op else []
    if isinstance(row, BackwardPass):
        return [], [row.output]
    return ([row.parameter], []) if isinstance(row, Update) else ([], [])


def _node(trace: Rows, number: int, row: Forward | None, ended: bool, first: int) -> Node:
    """The node of this tensor in an act that begins with the row `first`; `row` has made it there."""
    entry = trace.tensors[number]
    shape = f"({', '.join(map(str, entry.value.shape))})" if entry.value.shape else f"{entry.value.first[0]:.4g}"
    if row:
        below = f"{entry.name} {shape}".strip()
        below = below if len(below) <= WIDE else entry.name or shape
        return Node(number, "loss" if ended else "op", row.op, below, row.player)
    player = entry.name.partition(".")[0] if entry.kind == "parameter" else ""
    earlier = entry.made_by is not None and entry.made_by < first
    kind = "earlier" if earlier else "parameter" if entry.kind == "parameter" else "constant"
    return Node(number, kind, str(entry), shape, player if player in trace.players else "")


def _repeat_leaves(act: Act) -> None:
    """Repeat leaves that are used here and far to the right: no edge crosses half the picture."""
    column = columns(list(act.nodes), [*[(edge.source, edge.target) for edge in act.edges], *act.order()])
    made = {edge.target for edge in act.edges}
    edges = []
    for n in [n for n in act.nodes if n not in made]:
        source, first = n, None
        for edge in sorted([edge for edge in act.edges if edge.source == n], key=lambda edge: column[edge.target]):
            first = column[edge.target] if first is None else first
            if column[edge.target] - first > FAR:
                source, first = min([0, *act.nodes]) - 1, column[edge.target]
                act.nodes[source] = replace(act.nodes[n], number=source, again=n)
            edges.append(replace(edge, source=source))
    act.edges = [*[edge for edge in act.edges if edge.source in made], *edges]


# --- folding ------------------------------------------------------------------------------------------------------------


def _fold(act: Act) -> None:
    """Make one node of layers that repeat, with the parameters that they alone use."""
    for ops in _chains(act):
        for run, period in repeats([(node.player, node.label) for node in ops]):
            inside = [ops[i].number for i in run]
            if all(edge.target in inside for edge in act.edges if edge.source in inside[:-1]):  # only the last is used outside
                uses = Counter(edge.source for edge in act.edges)
                within = Counter(edge.source for edge in act.edges if edge.target in inside)
                own = [n for n, node in act.nodes.items() if node.kind == "parameter" and 0 < within[n] == uses[n]]
                label, below = f"{len(run) // period} layers", ", ".join(ops[i].label for i in run[:period])
                _join(act, Node(inside[-1], "fold", label, below, ops[run[-1]].player, [*own, *inside]))
    _join_parameters(act)


def _chains(act: Act) -> list[list[Node]]:
    """The ops in the order of the rows, in parts where each op uses the one before it."""
    chains: list[list[Node]] = []
    pairs = {(edge.source, edge.target) for edge in act.edges}
    for node in [node for node in act.nodes.values() if node.kind == "op"]:
        if not chains or (chains[-1][-1].number, node.number) not in pairs:
            chains.append([])
        chains[-1].append(node)
    return chains


def repeats(names: Sequence[Any]) -> list[tuple[range, int]]:
    """Where a pattern of at most PERIOD names follows itself at once: (positions of all repetitions, the pattern's length)."""
    found, i = [], 0
    while i < len(names):
        best = range(i, i + 1), 1
        for period in range(1, PERIOD + 1):
            end = i + period
            while list(names[end : end + period]) == list(names[i : i + period]):
                end += period
            if period < end - i and end - i > len(best[0]):
                best = range(i, end), period
        if len(best[0]) > 1:
            found.append(best)
        i = best[0].stop
    return found


def _join_parameters(act: Act) -> None:
    """Make one node of the parameters that several folds share: those of a player that is used twice."""
    users: dict[int, set[int]] = defaultdict(set)
    for edge in act.edges:
        users[edge.source].add(edge.target)
    shared: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for n, node in act.nodes.items():
        if node.kind == "parameter" and users[n] and all(act.nodes[user].kind == "fold" for user in users[n]):
            shared[node.player, *sorted(users[n])].append(n)
    for (player, *_), numbers in shared.items():
        if len(numbers) > 1:
            _join(act, Node(numbers[-1], "parameter", f"{len(numbers)} tensors", "parameters", player, numbers))


def _join(act: Act, fold: Node) -> None:
    """Put this node in the place of its members."""
    act.inside |= {n: fold.number for n in fold.members if n != fold.number}
    act.nodes = {n: fold if n == fold.number else node for n, node in act.nodes.items() if n not in act.inside}
    edges = [Edge(act.node_of(e.source), act.node_of(e.target), e.cut) for e in act.edges]
    act.edges = list(dict.fromkeys(e for e in edges if e.source != e.target))
