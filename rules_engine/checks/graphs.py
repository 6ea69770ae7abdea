"""Directed graphs: what lies on a cycle, and the shortest way round. Plain algorithms, no opinions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)
Edge = TypeVar("Edge")


def components(successors: Mapping[Node, Iterable[Node]]) -> list[frozenset[Node]]:
    """The groups of nodes of which each can reach all others (Tarjan), without recursion.

    A single node is a group only where it reaches itself directly.
    """
    found: list[frozenset[Node]] = []
    index: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    for root in successors:
        if root in index:
            continue
        work = [(root, iter(successors.get(root, ())))]
        index[root] = lowest[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for child in rest:
                if child not in index:
                    index[child] = lowest[child] = len(index)
                    stack.append(child)
                    on_stack.add(child)
                    work.append((child, iter(successors.get(child, ()))))
                    break
                if child in on_stack:
                    lowest[node] = min(lowest[node], index[child])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == index[node]:
                    at = stack.index(node)
                    group = frozenset(stack[at:])
                    del stack[at:]
                    on_stack -= group
                    if len(group) > 1 or node in successors.get(node, ()):
                        found.append(group)
    return found


def shortest_way(
    starts: Sequence[Edge],
    goal: Node,
    leaving: Mapping[Node, Sequence[Edge]],
    to: Callable[[Edge], Node],
) -> list[Edge]:
    """The edges of a shortest way that begins with one of `starts` and ends at `goal`; empty for none."""
    came: dict[Node, tuple[Edge, Node | None]] = {}
    waiting: deque[Node] = deque()
    for edge in starts:
        if to(edge) not in came:
            came[to(edge)] = (edge, None)
            waiting.append(to(edge))
    while waiting and goal not in came:
        here = waiting.popleft()
        for edge in leaving.get(here, ()):
            if to(edge) not in came:
                came[to(edge)] = (edge, here)
                waiting.append(to(edge))
    if goal not in came:
        return []
    way: list[Edge] = []
    node: Node | None = goal
    while node is not None:
        edge, node = came[node]
        way.append(edge)
    return way[::-1]
