"""A layered layout: every node in a column, arrows from left to right, few of them crossing. The same graph, the same picture.

After Sugiyama, Tagawa and Toda (1981): columns, then an order within each column by barycentres, then heights. An arrow that
passes columns goes through a waypoint in each of them, which is placed like a node.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

SWEEPS = 12  # of the barycentre method, alternately from the left and from the right

Waypoint = tuple[int, int, int]  # (source, target, column)
Point = int | Waypoint  # a node, or a waypoint
Arrow = tuple[int, int]  # (source, target)
Neighbours = dict[Point, list[Point]]


@dataclass(frozen=True)
class Layout:
    """The nodes' positions, (column, height) in units of one node, and the positions along each edge, its ends included."""

    positions: dict[int, tuple[float, float]]
    routes: dict[Arrow, list[tuple[float, float]]]
    columns: int
    height: float


def layout(nodes: Sequence[int], edges: Iterable[Arrow], later: Iterable[Arrow] = ()) -> Layout:
    """The layout of an acyclic graph. The order of `nodes` breaks ties.

    `later`: pairs (a, b) without an edge, where b has to be right of a. Raises ValueError if there is a cycle.
    """
    edges = sorted(set(edges))
    column = columns(nodes, [*edges, *later])
    paths: dict[Arrow, list[Point]] = {(a, b): [a, *[(a, b, c) for c in range(column[a] + 1, column[b])], b] for a, b in edges}
    before, after = _neighbours(paths.values())
    order = _few_crossings(_in_columns(nodes, column, paths.values()), before, after)
    height = _heights(order, before, after)
    at = {node: (float(c), height[node]) for c, nodes_here in enumerate(order) for node in nodes_here}
    return Layout(
        positions={node: at[node] for node in nodes},
        routes={edge: [at[node] for node in path] for edge, path in paths.items()},
        columns=len(order),
        height=max(height.values(), default=0.0) + 1,
    )


# --- columns ------------------------------------------------------------------------------------------------------------


def columns(nodes: Sequence[int], edges: Iterable[Arrow]) -> dict[int, int]:
    """Each node's column: as far right as its targets allow, so that an op's parameters are just before it."""
    inputs: dict[int, list[int]] = {node: [] for node in nodes}
    outputs: dict[int, list[int]] = {node: [] for node in nodes}
    for a, b in edges:
        inputs[b].append(a)
        outputs[a].append(b)
    try:
        order = list(TopologicalSorter(inputs).static_order())
    except CycleError as error:
        raise ValueError(f"layout: nodes {sorted(set(error.args[1]))} are on a cycle") from None
    column: dict[int, int] = {}
    for node in order:
        column[node] = max([column[a] + 1 for a in inputs[node]], default=0)
    for node in reversed(order):
        column[node] = min([column[b] - 1 for b in outputs[node]], default=column[node])
    return column


# --- the order within a column --------------------------------------------------------------------------------------------


def _neighbours(paths: Iterable[list[Point]]) -> tuple[Neighbours, Neighbours]:
    before: Neighbours = defaultdict(list)
    after: Neighbours = defaultdict(list)
    for path in paths:
        for a, b in pairwise(path):
            before[b].append(a)
            after[a].append(b)
    return before, after


def _in_columns(nodes: Sequence[int], column: dict[int, int], paths: Iterable[list[Point]]) -> list[list[Point]]:
    found: list[list[Point]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for node in nodes:
        found[column[node]].append(node)
    for path in paths:
        for point in path:
            if isinstance(point, tuple):
                found[point[2]].append(point)
    return found


def _few_crossings(order: list[list[Point]], before: Neighbours, after: Neighbours) -> list[list[Point]]:
    """Each column sorted by the places of its nodes' neighbours, again and again; the best of all orders on the way."""
    best, fewest = order, crossings(order, after)
    for sweep in range(SWEEPS):
        order = _swept(order, before) if sweep % 2 == 0 else _swept(order[::-1], after)[::-1]
        if (n := crossings(order, after)) < fewest:
            best, fewest = order, n
    return best


def _swept(order: list[list[Point]], towards: Neighbours) -> list[list[Point]]:
    """Column by column, the nodes in the order of the mean place of their neighbours in the column before."""
    done: list[list[Point]] = []
    for nodes in order:
        place = {node: i for i, node in enumerate(done[-1])} if done else {}
        now = {node: float(i) for i, node in enumerate(nodes)}
        mean = {node: _mean([place[m] for m in towards[node] if m in place], now[node]) for node in nodes}
        done.append(sorted(nodes, key=lambda node: (mean[node], now[node])))
    return done


def crossings(order: list[list[Point]], after: Neighbours) -> int:
    """How many pairs of edges between neighbouring columns cross."""
    total = 0
    for left, right in pairwise(order):
        place = {node: i for i, node in enumerate(right)}
        ends = [place[b] for a in left for b in sorted(after[a], key=place.__getitem__)]
        total += sum(1 for i, low in enumerate(ends) for high in ends[:i] if high > low)
    return total


# --- heights ------------------------------------------------------------------------------------------------------------


def _heights(order: list[list[Point]], before: Neighbours, after: Neighbours) -> dict[Point, float]:
    """Each node as near to the mean height of its neighbours as the order allows, one unit apart from the next."""
    tallest = max((len(nodes) for nodes in order), default=0)
    height = {node: i + (tallest - len(nodes)) / 2 for nodes in order for i, node in enumerate(nodes)}
    for sweep in range(SWEEPS):
        for nodes in order if sweep % 2 == 0 else order[::-1]:
            wanted = [_mean([height[m] for m in (*before[node], *after[node])], height[node]) for node in nodes]
            height |= dict(zip(nodes, _apart(wanted), strict=True))
    top = min(height.values(), default=0.0)
    return {node: round(h - top, 4) for node, h in height.items()}


def _apart(wanted: list[float]) -> list[float]:
    """The heights nearest to the wanted ones (least squares) that keep their order and are 1 apart: isotonic regression."""
    pools: list[tuple[float, int]] = []  # (mean, size) of runs that have to move together
    for i, height in enumerate(wanted):
        mean, size = height - i, 1
        while pools and pools[-1][0] > mean:
            above, n = pools.pop()
            mean, size = (above * n + mean * size) / (n + size), n + size
        pools.append((mean, size))
    flat = [mean for mean, size in pools for _ in range(size)]
    return [mean + i for i, mean in enumerate(flat)]


def _mean(numbers: list[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise
