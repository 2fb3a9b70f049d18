"""Whether a route is about an item, and whether the item's trouble is only the consequence of another's. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.model import Status, SubjectKind
from monitor.notices import Item, Route, all_fit, fits


def concerns(route: Route, item: Item) -> bool:
    """Whether a route is about an item, however it is doing."""
    return (
        item.kind in route.kinds
        and item.category in route.categories
        and fits(route.sites, item.site)
        and fits(route.workstations, item.workstation)
        and all_fit(route.labels, item.labels)
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


def is_cause(route: Route, item: Item, workstation: Item | None) -> bool:
    """Whether an item is a check that fails, and what the trouble of its workstation, which a route tells of, is about.

    Of a dead workstation no check is: there is one fault, whatever hangs on it.
    """
    return (
        item.kind is SubjectKind.CHECK
        and not item.witness
        and item.status in {Status.DOWN, Status.DEGRADED}
        and workstation is not None
        and workstation.status is Status.DEGRADED
        and wanted(route, workstation)
    )


def silenced(items: Sequence[Item], muted: Callable[[Item], bool]) -> frozenset[str]:
    """Return the ids of those of a workstation's items that nobody is to be told of.

    A silence may cover single checks; then it also covers the workstation as long as that has no other trouble.
    """
    found = {item.id for item in items if muted(item)}
    troubled = [i for i in items if i.kind is SubjectKind.CHECK and not i.witness and i.status is not Status.UP]
    if troubled and all(item.id in found for item in troubled):
        tops = [item for item in items if item.kind is SubjectKind.WORKSTATION and item.status is not Status.UP]
        found.update(item.id for item in tops)
    return frozenset(found)
