"""One route: a group per workstation, an incident per site, its limits, and what of it is due. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from monitor.notices import DIGEST_GROUP, Notice, Route, Seen, Telling
from monitor.notify.group import Group
from monitor.notify.limits import Rate, is_quiet
from monitor.notify.site import Site, site_group


class Desk:
    """One route and what it has told."""

    def __init__(self, route: Route, window: float) -> None:
        self.route = route
        self._window = window
        self._groups: dict[str, Group] = {}
        self._sites: dict[str, Site] = {}
        self._rate = Rate()

    def adopt(self, route: Route, window: float) -> None:
        """Go on by other rules; what was told stays told."""
        self.route, self._window = route, window
        for group in self._groups.values():
            group.route = route
        for site in self._sites.values():
            site.route, site.window = route, window

    def expect(self, workstation: str, site: str) -> None:
        """Take note that a workstation belongs to a site."""
        for name, other in self._sites.items():
            if name != site and workstation in other.members:
                other.release(workstation, self._groups.get(workstation))
        if site:
            self._site(site).members.add(workstation)

    def see(self, workstation: str, seen: Seen, now: float, silent: Collection[str]) -> None:
        """Take note of how a workstation is; `silent`: the ids of what nobody is to be told of."""
        self._group(workstation).see(seen, now, silent)
        self.expect(workstation, seen.items[0].site if seen.items else "")

    def retain(self, workstations: Collection[str], now: float) -> None:
        """Forget all but these."""
        for name, group in self._groups.items():
            if name not in workstations:
                group.gone(now)
        for site in self._sites.values():
            for name in site.members - set(workstations):
                site.release(name, self._groups.get(name))

    def restore(self, notice: Notice) -> None:
        """Take up one notice told before a restart."""
        if notice.group.startswith(site_group("")):
            members = {item.workstation: self._group(item.workstation) for item in notice.problems}
            self._site(notice.site).restore(notice, members)
        else:
            self._group(notice.group).restore(notice)

    def watched(self) -> Iterable[str]:
        """Workstations of which something is told, or may be."""
        return [name for name, group in self._groups.items() if group.active]

    def due(self, now: float) -> Sequence[Notice]:
        """Return what is to be told now: nothing in quiet hours or when the rate is used up, it stays due."""
        self._groups = {name: group for name, group in self._groups.items() if group.active or not group.over}
        self._sites = {name: site for name, site in self._sites.items() if not site.over}
        room = self._rate.room(self.route.rate, now)
        if room == 0 or is_quiet(self.route.quiet, now):
            return ()
        found = [*self._of_sites(now), *self._of_groups(now)]
        if room is not None and len(found) > room:
            found = [*found[: room - 1], digest(self.route.name, found[room - 1 :], now)]
        self._rate.used(len(found), now)
        return found

    def _of_sites(self, now: float) -> Iterable[Notice]:
        for site in self._sites.values():
            notice = site.due({name: self._groups[name] for name in site.members if name in self._groups}, now)
            if notice is not None:
                yield notice

    def _of_groups(self, now: float) -> Iterable[Notice]:
        for group in self._groups.values():
            if group.active and not group.absorbed:
                notice = group.due(now)
                if notice is not None:
                    yield notice

    def _group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(self.route, name))

    def _site(self, name: str) -> Site:
        return self._sites.setdefault(name, Site(self.route, name, self._window))


def digest(route: str, notices: Sequence[Notice], now: float) -> Notice:
    """Put several notices into one."""
    if len(notices) == 1:
        return notices[0]
    problems = tuple(item for notice in notices for item in notice.problems)
    return Notice(
        telling=Telling.DIGEST,
        route=route,
        group=DIGEST_GROUP,
        at=now,
        opened=min(notice.opened for notice in notices),
        problems=tuple(sorted(problems, key=lambda item: -item.severity)),
        causes=tuple(item for notice in notices for item in notice.causes),
        recovered=tuple(item for notice in notices for item in notice.recovered),
        affected=sum(notice.affected for notice in notices),
        emulators=sum(notice.emulators for notice in notices),
        parts=tuple(notices),
    )
