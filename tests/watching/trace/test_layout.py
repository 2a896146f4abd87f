"""Columns, few crossings, no two nodes on top of one another; the same graph, the same picture."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.watching.trace.layout import columns, crossings, layout


def test_columns_are_as_far_right_as_the_targets_allow_and_after_those_before():
    # 1 -> 2 -> 3 -> 4, and 5, a parameter, -> 4
    assert columns([1, 2, 3, 4, 5], [(1, 2), (2, 3), (3, 4), (5, 4)]) == {1: 0, 2: 1, 3: 2, 4: 3, 5: 2}
    assert layout([1, 2, 3], [(1, 2)], later=[(2, 3)]).positions[3][0] == 2
    assert layout([1, 2, 3], [(1, 2)]).positions[3][0] == 0
    assert layout([], []).columns == 0
    with pytest.raises(ValueError, match=r"layout: nodes \[2, 3\] are on a cycle"):
        layout([1, 2, 3], [(1, 2), (2, 3), (3, 2)])


def test_crossings_are_counted_and_what_need_not_cross_does_not():
    after = {"a": ["y"], "b": ["x"], "c": ["x", "y"]}
    assert [crossings([list(order), ["x", "y"]], after) for order in ("ab", "ba", "acb")] == [1, 0, 3]
    found = layout([1, 2, 3, 4, 5, 6], [(1, 5), (2, 4), (3, 6), (4, 6)])  # as given, 1 -> 5 and 2 -> 4 cross
    pieces = [piece for route in found.routes.values() for piece in pairwise(route)]
    for p, q in combinations(pieces, 2):
        assert p[0][0] != q[0][0] or (p[0][1] - q[0][1]) * (p[1][1] - q[1][1]) >= 0


@st.composite
def graphs(draw):
    n = draw(st.integers(2, 12))
    pairs = st.tuples(st.integers(1, n), st.integers(1, n)).filter(lambda pair: pair[0] < pair[1])
    return list(range(1, n + 1)), draw(st.lists(pairs, max_size=20))


@given(graphs())
def test_edges_go_right_and_nodes_keep_their_distance(graph):
    nodes, edges = graph
    found = layout(nodes, edges)
    assert set(found.positions) == set(nodes)
    assert set(found.routes) == set(edges)
    points = {*found.positions.values()} | {point for route in found.routes.values() for point in route[1:-1]}
    assert len(points) == len(nodes) + sum(len(route) - 2 for route in found.routes.values())
    for (a, b), route in found.routes.items():
        assert (route[0], route[-1]) == (found.positions[a], found.positions[b])
        assert all(right[0] == left[0] + 1 for left, right in pairwise(route))
    for (x, y), (u, v) in combinations(points, 2):
        assert x != u or abs(y - v) > 0.999
    assert all(0 <= y <= found.height - 1 + 1e-9 for _, y in points)
    assert found == layout(nodes, edges)
