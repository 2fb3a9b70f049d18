"""Whether a route is about an item, and whether the item's trouble is only the consequence of another's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from monitor.model import Status, SubjectKind
from monitor.notices import Item, Route


def concerns(route: Route, item: Item) -> bool:
    """Whether a route is about an item, however it is doing."""
    return (
        item.kind in route.kinds
        and item.category in route.categories
        and _any(route.sites, item.site)
        and _any(route.workstations, item.workstation)
        and all(fnmatchcase(item.labels.get(name, ""), pattern) for name, pattern in route.labels.items())
    )


def wanted(route: Route, item: Item) -> bool:
    """Whether a route is to tell that an item is as it is."""
    return (
        item.status is not Status.UP
        and item.status in route.statuses
        and item.severity >= route.severity
        and concerns(route, item)
    )


def covered(route: Route, item: Item, workstation: Item | None) -> bool:
    """Whether an item's trouble belongs to that of its workstation, which says it all.

    A dead workstation covers whatever hangs on it, and one with any trouble covers what can't be asked. A check that
    fails is what its workstation's trouble is about, unless the route does not tell of workstations.
    """
    if item.kind is SubjectKind.WORKSTATION:
        return False
    if item.witness:
        return True
    if workstation is None or workstation.status is Status.UP:
        return item.status is Status.UNKNOWN and item.kind is SubjectKind.EMULATOR
    if workstation.status is Status.DOWN or item.status is Status.UNKNOWN:
        return True
    return item.kind is SubjectKind.CHECK and wanted(route, workstation)


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
