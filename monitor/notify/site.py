"""One site, one incident: half of a site's workstations going down within one interval is one message. Pure.

While it lasts, the site tells for them. It ends when all of them are well, or when most have been for a minute; those
that are not go on as problems of their own. It also ends when none of them is at the site any more. Who is muted counts
neither way, and is left to itself when the site tells the next thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from monitor.model import Status
from monitor.notices import Item, Notice, Route, Telling
from monitor.notify.group import SETTLE, Group

FEWEST: Final = 2
"""Workstations that must be down for it to be the site."""


def site_group(name: str) -> str:
    """Return the group of a site's notices."""
    return f"site:{name}"


class Site:
    """One route's view of one site."""

    def __init__(self, route: Route, name: str, window: float) -> None:
        self.route = route
        self.window = window
        self.members: set[str] = set()
        self._name = name
        self._down: dict[str, Item] = {}
        self._left: dict[str, Item] = {}
        """Those that were in it and are at the site no more, until that is told."""
        self._opened = 0.0
        self._last = 0.0
        self._better: float | None = None

    @property
    def over(self) -> bool:
        """Whether nobody is at the site any more, and nothing is left to tell."""
        return not self.members and not self._down and not self._left

    def release(self, workstation: str, group: Group | None) -> None:
        """Let a workstation tell for itself: it is at this site no more."""
        self.members.discard(workstation)
        item = self._down.pop(workstation, None)
        if item is not None:
            self._left[workstation] = item
            if group is not None:
                group.absorbed = False

    def restore(self, notice: Notice, groups: Mapping[str, Group]) -> None:
        """Take up what was told before a restart."""
        if notice.at < self._last:
            return
        self._last = notice.at
        if not notice.telling.standing:
            self._down = {}
            return
        for item in notice.recovered:
            self._down.pop(item.workstation, None)
        self._opened = notice.opened
        for item in notice.problems:
            self.members.add(item.workstation)
            self._take(groups[item.workstation], item)

    def due(self, groups: Mapping[str, Group], now: float) -> Notice | None:
        """Return what is to be told now; it counts as told."""
        down = {name: item for name, group in groups.items() if (item := _is_down(group)) is not None}
        if self._down or self._left:
            return self._goes_on(groups, down, now)
        fresh = {name: item for name, item in down.items() if not groups[name].told_of(item)}
        begun = {name: _begun(groups[name], item) for name, item in fresh.items()}
        first = min(begun.values(), default=now)
        together = [name for name, at in begun.items() if at - first <= self.window]
        enough = len(together) >= FEWEST and 2 * len(together) >= self._count(groups)
        if not enough or now - first < self.route.after + self.route.wait:
            return None
        self._opened, self._better = min(item.since for item in fresh.values()), None
        for name, item in fresh.items():
            self._take(groups[name], item)
        return self._notice(Telling.PROBLEM, groups, now)

    def _goes_on(self, groups: Mapping[str, Group], down: Mapping[str, Item], now: float) -> Notice | None:
        for name, item in down.items():
            if name not in self._down and not groups[name].told_of(item):
                self._take(groups[name], item)
        heard = [name for name in self._down if not groups[name].muted]
        if not heard and not self._left:
            return None
        bad = [name for name in heard if not groups[name].well(now, self.route.resolve_after)]
        if 2 * len(bad) >= max(1, len(heard)):
            self._better = None
        elif self._better is None:
            self._better = now
        if not bad or (self._better is not None and now - self._better >= max(SETTLE, self.route.resolve_after)):
            return self._end(groups, bad, now)
        if self._left:
            return self._notice(Telling.UPDATE, groups, now)
        if self.route.remind is not None and now - self._last >= self.route.remind:
            return self._notice(Telling.REMINDER, groups, now)
        return None

    def _end(self, groups: Mapping[str, Group], bad: list[str], now: float) -> Notice:
        muted = self._hand_over(groups, [name for name in self._down if groups[name].muted], now)
        lasting = self._hand_over(groups, bad, now)
        well = tuple(groups[name].workstation or item for name, item in self._down.items())
        for name in self._down:
            groups[name].absorbed = False
        left, self._left = tuple(self._left.values()), {}
        count = self._count(groups) or len(left)  # it is told as it was when nobody is left
        self._down, self._better, self._last = {}, None, now
        return Notice(
            telling=Telling.RESOLVED,
            route=self.route.name,
            group=site_group(self._name),
            at=now,
            opened=self._opened,
            site=self._name,
            recovered=(*well, *left),
            problems=tuple(item for part in lasting for item in part.problems),
            workstations=count,
            parts=(*lasting, *muted),
        )

    def _hand_over(self, groups: Mapping[str, Group], names: Iterable[str], now: float) -> tuple[Notice, ...]:
        """Let some tell for themselves; that they are down counts as told."""
        parts = []
        for name in names:
            item, group = self._down.pop(name), groups[name]
            group.absorbed = False
            group.tell((item,), item.since, now)
            parts.append(group.standing(now))
        return tuple(parts)

    def _count(self, groups: Mapping[str, Group]) -> int:
        """How many workstations the site has, but for those nobody is to be told of."""
        return sum(name not in groups or not groups[name].muted for name in self.members)

    def _take(self, group: Group, item: Item) -> None:
        group.absorbed = True
        self._down[item.workstation] = item

    def _notice(self, telling: Telling, groups: Mapping[str, Group], now: float) -> Notice:
        self._last = now
        left, self._left = tuple(self._left.values()), {}
        muted = self._hand_over(groups, [name for name in self._down if groups[name].muted], now)
        here = [group for name, group in groups.items() if name in self._down]
        return Notice(
            telling=telling,
            route=self.route.name,
            group=site_group(self._name),
            at=now,
            opened=self._opened,
            site=self._name,
            problems=tuple(self._down[name] for name in sorted(self._down)),
            recovered=left,
            affected=sum(group.affected for group in here),
            emulators=sum(group.emulators for group in here),
            workstations=self._count(groups),
            parts=muted,
        )


def _is_down(group: Group) -> Item | None:
    item = group.workstation
    return item if item is not None and item.status is Status.DOWN and group.bad_since(item) is not None else None


def _begun(group: Group, item: Item) -> float:
    """Since when a workstation has been down as far as this route may tell: it may have been muted before."""
    return max(item.since, group.bad_since(item) or 0.0)
