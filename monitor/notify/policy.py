"""Decides what is due to be told, from what is believed and the time; nothing here sends, waits or knows a clock.

It is told levels (`see`), not edges, so what is missed is noticed later, and after a restart (`restore`) it goes on
where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from monitor.notices import Item, Notice, Route, Seen, Telling
from monitor.notify.desk import Desk
from monitor.notify.matching import silenced

Muted = Callable[[Item], bool]
"""Whether a silence or a maintenance window covers it."""


def nobody_muted(item: Item) -> bool:
    """Mute nothing."""
    return False


class Policy:
    """All routes."""

    def __init__(self, routes: Iterable[Route] = (), *, window: float = 60.0, muted: Muted = nobody_muted) -> None:
        """Take the routes.

        Args:
            routes: Their names are unique.
            window: Seconds within which half of a site must fail to be one incident.
            muted: Asked whenever something is seen.

        """
        self._muted = muted
        self._desks: dict[str, Desk] = {}
        self.replace(routes, window=window)

    def replace(self, routes: Iterable[Route], *, window: float) -> None:
        """Take other routes; one of the same name goes on with what it has told."""
        old, self._desks = self._desks, {}
        for route in routes:
            desk = self._desks[route.name] = old.get(route.name) or Desk(route, window)
            desk.adopt(route, window)

    def retain(self, workstations: Collection[str], now: float) -> None:
        """Forget all workstations but these; what was told of the others is told to be over."""
        for desk in self._desks.values():
            desk.retain(workstations, now)

    def expect(self, workstation: str, site: str) -> None:
        """Take note that a workstation belongs to a site, though nothing may be known of it yet."""
        for desk in self._desks.values():
            desk.expect(workstation, site)

    def see(self, workstation: str, seen: Seen, now: float) -> None:
        """Take note of how a workstation is."""
        silent = silenced(seen.items, self._muted)
        for desk in self._desks.values():
            desk.see(workstation, seen, now, silent)

    def restore(self, told: Iterable[Notice]) -> None:
        """Go on from what was told before a restart: the latest notice of each route and group, or all in order."""
        for notice in told:
            desk = self._desks.get(notice.route)
            if desk is not None and notice.telling is not Telling.DIGEST:
                desk.restore(notice)

    def watched(self) -> set[str]:
        """Workstations of which something may become due though nothing changes."""
        return {name for desk in self._desks.values() for name in desk.watched()}

    def due(self, now: float) -> list[Notice]:
        """Return what is to be told now; it counts as told."""
        return [notice for desk in self._desks.values() for notice in desk.due(now)]
