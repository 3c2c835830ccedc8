"""The tree of parent and child clients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

__all__ = ["children_of", "family", "is_own_ancestor"]

Parents = Mapping[int, int | None]


def children_of(parents: Parents) -> dict[int, tuple[int, ...]]:
    """Map each client that has children to the ids of its direct children."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for child in sorted(parents):
        parent = parents[child]
        if parent is not None:
            children[parent].append(child)
    return {parent: tuple(found) for parent, found in children.items()}


def family(client: int, children: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the client, then all of its descendants, sorted by id."""
    found = {client}
    to_visit = [client]
    while to_visit:
        below = set(children.get(to_visit.pop(), ())) - found
        found |= below
        to_visit += below
    return (client, *sorted(found - {client}))


def is_own_ancestor(client: int, parents: Parents) -> bool:
    """Return whether the client is its own ancestor."""
    seen: set[int] = set()
    ancestor = parents.get(client)
    while ancestor is not None and ancestor not in seen:
        if ancestor == client:
            return True
        seen.add(ancestor)
        ancestor = parents.get(ancestor)
    return False
